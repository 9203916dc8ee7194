import { createWriteStream, existsSync, mkdirSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { ConnectError, type Send, streaming, unary } from "./connect.ts";
import type { LocalMachine, Spawned } from "./local-machine.ts";

// envd, the server in each sandbox of E2B: its calls for processes and files
// (packages/envd in github.com/e2b-dev/infra).

/** The users of the stand-in's machines. A file's path that is not absolute begins at their home. */
const USERS = ["root", "user", "agent"];
const HOME = "/workspace";
/** How long the end of a process is remembered, for a connection that comes late. */
const RETENTION_MS = 30_000;
const KEEPALIVE_S = 90;
const SIGNALS: Record<string, NodeJS.Signals> = {
  SIGNAL_SIGTERM: "SIGTERM",
  SIGNAL_SIGKILL: "SIGKILL",
};

const startRequest = z.object({
  process: z.object({
    cmd: z.string().default(""),
    args: z.array(z.string()).default([]),
    envs: z.record(z.string(), z.string()).default({}),
    cwd: z.string().default(""),
  }),
  tag: z.string().optional(),
  /** Open if absent. */
  stdin: z.boolean().default(true),
});
const selector = z.union([z.object({ pid: z.int() }), z.object({ tag: z.string() })]);
const selectorRequest = z.object({ process: selector });

/** A process that envd has started. It outlives the request that started it. */
interface Process {
  config: z.infer<typeof startRequest>;
  spawned: Spawned;
  listeners: Set<Send>;
  isRunning: boolean;
  /** The last event, as soon as there is one. */
  ended: Promise<object>;
}

/** The server in one machine. `cut` breaks all connections when it aborts, as a pause does. */
export class Envd {
  readonly #machine: LocalMachine;
  readonly #token: string;
  readonly #variables: Record<string, string>;
  readonly #processes = new Map<number, Process>();
  #cut = new AbortController();

  constructor(machine: LocalMachine, token: string, variables: Record<string, string>) {
    this.#machine = machine;
    this.#token = token;
    this.#variables = variables;
  }

  /** Breaks all connections. */
  disconnect(): void {
    this.#cut.abort();
    this.#cut = new AbortController();
  }

  async handle(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const call = `${request.method} ${pathname}`;
    if (call === "GET /health") return new Response(null, { status: 204 });
    if (request.headers.get("X-Access-Token") !== this.#token) {
      return failure(
        401,
        "unauthorized access, please provide a valid access token or method signing if supported",
      );
    }
    switch (call) {
      case "GET /files":
        return this.#download(request);
      case "POST /files":
        return this.#upload(request);
      case "POST /process.Process/Start":
        return streaming(request, this.#cut.signal, (message, send, gone) =>
          this.#start(request, startRequest.parse(message), send, gone),
        );
      case "POST /process.Process/Connect":
        return streaming(request, this.#cut.signal, (message, send, gone) =>
          this.#connect(request, this.#find(message), send, gone),
        );
      case "POST /process.Process/List":
        return unary(request, () => ({
          processes: [...this.#processes.values()]
            .filter((one) => one.isRunning)
            .map((one) => ({
              pid: one.spawned.pid,
              tag: one.config.tag,
              config: one.config.process,
            })),
        }));
      case "POST /process.Process/SendSignal":
        return unary(request, (message) => this.#signal(message));
      case "POST /process.Process/SendInput":
        return unary(request, (message) => {
          const { input } = z.object({ input: z.object({ stdin: z.base64() }) }).parse(message);
          this.#find(message).spawned.stdin?.write(Buffer.from(input.stdin, "base64"));
        });
      case "POST /process.Process/CloseStdin":
        return unary(request, (message) => {
          this.#find(message).spawned.stdin?.end();
        });
      default:
        return new Response("404 page not found\n", { status: 404 });
    }
  }

  async #start(
    request: Request,
    asked: z.infer<typeof startRequest>,
    send: Send,
    gone: AbortSignal,
  ): Promise<void> {
    const user = userOf(request);
    if (!USERS.includes(user)) {
      throw new ConnectError("unauthenticated", `invalid username: '${user}'`);
    }
    const { cmd, args, envs } = asked.process;
    const cwd = resolve(asked.process.cwd);
    if (!existsSync(this.#machine.local(cwd))) {
      throw new ConnectError("invalid_argument", `cwd '${cwd}' does not exist`);
    }
    // The shell in between says 127 where there is no such program.
    const spawned = this.#machine.spawn("/bin/sh", ["-c", 'exec "$@"', "--", cmd, ...args], {
      env: { USER: user, LOGNAME: user, ...this.#variables, ...envs },
      cwd,
      stdin: asked.stdin,
    });
    const one = hear(asked, spawned);
    this.#processes.set(spawned.pid, one);
    void one.ended.then(() => {
      setTimeout(() => this.#processes.delete(spawned.pid), RETENTION_MS).unref();
    });
    // It ends the process too, unlike the caller's departure.
    const limit = Number(request.headers.get("Connect-Timeout-Ms"));
    const isLate = Promise.withResolvers<"late">();
    const timer = limit > 0 ? setTimeout(() => isLate.resolve("late"), limit) : undefined;
    const connected = this.#connect(request, one, send, gone);
    const first = await Promise.race([connected, isLate.promise]);
    clearTimeout(timer);
    if (first !== "late") return;
    process.kill(spawned.pid, "SIGKILL");
    throw new ConnectError("deadline_exceeded", "context deadline exceeded");
  }

  /** Sends the events of a process until it ends or the caller has gone. */
  async #connect(request: Request, one: Process, send: Send, gone: AbortSignal): Promise<void> {
    const seconds = Number(request.headers.get("Keepalive-Ping-Interval")) || KEEPALIVE_S;
    const ping = () => send({ event: { keepalive: {} } });
    let timer = setInterval(ping, seconds * 1000);
    const listener: Send = (event) => {
      send({ event });
      clearInterval(timer);
      timer = setInterval(ping, seconds * 1000);
    };
    send({ event: { start: { pid: one.spawned.pid } } });
    one.listeners.add(listener);
    const left = new Promise<undefined>((done) => {
      gone.addEventListener("abort", () => done(undefined));
    });
    const end = await Promise.race([one.ended, left]);
    one.listeners.delete(listener);
    clearInterval(timer);
    if (end) send({ event: { end } });
  }

  #find(message: unknown): Process {
    const { process: wanted } = selectorRequest.parse(message);
    const found = [...this.#processes.values()].find((one) =>
      "pid" in wanted ? one.spawned.pid === wanted.pid : one.config.tag === wanted.tag,
    );
    if (found) return found;
    const what = "pid" in wanted ? `pid ${wanted.pid}` : `tag ${wanted.tag}`;
    throw new ConnectError("not_found", `process with ${what} not found`);
  }

  #signal(message: unknown): void {
    const { signal: name } = z.object({ signal: z.string() }).parse(message);
    const { spawned, isRunning } = this.#find(message);
    const signal = SIGNALS[name];
    if (!signal) throw new ConnectError("unimplemented", `invalid signal: ${name}`);
    if (!isRunning) {
      throw new ConnectError("not_found", `process with pid ${spawned.pid} not found`);
    }
    // The process alone: what it has started goes on.
    process.kill(spawned.pid, signal);
  }

  async #download(request: Request): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const path = resolve(searchParams.get("path") ?? "");
    const local = this.#machine.local(path);
    const problem = wrongUser(searchParams);
    if (problem) return problem;
    if (!existsSync(local)) return failure(404, `path '${path}' does not exist`);
    if (statSync(local).isDirectory()) return failure(400, `path '${path}' is a directory`);
    return new Response(await readFile(local), {
      headers: {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": `inline; filename=${JSON.stringify(basename(path))}`,
      },
    });
  }

  /** Writes files in place: one that is cut off is there in part. */
  async #upload(request: Request): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const problem = wrongUser(searchParams);
    if (problem) return problem;
    const type = request.headers.get("Content-Type") ?? "";
    const path = searchParams.get("path");
    const written: { path: string; name: string; type: "file" }[] = [];
    const put = async (to: string, content: ReadableStream | null) => {
      const whole = resolve(to);
      const local = this.#machine.local(whole);
      if (existsSync(local) && statSync(local).isDirectory()) return whole;
      mkdirSync(dirname(local), { recursive: true });
      await pipeline(content ? Readable.fromWeb(content as never) : [], createWriteStream(local));
      written.push({ path: whole, name: basename(whole), type: "file" });
      return undefined;
    };
    if (type.startsWith("application/octet-stream")) {
      if (path === null) {
        return failure(400, "path query parameter is required for raw body upload");
      }
      const directory = await put(path, request.body);
      if (directory) return failure(400, `path is a directory: ${directory}`);
    } else if (type.startsWith("multipart/")) {
      for (const [name, part] of await request.formData()) {
        if (name !== "file" || typeof part === "string") continue;
        const directory = await put(path ?? part.name, part.stream());
        if (directory) return failure(400, `path is a directory: ${directory}`);
      }
    } else {
      return failure(
        400,
        `unsupported content type: ${type}, expected multipart/form-data or application/octet-stream`,
      );
    }
    return Response.json(written);
  }
}

