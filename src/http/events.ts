import { Hono } from "hono";
import { eventStream } from "../events/stream";
import type { Caller } from "../session/rpc";
import { callSession, sessionIdOf } from "./call";
import type { AppContext, AppEnv } from "./context";
import { parse, readQuery } from "./parse";
import { ReadEvents, Seq } from "./queries";

const SSE_HEADERS = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-cache, no-transform",
  "X-Accel-Buffering": "no",
};

/** The event log of a session: a page of it, or all of it and then live. */
export const events = new Hono<AppEnv>().get("/:id/events", async (c) => {
  const { after, limit } = readQuery(c, ReadEvents);
  if (!c.req.header("Accept")?.includes("text/event-stream")) {
    return c.json(await callSession(c, (s, caller) => s.events(caller, { after, limit })));
  }
  const from = lastEventId(c) ?? after;
  // Once a stream has begun it is too late to answer that there is no such session.
  await callSession(c, (s, caller) => s.read(caller));
  return watch(c, { after: from });
});

/** Streams the events of a session, or of one of its messages, after a seq. */
export function watch(c: AppContext, what: { after: number; messageId?: string }): Response {
  if (c.req.method === "HEAD") return c.body(null, 200, SSE_HEADERS);
  const id = sessionIdOf(c);
  const connect = (after: number) => openSocket(c, id, { ...what, after });
  return c.body(eventStream({ connect, after: what.after }), 200, SSE_HEADERS);
}

/** Returns what a reader that comes back has seen: it says so in a header. */
export function lastEventId(c: AppContext): number | undefined {
  const header = c.req.header("Last-Event-ID");
  return header ? parse(Seq, header, "Last-Event-ID") : undefined;
}

/** Opens a session's own stream; null when it refuses, rejects when it can't be reached. */
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

/** JSON for a header, which holds no character beyond Latin-1; an owner's name may. */
const headerJson = (caller: Caller): string =>
  JSON.stringify(caller).replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
