import { copyArchive } from "../../sandbox/archive";
import { UnwritableFile, writeFiles } from "../../sandbox/initial-files";
import { openSandbox } from "../../sandbox/providers";
import type { Sandbox } from "../../sandbox/sandbox";
import { DecryptionError } from "../../shared/encryption";
import { errorText, log } from "../../shared/log";
import { type Caller, ok, type Result, refuse, refuseForNow } from "../../shared/result";
import { Serial } from "../../shared/serial";
import { ArtifactBucket } from "../artifact-bucket";
import type { SessionContext } from "../context";
import { workspace } from "../deployment";
import { sandboxOptions } from "../machines";
import type { InitialFile, SessionSpec } from "../rpc";
import { givenEnv, newEnv } from "../session-env";
import { SnapshotBucket, savedKey, workspaceKey } from "../storage/snapshot-bucket";
import { newState, type StoredEnv } from "../storage/store";
import { importTranscript } from "../storage/transcript";
import { type Copy, copySource, resumeSourceOf } from "./source";

/** Delay before an incomplete session is cleaned up, in ms. */
const SWEEP_MS = 60_000;

/** The record of what to remove if the session is not created. It is written before any other data. */
interface CleanupRecord {
  session: string;
  sandbox: { provider: string; id: string };
  /** The key of the copy if it was made for this session; null for a snapshot. */
  copy: string | null;
}

const CLEANUP_RECORD = "making";

/**
 * Creates a session from a copy of another. The session does not exist until the last transaction. Until then there is
 * a cleanup record, and an alarm that cleans up if the object is lost.
 */
export class SessionRestore {
  readonly #context: SessionContext;
  readonly #bucket: SnapshotBucket;
  readonly #serial: Serial;

  constructor(context: SessionContext) {
    this.#context = context;
    this.#serial = new Serial(context.waitUntil);
    this.#bucket = new SnapshotBucket(context.env.SNAPSHOTS);
  }

  /** Whether a session is being restored, or an incomplete one must be cleaned up. */
  get busy(): boolean {
    return this.#serial.busy || this.#cleanupRecord() !== undefined;
  }

  /** Waits for a running restore, or cleans up an incomplete one. Check `busy` again afterwards. */
  async settle(): Promise<void> {
    if (this.#serial.busy) return this.#serial.idle();
    return this.#serial.run(() => this.#discard());
  }

  /**
   * Creates a session from the source that its spec names. `finish` must create the session, with the given
   * environment, and call `done` in the same transaction. Call it only while not `busy`. Returns a refusal if the
   * session can't be created.
   */
  make(
    caller: Caller,
    spec: SessionSpec,
    finish: (copy: Copy, env: StoredEnv, done: () => void) => void,
  ): Promise<Result<null>> {
    return this.#serial.run(() => this.#make(caller, spec, finish));
  }

  /**
   * Creates an empty session in a sandbox that is not started, with files in its workspace. `finish` must create the
   * session. Call it only while not `busy`. Returns a refusal if the files can't be written.
   */
  makeWithFiles(
    spec: SessionSpec,
    files: readonly InitialFile[],
    finish: (done: () => void) => void,
  ): Promise<Result<null>> {
    return this.#serial.run(async () => {
      try {
        const { sandbox } = newState(spec, 0);
        await this.#begin({ session: spec.id, sandbox, copy: null });
        const artifacts = new ArtifactBucket(this.#context.env.SNAPSHOTS);
        const open = async (id: string) => (await artifacts.get(id))?.body ?? null;
        await writeFiles(this.#sandbox(sandbox), workspace, files, open);
        finish(() => this.#context.storage.kv.delete(CLEANUP_RECORD));
        return ok(null);
      } catch (error) {
        // If the cleanup fails, the alarm tries it again.
        await this.#discard().catch((failure) => this.#logCleanupFailure(failure));
        if (error instanceof UnwritableFile) {
          const path = `config.files.${error.n}.artifactId`;
          return refuse("invalid_request", `can't be written: ${error.message}`, { path });
        }
        log("session.files_failed", { session: spec.id, error: errorText(error) });
        return refuseForNow("The files can't be written at the moment. Try again.");
      }
    });
  }

  /** Cleans up an incomplete session. If a restore is running, or the cleanup fails, sets an alarm to try again. */
  async sweep(): Promise<void> {
    if (!this.busy) return;
    try {
      if (this.#serial.busy) await this.#context.storage.setAlarm(Date.now() + SWEEP_MS);
      else await this.settle();
    } catch (error) {
      this.#logCleanupFailure(error);
      await this.#context.storage.setAlarm(Date.now() + SWEEP_MS);
    }
  }

  async #make(
    caller: Caller,
    spec: SessionSpec,
    finish: (copy: Copy, env: StoredEnv, done: () => void) => void,
  ): Promise<Result<null>> {
    const found = await this.#find(caller, spec);
    if (!found.ok) return found;
    const copy = found.value;
    try {
      const env = await newEnv(spec.id, givenEnv(spec.config), copy.manifest);
      await this.#fill(spec, copy);
      finish(copy, env, () => this.#context.storage.kv.delete(CLEANUP_RECORD));
    } catch (error) {
      log("resume.failed", { session: spec.id, error: errorText(error) });
      this.#dropCopy(copy);
      // If the cleanup fails, the alarm tries it again.
      await this.#discard().catch((failure) => this.#logCleanupFailure(failure));
      return error instanceof DecryptionError ? unreadableEnv(error) : TRY_AGAIN;
    }
    this.#dropCopy(copy);
    return ok(null);
  }

  /** Removes a copy that was made for this session. If that fails, maintenance removes it after it expired. */
  #dropCopy({ key, temporary }: Copy): void {
    if (temporary) this.#context.waitUntil(this.#bucket.remove(key).catch(() => {}));
  }

  async #find(caller: Caller, spec: SessionSpec): Promise<Result<Copy>> {
    const source = resumeSourceOf(spec);
    if (!source) throw new Error("there is nothing to start from");
    if (!this.#sandbox(newState(spec, 0).sandbox).restore) {
      const path = "config.sandbox";
      return refuse("invalid_request", "can't take over the files of another session", { path });
    }
    try {
      const copy = await copySource(this.#context.env, caller, spec, source);
      return copy.ok && isLoopConversation(copy.value, spec) ? NOT_ITS_OWN : copy;
    } catch (error) {
      // The index is unavailable, or the source's object was lost meanwhile.
      log("resume.failed", { session: spec.id, error: errorText(error) });
      return TRY_AGAIN;
    }
  }

  /** Imports workspace and transcript, in transactions of limited size. Writes the cleanup record first. */
  async #fill(spec: SessionSpec, { key, manifest, temporary }: Copy): Promise<void> {
    const { storage, store } = this.#context;
    const { sandbox } = newState(spec, 0);
    const record: CleanupRecord = { session: spec.id, sandbox, copy: temporary ? key : null };
    await this.#begin(record);
    await this.#takeFiles(record, workspaceKey(key));
    for (let part = 1; part <= manifest.transcriptParts; part++) {
      const text = await this.#bucket.part(key, part);
      storage.transactionSync(() => importTranscript(storage.sql, text));
    }
    store.forget();
    store.agents.moveInto(workspace);
  }

  /** Writes the cleanup record, and sets the alarm for a cleanup. */
  async #begin(record: CleanupRecord): Promise<void> {
    const { storage, store } = this.#context;
    storage.transactionSync(() => {
      storage.kv.put(CLEANUP_RECORD, record);
      store.addTables();
    });
    await storage.setAlarm(Date.now() + SWEEP_MS);
  }

