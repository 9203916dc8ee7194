// The files of a saved workspace, read from the bucket without a container. The index is kept as text, in which entries
// are found by their order, and of the packs only the last one: a workspace may have a hundred thousand files.

import {
  type Chunk,
  DamagedError,
  type Entry,
  NO_PACK,
  type Pack,
} from "../container/archive-format";
import { getIndexText, getPack, type ObjectStore } from "../container/archive-writer";
import {
  etagOf,
  type FileEntry,
  type FileRefusal,
  isRefusal,
  pageOf,
  pathProblem,
  refusals,
} from "../container/file-facts";
import { concat, pathBytes } from "../container/path-bytes";
import { tarPiece } from "../container/tar-piece";
import { below, comparePaths, relativeTo } from "../container/walk";
import { type Bucket, getArchive, objectsBelow, prefixOf } from "./archive";
import type { FilePiece, WorkspaceReader } from "./files";
import { messageOf, SandboxError } from "./sandbox";

/** The most bytes of an index, about 200,000 entries. */
const MAX_INDEX_BYTES = 32 * 1024 ** 2;
/** The size of a piece of an archive. */
const ARCHIVE_PIECE_BYTES = 2 * 1024 ** 2;
/** The most links that are followed, as on Linux. */
const MAX_LINKS = 40;

/** Returns the files of the workspace saved under a key. `workspace` is where it was, for links with whole paths. */
export function savedFiles(bucket: Bucket, key: string, workspace: string): WorkspaceReader {
  let loading: Promise<Saved> | undefined;
  const saved = (): Promise<Saved> => {
    loading ??= load(bucket, key).catch((error) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };

  return {
    list: (path, { recursive, after, limit }) =>
      mapped(async () => {
        const { index } = await saved();
        const directory = directoryIn(index, path, workspace);
        if (isRefusal(directory)) return directory;
        const asked = (inside: string) => below(path, relativeTo(directory.at, inside));
        const from = after === "" ? "" : below(directory.at, relativeTo(path, after));
        const page = await pageOf(entriesBelow(index, directory.at, from, recursive), limit);
        return {
          entries: page.entries.map((entry) => ({ ...entry, path: asked(entry.path) })),
          next: page.next === null ? null : asked(page.next),
        };
      }),

    read: (path, piece) =>
      mapped(async () => {
        const { index, contents } = await saved();
        const at = resolve(index, path, workspace);
        return isRefusal(at) ? at : readFile(index, contents, path, at.at, piece);
      }),

    archive: (path, position) =>
      mapped(async () => {
        const { index, contents } = await saved();
        const directory = directoryIn(index, path, workspace);
        if (isRefusal(directory)) return directory;
        const root = directory.at;
        const source = {
          async *entriesAfter(after: string) {
            const from = after === "" ? "" : below(root, after);
            for (const entry of entriesBelow(index, root, from, true)) {
              yield { ...entry, path: relativeTo(root, entry.path) };
            }
          },
          read: (file: string, piece: { from: number; length: number }) =>
            readFile(index, contents, file, below(root, file), piece),
        };
        const pieces: Uint8Array[] = [];
        const emit = (bytes: Uint8Array) => pieces.push(bytes);
        const next = await tarPiece(source, position, ARCHIVE_PIECE_BYTES, emit);
        return { bytes: concat(pieces), position: next };
      }),
  };
}

/** Runs `read`. Throws its errors as `SandboxError`s: another try may help, unless the workspace is damaged. */
async function mapped<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (cause instanceof SandboxError) throw cause;
    const message = `the saved workspace can't be read: ${messageOf(cause)}`;
    throw new SandboxError(message, { transient: !(cause instanceof DamagedError), cause });
  }
}

interface Saved {
  index: SavedIndex;
  contents: Contents;
}

