// The format of a saved workspace. The contents of the files are cut into chunks, and the chunks are collected in packs,
// which are compressed. An index lists the entries of the workspace, and where the chunks of each file are. Packs and
// indexes are named by the SHA-256 of their stored bytes, so that a name is a checksum and an object never changes. A save
// refers to chunks in packs of earlier saves, and adds packs for what is new only.

/** The maximum size of a chunk in bytes. A file that is not larger has one chunk. */
export const CHUNK_BYTES = 4 * 1024 ** 2;
/** The size in bytes, before compression, at which a pack is complete. The last chunk may exceed it. */
export const PACK_BYTES = 8 * 1024 ** 2;

/** Thrown for a saved workspace that can't be restored. */
export class DamagedError extends Error {}

/**
 * An entry below the workspace. A byte of a path or target that is not UTF-8 is a lone surrogate, U+DC00 + the byte.
 * `mtimeMs` has fractions. Owners are absent if they are root, or not known.
 */
export type Entry = {
  path: string;
  mode: number;
  mtimeMs: number;
  uid?: number;
  gid?: number;
} & (
  | { kind: "file"; size: number; chunks: Chunk[]; sparse?: true }
  | { kind: "directory" }
  | { kind: "symlink"; target: string }
  /** Another name of an earlier file. `target` is the path of that one. */
  | { kind: "hardlink"; target: string }
  | { kind: "fifo" }
);

/**
 * A chunk of a file: the number of its pack, its offset there before compression, its length, and its hash. A chunk of
 * zeros has no pack.
 */
export type Chunk = [pack: number, offset: number, length: number, hash: string];

/** The number of the pack of chunks that contain zeros only. */
export const NO_PACK = -1;

/** A pack: its name, and its size in bytes before compression. */
export interface Pack {
  name: string;
  rawBytes: number;
}

/** The contents of an index. */
export interface Index {
  packs: Pack[];
  /** Every directory comes before its content. */
  entries: Entry[];
}

/** Returns the text of an index, before compression: a line for the packs, and one for each entry. */
export function writeIndex({ packs, entries }: Index): string {
  const lines = [JSON.stringify({ format: 1, packs })];
  for (const entry of entries) lines.push(JSON.stringify(entry));
  return lines.join("\n");
}

/** The least bytes of the line of an entry, which bounds the number of entries by the size of an index. */
const MIN_LINE_BYTES = 30;

/**
 * Returns an index from its text. Throws for a format that this version does not know, and for an entry that would be
 * outside of the workspace: the container that has saved it may have been taken over.
 */
export function readIndex(text: string): Index {
  const [head = "{}", ...lines] = text.split("\n");
  const { format, packs }: { format?: number; packs: Pack[] } = JSON.parse(head);
  if (format !== 1) throw new Error("the saved workspace has an unknown format");
  if (lines.length > text.length / MIN_LINE_BYTES)
    throw new Error("the saved workspace is damaged");
  const entries = lines.map((line): Entry => JSON.parse(line));
  const directories = new Set([""]);
  for (const entry of entries) {
    const { kind, path } = entry;
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    const name = path.slice(parent === "" ? 0 : parent.length + 1);
    const isInside = directories.has(parent) && !/^(|\.|\.\.)$|[/\0]/.test(name);
    const isLinkInside = kind !== "hardlink" || !/(^|\/)\.\.?(\/|$)|^\//.test(entry.target);
    if (!isInside || !isLinkInside) throw new Error("the saved workspace has an invalid path");
    if (kind === "directory") directories.add(path);
  }
  return { packs, entries };
}

/** Returns whether a text can be the name of a pack or an index. */
export const isObjectName = (text: string): boolean => /^[0-9a-f]{64}$/.test(text);

/** The result of a save: the name of its index, the names of the packs that it refers to, and its size in bytes. */
export interface Saved {
  index: string;
  packs: string[];
  sizeBytes: number;
}

/** Returns the size of a workspace in bytes: that of its files, and of the text of its index. */
export const sizeOf = ({ entries }: Index, text: string): number =>
  entries.reduce((sum, entry) => sum + (entry.kind === "file" ? entry.size : 0), text.length);

/** How full a pack must be with chunks in use, so that a save refers to them instead of storing them again. */
const MIN_USE = 0.5;
/** How many packs of less than half the size of a full one may be in use before they are combined. */
const MAX_SMALL_PACKS = 32;

/**
 * Returns the packs whose chunks are stored again, in new packs, given the bytes that are in use of each. It bounds what
 * is stored for a workspace, and how many packs a restore reads, however often it was saved.
 */
export function packsToReplace(
  packs: readonly Pack[],
  usedBytes: ReadonlyMap<string, number>,
): Set<string> {
  const used = packs.filter(({ name }) => (usedBytes.get(name) ?? 0) > 0);
  const sparse = used.filter(
    ({ name, rawBytes }) => (usedBytes.get(name) ?? 0) < rawBytes * MIN_USE,
  );
  const small = used.filter(({ rawBytes }) => rawBytes < PACK_BYTES / 2);
  return new Set(
    [...sparse, ...(small.length > MAX_SMALL_PACKS ? small : [])].map(({ name }) => name),
  );
}
