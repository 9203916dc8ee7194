// Snapshots in R2. A snapshot consists of a manifest, the parts of a transcript, and the workspace as the sandbox saved
// it, all under one key prefix. The manifest is written last, so a snapshot is either complete or does not exist.

import { list, noteRemoval, removeKeys } from "../../sandbox/archive";
import { randomHex } from "../../shared/bytes";
import type { StoredEnv } from "./store";

/** Describes a snapshot. `id` is the id of the session, `sessionId` that of the conversation history. */
export interface Manifest {
  owner: string;
  id: string;
  sessionId: string;
  /** The session's `env`, since no client can read it and send it again. Encrypted values are bound to `id`. */
  env: StoredEnv;
  /** Absent in snapshots from versions that had only one runtime. */
  runtime?: "loop" | "claude-code";
  createdAt: number;
  transcriptParts: number;
  numMessages: number;
  sizeBytes: number;
}

/** How long a snapshot is kept, in ms. */
export const SNAPSHOT_MS = 30 * 86_400_000;
/** How long a copy is kept, in ms, if the session that reads it does not remove it after reading. */
const COPY_MS = 86_400_000;

const SNAPSHOTS = "snapshots/";
const COPIES = "copies/";
/** Saved workspaces of sessions that have no container. They are kept as long as their sessions. */
const WORKSPACES = "workspaces/";

/** Maximum number of lists of keys that one call of `removeExpired` removes for each prefix. */
const MAX_ROUNDS = 10;
const LIST_AT_ONCE = 500;

/** Returns the id for a new snapshot. It begins with the time, so that keys sort by age. */
export const newSnapshotId = (now: number): string => `snap_${timedHex(now)}`;

/** Returns the key of a snapshot. */
export const snapshotKey = (id: string): string => `${SNAPSHOTS}${id}`;

/** Returns the key for a new copy, which transfers a session's contents to another session. */
export const newCopyKey = (now: number): string => `${COPIES}copy_${timedHex(now)}`;

/** Returns whether a text is the id of a snapshot that has not expired. */
export function isLiveSnapshotId(text: string, now: number): boolean {
  return /^snap_[0-9a-f]{32}$/.test(text) && madeAt(text) > now - SNAPSHOT_MS;
}

/** Returns the key prefix under which the sandbox saves the workspace of a snapshot or copy. */
export const workspaceKey = (key: string): string => `${key}/workspace`;

/** Returns the key of a session's saved workspace. Each save has its own number or name. */
export const savedKey = (sessionId: string, save: number | string): string =>
  `${WORKSPACES}${sessionId}/${save}`;

/** Returns the name for a save of a running container. */
export const newCheckpointName = (now: number): string => `checkpoint_${timedHex(now)}`;

/** The deployment's snapshots. */
export class SnapshotBucket {
  readonly #bucket: R2Bucket;

  constructor(bucket: R2Bucket) {
    this.#bucket = bucket;
  }

  /** Stores a part of the transcript. Returns its size in bytes. */
  async putPart(key: string, part: number, text: string): Promise<number> {
    const bytes = new TextEncoder().encode(text);
    await this.#bucket.put(partKey(key, part), bytes);
    return bytes.length;
  }

  /** Stores the manifest, which completes the snapshot. */
  async putManifest(key: string, manifest: Manifest): Promise<void> {
    await this.#bucket.put(`${key}/manifest.json`, JSON.stringify(manifest));
  }

  /** Returns the manifest of a snapshot; null if the snapshot does not exist or is not complete. */
  async manifest(key: string): Promise<Manifest | null> {
    const found = await this.#bucket.get(`${key}/manifest.json`);
    return found && (await found.json<Manifest>());
  }

  /** Returns a part of the transcript. Throws if the part does not exist. */
  async part(key: string, part: number): Promise<string> {
    const found = await this.#bucket.get(partKey(key, part));
    if (!found) throw new Error("a part of the snapshot is missing");
    return found.text();
  }

  /** Removes a snapshot, complete or not. Idempotent. The manifest is removed first. */
  async remove(key: string): Promise<void> {
    await this.#bucket.delete(`${key}/manifest.json`);
    const holders = await noteRemoval(this.#bucket, [workspaceKey(key)], Date.now());
    await removeKeys(this.#bucket, [...holders, ...(await this.#keysBelow(`${key}/`))]);
  }

  /** Removes a session's saved workspaces, except the one at `exceptKey`. */
  async removeSaved(sessionId: string, exceptKey?: string): Promise<void> {
    const keys = await this.#keysBelow(`${WORKSPACES}${sessionId}/`);
    const old = keys.filter((key) => exceptKey === undefined || !key.startsWith(`${exceptKey}/`));
    // The first save may not have been completed, and so have no key.
    const saves = old.map(folderOf).concat(exceptKey === undefined ? [savedKey(sessionId, 0)] : []);
    if (saves.length === 0) return;
    const holders = await noteRemoval(this.#bucket, [...new Set(saves)], Date.now());
    await removeKeys(this.#bucket, [...holders, ...old]);
  }

  async #keysBelow(prefix: string): Promise<string[]> {
    return (await list(this.#bucket, prefix)).map(({ key }) => key);
  }

  /** Removes expired snapshots and copies, oldest first. One call removes a limited number of objects. */
  async removeExpired(now: number): Promise<void> {
    for (const [prefix, keptMs] of [
      [SNAPSHOTS, SNAPSHOT_MS],
      [COPIES, COPY_MS],
    ] as const) {
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const { objects } = await this.#bucket.list({ prefix, limit: LIST_AT_ONCE });
        const keys = objects.map(({ key }) => key);
        const old = keys.filter((key) => madeAt(key.slice(prefix.length)) <= now - keptMs);
        if (old.length === 0) break;
        const snapshots = new Set(old.map((key) => key.split("/").slice(0, 2).join("/")));
        const workspaces = [...snapshots].map(workspaceKey);
        const holders = await noteRemoval(this.#bucket, workspaces, now);
        await removeKeys(this.#bucket, [...holders, ...old]);
        if (old.length < LIST_AT_ONCE) break;
      }
    }
  }
}

/** Returns the key without its last part. */
const folderOf = (key: string): string => key.slice(0, key.lastIndexOf("/"));

const partKey = (key: string, part: number): string =>
  `${key}/transcript/${String(part).padStart(6, "0")}.jsonl`;

/** Returns 32 hex digits: 48 bits of time, then 80 random bits. */
const timedHex = (now: number): string => now.toString(16).padStart(12, "0") + randomHex(10);

/** Returns when an id that ends with `timedHex` was created, in ms since 1970. */
const madeAt = (id: string): number =>
  Number.parseInt(id.slice(id.indexOf("_") + 1).slice(0, 12), 16);
