// A workspace in a bucket: tar archives of bounded size under a key, and an index that is written last.
// Any provider can restore what another has saved.

import type { SqliteFs } from "./disk/sqlite-fs";
import { join } from "./paths";
import { concat, readEntries, TAR_END, type TarEntry, writeEntry } from "./tar";

/** Where archives are kept. */
export type Bucket = Pick<R2Bucket, "get" | "put">;

/** A part is closed once it is this large, so it holds at most this and one file: memory stays bounded. */
const PART_BYTES = 4 * 1024 ** 2;

interface Index {
  parts: number;
}

const indexKey = (key: string) => `${key}/index.json`;

/** Returns where the `part`-th archive of a saved workspace is, counted from 1. */
export const partKey = (key: string, part: number): string =>
  `${key}/${String(part).padStart(6, "0")}.tar`;

/** Makes what was saved under a key whole: without its index there is nothing. */
export async function putIndex(bucket: Bucket, key: string, parts: number): Promise<void> {
  await bucket.put(indexKey(key), JSON.stringify({ parts } satisfies Index));
}

/** Returns how many parts were saved under a key. Throws where nothing was, or not all of it. */
export async function countParts(bucket: Bucket, key: string): Promise<number> {
  const index = await bucket.get(indexKey(key));
  if (!index) throw new Error("there is no such archive");
  return (await index.json<Index>()).parts;
}

/** Returns a part of what was saved under a key. */
export async function getPart(bucket: Bucket, key: string, part: number): Promise<R2ObjectBody> {
  const archive = await bucket.get(partKey(key, part));
  if (!archive) throw new Error("a part of the archive is missing");
  return archive;
}

/**
 * Saves everything below a directory, of no disk nothing; answers its size. The caller sees to it that
 * nothing changes meanwhile.
 */
export async function saveTree(
  files: SqliteFs | undefined,
  root: string,
  bucket: Bucket,
  key: string,
): Promise<{ sizeBytes: number }> {
  let parts = 0;
  let sizeBytes = 0;
  let gathered: Uint8Array[] = [];
  let gatheredBytes = 0;
  const flush = async () => {
    if (gatheredBytes === 0) return;
    const archive = concat([...gathered, TAR_END]);
    gathered = [];
    gatheredBytes = 0;
    parts += 1;
    sizeBytes += archive.length;
    await bucket.put(partKey(key, parts), archive);
  };
  for await (const entry of files ? entriesBelow(files, root) : []) {
    const piece = writeEntry(entry);
    gathered.push(piece);
    gatheredBytes += piece.length;
    if (gatheredBytes >= PART_BYTES) await flush();
  }
  await flush();
  await putIndex(bucket, key, parts);
  return { sizeBytes };
}

/** Puts what was saved below a directory that is empty. Throws where it is not all there. */
export async function restoreTree(
  files: SqliteFs,
  root: string,
  bucket: Bucket,
  key: string,
): Promise<void> {
  const parts = await countParts(bucket, key);
  await files.mkdir(root, { recursive: true });
  for (let part = 1; part <= parts; part++) {
    const archive = await getPart(bucket, key, part);
    for (const entry of readEntries(new Uint8Array(await archive.arrayBuffer()))) {
      await restoreEntry(files, root, entry);
    }
  }
}

/** Copies an archive, or makes an empty one of none; answers its size. */
export async function copyArchive(
  bucket: Bucket,
  from: string | null,
  to: string,
): Promise<{ sizeBytes: number }> {
  const parts = from === null ? 0 : await countParts(bucket, from);
  let sizeBytes = 0;
  for (let part = 1; part <= parts; part++) {
    const archive = await getPart(bucket, from ?? "", part);
    sizeBytes += archive.size;
    await bucket.put(partKey(to, part), archive.body);
  }
  await putIndex(bucket, to, parts);
  return { sizeBytes };
}

/** Everything below a directory, each directory before what it holds. */
async function* entriesBelow(files: SqliteFs, root: string): AsyncGenerator<TarEntry> {
  const isDirectory = (await files.exists(root)) && (await files.stat(root)).isDirectory;
  const rest = isDirectory ? [""] : [];
  for (let path = rest.pop(); path !== undefined; path = rest.pop()) {
    const place = path === "" ? root : join(root, path);
    const { mode, mtime, ...stat } = await files.lstat(place);
    const facts = { path, mode, mtimeMs: mtime.getTime() };
    if (stat.isSymbolicLink && path !== "") {
      yield { ...facts, kind: "symlink", target: await files.readlink(place) };
    } else if (stat.isFile) {
      yield { ...facts, kind: "file", bytes: await files.readFileBuffer(place) };
    } else {
      if (path !== "") yield { ...facts, kind: "directory" };
      const names = await files.readdir(place);
      rest.push(...names.reverse().map((name) => (path === "" ? name : `${path}/${name}`)));
    }
  }
}

async function restoreEntry(files: SqliteFs, root: string, entry: TarEntry): Promise<void> {
  const place = join(root, entry.path);
  // A link's own mode and time are not kept anywhere: both calls would follow it.
  if (entry.kind === "symlink") return files.symlink(entry.target, place);
  if (entry.kind === "directory") await files.mkdir(place, { recursive: true });
  else await files.writeFile(place, entry.bytes);
  const mtime = new Date(entry.mtimeMs);
  await files.chmod(place, entry.mode);
  await files.utimes(place, mtime, mtime);
}
