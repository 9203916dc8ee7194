import { Hono } from "hono";
import { callSession } from "./call";
import type { AppEnv } from "./context";
import { ApiError } from "./errors";
import { MAX_OF_SESSION, readWaiting } from "./lists";
import { byteLength, readBody, readQuery } from "./parse";
import { ListAllToolRequests } from "./queries";
import { AnswerTools } from "./schemas";
import { toolRequestView } from "./views";

/** A result is stored in a row of at most 2 MB. */
const MAX_CONTENT_BYTES = 1_700_000;

/** Routes of calls that the caller answers: list those that wait, and give their results. */
export const toolResults = new Hono<AppEnv>()
  .get("/:id/tool-requests", async (c) => {
    const rows = await callSession(c, (s, caller) => s.toolRequests(caller));
    return c.json({ toolRequests: rows.map(toolRequestView) });
  })

  .post("/:id/tool-results", async (c) => {
    const { results } = await readBody(c, AnswerTools);
    for (const { toolUseId, content } of results) {
      if (byteLength(JSON.stringify(content)) <= MAX_CONTENT_BYTES) continue;
      const message = `The content of the result of ${toolUseId} is larger than 1.7 MB as JSON.`;
      throw new ApiError("request_too_large", message);
    }
    return c.json(await callSession(c, (s, caller) => s.answerTools(caller, results)));
  });

/** The route of the calls that wait for results in all sessions. */
export const toolRequests = new Hono<AppEnv>().get("/", async (c) => {
  const { found, nextCursor } = await readWaiting(c, {
    for: "result",
    query: readQuery(c, ListAllToolRequests),
    read: (s, caller) => s.toolRequests(caller),
  });
  const rows = found.flatMap((ofSession) => ofSession.slice(0, MAX_OF_SESSION));
  return c.json({
    toolRequests: rows.toSorted((a, b) => a.requestedAt - b.requestedAt).map(toolRequestView),
    nextCursor,
  });
});
