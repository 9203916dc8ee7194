import { type Sandbox, SandboxError, type SaveMode } from "../../sandbox/sandbox";
import { errorText, log } from "../../shared/log";
import { Serial } from "../../shared/serial";
import type { SessionContext } from "../context";
import { type ContainerState, markCheckpoint, type SavedWorkspace } from "../rules/container-state";
import { newCheckpointName, SnapshotBucket, savedKey } from "../storage/snapshot-bucket";
import { needsCheckpoint, setContainerState } from "../transactions/state";

/**
 * Saves the workspace of the session's container: when it is released, and as checkpoints while it runs, so that a loss of
 * the container loses little. One save runs at a time, and each stores only what has changed.
 */
export class Saves {
  readonly #context: SessionContext;
  readonly #bucket: SnapshotBucket;
  readonly #serial: Serial;
  readonly #sandboxOf: (name: string) => Sandbox;
  /** Counts the calls that may change files. */
  #changes = 0;
  #failures = 0;

  /** `sandboxOf` returns the sandbox of the container with a name. */
  constructor(context: SessionContext, sandboxOf: (name: string) => Sandbox) {
    this.#context = context;
    this.#bucket = new SnapshotBucket(context.env.SNAPSHOTS);
    this.#serial = new Serial(context.waitUntil);
    this.#sandboxOf = sandboxOf;
  }

  /** Notes that a call is about to change files. */
  noteChange(): void {
    this.#changes += 1;
  }

  /** Whether a checkpoint is to be taken. */
  get isCheckpointDue(): boolean {
    const { store } = this.#context;
    return store.exists() && needsCheckpoint(store);
  }

  /**
   * Takes a checkpoint, unless a call comes. Returns how many times in a row that failed or gave way. Throws if the
   * container is lost.
   */
  async tryCheckpoint(): Promise<number> {
    try {
      const isTaken = await this.checkpoint("yield");
      this.#failures = isTaken ? 0 : 1;
    } catch (error) {
      if (error instanceof SandboxError && error.lost) throw error;
      this.#failures += 1;
      this.#log("container.checkpoint_failed", error);
    }
    return this.#failures;
  }

  /** Saves the workspace while the container runs. Returns false if the save gave way, or if no container is ready. */
  checkpoint(mode: SaveMode): Promise<boolean> {
    return this.#serial.run(async () => {
      const { store, commit } = this.#context;
      const before = store.state.machine;
      if (before?.phase !== "ready") return false;
      const { name } = before;
      const changes = this.#changes;
      const at = Date.now();
      const saved = { key: savedKey(store.identity.id, newCheckpointName(at)), at };
      if (!(await this.#save(before, name, saved.key, mode))) return false;
      const after = store.state.machine;
      if (!after) return false;
      const isUnsaved = this.#changes !== changes;
      commit((now) => setContainerState(store, markCheckpoint(after, name, saved, isUnsaved), now));
      await this.#removeOthers(saved.key);
      return true;
    });
  }

  /** Saves the workspace of a container that is to be released. `done` must commit that it was saved. */
  release(
    container: ContainerState & { phase: "saving" },
    done: (saved: SavedWorkspace) => void,
  ): Promise<void> {
    return this.#serial.run(async () => {
      const { id } = this.#context.store.identity;
      const saved = { key: savedKey(id, container.saves), at: Date.now() };
      await this.#save(container, container.name, saved.key, "all");
      done(saved);
      await this.#removeOthers(saved.key);
    });
  }

  /** Removes all saves, after the last one has ended. */
  async removeAll(): Promise<void> {
    await this.#serial.idle();
    await this.#bucket.removeSaved(this.#context.store.identity.id);
  }

  async #save(
    { saved }: ContainerState,
    name: string,
    key: string,
    mode: SaveMode,
  ): Promise<unknown> {
    const sandbox = this.#sandboxOf(name);
    if (!sandbox.snapshot) throw new SandboxError("it can't be saved", { transient: false });
    return sandbox.snapshot(key, { base: saved?.key ?? null, mode });
  }

  /** Removes the other saves. If this fails, they are removed with the next save. */
  async #removeOthers(key: string): Promise<void> {
    const { id } = this.#context.store.identity;
    await this.#bucket
      .removeSaved(id, key)
      .catch((error) => this.#log("container.cleanup_failed", error));
  }

  #log(event: string, error: unknown): void {
    log(event, { session: this.#context.id, error: errorText(error) });
  }
}
