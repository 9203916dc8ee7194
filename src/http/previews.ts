import { Hono } from "hono";
import type { Settings } from "../settings";
import { callSession, sessionIdOf } from "./call";
import type { AppEnv } from "./context";
import { notFound } from "./errors";
import { isPreviewId, newPreviewId, newPreviewToken, sha256Hex } from "./ids";
import { idempotencyKey, readBody } from "./parse";
import { addressOf } from "./preview-address";
import { forgetPreview } from "./preview-targets";
import { CreatePreview } from "./schemas";
import { previewView } from "./views";

/** Routes of a session's previews. */
export const previews = ({ PREVIEW_DOMAIN: domain }: Settings) =>
  new Hono<AppEnv>()
    .post("/:id/previews", async (c) => {
      const sessionId = sessionIdOf(c);
      const fields = await readBody(c, CreatePreview);
      const id = await newPreviewId(sessionId, idempotencyKey(c));
      const token = newPreviewToken(sessionId);
      const request = { ...fields, id, hash: await sha256Hex(token) };
      const preview = await callSession(c, (s, caller) => s.addPreview(caller, request));
      return c.json({ ...previewView(preview), url: addressOf(token, c.req.url, domain) }, 201);
    })

    .get("/:id/previews", async (c) => {
      const rows = await callSession(c, (s, caller) => s.previews(caller));
      return c.json({ previews: rows.map(previewView) });
    })

    .delete("/:id/previews/:previewId", async (c) => {
      const previewId = c.req.param("previewId");
      if (!isPreviewId(previewId)) throw notFound("preview");
      await callSession(c, (s, caller) => s.removePreview(caller, previewId));
      forgetPreview(previewId);
      return c.body(null, 204);
    });
