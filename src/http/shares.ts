import { Hono } from "hono";
import { callSession, sessionIdOf } from "./call";
import { type AppEnv, actorOf } from "./context";
import { notFound } from "./errors";
import { isShareId, newShareId, newShareToken, sha256Hex } from "./ids";
import { idempotencyKey, readBody } from "./parse";
import { CreateShare } from "./schemas";
import { shareView } from "./views";

/** Routes of a session's share links. */
export const shares = new Hono<AppEnv>()
  .post("/:id/shares", async (c) => {
    const sessionId = sessionIdOf(c);
    const { access, expiresInMs, description } = await readBody(c, CreateShare);
    const id = await newShareId(sessionId, idempotencyKey(c));
    const token = newShareToken(sessionId);
    const request = {
      ...{ id, access, expiresInMs },
      hash: await sha256Hex(token),
      description: description ?? null,
    };
    const share = await callSession(c, (s, caller) => s.addShare(caller, request, actorOf(c)));
    // The page that it opens reads the token from the fragment, which no server sees.
    const url = new URL(`/#/sessions/${sessionId}?token=${token}`, c.req.url).href;
    return c.json({ ...shareView(share), token, url }, 201);
  })

  .get("/:id/shares", async (c) => {
    const rows = await callSession(c, (s, caller) => s.shares(caller));
    return c.json({ shares: rows.map(shareView) });
  })

  .delete("/:id/shares/:shareId", async (c) => {
    const shareId = c.req.param("shareId");
    if (!isShareId(shareId)) throw notFound("share link");
    await callSession(c, (s, caller) => s.removeShare(caller, shareId, actorOf(c)));
    return c.body(null, 204);
  });
