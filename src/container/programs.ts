import { type ChildProcess, spawn } from "node:child_process";
import {
  chownSync,
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { environment, isSupervised, signedOn, supervisorOf } from "./commands.ts";
import { startedAt } from "./processes.ts";
import { type AskedProgram, RUNNER, type Tell } from "./protocol.ts";
import { changedAt } from "./prune.ts";
import { claim, folderOf, HOME, pause, publish, Refusal, signOn, textOf } from "./state.ts";
import { killTree } from "./tree.ts";
import { findUser, type User } from "./users.ts";

// Long-running programs. The input is a folder of numbered lines, the output a file, so that callers may
// disconnect and reconnect.

/** The user that programs run as, if it exists. */
const USER = "agent";
/** The program that reaps, beside the runner. */
const INIT = "rigger-init";
const POLL_MS = 25;
const PIECE_BYTES = 256 * 1024;
/** How much earlier than an input line a process may seem to have started that was started because of it, in ms. */
const SLACK_MS = 1_000;

/**
 * Runs a program to its end, and ends the processes that it leaves behind. If a program with the id was already started,
 * returns once it runs or has ended.
 */
export async function begin(program: AskedProgram, workspace: string, tell: Tell): Promise<void> {
  const folder = folderOf("programs", program.id);
  const output = join(folder, "output");
  if (!claim(folder)) {
    while (!existsSync(output) && (await signedOn(folder)) && !endOf(folder)) await pause(POLL_MS);
    return tell({ begun: true });
  }
  const killed = new AbortController();
  process.on("SIGTERM", () => killed.abort());
  signOn(folder);
  mkdirSync(join(folder, "input"));
  mkdirSync(workspace, { recursive: true });
  await endLeftovers();
  const user = findUser(USER);
  const home = program.env?.HOME ?? user?.home ?? workspace;
  if (user) {
    // Files may come from a restore, or from commands, which run as another user.
    await giveTo(user, workspace);
    // Not every image has made it, and files may have been written there before the program.
    mkdirSync(home, { recursive: true });
    chownSync(home, user.uid, user.gid);
  }
  const child = start(program, workspace, folder, { output, home, user });
  const stop = () => killTree(folder);
  killed.signal.addEventListener("abort", stop);
  if (killed.signal.aborted) void stop();
  const exit = new Promise<number>((done) => {
    child.once("exit", (code) => done(code ?? 137));
    child.once("error", () => done(127));
  });
  tell({ begun: true });
  const feeding = new AbortController();
  const fed = feed(child, join(folder, "input"), feeding.signal);
  const code = await exit;
  feeding.abort();
  await killTree(folder);
  publish(join(folder, "result"), JSON.stringify({ exitCode: code }));
  await fed;
}

/** Adds the `n`-th line to a program's input. A repeat has no effect. */
export function tellProgram(id: string, n: number, line: string): void {
  const folder = folderOf("programs", id);
  if (!existsSync(folder)) throw new Refusal(`there is no program ${id}`);
  const path = join(folder, "input", String(n));
  // A line that was passed to the program is removed, and a marker file is left.
  if (!existsSync(path) && !existsSync(`${path}.given`)) publish(path, line);
}

/**
 * Ends the processes that a program has started since its `n`-th line of input. Those in the program's own session of
 * processes are the program itself: Claude Code starts each command in a session of its own.
 */
export async function endSince(id: string, n: number): Promise<void> {
  const folder = folderOf("programs", id);
  const [supervisor, session] = [supervisorOf(folder), textOf(join(folder, "session"))];
  const givenAt = changedAt(join(folder, "input", `${n}.given`));
  if (supervisor === undefined || session === undefined || givenAt === undefined) return;
  await killTree(
    folder,
    supervisor,
    (process) => process.session !== Number(session) && startedAt(process) > givenAt - SLACK_MS,
  );
}

/**
 * Sends every line of a program's output that ends beyond `after` bytes, until the program has ended. Returns
 * its exit code.
 */
export async function listen(id: string, after: number, tell: Tell): Promise<{ exitCode: number }> {
  const folder = folderOf("programs", id);
  if (!existsSync(folder)) throw new Refusal(`there is no program ${id}`);
  if (!(await signedOn(folder))) return { exitCode: 137 };
  let at = after;
  let rest = Buffer.alloc(0);
  for (;;) {
    const ended = endOf(folder);
    for (;;) {
      const piece = pieceOf(join(folder, "output"), at + rest.length);
      if (piece.length === 0) break;
      rest = Buffer.concat([rest, piece]);
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        at += end + 1;
        tell({ line: rest.toString("utf8", 0, end), end: at });
        rest = rest.subarray(end + 1);
      }
    }
    if (ended) return ended;
    await pause(POLL_MS);
  }
}

/** Ends the processes of earlier programs whose supervisor was killed before it could do so. */
async function endLeftovers(): Promise<void> {
  const programs = join(HOME, "programs");
  for (const folder of readdirSync(programs).map((name) => join(programs, name))) {
    if (endOf(folder) && !existsSync(join(folder, "result"))) await killTree(folder);
  }
}

/**
 * Changes the owner of a directory and everything below it. Skips files that disappear meanwhile or cannot be
 * changed.
 */
async function giveTo({ uid, gid }: User, directory: string): Promise<void> {
  const child = spawn("chown", ["-R", `${uid}:${gid}`, directory], { stdio: "ignore" });
  await new Promise((done) => child.once("exit", done).once("error", done));
}

function start(
  { command, env }: AskedProgram,
  workspace: string,
  folder: string,
  to: { output: string; home: string; user: User | undefined },
): ChildProcess {
  const { home, user } = to;
  const output = openSync(to.output, "a");
  const errors = openSync(join(folder, "errors"), "a");
  // What it orphans has to be reaped while it runs, which may be for days. Node reaps only what it started itself.
  const child = spawn(beside(RUNNER), [beside(INIT), "bash", "-c", command], {
    cwd: workspace,
    env: { ...environment(folder, undefined), USER, ...env, HOME: home },
    detached: true,
    stdio: ["pipe", output, errors],
    ...(user && { uid: user.uid, gid: user.gid }),
  });
  closeSync(output);
  closeSync(errors);
  // It leads a session of processes, which is named after it.
  if (child.pid !== undefined) publish(join(folder, "session"), String(child.pid));
  // The program may end before it has read all input.
  child.stdin?.on("error", () => {});
  return child;
}

/** Returns the path of a program that is installed beside this one. */
const beside = (name: string): string => join(dirname(process.argv[1] ?? ""), name);

/** Passes the input lines to a program in order, as they arrive. */
async function feed(child: ChildProcess, input: string, signal: AbortSignal): Promise<void> {
  for (let n = 1; !signal.aborted; ) {
    const path = join(input, String(n));
    const line = textOf(path);
    if (line === undefined) {
      await pause(POLL_MS);
      continue;
    }
    child.stdin?.write(`${line}\n`);
    writeFileSync(`${path}.given`, "");
    rmSync(path);
    n += 1;
  }
}

/** Returns the exit code of a program; undefined while it runs. A program without a supervisor was killed with it. */
function endOf(folder: string): { exitCode: number } | undefined {
  const supervised = isSupervised(folder);
  const result = textOf(join(folder, "result"));
  if (result !== undefined) return JSON.parse(result);
  return supervised ? undefined : { exitCode: 137 };
}

function pieceOf(path: string, at: number): Buffer {
  if (!existsSync(path)) return Buffer.alloc(0);
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(Math.min(PIECE_BYTES, Math.max(0, fstatSync(file).size - at)));
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, at));
  } finally {
    closeSync(file);
  }
}
