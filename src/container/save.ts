import {
  appendFileSync,
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import {
  CHUNK_BYTES,
  type Chunk,
  type Entry,
  type Index,
  NO_PACK,
  readIndex,
  type Saved,
} from "./archive-format.ts";
import {
  ArchiveWriter,
  type FilledPack,
  getIndexText,
  type ObjectStore,
} from "./archive-writer.ts";
import { type KnownFiles, readKnownFiles, toKnown } from "./known-files.ts";
import { objectStore } from "./object-store.ts";
import { bytesBelow, textOfPath } from "./paths.ts";
import type { SaveAsk, Tell } from "./protocol.ts";
import { codeOf, GaveWay, HOME, publish, textOf, whileSaving } from "./state.ts";

/** How long packs that an interrupted save has stored are used by the next one, in ms. They are removed after a day. */
const SENT_MS = 12 * 3_600_000;
/** How many entries are read before other work of this process gets a turn. */
const ENTRIES_AT_ONCE = 500;

/**
 * Saves the workspace: stores what the earlier save with the index `ask.base` has not, and an index. Returns null if it
 * gave way to another operation. Packs that were stored by a save that was interrupted are not stored again.
 */
export async function save(ask: SaveAsk, tell: Tell): Promise<Saved | null> {
  const onProgress = () => tell({ progress: true });
  try {
    return await whileSaving(ask.mode, (checkWay) =>
      saveTree(ask, objectStore(ask.token, onProgress), () => {
        checkWay();
        onProgress();
      }),
    );
  } catch (error) {
    if (error instanceof GaveWay) return null;
    throw error;
  }
}

async function saveTree(ask: SaveAsk, store: ObjectStore, step: () => void): Promise<Saved> {
  const base = ask.base === null ? null : await baseIndex(store, ask.base);
  const sent = new SentPacks(ask.store);
  const writer = new ArchiveWriter(store, zstdCompressSync, base, sent.read(), (pack) =>
    sent.add(pack),
  );
  const files = readKnownFiles();
  const entries: Entry[] = [];
  /** The first path of each file with several names. */
  const names = new Map<string, string>();
  for (const found of filesBelow(ask.workspace)) {
    const entry = await entryOf(found, { names, files, writer, step });
    if (entry) entries.push(entry);
    if (entries.length % ENTRIES_AT_ONCE > 0) continue;
    step();
    await new Promise(setImmediate);
  }
  const { saved, text } = await writer.finish(entries);
  remember(() => files.store());
  remember(() => keepIndex(saved.index, text));
  sent.clear();
  return saved;
}

/** Returns a time in whole microseconds, rounded down. */
const microseconds = (ns: bigint): number => Number((ns - (ns < 0n ? 999n : 0n)) / 1_000n);

interface Reading {
  names: Map<string, string>;
  files: KnownFiles;
  writer: ArchiveWriter;
  /** Called after each chunk. */
  step: () => void;
}

/** Returns the entry of a file, after its chunks were added; undefined if it was removed, or can't be saved. */
async function entryOf({ path, place, stat }: Found, reading: Reading): Promise<Entry | undefined> {
  const facts = {
    path,
    mode: Number(stat.mode) & 0o7777,
    mtimeMs: microseconds(stat.mtimeNs) / 1_000,
    ...(stat.uid > 0n && { uid: Number(stat.uid) }),
    ...(stat.gid > 0n && { gid: Number(stat.gid) }),
  };
  if (stat.isDirectory()) return { ...facts, kind: "directory" };
  if (stat.isFIFO()) return { ...facts, kind: "fifo" };
  if (stat.isSymbolicLink()) {
    const target = ifReadable(() => readlinkSync(place, { encoding: "buffer" }));
    return target && { ...facts, kind: "symlink", target: textOfPath(target) };
  }
  // Sockets and devices belong to running programs.
  if (!stat.isFile()) return undefined;
  const inode = `${stat.dev} ${stat.ino}`;
  const first = stat.nlink > 1n ? reading.names.get(inode) : undefined;
  if (first !== undefined) return { ...facts, kind: "hardlink", target: first };
  const chunks = knownChunks(stat, reading) ?? (await readChunks(place, stat, reading));
  if (!chunks) return undefined;
  if (stat.nlink > 1n) reading.names.set(inode, path);
  const size = chunks.reduce((sum, [, , length]) => sum + length, 0);
  const isSparse = stat.blocks * 512n < stat.size;
  return { ...facts, kind: "file", size, chunks, ...(isSparse && { sparse: true }) };
}

/** Returns the chunks of an unchanged file; undefined if one of them is not stored. */
function knownChunks(stat: BigIntStats, { files, writer }: Reading): Chunk[] | undefined {
  const known = files.find(stat);
  const chunks = known?.map((chunk): Chunk | undefined =>
    typeof chunk === "number" ? [NO_PACK, 0, chunk, ""] : writer.find(chunk),
  );
  if (!known || !chunks?.every((chunk) => chunk !== undefined)) return undefined;
  files.note(stat, known);
  return chunks;
}

/** Reads a file and adds its chunks. Returns undefined if it is no longer there, or can't be read. */
async function readChunks(
  place: Buffer,
  stat: BigIntStats,
  { files, writer, step }: Reading,
): Promise<Chunk[] | undefined> {
  const readAt = Date.now();
  const file = openFile(place);
  if (file === undefined) return undefined;
  try {
    const chunks: Chunk[] = [];
    const size = Number(stat.size);
    for (let at = 0; at < size; ) {
      const bytes = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, size - at));
      const length = readFully(file, bytes, at);
      if (length === 0) break;
      chunks.push(await writer.add(bytes.subarray(0, length)));
      at += length;
      step();
    }
    const after = fstatSync(file, { bigint: true });
    // What changed while it was read is read again by the next save.
    if (after.ctimeNs === stat.ctimeNs && after.size === stat.size) {
      files.note(stat, toKnown(chunks), readAt);
    }
    return chunks;
  } finally {
    closeSync(file);
  }
}

