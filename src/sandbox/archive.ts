// Saved workspaces in a bucket. The objects that they consist of are in a store: workspaces that come from one another
// share it, and an object that several of them need is stored once. Under the key of a saved workspace is a small record
// with the names of its objects. It is written last, so a saved workspace is either complete or does not exist. Objects
// that no record names are removed: see `collectGarbage`.
//
//   <key>/index.json              the record of a saved workspace
//   archives/<store>/objects/…    packs and indexes: see src/container/archive-format.ts
//   archives/<store>/holders/…    the keys of all records that may name objects of the store
//   garbage/<day>/<store>         stores from which something was removed on that day

import { isObjectName, type Saved } from "../container/archive-format";
import type { ObjectStore } from "../container/archive-writer";

/** The part of an R2 bucket that saving and restoring need. */
export type Bucket = Pick<R2Bucket, "get" | "put">;

/** The record of a saved workspace: its objects, or the number of tar archives that an earlier version has saved. */
export type Archive = { parts: number } | (Saved & { store: string });

const recordKey = (key: string): string => `${key}/index.json`;
const objectsPrefix = (store: string): string => `archives/${store}/objects/`;
const holdersPrefix = (store: string): string => `archives/${store}/holders/`;
const holderKey = (store: string, key: string): string =>
  holdersPrefix(store) + encodeURIComponent(key);

/** Returns the name of a tar archive of an earlier version, counted from 1. */
export const partName = (part: number): string => `${String(part).padStart(6, "0")}.tar`;

/** Returns the record of a saved workspace; null if there is none. */
async function findArchive(bucket: Pick<R2Bucket, "get">, key: string): Promise<Archive | null> {
  const record = await bucket.get(recordKey(key));
  return record ? record.json<Archive>() : null;
}

/** Returns the record of a saved workspace. Throws if there is none. */
export async function getArchive(bucket: Pick<R2Bucket, "get">, key: string): Promise<Archive> {
  const archive = await findArchive(bucket, key);
  if (!archive) throw new Error("there is no such archive");
  return archive;
}

/** Returns the prefix of the objects of a saved workspace. */
export const prefixOf = (key: string, archive: Archive): string =>
  "store" in archive ? objectsPrefix(archive.store) : `${key}/`;

/** A save that has begun: the store for its objects, and the index of an earlier save there. */
export interface BegunSave {
  store: string;
  prefix: string;
  base: string | null;
}

/**
 * Begins to save a workspace under a key. Objects of the workspace saved under `baseKey` need not be stored again, if
 * there still is one.
 */
export async function beginSave(
  bucket: Bucket,
  key: string,
  baseKey: string | null,
): Promise<BegunSave> {
  const base = baseKey === null ? null : await findArchive(bucket, baseKey);
  // The first save of a session, and every attempt of it, has the same store.
  const store = base && "store" in base ? base.store : (key.split("/")[1] ?? key);
  await bucket.put(holderKey(store, key), "");
  // Read again: from now on, its objects are not removed.
  const held = baseKey === null ? null : await findArchive(bucket, baseKey);
  const index = held && "store" in held && held.store === store ? held.index : null;
  return { store, prefix: objectsPrefix(store), base: index };
}

/** Writes the record of a saved workspace, which completes it. */
export async function completeSave(
  bucket: Bucket,
  key: string,
  { store }: BegunSave,
  { index, packs, sizeBytes }: Saved,
): Promise<void> {
  const archive: Archive = { store, index, packs, sizeBytes };
  await bucket.put(recordKey(key), JSON.stringify(archive));
}

/**
 * Copies a saved workspace, or creates an empty one for null. Returns its size in bytes. The copy has the same objects;
 * only those of an earlier version are copied.
 */
export async function copyArchive(
  bucket: Bucket,
  from: string | null,
  to: string,
): Promise<{ sizeBytes: number }> {
  if (from === null) {
    await bucket.put(recordKey(to), JSON.stringify({ parts: 0 } satisfies Archive));
    return { sizeBytes: 0 };
  }
  const archive = await getArchive(bucket, from);
  if ("parts" in archive) return copyParts(bucket, from, to, archive.parts);
  await bucket.put(holderKey(archive.store, to), "");
  // Read again: from now on, its objects are not removed.
  const held = await getArchive(bucket, from);
  await bucket.put(recordKey(to), JSON.stringify(held));
  return { sizeBytes: archive.sizeBytes };
}

async function copyParts(
  bucket: Bucket,
  from: string,
  to: string,
  parts: number,
): Promise<{ sizeBytes: number }> {
  let sizeBytes = 0;
  for (let part = 1; part <= parts; part++) {
    const archive = await bucket.get(`${from}/${partName(part)}`);
    if (!archive) throw new Error("a part of the archive is missing");
    sizeBytes += archive.size;
    await bucket.put(`${to}/${partName(part)}`, archive.body);
  }
  await completeParts(bucket, to, parts);
  return { sizeBytes };
}

