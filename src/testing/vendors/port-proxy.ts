import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";

/** The headers that belong to a connection, not to a request. */
export const OF_CONNECTION = ["host", "connection", "content-length", "transfer-encoding"];

/** Passes a request on to a port of this computer as it is. Returns null if nothing listens there. */
export async function passOnTo(
  port: number,
  request: Request,
  { pathname, search }: URL,
  headers: Headers = request.headers,
): Promise<Response | null> {
  const { method, signal, body } = request;
  const answered = await fetch(`http://127.0.0.1:${port}${pathname}${search}`, {
    method,
    headers: [...headers].filter(([name]) => !OF_CONNECTION.includes(name)),
    signal,
    redirect: "manual",
    ...(body !== null && { body, duplex: "half" }),
  } as RequestInit).catch(() => null);
  return answered && new Response(answered.body, answered);
}

/** Passes a request for a WebSocket on to a port of this computer, and joins the two connections. */
export function joinTo(port: number, request: IncomingMessage, socket: Duplex): void {
  const to = connect(port, "127.0.0.1");
  const lines = request.rawHeaders.map((text, n) => (n % 2 === 0 ? `${text}: ` : `${text}\r\n`));
  to.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
  for (const one of [socket, to]) one.on("error", () => [socket, to].map((it) => it.destroy()));
  socket.pipe(to).pipe(socket);
}
