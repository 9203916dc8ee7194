import { Hono } from "hono";
import { eventStream } from "../events/stream";
import type { Caller } from "../shared/result";
import { callSession, sessionIdOf } from "./call";
import type { AppContext, AppEnv } from "./context";
import { parse, readQuery } from "./parse";
import { ReadEvents, Seq } from "./queries";

const SSE_HEADERS = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-cache, no-transform",
  "X-Accel-Buffering": "no",
};

/** Routes of a session's event log: a page of it, or a stream of the whole log that continues live. */
export const events = new Hono<AppEnv>().get("/:id/events", async (c) => {
  const { after, limit } = readQuery(c, ReadEvents);
  if (!c.req.header("Accept")?.includes("text/event-stream")) {
    return c.json(await callSession(c, (s, caller) => s.events(caller, { after, limit })));
  }
  const from = lastEventId(c) ?? after;
  // After a stream has begun, the response can no longer be a 404.
  await callSession(c, (s, caller) => s.read(caller));
  return watch(c, { after: from });
});

/**
 * Returns a stream of the events of a session, or of one of its messages, after a seq. It begins with the records of
 * `first`, if that is given.
 */
export function watch(
  c: AppContext,
  { first, ...what }: { after: number; messageId?: string; first?: ReadableStream },
): Response {
  if (c.req.method === "HEAD") return c.body(null, 200, SSE_HEADERS);
  const id = sessionIdOf(c);
  const connect = (after: number) => openSocket(c, id, { ...what, after });
  const until = c.var.identity.via === "share" ? c.var.identity.expiresAt : null;
  return c.body(eventStream({ connect, after: what.after, first, until }), 200, SSE_HEADERS);
}

/** Returns the seq in the header `Last-Event-ID` of a client that reconnects; undefined without the header. */
export function lastEventId(c: AppContext): number | undefined {
  const header = c.req.header("Last-Event-ID");
  return header ? parse(Seq, header, "Last-Event-ID") : undefined;
}

/**
 * Opens the WebSocket of a session's object. Returns null if the object refuses, and rejects if it cannot be
 * reached.
 */
async function openSocket(
  c: AppContext,
  id: string,
  { after, messageId }: { after: number; messageId?: string },
): Promise<WebSocket | null> {
  const query = new URLSearchParams({ after: String(after) });
  if (messageId !== undefined) query.set("message", messageId);
  const response = await c.env.SESSIONS.getByName(id).fetch(`https://session/events?${query}`, {
    headers: { Upgrade: "websocket", "x-rigger-caller": headerJson(c.var.caller) },
  });
  if (response.webSocket) return response.webSocket;
  await response.body?.cancel();
  if (response.status >= 400 && response.status < 500) return null;
  throw new Error(`the session answered a watcher with ${response.status}`);
}

/** Returns JSON for a header. Headers contain only Latin-1 characters, but an owner's name may contain others. */
const headerJson = (caller: Caller): string =>
  JSON.stringify(caller).replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
