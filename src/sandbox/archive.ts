// Saved workspaces in a bucket. The objects that they consist of are in a store: workspaces that come from one another
// share it, and an object that several of them need is stored once. Under the key of a saved workspace is a small record
// with the names of its objects. It is written last, so a saved workspace is either complete or does not exist. Objects
// that no record names are removed: see `collectGarbage`.
//
//   <key>/archive.json            the record of a saved workspace
//   archives/<store>/objects/…    packs and indexes: see src/container/archive-format.ts
//   archives/<store>/holders/…    the keys of all records that may name objects of the store
//   archives/<store>/sweeping     there while objects of the store are removed
//   garbage/<day>/<store>         stores from which something was removed on that day
//
// Earlier versions have saved tar archives, `<key>/000001.tar` and so on, with the record `<key>/index.json`. Another name
// makes sure that such a version, after a rollback, does not take a new record for that of an empty workspace.

import { isObjectName, type Saved } from "../container/archive-format";
import type { ObjectStore } from "../container/archive-writer";
import { errorText, log } from "../shared/log";

/** The part of an R2 bucket that saving and restoring need. */
export type Bucket = Pick<R2Bucket, "get" | "put" | "delete">;

/** The record of a saved workspace: its objects, or the number of tar archives that an earlier version has saved. */
export type Archive = { parts: number } | (Saved & { store: string });

const recordKey = (key: string): string => `${key}/archive.json`;
const partsKey = (key: string): string => `${key}/index.json`;
const objectsPrefix = (store: string): string => `archives/${store}/objects/`;
const holdersPrefix = (store: string): string => `archives/${store}/holders/`;
const holderKey = (store: string, key: string): string =>
  holdersPrefix(store) + encodeURIComponent(key);
const sweepingKey = (store: string): string => `archives/${store}/sweeping`;

/** The store of the first save of a session, and of every attempt of it. */
const firstStoreOf = (key: string): string => key.split("/")[1] ?? key;

/** Returns the name of a tar archive of an earlier version, counted from 1. */
export const partName = (part: number): string => `${String(part).padStart(6, "0")}.tar`;

/** Returns the record of a saved workspace; null if there is none. */
async function findArchive(bucket: Pick<R2Bucket, "get">, key: string): Promise<Archive | null> {
  const record = (await bucket.get(recordKey(key))) ?? (await bucket.get(partsKey(key)));
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
 * there still is one. Call `completeSave` or `abandonSave` afterwards.
 */
export async function beginSave(
  bucket: Bucket,
  key: string,
  baseKey: string | null,
): Promise<BegunSave> {
  const base = baseKey === null ? null : await findArchive(bucket, baseKey);
  const store = base && "store" in base ? base.store : firstStoreOf(key);
  await hold(bucket, store, key);
  // Read again: from now on, its objects are not removed.
  const held = baseKey === null ? null : await findArchive(bucket, baseKey);
  const index = held && "store" in held && held.store === store ? held.index : null;
  return { store, prefix: objectsPrefix(store), base: index };
}

/** Keeps the objects that the records of a store name from being removed. Throws if objects are just being removed. */
async function hold(bucket: Bucket, store: string, key: string): Promise<void> {
  await bucket.put(holderKey(store, key), "");
  const sweeping = await bucket.get(sweepingKey(store));
  if (sweeping && Date.now() - sweeping.uploaded.getTime() < SWEEP_MS) {
    throw new Error("old saves are being removed; try again");
  }
}

/** Ends a save that was not completed. If this fails, what it has stored is removed later. */
export async function abandonSave(
  bucket: Pick<R2Bucket, "delete">,
  key: string,
  { store }: BegunSave,
): Promise<void> {
  await bucket.delete(holderKey(store, key)).catch(() => {});
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
    await completeParts(bucket, to, 0);
    return { sizeBytes: 0 };
  }
  const archive = await getArchive(bucket, from);
  if ("parts" in archive) return copyParts(bucket, from, to, archive.parts);
  await hold(bucket, archive.store, to);
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
  await bucket.put(partsKey(key), JSON.stringify({ parts } satisfies Archive));
}

/** The maximum size of an object in bytes: a pack that can't be compressed, or a large index. */
export const MAX_OBJECT_BYTES = 64 * 1024 ** 2;

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
      if (object.size > MAX_OBJECT_BYTES)
        throw new Error("a part is larger than any that is saved");
      const bytes = new Uint8Array(await object.arrayBuffer());
      onProgress();
      return bytes;
    },
  };
}

const DAY_MS = 86_400_000;
/** The time that the removal of objects may take, in ms. */
const SWEEP_MS = 15 * 60_000;

const garbageKey = (store: string, at: number): string =>
  `garbage/${String(Math.floor(at / DAY_MS)).padStart(8, "0")}/${store}`;

/**
 * Notes that the workspaces saved under keys are about to be removed, so that the objects which only they need are
 * removed after a day. Returns the keys that are to be removed with them. Idempotent. A save that was not completed counts
 * too: its objects may be in the first store of its session.
 */
