import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Duplex, Readable, Transform, type Writable } from "node:stream";
import { transformSync } from "esbuild";
import { asciiJson, RUNNER_HOME } from "../../container/protocol.ts";

// Machines for the stand-ins of vendors' APIs: local folders in which real processes run.

const BASE = mkdtempSync(join(tmpdir(), "rigger-machines-"));
const BIN = join(BASE, "bin");
mkdirSync(BIN);
symlinkSync(process.execPath, join(BIN, "node"));
// What stands in for Claude Code.
const claude = readFileSync(new URL("claude.ts", import.meta.url), "utf8");
writeFileSync(join(BASE, "claude.mjs"), transformSync(claude, { loader: "ts" }).code);
writeFileSync(join(BIN, "claude"), `#!/bin/sh\nexec node ${BASE}/claude.mjs "$@"\n`, {
  mode: 0o755,
});
process.on("exit", () => {
  signalAll(BASE, "SIGKILL");
  rmSync(BASE, { recursive: true, force: true });
});

/** The directories that each machine has for itself. All others are shared. */
const OWN = ["/workspace", "/opt/rigger", RUNNER_HOME, "/home/agent"];
const OWN_PATH = new RegExp(`(?<![\\w./-])(?=(?:${OWN.join("|")})(?![\\w-]))`, "g");

let count = 0;

/** A machine: a local folder. Its processes see local paths, and callers the machine's. */
export class LocalMachine {
  readonly root: string;

  /** With another machine, the new one has its files. */
  constructor(origin?: LocalMachine) {
    count += 1;
    // All are of the same length, so that one can replace another in any file.
    this.root = join(BASE, String(count).padStart(6, "0"));
    const exactly = { recursive: true, verbatimSymlinks: true, preserveTimestamps: true };
    if (origin) cpSync(origin.root, this.root, exactly);
    if (origin) rename(this.root, origin.root);
    for (const path of OWN) mkdirSync(this.root + path, { recursive: true });
  }

  /**
   * Starts a program in a process group of its own. Paths of the machine are translated to local ones in its arguments
   * and variables, and back in its output.
   */
  spawn(
    command: string,
    args: readonly string[],
    options: { env?: Record<string, string>; cwd?: string; stdin?: boolean } = {},
  ): Spawned {
    const child = spawn(
      this.toLocal(command),
      args.map((arg) => this.toLocal(arg)),
      {
        cwd: this.local(options.cwd ?? "/"),
        env: { ...this.variables, ...this.variablesToLocal(options.env ?? {}) },
        stdio: [options.stdin ? "pipe" : "ignore", "pipe", "pipe"],
        detached: true,
      },
    );
    return spawned(child, this);
  }

  /** The variables of every process of the machine. */
  get variables(): Record<string, string> {
    return {
      PATH: `${BIN}:${process.env.PATH}`,
      HOME: this.local("/home/agent"),
      RIGGER_HOME: this.local(RUNNER_HOME),
    };
  }

  /** Returns the local path of a path in the machine. */
  local(path: string): string {
    const isOwn = OWN.some((own) => path === own || path.startsWith(`${own}/`));
    return isOwn ? this.root + path : path;
  }

  /** Returns a text with local paths in place of the machine's. */
  toLocal(text: string): string {
    return text.replaceAll(OWN_PATH, this.root);
  }

