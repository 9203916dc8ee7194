import { type ChildProcess, spawn } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { put } from "./files.ts";
import { HeadTailBuffer } from "./head-tail-buffer.ts";
import { type AskedCommand, joinOutput, type Result, type Tell } from "./protocol.ts";
import { pruneResults } from "./prune.ts";
import {
  claim,
  folderOf,
  livingPid,
  pause,
  publish,
  Refusal,
  roomFor,
  signOn,
  spareRoom,
  textOf,
  whileNotSaving,
} from "./state.ts";
import { killTree, MARK } from "./tree.ts";

// Commands. The first process for an id runs the command. A later process for the same id follows its output,
// or returns its stored result.

/**
 * Time for which output is still read after the shell has ended, because background processes may keep the
 * pipes open.
 */
const DRAIN_MS = 100;
const POLL_MS = 25;
/** Maximum time from claiming an id to writing the supervisor file. */
const SIGN_ON_MS = 5_000;

/** Runs a command, or follows the one with the same id. */
export function run(command: AskedCommand, workspace: string, tell: Tell): Promise<Result> {
  const folder = folderOf("commands", command.id);
  if (!claim(folder)) return follow(folder, command.id, tell);
  spareRoom();
  const killed = new AbortController();
  process.on("SIGTERM", () => killed.abort());
  signOn(folder);
  const tellAll: Tell = (frame) => {
    roomFor(() => appendFileSync(join(folder, "frames"), `${JSON.stringify(frame)}\n`));
    tell(frame);
  };
  tellAll({ begun: true });
  const begin = () => supervise(command, workspace, folder, killed.signal, tellAll);
  // A command that was killed before it began does not wait.
  return whileNotSaving(begin, killed.signal);
}

/** Returns the state of a command: running, finished with its result, or unknown. */
export function find(
  id: string,
): { state: "running" } | { state: "finished"; result: Result } | { state: "unknown" } {
  const folder = folderOf("commands", id);
  const result = resultIn(folder);
  if (result) return { state: "finished", result };
  return isSupervised(folder) ? { state: "running" } : { state: "unknown" };
}

/** Ends a command or a program and all processes that it started, and waits until they have ended. */
export async function kill(id: string): Promise<void> {
  const folder = ["commands" as const, "programs" as const]
    .map((kind) => folderOf(kind, id))
    .find(existsSync);
  if (folder === undefined) return;
  const ended = () => resultIn(folder) !== undefined;
  await signedOn(folder);
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const pid = supervisorOf(folder);
    if (pid === undefined || ended()) break;
    // Without it, the processes that it has adopted can't be told from others.
    if (signal === "SIGKILL") await killTree(folder, pid);
    process.kill(pid, signal);
    const until = Date.now() + 8_000;
    while (!ended() && isSupervised(folder) && Date.now() < until) await pause(POLL_MS);
  }
  // The processes of a command may outlive its supervisor.
  if (!ended()) await killTree(folder);
}

/**
 * Waits until the process that claimed a folder has written its supervisor file. Returns false if that process
 * must have died before.
 */
export async function signedOn(folder: string): Promise<boolean> {
  const giveUp = Date.now() + SIGN_ON_MS;
  while (!existsSync(join(folder, "supervisor"))) {
    if (Date.now() > giveUp) return false;
    await pause(POLL_MS);
  }
  return true;
}

/** Returns the environment of a shell: the inherited variables, its own ones, and the mark of its folder. */
export function environment(folder: string, own: Record<string, string> | undefined) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("RIGGER_"));
  return { HOME: "/root", ...Object.fromEntries(inherited), ...own, [MARK]: folder };
}

async function supervise(
  command: AskedCommand,
  workspace: string,
  folder: string,
  killed: AbortSignal,
  tell: Tell,
): Promise<Result> {
  let ended: Result["ended"] = "exited";
  let shell: ChildProcess | undefined;
  let stopped: Promise<void> | undefined;
  const stop = (why: Result["ended"]) => {
    if (ended === "exited") ended = why;
    if (shell) stopped ??= killTree(folder);
  };
  if (killed.aborted) stop("killed");
  killed.addEventListener("abort", () => stop("killed"));

  const { timeoutMs, maxOutputBytes } = command;
  const kept = {
    stdout: new HeadTailBuffer(maxOutputBytes),
    stderr: new HeadTailBuffer(maxOutputBytes),
  };
  mkdirSync(workspace, { recursive: true });
  const cwd = command.cwd ?? workspace;
  let exitCode = 1;
  if (killed.aborted) {
    // Killed before it began: no shell is started.
  } else if (isFolder(cwd)) {
    shell = startShell(command, folder, cwd);
    const timer = setTimeout(() => stop("timed_out"), Math.min(timeoutMs, 2 ** 31 - 1));
    exitCode = await outcomeOf(shell, (stream) =>
      listener(stream, kept[stream], maxOutputBytes, tell),
    );
    clearTimeout(timer);
    await stopped;
  } else {
    kept.stderr.add(Buffer.from(`bash: ${cwd}: No such file or directory\n`));
  }
  if (ended !== "exited") {
    const why = ended === "timed_out" ? `timed out after ${timeoutMs} ms` : "killed";
    kept.stderr.add(Buffer.from(`bash: ${why}\n`));
  }
  const [stdout, stderr] = [kept.stdout.text(), kept.stderr.text()];
  const stood = textOf(join(folder, "cwd"))?.replace(/\n$/, "");
  const result: Result = {
    exitCode: { exited: exitCode, timed_out: 124, killed: 137 }[ended],
    stdout: stdout.text,
    stderr: stderr.text,
    ended,
    truncated: stdout.truncated || stderr.truncated,
    ...(stood ? { cwd: stood } : {}),
  };
  if (storeOverflow(result, command)) result.overflowed = true;
  publish(join(folder, "result"), JSON.stringify(result));
  for (const name of ["frames", "script", "cwd"]) rmSync(join(folder, name), { force: true });
  pruneResults(Date.now());
  return result;
}

