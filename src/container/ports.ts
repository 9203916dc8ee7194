import { spawn } from "node:child_process";
import { createHash, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type ServerResponse,
  request as send,
} from "node:http";
import { connect, type TcpNetConnectOpts } from "node:net";
import { dirname, join } from "node:path";
import { type Duplex, pipeline } from "node:stream";
import {
  type Ask,
  CARRIED,
  CLOSED_HEADER,
  PORT_HEADER,
  PORTS_PORT,
  RUNNER,
  TOKEN_HEADER,
} from "./protocol.ts";

// Passes requests from outside on to servers in the container: a server that listens on its loopback address only, as most
// do by default, is reached from inside alone. A request names its port in a header. Its path, and all that is in the
// bodies, stay as they are.

/** The port of the server for such requests. Stand-ins have another. */
const SERVER_PORT = Number(process.env.RIGGER_PORTS_PORT ?? PORTS_PORT);
/** How often and how long a start of the server is awaited, in ms. */
const POLL_MS = 20;
const START_MS = 10_000;

/** Both loopback addresses, one after the other: not every computer names both `localhost`. */
const LOOPBACK: Pick<TcpNetConnectOpts, "host" | "lookup" | "autoSelectFamily"> = {
  host: "localhost",
  lookup: (_host, _options, found) =>
    found(null, [
      { address: "127.0.0.1", family: 4 },
      { address: "::1", family: 6 },
    ]),
  autoSelectFamily: true,
};

/** Returns the port that a request is to be passed on to; undefined for any other request. */
export function portOf({ headers }: IncomingMessage): number | undefined {
  const port = Number(headers[PORT_HEADER]);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

/** Compares tokens in constant time. Without a token nobody is allowed. */
export function isToken(given: unknown, token: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return token !== "" && timingSafeEqual(hash(String(given)), hash(token));
}

/** Passes a request on to a port of this computer, and its answer back. */
export function passOn(request: IncomingMessage, response: ServerResponse, port: number): void {
  const to = send({
    ...{ ...LOOPBACK, port, method: request.method, path: request.url },
    headers: headersFor(request),
    // Each has a connection of its own: one that the server has closed meanwhile can't be used again.
    agent: false,
    setHost: false,
  });
  to.on("response", (answer) => {
    const headers = answer.rawHeaders.filter(
      (_, n, all) => !OF_CONNECTION.test(all[n - (n % 2)] ?? ""),
    );
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, headers);
    // A stream of events may be silent at first.
    response.flushHeaders();
    pipeline(answer, response, () => {});
  });
  to.on("error", () => {
    // A server may answer before it has read all of the request, and end the connection.
    if (response.headersSent) return;
    response.writeHead(502, { [CLOSED_HEADER]: "port" }).end();
  });
  to.once("close", () => {
    // The rest of a body that the server has not read: otherwise the connection would be cut, and the answer lost.
    request.unpipe(to);
    request.resume();
  });
  response.on("error", () => {});
  response.once("close", () => to.destroy());
  request.on("error", () => to.destroy());
  request.pipe(to);
}

/** Passes a request for a WebSocket on to a port of this computer, and joins the two connections. */
export function passUpgradeOn(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  port: number,
): void {
  const to = connect({ ...LOOPBACK, port });
  const end = () => {
    socket.destroy();
    to.destroy();
  };
  to.once("error", () => {
    if (to.bytesWritten === 0) refuseUpgrade(socket, 502, "port");
    else end();
  });
  socket.on("error", end);
  socket.once("close", end);
  to.once("connect", () => {
    const lines = headersFor(request).map((text, n) => (n % 2 === 0 ? `${text}: ` : `${text}\r\n`));
    to.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
    to.write(head);
    pipeline(socket, to, () => {});
    pipeline(to, socket, () => {});
  });
}

/** Answers a request for a WebSocket with a status, and what is closed: the port, or the whole machine. */
export function refuseUpgrade(socket: Duplex, status: number, closed: "port" | "machine"): void {
  const head = [`HTTP/1.1 ${status} Refused`, `${CLOSED_HEADER}: ${closed}`, "Connection: close"];
  socket.on("error", () => {});
  socket.end(`${head.join("\r\n")}\r\nContent-Length: 0\r\n\r\n`);
}

/** Headers of a connection, and not of a request or an answer. */
const OF_CONNECTION = /^(connection|keep-alive|proxy-.*|te|transfer-encoding|upgrade)$/i;
/** Headers of the way here. What the request has of them itself is carried under other names. */
const OF_THE_WAY =
  /^(host|authorization|cookie|forwarded|via|x-forwarded-.*|x-real-ip|x-rigger-.*|fly-.*|modal-.*)$/i;

/** Returns the headers with which a request is passed on, as names and values in turn. */
function headersFor({ rawHeaders, headers: { upgrade } }: IncomingMessage): string[] {
  const passed: string[] = [];
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const [name = "", value = ""] = rawHeaders.slice(n, n + 2);
    if (name.toLowerCase().startsWith(CARRIED)) passed.push(name.slice(CARRIED.length), value);
    else if (name.toLowerCase() === "transfer-encoding") passed.push(name, value);
    else if (!OF_CONNECTION.test(name) && !OF_THE_WAY.test(name)) passed.push(name, value);
  }
  // A server that has to close the connection may do so before its answer has been read.
  if (upgrade === undefined) passed.push("Connection", "keep-alive");
  else passed.push("Connection", "Upgrade", "Upgrade", upgrade);
  return passed;
}

/** Starts the server for requests with a token, unless it runs. Returns once it accepts connections. */
export async function openPorts(token: string): Promise<true> {
  if (await accepts(SERVER_PORT)) return true;
  const ask: Ask = { do: "servePorts", token };
  // It outlives this call.
  spawn(join(dirname(process.argv[1] ?? ""), RUNNER), [], {
    cwd: "/",
    env: { ...process.env, RIGGER_ASK: JSON.stringify(ask) },
    stdio: "ignore",
    detached: true,
  }).unref();
  for (const until = Date.now() + START_MS; Date.now() < until; ) {
    await new Promise((done) => setTimeout(done, POLL_MS));
    if (await accepts(SERVER_PORT)) return true;
  }
  throw new Error("the server for ports does not start");
}

/** Serves requests with a token until the container ends. Ends at once if another process does. */
export async function servePorts(token: string): Promise<void> {
  const portFor = (request: IncomingMessage) =>
    isToken(request.headers[TOKEN_HEADER], token) ? portOf(request) : undefined;
  const server = createServer((request, response) => {
    const port = portFor(request);
    if (port !== undefined) passOn(request, response, port);
    else response.writeHead(401, { [CLOSED_HEADER]: "machine" }).end();
  });
  server.on("upgrade", (request, socket, head) => {
    const port = portFor(request);
    if (port !== undefined) passUpgradeOn(request, socket, head, port);
    else refuseUpgrade(socket, 401, "machine");
  });
  // An upload may take long.
  server.requestTimeout = 0;
  server.on("error", () => process.exit());
  server.listen(SERVER_PORT);
  await once(server, "close");
}

/** Returns whether a server of this computer accepts connections at a port. */
function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      done(true);
    });
    socket.once("error", () => done(false));
  });
}