/** Fills a buffer from a file, up to the file's end. Returns the number of bytes. */
function readFully(file: number, bytes: Buffer, at: number): number {
  let length = 0;
  while (length < bytes.length) {
    const read = readSync(file, bytes, length, bytes.length - length, at + length);
    if (read === 0) break;
    length += read;
  }
  return length;
}

/** Something below the workspace: its path there, its place in the file system, and its state. */
interface Found {
  path: string;
  place: Buffer;
  stat: BigIntStats;
}

/** Yields everything below a directory, each directory before its content. */
function* filesBelow(root: string): Generator<Found> {
  const rest = statSync(root, { throwIfNoEntry: false })?.isDirectory() ? pathsIn(root, "") : [];
  for (let path = rest.pop(); path !== undefined; path = rest.pop()) {
    const place = bytesBelow(root, path);
    const stat = ifReadable(() => lstatSync(place, { bigint: true }));
    if (!stat) continue;
    yield { path, place, stat };
    if (!stat.isDirectory()) continue;
    for (const below of pathsIn(root, path)) rest.push(below);
  }
}

/** Returns the paths in a directory, last first; none if it was removed or can't be read. */
function pathsIn(root: string, path: string): string[] {
  const names = ifReadable(() => readdirSync(bytesBelow(root, path), { encoding: "buffer" })) ?? [];
  const prefix = path === "" ? "" : `${path}/`;
  return names.sort((a, b) => Buffer.compare(b, a)).map((name) => prefix + textOfPath(name));
}

/** Opens a file. Does not wait for the other side of a pipe that has taken its place. */
const openFile = (place: Buffer): number | undefined =>
  ifReadable(() =>
    openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK),
  );

/** Returns the result of a read; undefined if a background process removed the file, or it can't be read. */
function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (UNREADABLE.has(codeOf(error) ?? "")) return undefined;
    throw error;
  }
}

const UNREADABLE = new Set(["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ELOOP", "ENXIO"]);

const indexPath = (name: string): string => join(HOME, "indexes", name);

/** Returns the index of an earlier save, from this container if it was saved or restored here. */
async function baseIndex(store: ObjectStore, name: string): Promise<Index | null> {
  try {
    return readIndex(textOf(indexPath(name)) ?? (await getIndexText(store, name)));
  } catch {
    // Without it, everything is stored again.
    return null;
  }
}

/** Writes what makes the next save faster. A save does without: the disk may be full. */
export function remember(write: () => void): void {
  try {
    write();
  } catch {
    // The next save reads and sends more.
  }
}

/** Keeps the text of the index of the last save or restore, for the next save. */
export function keepIndex(name: string, text: string): void {
  rmSync(join(HOME, "indexes"), { recursive: true, force: true });
  mkdirSync(join(HOME, "indexes"), { recursive: true });
  publish(indexPath(name), text);
}

/** The packs that a save has stored which is not complete. */
class SentPacks {
  readonly #path: string;

  constructor(store: string) {
    this.#path = join(HOME, `sent-packs-${store}`);
  }

  read(now: number = Date.now()): FilledPack[] {
    const lines = textOf(this.#path)?.split("\n") ?? [];
    const packs = lines.flatMap((line): (FilledPack & { at: number })[] => {
      try {
        return [JSON.parse(line)];
      } catch {
        // A process that was killed, or a full disk, may have left half of a line.
        return [];
      }
    });
    return packs.filter(({ at }) => now - at < SENT_MS);
  }

  add(pack: FilledPack): void {
    const line = JSON.stringify({ ...pack, at: Date.now() });
    // After a line break, in case the line before is cut off.
    remember(() => appendFileSync(this.#path, `\n${line}`));
  }

  clear(): void {
    rmSync(this.#path, { force: true });
  }
}
