import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import type {
  Command,
  CreateSessionRequest,
  DaemonErrorCode,
  ErrorResponse,
  ExecuteRequest,
  ExecuteResponse,
  FileInfo,
  FilesDownloadRequest,
  Session,
  SessionCommandLogsResponse,
  SessionExecuteRequest,
  SessionExecuteResponse,
  UploadedFile,
} from "@daytona/toolbox-api-client";
import type { LocalMachine, Spawned } from "./local-machine.ts";

/** The interval at which the daemon looks for output. */
const LOOK_MS = 20;
/** A followed log ends when a command has ended and written nothing for this long. */
const QUIET_MS = 1_000;
/** The most bytes of a message of a followed log. */
const MESSAGE_BYTES = 1024;
/** What precedes each line of a log. */
const PREFIXES = { stdout: [1, 1, 1], stderr: [2, 2, 2] } as const;

/** A shell that runs one command after the other. */
interface OpenSession {
  shell: Spawned;
  commands: Map<string, SessionCommand>;
}

/** The toolbox of a sandbox: the daemon that runs commands and moves files. */
export class DaytonaToolbox {
  readonly #machine: LocalMachine;
  readonly #env: Record<string, string>;
  readonly #sessions = new Map<string, OpenSession>();
  /** How often the followed logs were cut. */
  #cuts = 0;

  constructor(machine: LocalMachine, env: Record<string, string>) {
    this.#machine = machine;
    this.#env = env;
  }

  /** Ends all processes, and the daemon with its sessions. */
  stop(): void {
    this.#sessions.clear();
    this.#machine.stop();
  }

  /** Ends the followed logs, as a broken connection does. */
  cutLogs(): void {
    this.#cuts += 1;
  }

