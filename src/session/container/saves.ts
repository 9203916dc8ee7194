import { type Sandbox, SandboxError, type SaveMode } from "../../sandbox/sandbox";
import { errorText, log } from "../../shared/log";
import { Serial } from "../../shared/serial";
import type { SessionContext } from "../context";
import { type ContainerState, markCheckpoint, type SavedWorkspace } from "../rules/container-state";
import { newCheckpointName, SnapshotBucket, savedKey } from "../storage/snapshot-bucket";
import { containerOf, needsCheckpoint, setContainerState } from "../transactions/state";

/**
 * Saves the workspace of the session's container: when it is released, and as checkpoints while it runs, so that a loss of
 * the container loses little. One save runs at a time, and each stores only what has changed.
 */
export class Saves {
  readonly #context: SessionContext;
  readonly #bucket: SnapshotBucket;
  readonly #serial: Serial;
  readonly #sandboxOf: (name: string) => Sandbox;
  readonly #onProgress: () => void;
  /** Counts the calls that may change files. */
  #changes = 0;
  #failures = 0;
  /** The key of a save with files of different times, whose objects the next save can use; null if there is none. */
  #torn: string | null = null;

  /** `sandboxOf` returns the sandbox of the container with a name. `onProgress` is called while a save proceeds. */
  constructor(
    context: SessionContext,
    sandboxOf: (name: string) => Sandbox,
    onProgress: () => void,
  ) {
    this.#context = context;
    this.#bucket = new SnapshotBucket(context.env.SNAPSHOTS);
    this.#serial = new Serial(context.waitUntil);
    this.#sandboxOf = sandboxOf;
    this.#onProgress = onProgress;
  }

  /** Notes that a call is about to change files. */
  noteChange(): void {
    this.#changes += 1;
  }

  /** Whether a checkpoint is to be taken. */
  get isCheckpointDue(): boolean {
    const { store } = this.#context;
    return store.exists() && needsCheckpoint(store, Date.now());
  }

  /**
   * Takes a checkpoint, unless a call comes. Returns how many times in a row that failed or gave way. Throws if the
   * container is lost.
   */
  async tryCheckpoint(): Promise<number> {
    try {
      this.#failures = (await this.checkpoint("yield")) ? 0 : this.#failures + 1;
    } catch (error) {
      if (error instanceof SandboxError && error.lost) throw error;
      this.#failures += 1;
      this.#log("container.checkpoint_failed", error);
    }
    return this.#failures;
  }

  /**
   * Saves the workspace while the container runs. Returns false if the session's saved workspace is still the one before:
   * the save gave way, files may have changed meanwhile, or no container is ready.
   */
  checkpoint(mode: SaveMode): Promise<boolean> {
    return this.#serial.run(async () => {
      const { store, commit } = this.#context;
      const before = store.state.machine;
      if (before?.phase !== "ready") return false;
      const { name } = before;
      const changes = this.#changes;
      const at = Date.now();
      const saved = { key: savedKey(store.identity.id, newCheckpointName(at)), at };
      if (!(await this.#save(name, saved.key, mode))) return false;
      const hasChanged = this.#changes !== changes;
      if (hasChanged && mode === "yield") {
        // The files may be from different times. The next save need not store them again.
        this.#torn = saved.key;
        return false;
      }
      // A command that runs goes on changing files.
      const isUnsaved = hasChanged || mode === "none";
      const after = store.state.machine;
      if (!after) return false;
      commit((now) => setContainerState(store, markCheckpoint(after, name, saved, isUnsaved), now));
      return this.#replaced(saved);
    });
  }

  /** Saves the workspace of the container with a name, which the session does not have yet. */
  beginning(name: string): Promise<SavedWorkspace> {
    return this.#serial.run(async () => {
      const at = Date.now();
      const saved = { key: savedKey(this.#context.store.identity.id, newCheckpointName(at)), at };
      await this.#save(name, saved.key, "all");
      return saved;
    });
  }

  /** Saves the workspace of the container with a name, which is to be released. `done` must commit that it was saved. */
  release(
    { name, saves }: ContainerState & { phase: "saving" },
    done: (saved: SavedWorkspace) => void,
  ): Promise<void> {
    return this.#serial.run(async () => {
      const { id } = this.#context.store.identity;
      const saved = { key: savedKey(id, saves), at: Date.now() };
      await this.#save(name, saved.key, "all");
      done(saved);
      await this.#replaced(saved);
    });
  }

  /** Removes all saves, after the last one has ended. */
  async removeAll(): Promise<void> {
    await this.#serial.idle();
    await this.#bucket.removeSaved(this.#context.store.identity.id);
  }

  async #save(name: string, key: string, mode: SaveMode): Promise<unknown> {
    const sandbox = this.#sandboxOf(name);
    if (!sandbox.snapshot) throw new SandboxError("it can't be saved", { transient: false });
    const base = this.#torn ?? this.#context.store.state.machine?.saved?.key ?? null;
    return sandbox.snapshot(key, { base, mode, onProgress: this.#onProgress });
  }

  /**
   * Removes the other saves. If this fails, they are removed with the next save. Returns false and removes nothing if the
   * session has not taken this one for its saved workspace: its container was lost or given up meanwhile.
   */
  async #replaced({ key }: SavedWorkspace): Promise<boolean> {
    const { store } = this.#context;
    if (containerOf(store)?.saved?.key !== key) return false;
    this.#torn = null;
    await this.#bucket
      .removeSaved(store.identity.id, key)
      .catch((error) => this.#log("container.cleanup_failed", error));
    return true;
  }

  #log(event: string, error: unknown): void {
    log(event, { session: this.#context.id, error: errorText(error) });
  }
}
