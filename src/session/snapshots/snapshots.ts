import { errorText, log } from "../../shared/log";
import { type Refusal, type Result, refuse, refuseForNow } from "../../shared/result";
import { Serial } from "../../shared/serial";
import { all, type Row, type Sql } from "../../shared/sql";
import { settledWithin } from "../../shared/timeout";
import type { SessionContext } from "../context";
import type { SnapshotRow } from "../rpc";
import type { SessionEnv } from "../session-env";
import {
  newSnapshotId,
  SNAPSHOT_MS,
  SnapshotBucket,
  snapshotKey,
  workspaceKey,
} from "../storage/snapshot-bucket";
import { exportTranscript, pointNow } from "../storage/transcript";
import { currentMessage } from "../transactions/waiting";

/** Maximum number of snapshots of a session. The oldest is removed first. */
export const MAX_SNAPSHOTS = 10;

/** Timeout of a copy, in ms, and so the longest time that a message waits for one. */
const SAVE_TIMEOUT_MS = 300_000;

/**
 * Takes copies of the session at one point in time: its snapshots, and copies for other sessions. No message runs while
 * a copy is made, so that transcript and workspace are consistent.
 */
export class Snapshots {
  readonly #context: SessionContext;
  readonly #sessionEnv: SessionEnv;
  readonly #bucket: SnapshotBucket;
  readonly #serial: Serial;

  constructor(context: SessionContext, sessionEnv: SessionEnv) {
    this.#context = context;
    this.#sessionEnv = sessionEnv;
    this.#bucket = new SnapshotBucket(context.env.SNAPSHOTS);
    this.#serial = new Serial(context.waitUntil);
  }

  /** Resolves when no copy is being made. */
  async settled(): Promise<void> {
    await this.#serial.idle();
  }

