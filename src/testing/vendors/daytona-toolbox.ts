import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import type {
  CreateSessionRequest,
  ExecuteRequest,
  ExecuteResponse,
  FileInfo,
  FilesDownloadRequest,
  Session,
  SessionExecuteRequest,
  SessionExecuteResponse,
  UploadedFile,
} from "@daytona/toolbox-api-client";
import { LOOK_MS, pause, SessionCommand } from "./daytona-commands.ts";
import { daemonProblem, errorOf } from "./daytona-problems.ts";
import type { LocalMachine, Spawned } from "./local-machine.ts";

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

  /** Ends all, and removes the files. */
  destroy(): void {
    this.stop();
    this.#machine.destroy();
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
        return rest[0] === undefined ? this.#open(request) : this.#run(request, rest[0]);
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
    const others = descendantsOf(session.shell.pid);
    // The shell's group first, and at once: otherwise the shell could go on with the next command of a script.
    session.shell.kill("SIGTERM");
    for (const pid of others) kill(pid, "SIGTERM");
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

/** Returns the processes that a process has started, whatever their process groups. */
function descendantsOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    const pids = children.split(" ").filter(Boolean).map(Number);
    return pids.flatMap((child) => [child, ...descendantsOf(child)]);
  } catch {
    // It has ended.
    return [];
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
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
