// What is known of the files of a workspace, wherever they are: in a container, on the disk of an embedded sandbox, or in
// a saved workspace. Without I/O.

import { pathBytes } from "./path-bytes.ts";

/** What is at a path of a workspace. `path` is relative to the workspace. */
export interface FileEntry {
  path: string;
  type: "file" | "directory" | "symlink" | "other";
  /** In bytes; 0 for a directory. */
  size: number;
  /** The permission bits. */
  mode: number;
  /** The time of the last change in ms since 1970, with fractions. */
  mtimeMs: number;
  /** What a link says. */
  target?: string;
}

/** A file. `id` identifies it while it is written in place; absent where nothing does. */
export interface FileStat extends FileEntry {
  /** A strong ETag, in quotes. */
  etag: string;
  id?: string;
}

/** Why something can't be done with a path. `message` is a sentence for clients. */
export interface FileRefusal {
  problem: FileProblem;
  message: string;
}

type FileProblem =
  | "not_found"
  /** The path leads out of the workspace, or can't be accessed. */
  | "outside"
  /** A directory, a device, or a link that leads nowhere. */
  | "not_a_file"
  | "not_a_directory"
  | "precondition_failed"
  | "too_large"
  /** The content of a write ended too early. */
  | "broken_off";

/** A page of entries. `next` is the path after which the next page begins; null on the last one. */
export interface FilePage {
  entries: FileEntry[];
  next: string | null;
}

/** Which entries a page has: those below a directory after a path, in the order of `walk`. */
export interface PageOfFiles {
  recursive: boolean;
  /** Empty for the first page. */
  after: string;
  limit: number;
}

/** The ETags that a file may have for a change: one of `ifMatch`, and none of `ifNoneMatch`. `*` is that of any file. */
export interface Condition {
  ifMatch?: readonly string[] | undefined;
  ifNoneMatch?: readonly string[] | undefined;
}

/** A file that was written. */
export interface FileWritten {
  etag: string;
  size: number;
  created: boolean;
}

const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 3_000;

/** Returns why a text is no path below a workspace; null if it is one. */
export function pathProblem(path: string): string | null {
  const names = path.split("/");
  if (path.startsWith("/")) return "must be relative to the workspace";
  if (names.some((name) => name === "" || name === "." || name === "..")) {
    return "must have no empty name and no . or ..";
  }
  if (path.includes("\0")) return "must have no NUL";
  if (pathBytes(path).length > MAX_PATH_BYTES) return `must have ${MAX_PATH_BYTES} bytes at most`;
  return names.some((name) => pathBytes(name).length > MAX_NAME_BYTES)
    ? `must have names of ${MAX_NAME_BYTES} bytes at most`
    : null;
}

/** Returns whether a condition holds for the ETag of a file; null if there is none. */
export function holdsFor({ ifMatch, ifNoneMatch }: Condition, etag: string | null): boolean {
  const isOneOf = (etags: readonly string[]) =>
    etag !== null && (etags.includes("*") || etags.includes(etag));
  return (ifMatch === undefined || isOneOf(ifMatch)) && !(ifNoneMatch && isOneOf(ifNoneMatch));
}

/** Returns the ETag of a file by its time and size, which a save and a restore keep. */
export const etagOf = ({ mtimeMs, size }: Pick<FileEntry, "mtimeMs" | "size">): string =>
  `"${Math.round(mtimeMs * 1_000).toString(36)}-${size.toString(36)}"`;

/** Returns whether a file that was looked at twice has the same content up to `end`, unless it was written in place. */
export const isSameFile = (
  before: Pick<FileStat, "etag" | "id">,
  after: FileStat,
  end: number,
): boolean =>
  before.etag === after.etag ||
  (before.id !== undefined && before.id === after.id && after.size >= end);

/** Returns the refusals of a path. */
export const refusals = {
  notFound: (path: string): FileRefusal => ({
    problem: "not_found",
    message: `There is no ${nameOf(path)}.`,
  }),
  outside: (path: string): FileRefusal => ({
    problem: "outside",
    message: `${nameOf(path)} leads out of the workspace.`,
  }),
  forbidden: (path: string): FileRefusal => ({
    problem: "outside",
    message: `${nameOf(path)} can't be accessed.`,
  }),
  notAFile: (path: string, what: string): FileRefusal => ({
    problem: "not_a_file",
    message: `${nameOf(path)} is ${what}.`,
  }),
  notADirectory: (path: string): FileRefusal => ({
    problem: "not_a_directory",
    message: `${nameOf(path)} is no directory.`,
  }),
  preconditionFailed: (path: string): FileRefusal => ({
    problem: "precondition_failed",
    message: `${nameOf(path)} is not as If-Match or If-None-Match asks.`,
  }),
};

const nameOf = (path: string): string =>
  path === "" ? "the workspace" : JSON.stringify(path.toWellFormed());

/** Returns whether a value is a refusal. */
export const isRefusal = (value: object): value is FileRefusal => "problem" in value;

/** The most characters of the paths of a page. */
const MAX_PAGE_CHARS = 256 * 1024;

/** Returns a page of the first entries. */
export async function pageOf(
  entries: AsyncIterable<FileEntry> | Iterable<FileEntry>,
  limit: number,
): Promise<FilePage> {
  const page: FileEntry[] = [];
  let chars = 0;
  for await (const entry of entries) {
    const last = page.at(-1);
    if (last && (page.length >= limit || chars > MAX_PAGE_CHARS)) {
      return { entries: page, next: last.path };
    }
    page.push(entry);
    chars += entry.path.length;
  }
  return { entries: page, next: null };
}
