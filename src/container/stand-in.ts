import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { RUNNER_HOME } from "./protocol.ts";
import { StandInRequests } from "./stand-in-requests.ts";

// Replaces containers in the tests: local folders in which the real runner starts real processes. It serves the
// methods of the SDK's object over HTTP, because the Worker under test cannot start processes.

const BASE = mkdtempSync(join(tmpdir(), "rigger-containers-"));
const BIN = join(BASE, "bin");
/** Counts the kills of each container. A process of an older generation ends without a final event. */
const generations = new Map<string, number>();
/** The requests of containers to the Worker's bucket. */
const outbound = new Map<string, StandInRequests>();
/** The port of this computer that stands for the one of a container's server for its ports, by container. */
const portsOf = new Map<string, Promise<number>>();
/** The address of a server for calls of containers. All that were started answer for all containers. */
let standInAddress = "";

mkdirSync(BIN);
// As in the image, the runner is plain JavaScript in one file, which starts more than twice as fast.
const here = fileURLToPath(new URL(".", import.meta.url));
for (const name of readdirSync(here)) {
  if (name.startsWith("rigger-")) copyFileSync(join(here, name), join(BIN, name));
}
buildSync({
  entryPoints: [join(here, "run.ts")],
  outdir: BIN,
  outExtension: { ".js": ".cjs" },
  bundle: true,
  format: "cjs",
  platform: "node",
});
symlinkSync(process.execPath, join(BIN, "node"));
process.on("exit", () => {
  for (const id of generations.keys()) killAll(id);
  rmSync(BASE, { recursive: true, force: true });
});

/** Returns whether this computer has what the runner needs: Linux's `/proc`, Perl, bash and GNU tar. */
export function canStandIn(): boolean {
  const says = (program: string) =>
    String(spawnSync(program, ["--version"], { encoding: "utf8" }).stdout);
  return (
    process.platform === "linux" &&
    existsSync("/usr/bin/perl") &&
    says("bash").includes("GNU") &&
    says("tar").includes("GNU")
  );
}

