import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { StringDecoder } from "node:string_decoder";
import { isToken, passOn, passUpgradeOn, portOf, refuseUpgrade } from "./ports.ts";
import {
  CLOSED_HEADER,
  RUNNER,
  RUNNER_HOME,
  SERVE_PORT,
  type ServedEvent,
  TOKEN_HEADER,
} from "./protocol.ts";

// Serves the runner over HTTP, in machines whose vendor can't start programs with live output. Every request but
// `GET /health` needs the machine's token: in `X-Rigger-Token`, or as a bearer token where the vendor's proxy needs none
// itself.
//
//   POST /start {"env": {…}}    starts the runner with these variables; answers with its events, a line of JSON each
//   PUT  /files?path=…          writes a file below the runner's folder
//   GET  /alive                 204; like every request with the token, it keeps the machine for RIGGER_IDLE_MS
//   GET  /health                204
//
// A request with the token and a port, in `X-Rigger-Port`, is passed on to that port of the machine: see ports.ts.

/** The most bytes of a request to start the runner, which has its request in environment variables. */
const MAX_START_BYTES = 2 * 1024 ** 2;
/** How often the time without requests is counted, at most, in ms. */
const MAX_TICK_MS = 10_000;

const {
  RIGGER_TOKEN: token = "",
  RIGGER_PORT: port = String(SERVE_PORT),
  RIGGER_IDLE_MS: idleMs = "",
  RIGGER_HOME: home = RUNNER_HOME,
} = process.env;

/** The requests that are being answered, and the time without any, in ms. */
let open = 0;
let quietMs = 0;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "", "http://machine");
  const route = `${request.method} ${pathname}`;
  const port = portOf(request);
  if (port === undefined && route === "GET /health") return end(response, 204);
  if (!isAllowed(request)) {
    response.writeHead(401, { [CLOSED_HEADER]: "machine" }).end();
    return;
  }
  quietMs = 0;
  if (port !== undefined) return passOn(request, response, port);
  if (route === "GET /alive") return end(response, 204);
  if (route === "POST /start") return start(request, response);
  if (route !== "PUT /files") return end(response, 404);
  const path = join("/", searchParams.get("path") ?? "");
  if (!path.startsWith(`${home}/`)) return end(response, 403);
  mkdirSync(dirname(path), { recursive: true });
  await pipeline(request, createWriteStream(path));
  end(response, 204);
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status).end();
}

const isAllowed = ({ headers }: IncomingMessage): boolean =>
  isToken(headers[TOKEN_HEADER] ?? bearerIn(headers.authorization), token);

const bearerIn = (authorization = ""): string => /^Bearer (.*)$/.exec(authorization)?.[1] ?? "";

/** Starts the runner and sends its events. It continues if the caller disconnects. */
async function start(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request) {
    size += piece.length;
    if (size <= MAX_START_BYTES) pieces.push(piece);
  }
  if (size > MAX_START_BYTES) return end(response, 413);
  const { env }: { env: Record<string, string> } = JSON.parse(Buffer.concat(pieces).toString());
  const inherited = { ...process.env };
  delete inherited.RIGGER_TOKEN;
  const child = spawn(join(dirname(process.argv[1] ?? ""), RUNNER), [], {
    cwd: "/",
    env: { ...inherited, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  const send = (event: ServedEvent) => {
    if (response.writable) response.write(`${JSON.stringify(event)}\n`);
  };
  for (const type of ["stdout", "stderr"] as const) {
    const decoder = new StringDecoder();
    child[type].on("data", (bytes) => send({ type, data: decoder.write(bytes) }));
  }
  await new Promise<void>((done) => {
    child.once("error", ({ message }) => {
      send({ type: "error", data: message });
      done();
    });
    child.once("close", (code) => {
      send({ type: "complete", exitCode: code ?? 137 });
      done();
    });
  });
  response.end();
}

// Renames the process, so that `pkill node` in a user's command does not end it.
process.title = "rigger-serve";
process.on("SIGHUP", () => {});

const server = createServer((request, response) => {
  open += 1;
  response.on("error", () => {});
  response.once("close", () => {
    open -= 1;
  });
  answer(request, response).catch(() => {
    if (response.headersSent) response.destroy();
    else end(response, 400);
  });
});
server.on("upgrade", (request, socket, head) => {
  const port = isAllowed(request) ? portOf(request) : undefined;
  if (port === undefined) return refuseUpgrade(socket, 401, "machine");
  open += 1;
  socket.once("close", () => {
    open -= 1;
  });
  quietMs = 0;
  passUpgradeOn(request, socket, head, port);
});
// A command may be silent for as long as it runs.
server.requestTimeout = 0;
server.listen(Number(port));

// Ends the machine that nobody needs any more. Time is counted, not measured: a machine that was suspended has not been
// left alone while the clock went on.
if (idleMs !== "") {
  const tickMs = Math.min(MAX_TICK_MS, Number(idleMs));
  setInterval(() => {
    quietMs = open > 0 ? 0 : quietMs + tickMs;
    if (quietMs >= Number(idleMs)) process.exit(0);
  }, tickMs);
}
