import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Told } from "./generators/replies.ts";

/** A request to the Messages API. */
export interface Asked {
  /** `/v1/messages`, or `/v1/messages/count_tokens`. */
  path: string;
  body: string;
  headers: Record<string, string>;
}

/** A fake of the Messages API that gives arbitrary answers. */
export interface Liar {
  url: string;
  close(): void;
}

/** Time after which a stalled connection is closed; the Worker gives up before. */
const STALL_MS = 180_000;

/** Starts a local server that answers every request as `answer` says. */
export async function startLiar(answer: (asked: Asked) => Told | Promise<Told>): Promise<Liar> {
  const server = createServer((request, response) => {
    // A killed Worker leaves its requests unfinished.
    tell(request, response, answer).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function tell(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (asked: Asked) => Told | Promise<Told>,
): Promise<void> {
  response.on("error", () => {});
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const { pathname } = new URL(request.url ?? "", "http://localhost");
  const sent = Object.entries(request.headers).map(([name, value]) => [name, String(value)]);
  const body = Buffer.concat(chunks).toString();
  const asked = { path: pathname, body, headers: Object.fromEntries(sent) };
  const { status, headers, pieces, pauseMs, end } = await answer(asked);
  response.writeHead(status, headers);
  response.flushHeaders();
  for (const piece of pieces) {
    if (response.destroyed) return;
    response.write(piece);
    if (pauseMs > 0) await sleep(pauseMs);
  }
  if (end === "stall") await sleep(STALL_MS, undefined, { ref: false });
  // Written data must be sent before the connection breaks.
  if (end === "cut") await sleep(5);
  if (end === "whole") response.end();
  else response.destroy();
}
