// What a request for a file asks for: its path, the conditions under which it is answered or changed, and the range of
// bytes. As RFC 9110 has them.

import { type Condition, pathProblem } from "../sandbox/files";
import type { AppContext } from "./context";
import { ApiError, invalid } from "./errors";
import { fileTime } from "./views";

/**
 * Returns the path of the file that a request names, each name decoded once. Throws for one that can't be below a
 * workspace. A `..` never arrives: it is a part of the URL that is resolved before.
 */
export function filePathOf(c: AppContext): string {
  // The router has decoded the path: "%2F" and "/" would be the same.
  const [, _api, _sessions, _id, _files, ...names] = new URL(c.req.url).pathname.split("/");
  return checkedPath(names.map(decoded), names.join("/"));
}

/** Returns a path of a query. Throws for one that can't be below a workspace; the empty one is the workspace itself. */
export const directoryOf = (path: string): string =>
  path === "" ? "" : checkedPath(path.split("/"), path);

function checkedPath(names: readonly (string | null)[], given: string): string {
  const issue = (message: string) => invalid([{ path: "path", message }]);
  if (names.includes(null)) throw issue(`must be UTF-8: ${given.slice(0, 200)}`);
  if (names.some((name) => name?.includes("/"))) throw issue("must have no / in a name");
  const path = names.join("/");
  const problem = pathProblem(path);
  if (problem !== null) throw issue(problem);
  return path;
}

function decoded(name: string): string | null {
  try {
    return decodeURIComponent(name);
  } catch {
    return null;
  }
}

/** Returns the condition of a change. */
export function conditionOf(c: AppContext): Condition {
  const ifMatch = c.req.header("If-Match");
  const ifNoneMatch = c.req.header("If-None-Match");
  return {
    ...(ifMatch !== undefined && { ifMatch: etagsIn(ifMatch) }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch: etagsIn(ifNoneMatch).map(strong) }),
  };
}

/** What is known of a file that is to be read. */
interface Validators {
  etag: string;
  mtimeMs: number;
}

/**
 * Returns whether the client has the file already. Throws if `If-Match` asks for another one. A date counts only where there
 * is no ETag.
 */
export function isUnchanged(c: AppContext, { etag, mtimeMs }: Validators): boolean {
  const { ifMatch, ifNoneMatch } = conditionOf(c);
  const isOneOf = (etags: readonly string[]) => etags.includes("*") || etags.includes(etag);
  if (ifMatch && !isOneOf(ifMatch)) {
    throw new ApiError("precondition_failed", "The file is not as If-Match asks.");
  }
  if (ifNoneMatch) return isOneOf(ifNoneMatch);
  const since = Date.parse(c.req.header("If-Modified-Since") ?? "");
  return Math.floor(mtimeMs / 1_000) * 1_000 <= since;
}

/** Returns whether a request has a condition or a range, which depend on what the file is. */
export const isConditional = (c: AppContext): boolean =>
  ["If-Match", "If-None-Match", "If-Modified-Since", "Range"].some(
    (name) => c.req.header(name) !== undefined,
  );

/**
 * Returns the range of bytes that a request asks for; null for the whole file: without a range, with several or an invalid
 * one, and if the file is not that of `If-Range`. Throws if the file has no such bytes.
 */
export function rangeOf(
  c: AppContext,
  { size, etag, mtimeMs }: Validators & { size: number },
): { from: number; end: number } | null {
  const ifRange = c.req.header("If-Range");
  if (ifRange !== undefined && ifRange !== etag && ifRange !== lastModified(mtimeMs)) return null;
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(c.req.header("Range") ?? "") ?? [];
  if (first === "" && last === "") return null;
  const from = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  if (first !== "" && last !== "" && Number(last) < Number(first)) return null;
  if (from < end) return { from, end };
  throw new ApiError("range_not_satisfiable", `The file has ${size} bytes.`, {
    headers: { "Content-Range": `bytes */${size}` },
  });
}

/** Returns a time as the headers of HTTP have it. */
export const lastModified = (mtimeMs: number): string => fileTime(mtimeMs).toUTCString();

/** Returns the ETags of a header. What is none matches no file. */
const etagsIn = (header: string): string[] =>
  header.trim() === "*" ? ["*"] : (header.match(/(W\/)?"[^"]*"/g) ?? []);

const strong = (etag: string): string => etag.replace(/^W\//, "");

/** Returns the header that makes a browser save a file and not show it: what an agent wrote must not run as a page. */
const attachment = (name: string): string =>
  `attachment; filename*=UTF-8''${encodeURIComponent(name.toWellFormed()).replace(/['()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)}`;

/** Returns the headers of an answer with a file that a browser does not show, and asks for again. */
export const fileHeaders = (name: string): Record<string, string> => ({
  "Content-Disposition": attachment(name),
  "Cache-Control": "private, no-cache",
});