async function load(bucket: Bucket, key: string): Promise<Saved> {
  const archive = await getArchive(bucket, key);
  if ("parts" in archive) {
    const message =
      "the workspace was saved by an earlier version, and is read once it was restored";
    throw new SandboxError(message, { transient: false });
  }
  const objects = objectsBelow(bucket, prefixOf(key, archive));
  const index = new SavedIndex(await getIndexText(objects, archive.index, MAX_INDEX_BYTES));
  return { index, contents: new Contents(objects, index.packs) };
}

/** The entries of an index, each parsed when it is needed. They are in the order of `comparePaths`. */
class SavedIndex {
  readonly packs: readonly Pack[];
  readonly #text: string;
  /** Where the lines of entries begin. */
  readonly #starts: number[] = [];

  constructor(text: string) {
    this.#text = text;
    const end = text.indexOf("\n");
    const { format, packs } = JSON.parse(end < 0 ? text : text.slice(0, end));
    if (format !== 1) throw new DamagedError("the saved workspace has an unknown format");
    this.packs = packs;
    for (let at = end; at >= 0; at = text.indexOf("\n", at + 1)) this.#starts.push(at + 1);
  }

  /** Returns the entry at a position; undefined after the last one. */
  at(n: number): Entry | undefined {
    return n < this.#starts.length ? this.#parse(n) : undefined;
  }

  /** Returns the position of the first entry at a path or after it. */
  positionOf(path: string): number {
    return this.#first((one) => comparePaths(one, path) >= 0);
  }

  /** Returns the position of the first entry that is after a path and all below it. */
  positionAfter(path: string): number {
    return this.#first((one) => comparePaths(one, path) > 0 && !isBelow(path, one));
  }

  /** Returns the entry at a path. */
  find(path: string): Entry | undefined {
    const entry = this.at(this.positionOf(path));
    return entry?.path === path ? entry : undefined;
  }

  /** Returns the first position whose path fulfils a condition, which all later ones fulfil too. */
  #first(holds: (path: string) => boolean): number {
    let [low, high] = [0, this.#starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(this.#parse(middle).path)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Throws for an entry that would be outside: the container that has saved it may have been taken over. */
  #parse(n: number): Entry {
    const start = this.#starts[n] ?? 0;
    const next = this.#starts[n + 1];
    const entry: Entry = JSON.parse(this.#text.slice(start, next && next - 1));
    const isInside = entry.path.split("/").every((name) => !/^(|\.|\.\.)$|\0/.test(name));
    if (!isInside) throw new DamagedError("the saved workspace has an invalid path");
    return entry;
  }
}

/** The contents of files. One pack is read at a time, and the last one is kept: large files fill packs in a row. */
class Contents {
  readonly #objects: ObjectStore;
  readonly #packs: readonly Pack[];
  #last: { number: number; bytes: Uint8Array } | null = null;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(objects: ObjectStore, packs: readonly Pack[]) {
    this.#objects = objects;
    this.#packs = packs;
  }