/** Writes the record of a workspace that was saved as tar archives. */
export async function completeParts(bucket: Bucket, key: string, parts: number): Promise<void> {
  await bucket.put(recordKey(key), JSON.stringify({ parts } satisfies Archive));
}

/** Returns the objects below a prefix. `onProgress` is called after every transfer. */
export function objectsBelow(
  bucket: Bucket,
  prefix: string,
  onProgress: () => void = () => {},
): ObjectStore {
  return {
    async put(name, bytes) {
      await bucket.put(prefix + name, bytes, { sha256: name });
      onProgress();
    },
    async get(name) {
      const object = await bucket.get(prefix + name);
      if (!object) throw new Error("a part of the saved workspace is missing");
      const bytes = new Uint8Array(await object.arrayBuffer());
      onProgress();
      return bytes;
    },
  };
}

const DAY_MS = 86_400_000;
const dayOf = (at: number): string => String(Math.floor(at / DAY_MS)).padStart(8, "0");

/**
 * Notes that records are about to be removed, so that the objects which only they name are removed after a day.
 * Idempotent. `keys` may contain keys of other objects.
 */
export async function noteRemoval(
  bucket: R2Bucket,
  keys: readonly string[],
  now: number,
): Promise<void> {
  const stores = new Set<string>();
  for (const key of keys.filter((key) => key.endsWith(recordKey("")))) {
    // Objects of a save that was not completed may be in the store of the first one.
    stores.add(key.split("/")[1] ?? "");
    const archive = await findArchive(bucket, key.slice(0, -recordKey("").length));
    if (archive && "store" in archive) stores.add(archive.store);
  }
  for (const store of stores) await bucket.put(`garbage/${dayOf(now)}/${store}`, "");
}

/** Maximum number of stores that one call of `collectGarbage` looks at. */
const STORES_AT_ONCE = 20;

/**
 * Removes the objects that no record names, of stores from which a record was removed at least a day ago. An object that
 * was stored within the last day is kept: it may belong to a save that is not complete.
 */
export async function collectGarbage(bucket: R2Bucket, now: number): Promise<void> {
  const { objects } = await bucket.list({ prefix: "garbage/", limit: STORES_AT_ONCE });
  for (const { key } of objects) {
    const [, day = "", store = ""] = key.split("/");
    if (Number(day) > Math.floor(now / DAY_MS) - 2) return;
    if (await sweep(bucket, store, now)) await bucket.delete(key);
  }
}

/** Removes the objects of a store that no record names. Returns false if a save may be under way. */
async function sweep(bucket: R2Bucket, store: string, now: number): Promise<boolean> {
  const holders = await list(bucket, holdersPrefix(store));
  const named = new Set<string>();
  const gone: string[] = [];
  for (const { key, uploaded } of holders) {
    const holder = decodeURIComponent(key.slice(holdersPrefix(store).length));
    const archive = await findArchive(bucket, holder);
    if (archive && "store" in archive && archive.store === store) {
      for (const name of [archive.index, ...archive.packs]) named.add(name);
    } else if (uploaded.getTime() > now - DAY_MS) return false;
    else gone.push(key);
  }
  // A copy that began meanwhile may have read a record that was removed meanwhile.
  const known = new Set(holders.map(({ key }) => key));
  const after = await list(bucket, holdersPrefix(store));
  if (after.some(({ key }) => !known.has(key))) return false;
  const objects = await list(bucket, objectsPrefix(store));
  const unnamed = objects.filter(
    ({ key, uploaded }) =>
      !named.has(key.slice(objectsPrefix(store).length)) && uploaded.getTime() <= now - DAY_MS,
  );
  await remove(bucket, [...unnamed.map(({ key }) => key), ...gone]);
  return true;
}

async function list(bucket: R2Bucket, prefix: string): Promise<R2Object[]> {
  const found: R2Object[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await bucket.list({ prefix, ...(cursor && { cursor }) });
    found.push(...page.objects);
    if (!page.truncated) return found;
    cursor = page.cursor;
  }
}

/** Maximum number of keys that a bucket deletes at once. */
const DELETED_AT_ONCE = 1_000;

async function remove(bucket: R2Bucket, keys: readonly string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += DELETED_AT_ONCE) {
    await bucket.delete(keys.slice(at, at + DELETED_AT_ONCE));
  }
}

/** Returns what the runner reports of a save. Throws for anything else: what is in a container may have changed it. */
export function asSaved(answer: unknown): Saved {
  const { index, packs, sizeBytes } = (answer ?? {}) as Partial<Saved>;
  const isName = (name: unknown) => typeof name === "string" && isObjectName(name);
  const isSaved = isName(index) && Array.isArray(packs) && packs.every(isName);
  if (!isSaved || !Number.isSafeInteger(sizeBytes))
    throw new Error("the runner's answer is invalid");
  return { index: String(index), packs, sizeBytes: Number(sizeBytes) };
}
