import { Hono } from "hono";
import { indexOf } from "../session/deployment";
import type { AppEnv } from "./context";
import { notFound } from "./errors";
import { fromIndex, ownerSeenBy } from "./lists";
import { parse, readQuery } from "./parse";
import { ConversationId, ReadConversation } from "./queries";
import { conversationView, sessionView } from "./views";

/** Routes of conversations: the sessions with the same `conversationId`. */
export const conversations = new Hono<AppEnv>().get("/:id", async (c) => {
  const id = parse(ConversationId, c.req.param("id"), "id");
  const query = readQuery(c, ReadConversation);
  const owner = ownerSeenBy(c.var.caller);
  const index = indexOf(c.env);
  const [conversation, { rows, nextCursor }] = await fromIndex(
    Promise.all([
      index.conversation(owner, id),
      index.list({ owner, conversationId: id, ...query }),
    ]),
  );
  if (!conversation) throw notFound("conversation");
  return c.json({
    ...conversationView(conversation),
    sessions: rows.map(sessionView),
    pageSize: query.pageSize,
    nextCursor,
  });
});