  async answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const [kind, what, ...rest] = url.pathname.split("/").slice(3).map(decodeURIComponent);
    const path = this.#machine.local(url.searchParams.get("path") ?? "");
    switch (`${request.method} ${kind}/${what ?? ""}`) {
      case "POST process/execute":
        return this.#execute(request);
      case "POST process/session":
        return rest[1] === "exec" || rest[0]
          ? this.#run(request, rest[0] ?? "")
          : this.#open(request);
      case "GET process/session":
        return this.#look(request, rest);
      case "DELETE process/session":
        return this.#close(request, rest[0] ?? "");
      case "POST files/upload-v2":
        return upload(request, path, url.searchParams.get("path") ?? "");
      case "POST files/bulk-upload":
        return this.#uploadAll(request);
      case "POST files/bulk-download":
        return this.#downloadAll(request);
      case "GET files/download":
        return existsSync(path)
          ? new Response(readFileSync(path))
          : daemonProblem(request, 404, `file not found: ${path}`, "FILE_NOT_FOUND");
      case "GET files/info":
        return existsSync(path)
          ? Response.json(infoOf(path))
          : daemonProblem(request, 404, `file not found: ${path}`, "FILE_NOT_FOUND");
      case "DELETE files/":
        rmSync(path, { recursive: url.searchParams.get("recursive") === "true" });
        return new Response(null, { status: 204 });
      case "GET work-dir/":
        return Response.json({ dir: "/workspace" });
      default:
        return daemonProblem(request, 404, "404 page not found", "NOT_FOUND");
    }
  }

  /** Runs a command to its end. Its variables are not part of a command line. */
  async #execute(request: Request): Promise<Response> {
    const asked: ExecuteRequest = await request.json();
    if (asked.command.trim() === "") {
      const message = "command cannot be empty or whitespace-only";
      return daemonProblem(request, 400, message, "BAD_REQUEST");
    }
    const ran = this.#machine.spawn("/bin/bash", [], {
      env: { ...this.#env, ...asked.envs },
      stdin: true,
      ...(asked.cwd && { cwd: asked.cwd }),
    });
    ran.stdin?.end(this.#machine.toLocal(asked.command));
    let isLate = false;
    const timer = setTimeout(
      () => {
        isLate = true;
        ran.kill("SIGKILL");
      },
      (asked.timeout || 1e6) * 1_000,
    );
    timer.unref();
    const output: Buffer[] = [];
    for (const stream of [ran.stdout, ran.stderr]) stream.on("data", (piece) => output.push(piece));
    const { code } = await ran.exit;
    clearTimeout(timer);
    if (isLate) {
      const message = "command execution timeout";
      return daemonProblem(request, 408, message, "PROCESS_EXECUTION_TIMEOUT");
    }
    const answer: ExecuteResponse = { exitCode: code ?? -1, result: String(Buffer.concat(output)) };
    return Response.json(answer);
  }

  async #open(request: Request): Promise<Response> {
    const { sessionId }: CreateSessionRequest = await request.json();
    if (this.#sessions.has(sessionId))
      return daemonProblem(request, 409, "session already exists", "CONFLICT");
    const shell = this.#machine.spawn("/bin/bash", [], { env: this.#env, stdin: true });
    shell.stdout.resume();
    shell.stderr.resume();
    this.#sessions.set(sessionId, { shell, commands: new Map() });
    return new Response(null, { status: 201 });
  }

  /** Runs a command in the shell of a session: from a file, so that it is not part of a command line. */
  async #run(request: Request, sessionId: string): Promise<Response> {
    const session = this.#sessions.get(sessionId);
    if (!session) return notFound(request, "session");
    const asked: SessionExecuteRequest = await request.json();
    if (asked.command.trim() === "")
      return daemonProblem(request, 400, "command cannot be empty", "BAD_REQUEST");
    const command = new SessionCommand(this.#machine, asked.command);
    session.commands.set(command.id, command);
    session.shell.stdin?.write(command.script);
    const cmdId = command.id;
    if (asked.runAsync || asked.async)
      return Response.json({ cmdId } satisfies SessionExecuteResponse, { status: 202 });
    while (command.exitCode === undefined) await pause(LOOK_MS);
    const logs = command.logs();
    const { exitCode } = command;
    return Response.json({ cmdId, exitCode, ...logs } satisfies SessionExecuteResponse);
  }

  #look(request: Request, [sessionId, isCommand, cmdId, isLogs]: string[]): Response {
    if (sessionId === undefined)
      return Response.json([...this.#sessions].map(([id, session]) => sessionDto(id, session)));
    const session = this.#sessions.get(sessionId);
    if (!session) return notFound(request, "session");
    if (!isCommand) return Response.json(sessionDto(sessionId, session));
    const command = session.commands.get(cmdId ?? "");
    if (!command) return notFound(request, "command");
    return Response.json(isLogs ? command.logs() : command.dto());
  }

  async #close(request: Request, sessionId: string): Promise<Response> {
    const session = this.#sessions.get(sessionId);
    if (!session) return notFound(request, "session");
    killTree(session.shell.pid, "SIGTERM");
    session.shell.kill("SIGTERM");
    await Promise.race([session.shell.exit, pause(1_000)]);
    session.shell.kill("SIGKILL");
    for (const command of session.commands.values()) command.remove();
    this.#sessions.delete(sessionId);
    return new Response(null, { status: 204 });
  }

  /** Returns the messages of a command's log, from its beginning, as they appear. */
  follow(request: Request): AsyncIterable<Uint8Array> | Response {
    const names = new URL(request.url).pathname.split("/").slice(5);
    const [sessionId = "", , commandId = ""] = names;
    const session = this.#sessions.get(sessionId);
    if (!session) return notFound(request, "session");
    const command = session.commands.get(commandId);
    if (!command) return notFound(request, "command");
    const isSplit =
      request.headers.has("X-Daytona-SDK-Version") ||
      request.headers.get("X-Daytona-Split-Output") === "true";
    const cuts = this.#cuts;
    const isOpen = () => this.#cuts === cuts && this.#sessions.get(sessionId) === session;
    return command.follow(isSplit, isOpen);
  }

  async #uploadAll(request: Request): Promise<Response> {
    const form = await request.formData();
    for (const [name, path] of form) {
      if (!name.endsWith(".path")) continue;
      const file = form.get(name.replace(/path$/, "file"));
      if (!(file instanceof Blob)) return Response.json({ errors: [name] }, { status: 400 });
      write(this.#machine.local(String(path)), await file.bytes());
    }
    return Response.json({ files: [] });
  }

  async #downloadAll(request: Request): Promise<Response> {
    const { paths }: FilesDownloadRequest = await request.json();
    const boundary = "DAYTONA-FILE-BOUNDARY";
    const pieces = paths.flatMap((path) => {
      const local = this.#machine.local(path);
      const isFound = existsSync(local);
      const content = isFound
        ? readFileSync(local)
        : JSON.stringify(errorOf(request, 404, `file not found: ${path}`, "FILE_NOT_FOUND"));
      const head = [
        `--${boundary}`,
        `Content-Type: ${isFound ? "application/octet-stream" : "application/json"}`,
        `Content-Disposition: form-data; name="${isFound ? "file" : "error"}"; filename="${path}"`,
      ];
      return [`${head.join("\r\n")}\r\n\r\n`, content, "\r\n"];
    });
    const body = Buffer.concat(
      [...pieces, `--${boundary}--\r\n`].map((piece) => Buffer.from(piece)),
    );
    const type = `multipart/form-data; boundary=${boundary}`;
    return new Response(body, { headers: { "Content-Type": type } });
  }
}

