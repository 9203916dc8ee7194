// Saves and restores the disk of an embedded sandbox, in the format of saved workspaces.

import { gzipSync } from "node:zlib";
import { CHUNK_BYTES, type Entry, type Pack, readIndex } from "../container/archive-format";
import {
  ArchiveWriter,
  getIndexText,
  getPack,
  type ObjectStore,
} from "../container/archive-writer";
import {
  abandonSave,
  type Bucket,
  beginSave,
  completeSave,
  getArchive,
  objectsBelow,
  partName,
  prefixOf,
} from "./archive";
import { MAX_FILE_BYTES } from "./disk/quota";
import type { SqliteFs } from "./disk/sqlite-fs";
import { join } from "./paths";
import { readEntries, type TarEntry } from "./tar";

/** Compresses quickly. The platform has zstd too, but its encoder fails for random bytes. */
const compress = (bytes: Uint8Array): Uint8Array => gzipSync(bytes, { level: 1 });

/** The maximum size of an index in bytes: more entries than a disk can have. */
const MAX_INDEX_BYTES = 32 * 1024 ** 2;

/**
 * Saves everything below a directory, and returns the size in bytes. Without a disk it saves an empty
 * workspace. The caller must prevent changes meanwhile.
 */
export async function saveTree(
  files: SqliteFs | undefined,
  root: string,
  bucket: Bucket,
  key: string,
  onProgress?: () => void,
): Promise<{ sizeBytes: number }> {
  const begun = await beginSave(bucket, key, null);
  try {
    const writer = new ArchiveWriter(objectsBelow(bucket, begun.prefix, onProgress), compress);
    const entries: Entry[] = [];
    if (files) for await (const entry of entriesBelow(files, root, writer)) entries.push(entry);
    const { saved } = await writer.finish(entries);
    await completeSave(bucket, key, begun, saved);
    return { sizeBytes: saved.sizeBytes };
  } catch (error) {
    await abandonSave(bucket, key, begun);
    throw error;
  }
}

/** Restores a saved workspace into an empty directory. Throws if it is not complete. */
export async function restoreTree(
  files: SqliteFs,
  root: string,
  bucket: Bucket,
  key: string,
  onProgress?: () => void,
): Promise<void> {
  const archive = await getArchive(bucket, key);
  const objects = objectsBelow(bucket, prefixOf(key, archive), onProgress);
  await files.mkdir(root, { recursive: true });
  if ("parts" in archive) return restoreArchives(files, root, objects, archive.parts);
  const { packs, entries } = readIndex(await getIndexText(objects, archive.index, MAX_INDEX_BYTES));
  const contents = new Contents(objects, packs);
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  for (const entry of entries) {
    const source = entry.kind === "hardlink" ? byPath.get(entry.target) : entry;
    if (source) await restoreEntry(files, root, entry, source, contents);
  }
}

/** The contents of files. Keeps the last pack that was read: files that follow each other are mostly in the same one. */
class Contents {
  readonly #objects: ObjectStore;
  readonly #packs: readonly Pack[];
  #last: { number: number; bytes: Uint8Array } | null = null;

  constructor(objects: ObjectStore, packs: readonly Pack[]) {
    this.#objects = objects;
    this.#packs = packs;
  }

  /** Returns the content of a file. Throws if the disk can't have it. */
  async of({ path, size, chunks }: Entry & { kind: "file" }): Promise<Uint8Array> {
    if (size > MAX_FILE_BYTES) throw new Error(`${path} is too large for this sandbox`);
    const content = new Uint8Array(size);
    let at = 0;
    for (const [number, offset, length] of chunks) {
      const pack = this.#packs[number];
      if (pack) content.set((await this.#read(number, pack)).subarray(offset, offset + length), at);
      at += length;
    }
    return content;
  }

  async #read(number: number, pack: Pack): Promise<Uint8Array> {
    if (this.#last?.number !== number) {
      this.#last = { number, bytes: await getPack(this.#objects, pack) };
    }
    return this.#last.bytes;
  }
}

/** Yields everything below a directory, each directory before its content. */
async function* entriesBelow(
  files: SqliteFs,
  root: string,
  writer: ArchiveWriter,
): AsyncGenerator<Entry> {
  const isDirectory = (await files.exists(root)) && (await files.stat(root)).isDirectory;
  const rest = isDirectory ? [""] : [];
  for (let path = rest.pop(); path !== undefined; path = rest.pop()) {
    const place = path === "" ? root : join(root, path);
    const { mode, mtime, ...stat } = await files.lstat(place);
    const facts = { path, mode, mtimeMs: mtime.getTime() };
    if (stat.isSymbolicLink && path !== "") {
      yield { ...facts, kind: "symlink", target: await files.readlink(place) };
    } else if (stat.isFile) {
      const bytes = await files.readFileBuffer(place);
      const chunks = [];
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
        chunks.push(await writer.add(bytes.subarray(at, at + CHUNK_BYTES)));
      }
      yield { ...facts, kind: "file", size: bytes.length, chunks };
    } else {
      if (path !== "") yield { ...facts, kind: "directory" };
      const names = await files.readdir(place);
      rest.push(...names.reverse().map((name) => (path === "" ? name : `${path}/${name}`)));
    }
  }
}

/** Restores an entry with the content of another, or its own. */
async function restoreEntry(
  files: SqliteFs,
  root: string,
  { path, mode, mtimeMs }: Entry,
  source: Entry,
  contents: Contents,
): Promise<void> {
  const place = join(root, path.toWellFormed());
  switch (source.kind) {
    // The mode and time of a link itself are not stored: both calls would follow it.
    case "symlink":
      return files.symlink(source.target.toWellFormed(), place);
    case "directory":
      await files.mkdir(place, { recursive: true });
      break;
    case "file":
      await files.writeFile(place, await contents.of(source));
      break;
    // The disk has no hard links to follow, and no pipes.
    case "hardlink":
    case "fifo":
      return;
  }
  await setFacts(files, place, mode, mtimeMs);
}

/** Restores the tar archives of an earlier version. */
async function restoreArchives(
  files: SqliteFs,
  root: string,
  objects: ObjectStore,
  parts: number,
): Promise<void> {
  for (let part = 1; part <= parts; part++) {
    for (const entry of readEntries(await objects.get(partName(part)))) {
      await restoreTarEntry(files, root, entry);
    }
  }
}

async function restoreTarEntry(files: SqliteFs, root: string, entry: TarEntry): Promise<void> {
  const place = join(root, entry.path);
  if (entry.kind === "symlink") return files.symlink(entry.target, place);
  if (entry.kind === "directory") await files.mkdir(place, { recursive: true });
  else await files.writeFile(place, entry.bytes);
  await setFacts(files, place, entry.mode, entry.mtimeMs);
}

async function setFacts(
  files: SqliteFs,
  place: string,
  mode: number,
  mtimeMs: number,
): Promise<void> {
  const mtime = new Date(mtimeMs);
  await files.chmod(place, mode);
  await files.utimes(place, mtime, mtime);
}
