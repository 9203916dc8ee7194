import { connect, createServer } from "node:net";
import { Readable } from "node:stream";
import { z } from "zod";
import { PORT_HEADER } from "../../container/protocol.ts";
import type { LocalMachine } from "./local-machine.ts";
import { OF_CONNECTION, passOnTo } from "./port-proxy.ts";

const startRequest = z.looseObject({
  env: z.record(z.string(), z.string()),
  cwd: z.string().optional(),
});

/**
 * Forwards a request to the server of a machine on this computer, with the machine's paths in place of local ones. Returns
 * null if it can't be reached.
 */
export async function forwardTo(
  { disk, port }: { disk: LocalMachine; port: number },
  request: Request,
  url: URL,
  headers: Headers = request.headers,
): Promise<Response | null> {
  // A request for another server in the machine names no paths of the machine.
  if (headers.has(PORT_HEADER)) return passOnTo(port, request, url, headers);
  const { pathname, searchParams } = url;
  const local = [...searchParams].map(([name, value]) => [name, disk.toLocal(value)]);
  const { method, signal } = request;
  const body = await bodyFor(disk, request);
  const answered = await fetch(
    `http://127.0.0.1:${port}${pathname}?${new URLSearchParams(local)}`,
    {
      method,
      headers: [...headers].filter(([name]) => !OF_CONNECTION.includes(name)),
      signal,
      ...(body !== null && { body, duplex: "half" }),
    } as RequestInit,
  ).catch(() => null);
  if (!answered) return null;
  const output =
    answered.body === null
      ? null
      : Readable.fromWeb(answered.body as Parameters<typeof Readable.fromWeb>[0]);
  const translated = output?.pipe(disk.toMachine());
  output?.on("error", (error) => translated?.destroy(error));
  return new Response(translated ? (Readable.toWeb(translated) as ReadableStream) : null, {
    status: answered.status,
    headers: {
      "content-type": answered.headers.get("content-type") ?? "application/octet-stream",
    },
  });
}

/** Returns the body of a request with local paths in place of the machine's, where it asks to start a program. */
async function bodyFor(disk: LocalMachine, request: Request): Promise<BodyInit | null> {
  if (!request.headers.get("content-type")?.includes("application/json")) return request.body;
  const asked = startRequest.parse(await request.json());
  return JSON.stringify({
    ...asked,
    env: disk.variablesToLocal(asked.env),
    ...(asked.cwd !== undefined && { cwd: disk.local(asked.cwd) }),
  });
}

/** Returns a port that is free now. */
export function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer().once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
}

/** Returns whether a server of this computer accepts connections at a port. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    if (port === 0) return done(false);
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      done(true);
    });
    socket.once("error", () => done(false));
  });
}