/** Passes on the output of a process to its listeners. Without one it is dropped, as envd drops it. */
function hear(config: z.infer<typeof startRequest>, spawned: Spawned): Process {
  const listeners = new Set<Send>();
  const read = async (name: "stdout" | "stderr") => {
    for await (const bytes of spawned[name]) {
      const data = { [name]: Buffer.from(bytes).toString("base64") };
      for (const tell of listeners) tell({ data });
    }
  };
  const outputs = Promise.all([read("stdout"), read("stderr")]);
  const ended = spawned.exit.then(async ({ code, signal }) => {
    await outputs;
    one.isRunning = false;
    return endOf(code, signal);
  });
  const one = { config, spawned, listeners, ended, isRunning: true };
  return one;
}

/** The last event of a process. As in any message in JSON, what is zero or false is left out. */
function endOf(code: number | null, signal: string | null): object {
  if (code === null) {
    const status = `signal: ${signal === "SIGTERM" ? "terminated" : "killed"}`;
    return { exitCode: -1, status, error: status };
  }
  const status = `exit status ${code}`;
  return { exited: true, status, ...(code !== 0 && { exitCode: code, error: status }) };
}

const resolve = (path: string) => (isAbsolute(path) ? path : join(HOME, path));

function userOf(request: Request): string {
  const [scheme, credentials = ""] = (request.headers.get("Authorization") ?? "").split(" ");
  if (scheme !== "Basic") return "user";
  return Buffer.from(credentials, "base64").toString().split(":")[0] ?? "";
}

function wrongUser(parameters: URLSearchParams): Response | undefined {
  const user = parameters.get("username") ?? "user";
  if (USERS.includes(user)) return undefined;
  return failure(401, `error looking up user '${user}': user: unknown user ${user}`);
}

const failure = (code: number, message: string) =>
  Response.json({ code, message }, { status: code });