  /** Returns a part of a chunk. */
  read([number, offset, length]: Chunk, from: number, size: number): Promise<Uint8Array> {
    const end = Math.min(length, from + size);
    if (number === NO_PACK) return Promise.resolve(new Uint8Array(end - from));
    const read = async () => {
      const pack = this.#packs[number];
      if (!pack) throw new DamagedError("a chunk has no pack");
      if (this.#last?.number !== number) {
        this.#last = null;
        this.#last = { number, bytes: await getPack(this.#objects, pack) };
      }
      // A copy: whoever gets it may transfer its memory.
      const bytes = new Uint8Array(this.#last.bytes.subarray(offset + from, offset + end));
      if (bytes.length !== end - from) throw new DamagedError("a chunk is not in its pack");
      return bytes;
    };
    const reading = this.#reading.then(read, read);
    this.#reading = reading;
    return reading;
  }
}

/** Returns at most `length` bytes of the file at a place. `path` is how it was asked for. */
async function readFile(
  index: SavedIndex,
  contents: Contents,
  path: string,
  place: string,
  { from, length }: { from: number; length: number },
): Promise<FilePiece | FileRefusal> {
  // The workspace itself has no entry. A link may lead to it.
  if (place === "") return refusals.notAFile(path, "a directory");
  const entry = index.find(place);
  if (!entry) return refusals.notFound(path);
  const file = fileOf(index, entry);
  if (!file) {
    const what = entry.kind === "directory" ? "a directory" : "a pipe or a link";
    return refusals.notAFile(path, what);
  }
  const facts = { ...factsOf(index, entry), path };
  const stat = { ...facts, etag: etagOf(facts) };
  let start = 0;
  for (const chunk of length === 0 ? [] : file.chunks) {
    const end = start + chunk[2];
    if (from < end) return { stat, bytes: await contents.read(chunk, from - start, length) };
    start = end;
  }
  return { stat, bytes: new Uint8Array() };
}

/** Yields what is below a directory, after a path. */
function* entriesBelow(
  index: SavedIndex,
  directory: string,
  after: string,
  recursive: boolean,
): Generator<FileEntry> {
  const start = () => {
    if (after === "") return directory === "" ? 0 : index.positionOf(directory) + 1;
    return recursive ? index.positionOf(after) : index.positionAfter(after);
  };
  for (let n = start(); ; ) {
    const entry = index.at(n);
    if (!entry || !isBelow(directory, entry.path)) return;
    if (entry.path !== after) yield factsOf(index, entry);
    n = recursive ? n + 1 : index.positionAfter(entry.path);
  }
}

/** Returns whether a path is below a directory. */
const isBelow = (directory: string, path: string): boolean =>
  directory === "" || path.startsWith(`${directory}/`);

function factsOf(index: SavedIndex, entry: Entry): FileEntry {
  const { path, mode, mtimeMs, kind } = entry;
  const facts = { path, mode, mtimeMs };
  if (kind === "symlink")
    return {
      ...facts,
      type: "symlink",
      size: pathBytes(entry.target).length,
      target: entry.target,
    };
  if (kind === "directory") return { ...facts, type: "directory", size: 0 };
  const file = fileOf(index, entry);
  return file ? { ...facts, type: "file", size: file.size } : { ...facts, type: "other", size: 0 };
}

/** Returns the entry with the content of a file, which may have several names. */
function fileOf(index: SavedIndex, entry: Entry): (Entry & { kind: "file" }) | undefined {
  const found = entry.kind === "hardlink" ? index.find(entry.target) : entry;
  return found?.kind === "file" ? found : undefined;
}

function directoryIn(
  index: SavedIndex,
  path: string,
  workspace: string,
): { at: string } | FileRefusal {
  const at = resolve(index, path, workspace);
  if (isRefusal(at) || at.at === "") return at;
  return index.find(at.at)?.kind === "directory" ? at : refusals.notADirectory(path);
}

/** Returns where a path leads, links followed. */
function resolve(index: SavedIndex, path: string, workspace: string): { at: string } | FileRefusal {
  if (path !== "" && pathProblem(path) !== null) return refusals.outside(path);
  const rest = path.split("/").reverse();
  let at = "";
  let links = 0;
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (at === "") return refusals.outside(path);
      at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
      continue;
    }
    const entry = index.find(below(at, name));
    if (!entry) return refusals.notFound(path);
    if (entry.kind === "symlink") {
      links += 1;
      if (links > MAX_LINKS) return refusals.notFound(path);
      const { target } = entry;
      const isWhole = target.startsWith("/");
      if (isWhole && !`${target}/`.startsWith(`${workspace}/`)) return refusals.outside(path);
      if (isWhole) at = "";
      rest.push(...(isWhole ? target.slice(workspace.length) : target).split("/").reverse());
      continue;
    }
    if (entry.kind !== "directory" && rest.some((one) => one !== ""))
      return refusals.notFound(path);
    at = entry.path;
  }
  return { at };
}