/** A command of a session. Its output is in two files, from which its log is made. */
class SessionCommand {
  readonly id = crypto.randomUUID();
  readonly script: string;
  readonly #machine: LocalMachine;
  readonly #command: string;
  readonly #folder: string;
  readonly #read = { stdout: 0, stderr: 0 };
  readonly #rest = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  #log: Uint8Array[] = [];

  constructor(machine: LocalMachine, command: string) {
    this.#machine = machine;
    this.#command = command;
    this.#folder = join(machine.root, "daytona", this.id);
    mkdirSync(this.#folder, { recursive: true });
    const place = (name: string) => join(this.#folder, name);
    writeFileSync(place("cmd.sh"), machine.toLocal(command));
    for (const name of ["stdout", "stderr"]) writeFileSync(place(name), "");
    // What the runner finds in its file is translated, too.
    const ask = /RIGGER_ASK='([^']*)'/.exec(command)?.[1];
    if (ask) machine.variablesToLocal({ RIGGER_ASK: ask });
    const paths = `< /dev/null > '${place("stdout")}' 2> '${place("stderr")}'`;
    this.script = `{ . '${place("cmd.sh")}'; } ${paths}; echo $? > '${place("exit")}'\n`;
  }

  get exitCode(): number | undefined {
    const path = join(this.#folder, "exit");
    const text = existsSync(path) ? readFileSync(path, "utf8").trim() : "";
    return text === "" ? undefined : Number(text);
  }

  dto(): Command {
    const { id, exitCode } = this;
    return { id, command: this.#command, ...(exitCode !== undefined && { exitCode }) };
  }

  logs(): SessionCommandLogsResponse {
    this.#look();
    const textOf = (marks: readonly number[]) =>
      String(
        Buffer.concat(
          this.#log.filter((line) => line[0] === marks[0]).map((line) => line.slice(3)),
        ),
      );
    const [stdout, stderr] = [textOf(PREFIXES.stdout), textOf(PREFIXES.stderr)];
    return { output: String(Buffer.concat(this.#log)), stdout, stderr };
  }

  async *follow(isSplit: boolean, isOpen: () => boolean): AsyncGenerator<Uint8Array> {
    let [told, quietSince] = [0, Date.now()];
    while (isOpen()) {
      const hasEnded = this.exitCode !== undefined;
      this.#look();
      const lines = this.#log.slice(told);
      told += lines.length;
      const bytes = Buffer.concat(lines.map((line) => (isSplit ? line : line.slice(3))));
      for (let at = 0; at < bytes.length; at += MESSAGE_BYTES) {
        yield bytes.subarray(at, at + MESSAGE_BYTES);
      }
      if (bytes.length > 0) quietSince = Date.now();
      if (hasEnded && Date.now() - quietSince >= QUIET_MS) return;
      await pause(LOOK_MS);
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Adds the lines that were written to the log. */
  #look(): void {
    const hasEnded = this.exitCode !== undefined;
    for (const stream of ["stdout", "stderr"] as const) {
      const path = join(this.#folder, stream);
      const size = existsSync(path) ? statSync(path).size : 0;
      const fresh = Buffer.alloc(size - this.#read[stream]);
      if (fresh.length > 0) {
        const file = openSync(path, "r");
        readSync(file, fresh, 0, fresh.length, this.#read[stream]);
        closeSync(file);
      }
      this.#read[stream] = size;
      const text = Buffer.concat([this.#rest[stream], fresh]).toString("latin1");
      const lines = text.split("\n");
      const last = lines.pop() ?? "";
      if (hasEnded && last !== "") lines.push(last);
      this.#rest[stream] = Buffer.from(hasEnded ? "" : last, "latin1");
      for (const line of lines) {
        const translated = `${line.replaceAll(this.#machine.root, "")}\n`;
        this.#log.push(Buffer.from([...PREFIXES[stream], ...Buffer.from(translated, "latin1")]));
      }
    }
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Sends a signal to all that a process has started, whatever their process groups. */
function killTree(pid: number, signal: NodeJS.Signals): void {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    for (const child of children.split(" ").filter(Boolean)) {
      killTree(Number(child), signal);
      process.kill(Number(child), signal);
    }
  } catch {
    // It has ended.
  }
}

const sessionDto = (sessionId: string, { commands }: OpenSession): Session => ({
  sessionId,
  commands: [...commands.values()].map((command) => command.dto()),
});

function infoOf(path: string): FileInfo {
  const { mode, size, mtime } = statSync(path);
  const isDir = statSync(path).isDirectory();
  const permissions = (mode & 0o777).toString(8);
  const owners = { owner: "root", group: "root" };
  const times = { modTime: String(mtime), modifiedAt: mtime.toISOString() };
  return { ...owners, ...times, isDir, mode: permissions, name: basename(path), permissions, size };
}

/** Writes one file: the body, or the part `file` of a form. */
async function upload(request: Request, local: string, path: string): Promise<Response> {
  const isForm = request.headers.get("Content-Type")?.startsWith("multipart/form-data");
  const file = isForm ? (await request.formData()).get("file") : undefined;
  write(local, file instanceof Blob ? await file.bytes() : await request.bytes());
  const type = "application/octet-stream";
  return Response.json({ name: basename(path), path, type } satisfies UploadedFile);
}

function write(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

const notFound = (request: Request, what: string): Response =>
  daemonProblem(request, 404, `${what} not found`, "NOT_FOUND");

/** Returns an error of the daemon in a sandbox, or of the proxy before it. */
export function daemonProblem(
  request: Request,
  statusCode: number,
  message: string,
  code: DaemonErrorCode = statusCode === 401 ? "UNAUTHORIZED" : "BAD_REQUEST",
): Response {
  return Response.json(errorOf(request, statusCode, message, code), { status: statusCode });
}

function errorOf(
  request: Request,
  statusCode: number,
  message: string,
  code: DaemonErrorCode,
): ErrorResponse {
  const { pathname: path } = new URL(request.url);
  const timestamp = new Date().toISOString();
  const source = code === "UNAUTHORIZED" ? "DAYTONA_PROXY" : "DAYTONA_DAEMON";
  return { statusCode, message, code, source, timestamp, path, method: request.method };
}