  /** Takes a snapshot. Removes incomplete snapshots, expired ones, and those above `MAX_SNAPSHOTS`. */
  take(): Promise<Result<SnapshotRow>> {
    return this.#serial.run(async () => {
      const { store } = this.#context;
      const sql = this.#sql;
      const refused = this.#refusal();
      if (refused) return refused;
      const createdAt = Date.now();
      const id = newSnapshotId(createdAt);
      sql.exec(
        "INSERT INTO snapshots (id, created_at, num_messages) VALUES (?, ?, 0)",
        id,
        createdAt,
      );
      const saved = await this.#save(snapshotKey(id), createdAt);
      if (!saved.ok) {
        await this.#removeLost();
        return saved;
      }
      const { sizeBytes, numMessages } = saved.value;
      sql.exec(
        "UPDATE snapshots SET size_bytes = ?, num_messages = ? WHERE id = ?",
        sizeBytes,
        numMessages,
        id,
      );
      // Only now, since the sandbox may have continued to save an incomplete snapshot until this one was taken.
      await this.#removeLost();
      await this.#removeOld(createdAt);
      const sessionId = store.identity.id;
      const expiresAt = createdAt + SNAPSHOT_MS;
      return { ok: true, value: { id, sessionId, createdAt, expiresAt, sizeBytes, numMessages } };
    });
  }

  /** Stores a copy at a key, for another session that starts from this one. */
  copyTo(key: string): Promise<Result<null>> {
    return this.#serial.run(async () => {
      const refused = this.#refusal();
      if (refused) return refused;
      const saved = await this.#save(key, Date.now());
      return saved.ok ? { ok: true, value: null } : saved;
    });
  }

  /** Returns the snapshots that are complete and have not expired, newest first. */
  list(now: number): SnapshotRow[] {
    const { store } = this.#context;
    const sql = this.#sql;
    const rows = all(
      sql,
      `SELECT * FROM snapshots WHERE size_bytes IS NOT NULL AND created_at > ?
       ORDER BY created_at DESC, id DESC`,
      now - SNAPSHOT_MS,
    );
    return rows.map((row) => decodeRow(row, store.identity.id));
  }

  /** Removes every snapshot of the session. */
  async removeAll(): Promise<void> {
    await this.settled();
    await this.#remove(all(this.#sql, "SELECT id FROM snapshots"));
  }

  /** Saves the session in its current state. The copy exists only once it is complete. */
  async #save(
    key: string,
    createdAt: number,
  ): Promise<Result<{ sizeBytes: number; numMessages: number }>> {
    const { store } = this.#context;
    const sql = this.#sql;
    const bucket = this.#bucket;
    const begunAt = Date.now();
    const { id, owner, sessionId } = store.identity;
    const sandbox = this.#context.sandbox();
    const point = pointNow(sql);
    const { numMessages } = point;
    const save = async () => {
      let transcriptParts = 0;
      let sizeBytes = (await sandbox.snapshot?.(workspaceKey(key)))?.sizeBytes ?? 0;
      for (const part of exportTranscript(sql, point, id)) {
        transcriptParts += 1;
        sizeBytes += await bucket.putPart(key, transcriptParts, part);
      }
      await this.#sessionEnv.reencrypt();
      const { env = {}, runtime = "loop" } = store.identity.config;
      const facts = { owner, id, sessionId, env, runtime, createdAt };
      const manifest = { ...facts, transcriptParts, numMessages, sizeBytes };
      // After the timeout, waiting messages have run and may have changed the workspace.
      if (Date.now() - begunAt < SAVE_TIMEOUT_MS) await bucket.putManifest(key, manifest);
      return sizeBytes;
    };
    try {
      const saving = save();
      if (!(await settledWithin(saving, SAVE_TIMEOUT_MS))) throw new Error("it took too long");
      return { ok: true, value: { sizeBytes: await saving, numMessages } };
    } catch (error) {
      log("snapshot.failed", { session: id, error: errorText(error) });
      return refuseForNow("The session could not be saved at the moment. Try again.");
    }
  }

  get #sql(): Sql {
    return this.#context.storage.sql;
  }

  #refusal(): Refusal | undefined {
    const { store } = this.#context;
    if (store.identity.pattern === "ephemeral") {
      return refuse(
        "invalid_request",
        "An ephemeral session is for one task, and is not saved or resumed.",
      );
    }
    const messageId = currentMessage(store.state);
    if (messageId !== null) {
      return refuse("session_busy", "A message is running or waiting in the session.", {
        messageId,
      });
    }
    if (this.#context.sandbox().snapshot) return undefined;
    const { provider } = store.state.sandbox;
    return refuse("invalid_request", `A sandbox of "${provider}" can't be saved.`);
  }

  /** Removes incomplete snapshots: the object was lost while they were taken, or they failed. */
  #removeLost(): Promise<void> {
    const lost = all(this.#sql, "SELECT id FROM snapshots WHERE size_bytes IS NULL");
    return this.#tryToRemove(lost);
  }

  #removeOld(now: number): Promise<void> {
    const old = all(
      this.#sql,
      `SELECT id FROM snapshots WHERE created_at <= ? OR id NOT IN (
         SELECT id FROM snapshots ORDER BY created_at DESC, id DESC LIMIT ?)`,
      now - SNAPSHOT_MS,
      MAX_SNAPSHOTS,
    );
    return this.#tryToRemove(old);
  }

  /** Removes snapshots. Never rejects: after a failure, the next call removes them. */
  #tryToRemove(rows: Row[]): Promise<void> {
    return this.#remove(rows).catch((error) => {
      log("snapshot.cleanup_failed", {
        session: this.#context.store.identity.id,
        error: errorText(error),
      });
    });
  }

  async #remove(rows: Row[]): Promise<void> {
    const sql = this.#sql;
    const bucket = this.#bucket;
    for (const row of rows) {
      await bucket.remove(snapshotKey(String(row.id)));
      sql.exec("DELETE FROM snapshots WHERE id = ?", row.id ?? null);
    }
  }
}

const decodeRow = (row: Row, sessionId: string): SnapshotRow => ({
  id: String(row.id),
  sessionId,
  createdAt: Number(row.created_at),
  expiresAt: Number(row.created_at) + SNAPSHOT_MS,
  sizeBytes: Number(row.size_bytes),
  numMessages: Number(row.num_messages),
});
