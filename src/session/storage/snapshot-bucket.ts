import { randomHex } from "../../shared/bytes";
// Snapshots in R2. One is a manifest, the parts of a transcript, and what the sandbox saved of the
// workspace, under a key of its own. The manifest is written last, so a snapshot is whole or absent.

import type { StoredEnv } from "./store";

/** What a snapshot holds. `sessionId` names the history, `id` the session. */
export interface Manifest {
  owner: string;
  id: string;
  sessionId: string;
  /** The session's `env`, which no client can read and send again; what is encrypted is bound to `id`. */
  env: StoredEnv;
  /** Absent in those that were made when there was one only. */
  runtime?: "loop" | "claude-code";
  createdAt: number;
  transcriptParts: number;
  numMessages: number;
  sizeBytes: number;
}

/** How long a snapshot is kept. */
export const SNAPSHOT_MS = 30 * 86_400_000;
/** A copy between two sessions is removed when it was read; one that was forgotten then, after this. */
const COPY_MS = 86_400_000;

const SNAPSHOTS = "snapshots/";
const COPIES = "copies/";
/** Workspaces of sessions that have no machine at the moment. They stay as long as their sessions. */
const WORKSPACES = "workspaces/";

/** One run of the housekeeping removes at most so many lists of keys. */
const MAX_ROUNDS = 10;
const LIST_AT_ONCE = 500;

/** Returns a new snapshot's id. It begins with the time, so that keys sort by age. */
export const newSnapshotId = (now: number): string => `snap_${timedHex(now)}`;

/** Returns where a snapshot is kept. */
export const snapshotKey = (id: string): string => `${SNAPSHOTS}${id}`;

/** Returns where a new copy is kept on its way from one session to another. */
export const newCopyKey = (now: number): string => `${COPIES}copy_${timedHex(now)}`;

/** Tells a snapshot's id that is not past its time from any other text. */
export function isLiveSnapshotId(text: string, now: number): boolean {
  return /^snap_[0-9a-f]{32}$/.test(text) && madeAt(text) > now - SNAPSHOT_MS;
}

/** Returns where the sandbox saves the workspace. */
export const workspaceKey = (key: string): string => `${key}/workspace`;

/** Returns where a session keeps its workspace while it has no machine; each save has a number of its own. */
export const savedKey = (sessionId: string, save: number): string =>
  `${WORKSPACES}${sessionId}/${save}`;

/** The deployment's snapshots. */
export class SnapshotBucket {
  readonly #bucket: R2Bucket;

  constructor(bucket: R2Bucket) {
    this.#bucket = bucket;
  }

  /** Adds a part of the transcript; answers its bytes. */
  async putPart(key: string, part: number, text: string): Promise<number> {
    const bytes = new TextEncoder().encode(text);
    await this.#bucket.put(partKey(key, part), bytes);
    return bytes.length;
  }

  /** Makes the snapshot there. */
  async putManifest(key: string, manifest: Manifest): Promise<void> {
    await this.#bucket.put(`${key}/manifest.json`, JSON.stringify(manifest));
  }

  async manifest(key: string): Promise<Manifest | null> {
    const found = await this.#bucket.get(`${key}/manifest.json`);
    return found && (await found.json<Manifest>());
  }

  async part(key: string, part: number): Promise<string> {
    const found = await this.#bucket.get(partKey(key, part));
    if (!found) throw new Error("a part of the snapshot is missing");
    return found.text();
  }

  /** Removes a snapshot, or what there is of it; its manifest first. */
  async remove(key: string): Promise<void> {
    await this.#bucket.delete(`${key}/manifest.json`);
    await this.#removeBelow(`${key}/`);
  }

  /** Removes the workspaces that a session has saved, but for one. */
  async removeSaved(sessionId: string, exceptKey?: string): Promise<void> {
    await this.#removeBelow(`${WORKSPACES}${sessionId}/`, exceptKey);
  }

  async #removeBelow(prefix: string, exceptKey?: string): Promise<void> {
    for (let cursor: string | undefined; ; ) {
      const list = await this.#bucket.list({ prefix, ...(cursor && { cursor }) });
      const keys = list.objects.map(({ key }) => key);
      const old = keys.filter((key) => exceptKey === undefined || !key.startsWith(`${exceptKey}/`));
      if (old.length > 0) await this.#bucket.delete(old);
      if (!list.truncated) return;
      cursor = list.cursor;
    }
  }

  /** Removes what is past its time, the oldest first, a bounded number at a time. */
  async removeExpired(now: number): Promise<void> {
    for (const [prefix, keptMs] of [
      [SNAPSHOTS, SNAPSHOT_MS],
      [COPIES, COPY_MS],
    ] as const) {
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const { objects } = await this.#bucket.list({ prefix, limit: LIST_AT_ONCE });
        const keys = objects.map(({ key }) => key);
        const old = keys.filter((key) => madeAt(key.slice(prefix.length)) <= now - keptMs);
        if (old.length > 0) await this.#bucket.delete(old);
        if (old.length < LIST_AT_ONCE) break;
      }
    }
  }
}

const partKey = (key: string, part: number): string =>
  `${key}/transcript/${String(part).padStart(6, "0")}.jsonl`;

/** 48 bits of time, then 80 random ones. */
const timedHex = (now: number): string => now.toString(16).padStart(12, "0") + randomHex(10);

/** Returns when an id was made that `timedHex` is part of. */
const madeAt = (id: string): number =>
  Number.parseInt(id.slice(id.indexOf("_") + 1).slice(0, 12), 16);