export async function noteRemoval(
  bucket: R2Bucket,
  keys: readonly string[],
  now: number,
): Promise<string[]> {
  const stores = new Set<string>();
  const holders: string[] = [];
  for (const key of keys) {
    stores.add(firstStoreOf(key));
    const archive = await findArchive(bucket, key);
    const store = archive && "store" in archive ? archive.store : firstStoreOf(key);
    stores.add(store);
    holders.push(holderKey(store, key));
  }
  for (const store of stores) await bucket.put(garbageKey(store, now), "");
  return holders;
}

/** Maximum number of stores that one call of `collectGarbage` looks at. */
const STORES_AT_ONCE = 20;
/** Maximum number of records of a store that are read. The objects of a store with more are kept. */
const MAX_HOLDERS = 2_000;
const RECORDS_AT_ONCE = 20;

/**
 * Removes the objects that no record names, of stores from which a record was removed at least a day ago. An object that
 * was stored within the last day is kept: it may belong to a save that is not complete. A store that can't be looked at
 * is noted again.
 */
export async function collectGarbage(bucket: R2Bucket, now: number): Promise<void> {
  const { objects } = await bucket.list({ prefix: "garbage/", limit: STORES_AT_ONCE });
  for (const { key } of objects) {
    const [, day = "", store = ""] = key.split("/");
    if (Number(day) > Math.floor(now / DAY_MS) - 2) return;
    const isDone = await sweep(bucket, store, now).catch((error) => {
      log("archive.sweep_failed", { store, error: errorText(error) });
      return false;
    });
    if (!isDone) await bucket.put(garbageKey(store, now), "");
    await bucket.delete(key);
  }
}

/** Removes the objects of a store that no record names. Returns false if a save may be under way. */
async function sweep(bucket: R2Bucket, store: string, now: number): Promise<boolean> {
  const holders = await list(bucket, holdersPrefix(store), MAX_HOLDERS);
  const { named, gone, young } = await readHolders(bucket, store, holders, now);
  if (young || holders.length >= MAX_HOLDERS) return false;
  // From here on, no save begins. One that has begun meanwhile may have read a record that was removed meanwhile.
  await bucket.put(sweepingKey(store), "");
  const known = new Map(holders.map(({ key, uploaded }) => [key, uploaded.getTime()]));
  const after = await list(bucket, holdersPrefix(store), MAX_HOLDERS);
  const isSame = after.every(({ key, uploaded }) => known.get(key) === uploaded.getTime());
  if (isSame) {
    const objects = await list(bucket, objectsPrefix(store));
    const unnamed = objects.filter(
      ({ key, uploaded }) =>
        !named.has(key.slice(objectsPrefix(store).length)) && uploaded.getTime() <= now - DAY_MS,
    );
    await removeKeys(bucket, [...unnamed.map(({ key }) => key), ...gone]);
  }
  await bucket.delete(sweepingKey(store));
  return isSame;
}

/**
 * Reads the records of a store. Returns the names of all objects that they name, the holders without a record, and whether
 * one of those is so young that its save may be under way.
 */
async function readHolders(
  bucket: R2Bucket,
  store: string,
  holders: readonly R2Object[],
  now: number,
): Promise<{ named: Set<string>; gone: string[]; young: boolean }> {
  const named = new Set<string>();
  const gone: string[] = [];
  let young = false;
  const read = async ({ key, uploaded }: R2Object) => {
    const holder = decodeURIComponent(key.slice(holdersPrefix(store).length));
    const archive = await findArchive(bucket, holder);
    if (archive && "store" in archive && archive.store === store) {
      for (const name of [archive.index, ...archive.packs]) named.add(name);
    } else if (uploaded.getTime() > now - DAY_MS) young = true;
    else gone.push(key);
  };
  for (let at = 0; at < holders.length; at += RECORDS_AT_ONCE) {
    await Promise.all(holders.slice(at, at + RECORDS_AT_ONCE).map(read));
  }
  return { named, gone, young };
}

/** Returns the objects below a prefix; with `max`, some more than that at most. */
export async function list(bucket: R2Bucket, prefix: string, max = Infinity): Promise<R2Object[]> {
  const found: R2Object[] = [];
  for (let cursor: string | undefined; found.length < max; ) {
    const page = await bucket.list({ prefix, ...(cursor && { cursor }) });
    found.push(...page.objects);
    if (!page.truncated) return found;
    cursor = page.cursor;
  }
  return found;
}

/** Maximum number of keys that a bucket deletes at once. */
const DELETED_AT_ONCE = 1_000;

/** Removes any number of keys. */
export async function removeKeys(bucket: R2Bucket, keys: readonly string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += DELETED_AT_ONCE) {
    await bucket.delete(keys.slice(at, at + DELETED_AT_ONCE));
  }
}

/** The most packs of a saved workspace. Those of a full disk are fewer. */
const MAX_PACKS = 20_000;

/** Returns what the runner reports of a save. Throws for anything else: what is in a container may have changed it. */
export function asSaved(answer: unknown): Saved {
  const { index, packs, sizeBytes } = (answer ?? {}) as Partial<Saved>;
  const isName = (name: unknown) => typeof name === "string" && isObjectName(name);
  const isList = Array.isArray(packs) && packs.length <= MAX_PACKS && packs.every(isName);
  const isSaved = isName(index) && isList;
  if (!isSaved || !Number.isSafeInteger(sizeBytes))
    throw new Error("the runner's answer is invalid");
  return { index: String(index), packs, sizeBytes: Number(sizeBytes) };
}
