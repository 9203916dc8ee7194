import { Hono } from "hono";
import { ArtifactBucket } from "../session/artifact-bucket";
import { callSession } from "./call";
import type { AppContext, AppEnv } from "./context";
import { notFound, unavailable } from "./errors";
import { fileHeaders, isUnchanged, lastModified, rangeOf } from "./file-requests";
import { isArtifactId } from "./ids";
import { readQuery } from "./parse";
import { ListArtifacts } from "./queries";
import { artifactView } from "./views";

/** Routes of what the agents of a session have published. */
export const artifacts = new Hono<AppEnv>()
  .get("/:id/artifacts", async (c) => {
    const { cursor = null, limit, path = null, messageId = null } = readQuery(c, ListArtifacts);
    const page = { before: cursor, limit, path, messageId };
    const { artifacts, next } = await callSession(c, (s, caller) => s.artifacts(caller, page));
    const nextCursor = next === null ? null : String(next);
    return c.json({ artifacts: artifacts.map(artifactView), nextCursor });
  })

  .get("/:id/artifacts/:artifactId", async (c) => c.json(artifactView(await artifactOf(c))))

  .get("/:id/artifacts/:artifactId/content", async (c) => {
    const { id, path, contentType, sizeBytes: size, sha256, createdAt } = await artifactOf(c);
    const file = { etag: `"${sha256}"`, mtimeMs: createdAt, size };
    const headers = {
      ...{ "Accept-Ranges": "bytes", ETag: file.etag, "Last-Modified": lastModified(createdAt) },
      ...fileHeaders(path.slice(path.lastIndexOf("/") + 1)),
    };
    if (isUnchanged(c, file)) return c.body(null, 304, headers);
    const isHead = c.req.method === "HEAD";
    const range = isHead ? null : rangeOf(c, file);
    const { from, end } = range ?? { from: 0, end: size };
    const described = {
      ...{ ...headers, "Content-Type": contentType, "Content-Length": `${end - from}` },
      ...(range && { "Content-Range": `bytes ${from}-${end - 1}/${size}` }),
    };
    const body = isHead ? null : await contentOf(c, id, { offset: from, length: end - from });
    return new Response(body, { status: range ? 206 : 200, headers: described });
  });

/** Returns a part of the content of an artifact. Throws "not found" if its session was deleted meanwhile. */
async function contentOf(
  c: AppContext,
  id: string,
  part: { offset: number; length: number },
): Promise<ReadableStream | null> {
  // There is no empty range.
  if (part.length === 0) return null;
  const found = await new ArtifactBucket(c.env.SNAPSHOTS).get(id, part).catch((cause) => {
    throw unavailable("The content can't be read at the moment. Try again.", { cause });
  });
  if (!found) throw notFound("artifact");
  return found.body;
}

/** Returns the artifact in the path. Throws "not found" if the session has none with this id. */
function artifactOf(c: AppContext) {
  const artifactId = c.req.param("artifactId");
  if (artifactId === undefined || !isArtifactId(artifactId)) throw notFound("artifact");
  return callSession(c, (s, caller) => s.artifact(caller, artifactId));
}
