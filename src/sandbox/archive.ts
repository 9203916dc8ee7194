// Stores workspaces in a bucket: tar archives of bounded size under a key, and an index that is written last.
// Any provider can restore what another has saved.

import type { SqliteFs } from "./disk/sqlite-fs";
import { join } from "./paths";
import { concat, readEntries, TAR_END, type TarEntry, writeEntry } from "./tar";

/** The part of an R2 bucket that archives need. */
export type Bucket = Pick<R2Bucket, "get" | "put">;

/** The size at which a part is closed: it holds at most this and one file, so memory stays bounded. */
const PART_BYTES = 4 * 1024 ** 2;

interface Index {
  parts: number;
}

const indexKey = (key: string) => `${key}/index.json`;

/** Returns the key of the `part`-th archive, counted from 1, of a saved workspace. */
export const partKey = (key: string, part: number): string =>
  `${key}/${String(part).padStart(6, "0")}.tar`;

/** Writes the index of a saved workspace, which makes it complete: without an index nothing can be restored. */
export async function putIndex(bucket: Bucket, key: string, parts: number): Promise<void> {
  await bucket.put(indexKey(key), JSON.stringify({ parts } satisfies Index));
}

/** Returns the number of parts saved under a key. Throws if there is no complete workspace. */
export async function countParts(bucket: Bucket, key: string): Promise<number> {
  const index = await bucket.get(indexKey(key));
  if (!index) throw new Error("there is no such archive");
  return (await index.json<Index>()).parts;
}

/** Returns a part of a saved workspace. Throws if it is missing. */
export async function getPart(bucket: Bucket, key: string, part: number): Promise<R2ObjectBody> {
  const archive = await bucket.get(partKey(key, part));
  if (!archive) throw new Error("a part of the archive is missing");
  return archive;
}

/**
 * Saves everything below a directory, and returns the size in bytes. Without a disk it saves an empty
 * workspace. The caller must prevent changes meanwhile.
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

/** Restores a saved workspace into an empty directory. Throws if it is not complete. */
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

/** Copies an archive, or creates an empty one, and returns its size in bytes. */
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

/** Yields everything below a directory, each directory before its content. */
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
  // The mode and time of a link itself are not stored: both calls would follow it.
  if (entry.kind === "symlink") return files.symlink(entry.target, place);
  if (entry.kind === "directory") await files.mkdir(place, { recursive: true });
  else await files.writeFile(place, entry.bytes);
  const mtime = new Date(entry.mtimeMs);
  await files.chmod(place, entry.mode);
  await files.utimes(place, mtime, mtime);
}