/** Starts the server for calls of containers, `/<id>/<method>`. Returns its address. */
export async function serveContainers(): Promise<string> {
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  server.on("upgrade", async (request, socket) => {
    const to = connect(await portFor(idIn(request)), "127.0.0.1");
    const lines = request.rawHeaders.map((text, n) => (n % 2 === 0 ? `${text}: ` : `${text}\r\n`));
    to.write(`${request.method} ${pathIn(request)} HTTP/1.1\r\n${lines.join("")}\r\n`);
    for (const one of [socket, to]) one.on("error", () => [socket, to].map((it) => it.destroy()));
    socket.pipe(to).pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  const address = server.address();
  standInAddress = typeof address === "object" ? `127.0.0.1:${address?.port}` : "";
  return standInAddress;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
  const { pathname, searchParams } = new URL(request.url ?? "", "http://container");
  const [, id = "", what] = pathname.split("/");
  const place = placeOf(id, searchParams.get("path") ?? "");
  if (!generations.has(id)) generations.set(id, 0);
  mkdirSync(homeOf(id), { recursive: true });
  switch (what) {
    case "workspace":
      return response.end(join(rootOf(id), "workspace"));
    case "exec":
      return exec(id, JSON.parse(String(await bodyOf(request))), response, await portFor(id));
    case "read":
      return response.end(readFileSync(place));
    case "write":
      writeFileSync(place, await bodyOf(request));
      return response.end();
    case "archive":
      return outboundOf(id).send(pathname, request.method ?? "", await bodyOf(request), response);
    case "outbound":
      return outboundOf(id).poll(response);
    case "answer":
      outboundOf(id).answer(searchParams, await bodyOf(request));
      return response.end();
    case "ports":
      return passOn(request, response, await portFor(id));
    case "destroy":
    case "die":
      killAll(id);
      rmSync(rootOf(id), { recursive: true, force: true });
      return response.end();
    default:
      return response.writeHead(400).end(`a container can't do ${what}`);
  }
}

/** Passes a request for a port of a container on to the server for them, as the platform does. */
function passOn(asked: IncomingMessage, response: ServerResponse, port: number): void {
  const to = request({
    ...{ host: "127.0.0.1", port, method: asked.method, path: pathIn(asked) },
    // Kept alive: a server that has to close the connection may do so before its answer has been read.
    ...{ headers: [...asked.rawHeaders, "Connection", "keep-alive"], agent: false, setHost: false },
  });
  to.on("response", (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders).flushHeaders();
    answer.on("error", () => response.destroy()).pipe(response);
  });
  to.on("error", () => {
    // The answer may have come before all of the request was read.
    if (!response.headersSent) response.destroy();
  });
  to.once("close", () => {
    asked.unpipe(to);
    asked.resume();
  });
  response.on("close", () => to.destroy());
  asked.pipe(to);
}

const idIn = ({ url = "" }: IncomingMessage): string => url.split("/")[1] ?? "";
/** Returns the path of a request for a port of a container: what follows `/<id>/ports`. */
const pathIn = ({ url = "" }: IncomingMessage): string => url.replace(/^\/[^/]*\/ports/, "");

/** Returns the port of the server for the ports of a container, which is its own. */
function portFor(id: string): Promise<number> {
  const known = portsOf.get(id);
  if (known) return known;
  const free = new Promise<number>((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
  portsOf.set(id, free);
  return free;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

function outboundOf(id: string): StandInRequests {
  const requests = outbound.get(id) ?? new StandInRequests();
  outbound.set(id, requests);
  return requests;
}

const rootOf = (id: string): string => join(BASE, id);
const homeOf = (id: string): string => join(rootOf(id), "home");
const placeOf = (id: string, path: string): string =>
  path.startsWith(RUNNER_HOME) ? join(homeOf(id), path.slice(RUNNER_HOME.length)) : path;

interface Asked {
  command: string;
  env: Record<string, string>;
  cwd: string;
}

/** Runs a command like the SDK's server without a session: in bash, in its own process group, with live events. */
function exec(id: string, asked: Asked, response: ServerResponse, portsPort: number): void {
  const generation = generations.get(id);
  const requests = asked.env.RIGGER_ASK?.includes('"token"') ? outboundOf(id) : undefined;
  requests?.begin();
  const child = spawn("/bin/bash", ["-c", asked.command], {
    cwd: asked.cwd,
    env: {
      PATH: `${BIN}:${process.env.PATH}`,
      HOME: rootOf(id),
      RIGGER_HOME: homeOf(id),
      RIGGER_PORTS_PORT: String(portsPort),
      RIGGER_ARCHIVE: `http://${standInAddress}/${id}/archive`,
      ...asked.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  // Background processes must not keep the tests from ending, and must not end when the listener disconnects.
  child.unref();
  for (const stream of [child.stdout, child.stderr]) (stream as Socket).unref();
  const send = (event: object) => response.write(`data: ${JSON.stringify(event)}\n\n`);
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  send({ type: "start", pid: child.pid });
  hear(child, "stdout", send);
  hear(child, "stderr", send);
  child.on("close", (code) => {
    requests?.end();
    if (generations.get(id) === generation) {
      send({ type: "complete", exitCode: code ?? 137 });
      response.end();
    } else {
      response.destroy();
    }
  });
}

function hear(child: ChildProcess, type: "stdout" | "stderr", send: (event: object) => void): void {
  const decoder = new TextDecoder();
  child[type]?.on("data", (bytes) => send({ type, data: decoder.decode(bytes, { stream: true }) }));
}

/** Kills every process of a container, as its destruction does. */
function killAll(id: string): void {
  generations.set(id, (generations.get(id) ?? 0) + 1);
  const mark = `RIGGER_HOME=${homeOf(id)}`;
  const call = `RIGGER_CALL=${homeOf(id)}`;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      const own = environment.some((entry) => entry === mark || entry.startsWith(call));
      if (own) process.kill(Number(pid), "SIGKILL");
    } catch {
      // The process has ended, or belongs to another user.
    }
  }
}
