import { copyArchive } from "../../sandbox/archive";
import { openSandbox } from "../../sandbox/providers";
import type { Sandbox } from "../../sandbox/sandbox";
import { DecryptionError } from "../../shared/encryption";
import { errorText, log } from "../../shared/log";
import { Serial } from "../../shared/serial";
import type { SessionContext } from "../context";
import { workspace } from "../deployment";
import { type Caller, ok, type Result, refuse, type SessionSpec } from "../rpc";
import { newEnv } from "../session-env";
import { SnapshotBucket, savedKey, workspaceKey } from "../storage/snapshot-bucket";
import { newState, type StoredEnv } from "../storage/store";
import { importTranscript } from "../storage/transcript";
import { type Copy, copySource, resumeSourceOf } from "./source";

/** How soon what was left half made is cleared away. */
const SWEEP_MS = 60_000;

/** What is written down before anything else is: what has to go should the session not come to be. */
interface CleanupRecord {
  session: string;
  sandbox: { provider: string; id: string };
  /** The copy, if it is nobody else's. */
  copy: string | null;
}

const CLEANUP_RECORD = "making";

/**
 * Makes a session from a copy of another. Until its last transaction there is no session, only a note and
 * an alarm that clears away what a loss of the object left behind.
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

  /** Returns whether a session is being made, or was and is left half made. */
  get busy(): boolean {
    return this.#serial.busy || this.#cleanupRecord() !== undefined;
  }

  /** Waits for what is under way, or clears away what was left behind. Look at `busy` again afterwards. */
  async settle(): Promise<void> {
    if (this.#serial.busy) return this.#serial.idle();
    return this.#serial.run(() => this.#discard());
  }

  /**
   * Makes a session from what its spec names: `finish` writes it down, with its environment, in one
   * transaction, and calls what it is given there. Only while not `busy`.
   */
  make(
    caller: Caller,
    spec: SessionSpec,
    finish: (copy: Copy, env: StoredEnv, done: () => void) => void,
  ): Promise<Result<null>> {
    return this.#serial.run(() => this.#make(caller, spec, finish));
  }

  /** Clears away what was left half made; what is under way is looked at again later. */
  async sweep(): Promise<void> {
    if (!this.busy) return;
    try {
      if (this.#serial.busy) await this.#context.storage.setAlarm(Date.now() + SWEEP_MS);
      else await this.settle();
    } catch (error) {
      this.#logLeft(error);
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
      const env = await newEnv(spec.id, spec.config.env, copy.manifest);
      await this.#fill(spec, copy);
      finish(copy, env, () => this.#context.storage.kv.delete(CLEANUP_RECORD));
    } catch (error) {
      log("resume.failed", { session: spec.id, error: errorText(error) });
      this.#dropCopy(copy);
      // What can't be cleared away now, the alarm gets.
      await this.#discard().catch((left) => this.#logLeft(left));
      return error instanceof DecryptionError ? unreadableEnv(error) : TRY_AGAIN;
    }
    this.#dropCopy(copy);
    return ok(null);
  }

  /** Removes a copy that was made for this session; the housekeeping removes one that stays. */
  #dropCopy({ key, temporary }: Copy): void {
    if (temporary) this.#context.waitUntil(this.#bucket.remove(key).catch(() => {}));
  }

  async #find(caller: Caller, spec: SessionSpec): Promise<Result<Copy>> {
    const origin = resumeSourceOf(spec);
    if (!origin) throw new Error("there is nothing to start from");
    if (!this.#sandbox(newState(spec, 0).sandbox).restore) {
      const path = "config.sandbox";
      return refuse("invalid_request", "can't take over the files of another session", { path });
    }
    try {
      const copy = await copySource(this.#context.env, caller, spec, origin);
      return copy.ok && isStrange(copy.value, spec) ? NOT_ITS_OWN : copy;
    } catch (error) {
      // The index is down, or the origin was lost in the middle.
      log("resume.failed", { session: spec.id, error: errorText(error) });
      return TRY_AGAIN;
    }
  }

  /** Takes over workspace and transcript, in transactions of bounded size. */
  async #fill(spec: SessionSpec, { key, manifest, temporary }: Copy): Promise<void> {
    const { storage, store } = this.#context;
    const { sandbox } = newState(spec, 0);
    const record: CleanupRecord = { session: spec.id, sandbox, copy: temporary ? key : null };
    storage.transactionSync(() => {
      storage.kv.put(CLEANUP_RECORD, record);
      store.addTables();
    });
    await storage.setAlarm(Date.now() + SWEEP_MS);
    await this.#takeFiles(record, workspaceKey(key));
    for (let part = 1; part <= manifest.transcriptParts; part++) {
      const text = await this.#bucket.part(key, part);
      storage.transactionSync(() => importTranscript(storage.sql, text));
    }
    store.agents.moveInto(workspace);
  }

  /** What a machine is to begin with waits for its start; a sandbox without one has it at once. */
  async #takeFiles(record: CleanupRecord, from: string): Promise<void> {
    const sandbox = this.#sandbox(record.sandbox);
    if (!sandbox.start) await sandbox.restore?.(from);
    else await copyArchive(this.#context.env.SNAPSHOTS, from, savedKey(record.session, 0));
  }

  /** Leaves nothing of a session that did not come to be; one that did has no note any more. */
  async #discard(): Promise<void> {
    const { storage, store } = this.#context;
    const record = this.#cleanupRecord();
    if (!record) return;
    const sandbox = this.#sandbox(record.sandbox);
    // One from the warm pool has a machine already.
    await sandbox.destroy();
    if (sandbox.start) await this.#bucket.removeSaved(record.session);
    if (record.copy !== null) await this.#bucket.remove(record.copy);
    await storage.deleteAll();
    store.forget();
  }

  #logLeft(error: unknown): void {
    log("resume.cleanup_failed", {
      session: this.#cleanupRecord()?.session,
      error: errorText(error),
    });
  }

  #cleanupRecord(): CleanupRecord | undefined {
    return this.#context.storage.kv.get<CleanupRecord>(CLEANUP_RECORD);
  }

  #sandbox(info: CleanupRecord["sandbox"]): Sandbox {
    return openSandbox(this.#context.env, info, { workspace });
  }
}

/** Returns whether a copy is of a conversation that Claude Code has not had, and could not go on with. */
const isStrange = ({ manifest }: Copy, { config }: SessionSpec): boolean =>
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

const TRY_AGAIN = refuse(
  "unavailable",
  "The session to start from can't be read at the moment. Try again.",
);
