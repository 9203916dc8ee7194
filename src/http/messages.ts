import { Hono } from "hono";
import type { Prompt } from "../events/event";
import type { SessionRpc } from "../session/rpc";
import type { Caller } from "../shared/result";
import { keptTraceparent } from "../traces/traceparent";
import { callSession, sessionIdOf } from "./call";
import type { AppEnv } from "./context";
import { ApiError, failedMessage, notFound } from "./errors";
import { lastEventId, watch } from "./events";
import { hashOf, isMessageId, newMessageId } from "./ids";
import { byteLength, idempotencyKey, readBody, readQuery } from "./parse";
import { ListMessages, ReadMessage } from "./queries";
import { messageRequest, SendMessage } from "./schemas";
import { messageView } from "./views";

const MAX_PROMPT_BYTES = 1024 * 1024;
/** A prompt is stored as JSON in a row of at most 2 MB, where a control character takes six bytes. */
const MAX_PROMPT_JSON_BYTES = 1_900_000;

/** Routes of a session's messages: send, list and read them. */
export const messages = new Hono<AppEnv>()
  .post("/:id/message", async (c) => {
    const sessionId = sessionIdOf(c);
    const key = idempotencyKey(c);
    const body = await readBody(c, SendMessage);
    requireFitting(body.prompt);
    const after = lastEventId(c) ?? 0;
    const id = await newMessageId(sessionId, key);
    // Without a key, no other request has the id.
    const requestHash = key === undefined ? "" : await hashOf(body);
    const traceparent = keptTraceparent(c.req.header("traceparent"));
    const request = messageRequest(body, { id, requestHash, traceparent });
    // A client that disconnects can read the ended message later.
    const details = { messageId: id };

    if (!body.streaming && !body.background) {
      const row = await callSession(c, (s, caller) => s.ask(caller, request), { details });
      if (row.steerId !== undefined) return c.json(messageView(row), 202);
      if (row.status === "failed") throw failedMessage(row);
      return c.json(messageView(row), row.endedAt === null ? 202 : 200);
    }
    if (body.streaming) {
      const begun = (s: SessionRpc, caller: Caller) => s.stream(caller, request, after);
      return watch(c, { after, messageId: id, first: await callSession(c, begun, { details }) });
    }
    const row = await callSession(c, (s, caller) => s.send(caller, request), { details });
    return c.json(messageView(row), 202);
  })

  .get("/:id/messages", async (c) => {
    const { cursor: after, limit } = readQuery(c, ListMessages);
    const page = { after, limit };
    const { messages, next } = await callSession(c, (s, caller) => s.messages(caller, page));
    const nextCursor = next === null ? null : String(next);
    return c.json({ messages: messages.map(messageView), nextCursor });
  })

  .get("/:id/messages/:messageId", async (c) => {
    const messageId = c.req.param("messageId");
    if (!isMessageId(messageId)) throw notFound("message");
    const { waitMs } = readQuery(c, ReadMessage);
    const row = await callSession(c, (s, caller) => s.message(caller, messageId, { waitMs }));
    return c.json(messageView(row));
  });

function requireFitting(prompt: Prompt): void {
  const json = JSON.stringify(prompt);
  if (byteLength(typeof prompt === "string" ? prompt : json) > MAX_PROMPT_BYTES) {
    throw new ApiError("request_too_large", "The prompt is larger than 1 MiB.");
  }
  if (byteLength(json) > MAX_PROMPT_JSON_BYTES) {
    throw new ApiError("request_too_large", "The prompt is larger than 1.9 MB as JSON.");
  }
}