  /**
   * Restores the workspace. A container restores it when it starts, so it is only copied to where the start reads it.
   */
  async #takeFiles(record: CleanupRecord, from: string): Promise<void> {
    const sandbox = this.#sandbox(record.sandbox);
    if (!sandbox.start) await sandbox.restore?.(from);
    else await copyArchive(this.#context.env.SNAPSHOTS, from, savedKey(record.session, 0));
  }

  /** Removes everything of a session that was not created. Does nothing if there is no cleanup record. */
  async #discard(): Promise<void> {
    const { storage, store } = this.#context;
    const record = this.#cleanupRecord();
    if (!record) return;
    const sandbox = this.#sandbox(record.sandbox);
    // A sandbox from the warm pool already has a container.
    await sandbox.destroy();
    if (sandbox.start) await this.#bucket.removeSaved(record.session);
    if (record.copy !== null) await this.#bucket.remove(record.copy);
    await storage.deleteAll();
    store.forget();
  }

  #logCleanupFailure(error: unknown): void {
    log("resume.cleanup_failed", {
      session: this.#cleanupRecord()?.session,
      error: errorText(error),
    });
  }

  #cleanupRecord(): CleanupRecord | undefined {
    return this.#context.storage.kv.get<CleanupRecord>(CLEANUP_RECORD);
  }

  #sandbox(info: CleanupRecord["sandbox"]): Sandbox {
    return openSandbox(this.#context.env, info, sandboxOptions);
  }
}

/** Returns whether a session with Claude Code would start from a conversation of the loop, which it can't continue. */
const isLoopConversation = ({ manifest }: Copy, { config }: SessionSpec): boolean =>
  config.runtime === "claude-code" &&
  manifest.runtime !== "claude-code" &&
  manifest.numMessages > 0;

const NOT_ITS_OWN = refuse(
  "invalid_request",
  '"claude-code" can\'t go on with a conversation that it has not had',
  { path: "config.runtime" },
);

const unreadableEnv = ({ message }: DecryptionError) =>
  refuse("unavailable", `The env of the session to start from can't be read: ${message}.`);

const TRY_AGAIN = refuseForNow("The session to start from can't be read at the moment. Try again.");