  /** Returns variables with local paths in place of the machine's, in requests to the runner too. */
  variablesToLocal(variables: Record<string, string>): Record<string, string> {
    const { RIGGER_ASK, ...others } = variables;
    const entries = Object.entries(others).map(([name, value]) => [name, this.toLocal(value)]);
    const local: Record<string, string> = Object.fromEntries(entries);
    if (RIGGER_ASK === undefined) return local;
    const ask = JSON.parse(RIGGER_ASK);
    if ("file" in ask) {
      const path = join(this.local(RUNNER_HOME), ask.file);
      writeFileSync(path, asciiJson(this.#deeply(JSON.parse(readFileSync(path, "utf8")))));
      return { ...local, RIGGER_ASK };
    }
    if (!("pieces" in ask)) return { ...local, RIGGER_ASK: asciiJson(this.#deeply(ask)) };
    const names = Array.from({ length: ask.pieces }, (_, n) => `RIGGER_ASK_${n + 1}`);
    const whole = JSON.parse(names.map((name) => variables[name]).join(""));
    const json = asciiJson(this.#deeply(whole));
    const size = Math.ceil(json.length / names.length);
    names.forEach((name, n) => {
      local[name] = json.slice(n * size, (n + 1) * size);
    });
    return { ...local, RIGGER_ASK };
  }

  /** Returns a stream that replaces local paths in output by the machine's. */
  toMachine(): Transform {
    const { root } = this;
    let rest = "";
    const done = (text: string, keep: number) => {
      rest = text.slice(text.length - keep);
      return Buffer.from(text.slice(0, text.length - keep).replaceAll(root, ""), "latin1");
    };
    return new Transform({
      transform: (chunk: Buffer, _, next) => {
        const text = rest + chunk.toString("latin1");
        next(null, done(text, startedAtEnd(text, root)));
      },
      flush: (next) => next(null, done(rest, 0)),
    });
  }

  /** Pauses all processes; they keep their memory. */
  freeze(): void {
    signalAll(this.root, "SIGSTOP");
  }

  /** Lets paused processes go on. */
  thaw(): void {
    signalAll(this.root, "SIGCONT");
  }

  /** Kills all processes and keeps the files. */
  stop(): void {
    signalAll(this.root, "SIGKILL");
  }

  /** Kills all processes and removes the files. */
  destroy(): void {
    this.stop();
    rmSync(this.root, { recursive: true, force: true });
  }

  #deeply(value: unknown): unknown {
    if (typeof value === "string") return this.toLocal(value);
    if (Array.isArray(value)) return value.map((one) => this.#deeply(one));
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value).map(([name, one]) => [name, this.#deeply(one)]);
    return Object.fromEntries(entries);
  }
}

/** Replaces another machine's folder by this one in the files and links that were copied from it. */
function rename(root: string, origin: string): void {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) {
      const target = readlinkSync(path);
      if (!target.startsWith(origin)) continue;
      rmSync(path);
      symlinkSync(target.replace(origin, root), path);
    } else if (entry.isFile()) {
      const bytes = readFileSync(path);
      if (!bytes.includes(origin)) continue;
      const { atime, mtime } = statSync(path);
      writeFileSync(path, bytes.toString("latin1").replaceAll(origin, root), "latin1");
      utimesSync(path, atime, mtime);
    }
  }
}

/** A program that was started in a machine. Its output must be read. */
export interface Spawned {
  pid: number;
  stdin: Writable | null;
  stdout: Readable;
  stderr: Readable;
  /** Resolves when the program has ended and its output is closed. */
  exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Sends a signal to the program and the rest of its process group. */
  kill(signal: NodeJS.Signals): void;
}

function spawned(child: ChildProcess, machine: LocalMachine): Spawned {
  // The programs of a machine must not keep the tests from ending.
  child.unref();
  for (const stream of [child.stdout, child.stderr]) (stream as Socket | null)?.unref();
  const pid = child.pid ?? 0;
  const exit = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done) => {
    child.once("close", (code, signal) => done({ code, signal }));
    child.once("error", () => done({ code: 127, signal: null }));
  });
  const translated = (stream: Readable | null) =>
    (stream ?? Readable.from([])).pipe(machine.toMachine());
  return {
    pid,
    stdin: child.stdin,
    stdout: translated(child.stdout),
    stderr: translated(child.stderr),
    exit,
    kill(signal) {
      try {
        process.kill(-pid, signal);
      } catch {
        // It has ended.
      }
    },
  };
}

/** Returns how many characters at the end of a text may be the start of `word`. */
function startedAtEnd(text: string, word: string): number {
  for (let length = Math.min(word.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(word.slice(0, length))) return length;
  }
  return 0;
}

/** Sends a signal to every process whose environment names a folder. */
function signalAll(folder: string, signal: NodeJS.Signals): void {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
      if (`${environment}\0`.includes(`=${folder}/`)) process.kill(Number(pid), signal);
    } catch {
      // The process has ended, or belongs to another user.
    }
  }
}

/** Returns the URL of a request, to a server or to a proxy. */
export const urlOf = ({ url = "", headers }: IncomingMessage): string =>
  URL.canParse(url) ? url : `http://${headers.host}${url}`;

/**
 * Serves a handler of requests over HTTP on this computer, at any free port by default. An error of the handler cuts the
 * connection. `upgrade` takes over the connections of WebSockets.
 */
export async function serveHandler(
  handle: (request: Request) => Promise<Response>,
  upgrade?: (incoming: IncomingMessage, socket: Duplex) => void,
  port = 0,
): Promise<{ url: string; close(): void }> {
  // A proxy is asked without this header.
  const server = createServer({ requireHostHeader: false }, async (incoming, outgoing) => {
    const gone = new AbortController();
    outgoing.once("close", () => gone.abort());
    try {
      const method = incoming.method ?? "GET";
      const hasBody = method !== "GET" && method !== "HEAD";
      const request = new Request(urlOf(incoming), {
        method,
        headers: Object.entries(incoming.headersDistinct).flatMap(([name, values = []]) =>
          values.map((value): [string, string] => [name, value]),
        ),
        signal: gone.signal,
        ...(hasBody && { body: Readable.toWeb(incoming) as ReadableStream, duplex: "half" }),
      });
      const response = await handle(request);
      outgoing.writeHead(response.status, Object.fromEntries(response.headers));
      outgoing.flushHeaders();
      if (response.body) for await (const piece of response.body) outgoing.write(piece);
      outgoing.end();
    } catch {
      outgoing.destroy();
    }
  });
  if (upgrade) server.on("upgrade", upgrade);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  // Open connections must not keep the tests from ending either.
  server.on("connection", (socket) => socket.unref());
  const address = server.address();
  const actual = typeof address === "object" ? address?.port : port;
  return { url: `http://127.0.0.1:${actual}`, close: () => server.close() };
}