/** Stores output that is longer than the command allows in its file. Returns false if nothing was stored. */
function storeOverflow(result: Result, { overflow }: AskedCommand): boolean {
  if (!overflow) return false;
  const isFailure = result.ended !== "exited" || result.exitCode !== 0;
  const output = joinOutput(result);
  if (output.length <= (isFailure ? overflow.maxFailureChars : overflow.maxChars)) return false;
  try {
    put(overflow.path, output);
    return true;
  } catch {
    // The caller tries it too, and reports why it fails.
    return false;
  }
}

/**
 * Starts a shell in its own process session. It reads the script from a file, because the length of an argument
 * is limited.
 */
function startShell({ command, env }: AskedCommand, folder: string, cwd: string): ChildProcess {
  const script = join(folder, "script");
  roomFor(() => writeFileSync(script, command));
  // The script determines the exit code. A trap, which the script may replace, stores the final working
  // directory.
  const wrapper = `trap 'pwd 2>/dev/null >"${join(folder, "cwd")}"' EXIT; . "${script}"`;
  return spawn("bash", ["-c", wrapper, "bash"], {
    cwd,
    env: environment(folder, env),
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Reads a shell's output until the shell ends. Returns its exit code. */
async function outcomeOf(
  shell: ChildProcess,
  listenerOf: (stream: "stdout" | "stderr") => (bytes: Buffer) => void,
): Promise<number> {
  const closed = new Promise<void>((done) => shell.once("close", () => done()));
  for (const stream of ["stdout", "stderr"] as const) shell[stream]?.on("data", listenerOf(stream));
  const code = await new Promise<number>((done) => {
    shell.once("exit", (code, signal) =>
      done(code ?? 128 + constants.signals[signal ?? "SIGKILL"]),
    );
    shell.once("error", () => done(127));
  });
  const drained = new AbortController();
  // A timer that is left would keep the runner from ending.
  await Promise.race([closed, pause(DRAIN_MS, drained.signal)]);
  drained.abort();
  for (const stream of [shell.stdout, shell.stderr]) if (stream) leave(stream);
  return code;
}

/**
 * Passes a pipe that a background process may still write to on to `cat`: its output is discarded, but neither
 * a full nor a closed pipe may stop it. Reading in this process would keep the runner, and its caller, from
 * ending.
 */
function leave(stream: Readable): void {
  if (stream.closed) return;
  stream.removeAllListeners("data").pause();
  const reader = spawn("cat", [], {
    env: { PATH: process.env.PATH },
    stdio: [stream, "ignore", "ignore"],
    detached: true,
  });
  reader.once("error", () => {});
  reader.unref();
  stream.destroy();
}

/** Returns a listener that stores output, and forwards as many bytes as are stored. */
function listener(stream: "stdout" | "stderr", kept: HeadTailBuffer, maxBytes: number, tell: Tell) {
  const decoder = new StringDecoder("utf8");
  let shown = 0;
  return (bytes: Buffer): void => {
    kept.add(bytes);
    if (shown >= maxBytes) return;
    shown += bytes.length;
    const text = decoder.write(bytes);
    if (text !== "") tell(stream === "stdout" ? { stdout: text } : { stderr: text });
  };
}

async function follow(folder: string, id: string, tell: Tell): Promise<Result> {
  const frames = reader(join(folder, "frames"));
  await signedOn(folder);
  for (;;) {
    const supervised = isSupervised(folder);
    const result = resultIn(folder);
    // Frames are written before the result, so none can follow it.
    for (const line of frames.lines()) tell(JSON.parse(line));
    if (result) return result;
    if (!supervised) {
      throw new Refusal(`command ${id} was interrupted, its effect is unknown`);
    }
    await pause(POLL_MS);
  }
}

/**
 * Returns a reader of the complete lines that were appended to a file since the last read, even if the file was
 * removed meanwhile.
 */
function reader(path: string): { lines(): string[] } {
  let file: number | undefined;
  let offset = 0;
  return {
    lines() {
      if (file === undefined && existsSync(path)) file = openSync(path, "r");
      if (file === undefined) return [];
      const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - offset));
      const read = readSync(file, bytes, 0, bytes.length, offset);
      const end = bytes.subarray(0, read).lastIndexOf(10) + 1;
      offset += end;
      return bytes.toString("utf8", 0, end).split("\n").slice(0, -1);
    },
  };
}

function resultIn(folder: string): Result | undefined {
  const text = textOf(join(folder, "result"));
  return text === undefined ? undefined : JSON.parse(text);
}

/** Returns the process that supervises a command or program; undefined if it has ended. */
export const supervisorOf = (folder: string): number | undefined =>
  livingPid(textOf(join(folder, "supervisor")));

/** Returns whether the supervisor of a command or program is alive. */
export const isSupervised = (folder: string): boolean => supervisorOf(folder) !== undefined;

const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
