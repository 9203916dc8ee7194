import { Hono } from "hono";
import { decodeCursor, encodeCursor } from "../db/cursor";
import type { FileStat, FileWritten } from "../sandbox/files";
import { mediaTypeOf } from "../shared/media-type";
import { callSession } from "./call";
import type { AppContext, AppEnv } from "./context";
import { ApiError, invalid } from "./errors";
import {
  conditionOf,
  directoryOf,
  fileHeaders,
  filePathOf,
  isConditional,
  isUnchanged,
  lastModified,
  rangeOf,
} from "./file-requests";
import { discard, readQuery } from "./parse";
import { ArchiveFiles, DeleteFile, ListFiles } from "./queries";
import { fileView } from "./views";

/** The body of a change can be sent once only. */
const ONCE = { attempts: 1 } as const;

/** Routes of a session's files: list, read, write and delete them, and read them all as an archive. */
export const files = new Hono<AppEnv>()
  .get("/:id/files", async (c) => {
    const { path: given, recursive, cursor, limit } = readQuery(c, ListFiles);
    const path = directoryOf(given);
    const after = cursor === undefined ? "" : afterOf(cursor, path);
    const page = { recursive, after, limit };
    const { entries, next } = await callSession(c, (s, caller) => s.listFiles(caller, path, page));
    return c.json({
      entries: entries.map(fileView),
      nextCursor: next === null ? null : encodeCursor([path, next]),
    });
  })

  .get("/:id/archive", async (c) => {
    const path = directoryOf(readQuery(c, ArchiveFiles).path);
    const body = await callSession(c, (s, caller) => s.archiveFiles(caller, path));
    const name = path.split("/").at(-1) || c.req.param("id");
    const headers = { "Content-Type": "application/x-tar", ...fileHeaders(`${name}.tar`) };
    if (c.req.method !== "HEAD") return c.body(body, 200, headers);
    await body.cancel();
    return c.body(null, 200, headers);
  })

  .get("/:id/files/*", async (c) => {
    const path = filePathOf(c);
    const isHead = c.req.method === "HEAD";
    if (isHead || isConditional(c)) {
      const { stat } = await callSession(c, (s, caller) => s.openFile(caller, path, null));
      if (isUnchanged(c, stat)) return c.body(null, 304, headersOf(stat));
      if (isHead)
        return c.body(null, 200, { ...headersOf(stat), "Content-Length": `${stat.size}` });
      const range = rangeOf(c, stat);
      if (range) return answer(c, path, range, stat.etag);
    }
    return answer(c, path, null);
  })

  .put("/:id/files/*", async (c) => {
    const body = c.req.raw.body ?? new Blob([]).stream();
    try {
      const { etag, created } = await write(c, body);
      return c.body(null, created ? 201 : 204, { ETag: etag });
    } catch (error) {
      // The session reads the rest of what it was given.
      if (!body.locked) await discard(body);
      throw error;
    }
  })

  .delete("/:id/files/*", async (c) => {
    const path = filePathOf(c);
    const { recursive } = readQuery(c, DeleteFile);
    const condition = conditionOf(c);
    const options = { recursive, condition };
    await callSession(c, (s, caller) => s.removeFile(caller, path, options), ONCE);
    return c.body(null, 204);
  });

/** Writes a file of a session. */
function write(c: AppContext, body: ReadableStream<Uint8Array>): Promise<FileWritten> {
  for (const name of ["Content-Range", "Content-Encoding"]) {
    if (c.req.header(name) === undefined) continue;
    throw invalid([{ path: name, message: "is not possible: send the whole file as it is" }]);
  }
  const path = filePathOf(c);
  const condition = conditionOf(c);
  return callSession(c, (s, caller) => s.putFile(caller, path, body, condition), ONCE);
}

/** Answers with a file, or with a range of the one with an ETag. */
async function answer(
  c: AppContext,
  path: string,
  range: { from: number; end: number } | null,
  etag?: string,
): Promise<Response> {
  const part = range ?? { from: 0, end: null };
  const { stat, body } = await callSession(c, (s, caller) => s.openFile(caller, path, part));
  if (!body) throw new Error("a file was opened without its content");
  if (etag !== undefined && stat.etag !== etag) {
    // It was changed between two questions. The client asks again.
    await body.cancel();
    throw new ApiError("unavailable_error", "The file is being changed. Try again.", {
      headers: { "Retry-After": "1" },
    });
  }
  const { from, end } = range ?? { from: 0, end: stat.size };
  const contentRange = range && { "Content-Range": `bytes ${from}-${end - 1}/${stat.size}` };
  // A stream of known length has the header Content-Length.
  const sized = body.pipeThrough(new FixedLengthStream(end - from));
  return c.body(sized, range ? 206 : 200, { ...headersOf(stat), ...contentRange });
}

const headersOf = (stat: FileStat): Record<string, string> => ({
  "Content-Type": mediaTypeOf(stat.path),
  "Accept-Ranges": "bytes",
  ETag: stat.etag,
  "Last-Modified": lastModified(stat.mtimeMs),
  ...fileHeaders(stat.path.split("/").at(-1) ?? ""),
});

/** Returns the path after which a page begins. Throws for a cursor of another list. */
function afterOf(cursor: string, path: string): string {
  const decoded = decodeCursor(cursor);
  const [directory, after]: unknown[] = Array.isArray(decoded) ? decoded : [];
  const isOf = directory === path && typeof after === "string";
  if (isOf && (path === "" || after.startsWith(`${path}/`))) return after;
  throw invalid([{ path: "cursor", message: "is none that this list gave out" }]);
}
