import { copyArchive } from "../../sandbox/archive";
import type { WorkspaceReader } from "../../sandbox/files";
import { isOfMachine } from "../../sandbox/machines/machine-sandbox";
import { type Sandbox, SandboxError } from "../../sandbox/sandbox";
import { savedFiles } from "../../sandbox/saved-files";
import { jitteredBackoffMs } from "../../shared/backoff";
import { errorText, log } from "../../shared/log";
import type { SessionContext } from "../context";
import { workspace } from "../deployment";
import type { MachineNeed, PreviewTarget } from "../rpc";
import {
  type ContainerState,
  failSave,
  giveUp,
  isPending,
  isWanted,
  markDirty,
  markLost,
  neededOf,
  type Pending,
  requestReplacement,
  retryAtOf,
  startAttempt,
} from "../rules/container-state";
import { isEnded } from "../rules/lifecycle";
import type { SessionEnv } from "../session-env";
import { failSession } from "../transactions/session";
import {
  containerOf,
  keepsWorkspace,
  setContainerState,
  setLost,
  setSaveFailed,
} from "../transactions/state";
import { Calls } from "./calls";
import { ContainerHandles } from "./handles";
import { changeIn, moveAgents, Phases } from "./phases";
import { containerSandbox, isLoss } from "./sandbox";
import { Saves } from "./saves";
import { Setup, SetupFailed } from "./setup";
import { beginsWithFiles } from "./setup-plan";

/** Maximum number of attempts of a start, a save or a release. Attempts that were lost with the object count. */
export const MAX_ATTEMPTS = 5;
const BASE_RETRY_MS = 1_000;
const MAX_RETRY_MS = 300_000;

/** How long no message must run before a checkpoint is taken, in ms. */
const CHECKPOINT_DELAY_MS = 500;

/** How long one call of `prepareStop` waits, and how often it looks, in ms. */
const STOP_WAIT_MS = 15_000;
const STOP_POLL_MS = 500;

const retryDelayMs = (attempts: number): number =>
  jitteredBackoffMs(attempts, BASE_RETRY_MS, MAX_RETRY_MS, Math.random());

/**
 * Starts, saves and releases the container of a session, as the session's state requires. Its workspace is restored at
 * the start and saved before the release. Work that was lost with the object is done again. Does nothing for a sandbox
 * that does not have to be started.
 */
export class ContainerLifecycle {
  readonly #context: SessionContext;
  readonly #handles: ContainerHandles;
  readonly #saves: Saves;
  readonly #calls: Calls;
  readonly #setup: Setup;
  readonly #phases: Phases;
  /** The sandbox as the session's tools use it. */
  #sandbox: Sandbox | null = null;
  /** The saved workspace that was read last; null if there is none. */
  #read: { key: string; files: WorkspaceReader } | null = null;
  /** The running work on pending phases; null if there is none. */
  #work: Promise<void> | null = null;
  /** Ends the wait for another save of the workspace; null while there is none. */
  #retry: PromiseWithResolvers<void> | null = null;

  constructor(context: SessionContext, sessionEnv: SessionEnv) {
    this.#context = context;
    this.#handles = new ContainerHandles(context);
    this.#calls = new Calls(context);
    const sandboxOf = (name: string) => this.#handles.named(name);
    const onProgress = () => this.#calls.noteProgress();
    this.#saves = new Saves(context, sandboxOf, onProgress);
    this.#setup = new Setup(context, { sessionEnv, saves: this.#saves, sandboxOf, onProgress });
    const parts = { handles: this.#handles, calls: this.#calls, saves: this.#saves };
    this.#phases = new Phases(context, { ...parts, setup: this.#setup });
  }

  /** Returns the session's sandbox. Always the same object, since calls are ordered only on one stub. */
  sandbox(): Sandbox {
    this.#sandbox ??= this.#container() ? this.#trackedSandbox() : this.#handles.atAddress();
    return this.#sandbox;
  }

  /** Resolves waiting calls, and starts the work that the state requires. Call it after every change of the state. */
  drive(): void {
    this.#calls.answerWaiting();
    const pending = this.#pending();
    if (pending?.phase !== "starting") this.#setup.stop();
    const isAwaited = pending ? retryAtOf(pending) !== null : this.#saves.isCheckpointDue;
    if (!isAwaited) this.#retry?.resolve();
    if (this.#work || !(this.#pending() || this.#saves.isCheckpointDue)) return;
    // Started in a later tick, since the work commits changes itself.
    this.#work = Promise.resolve().then(() => this.#workOnPending());
    this.#context.waitUntil(this.#work);
  }

  /** Returns how the session needs the machine with a vendor's id. */
  needOf(machineId: string): MachineNeed {
    const container = this.#container();
    const needed = container && !this.#context.store.state.removed && neededOf(container);
    if (!needed) return "gone";
    const { name, suspended } = needed;
    if (name !== null && !isOfMachine(name, machineId)) return "gone";
    return suspended ? "suspended" : "running";
  }

  /** Returns whether the session needs a container. */
  isWanted(): boolean {
    const container = this.#container();
    return container !== undefined && isWanted(container) && !this.#context.store.state.removed;
  }

  /**
   * Prepares the stop of the container with a name: releases it as soon as no message runs, and starts another. Returns
   * whether it may be stopped. If it is stopped in any case, `isFinal`, only saves its workspace as it is.
   */
  async prepareStop(name: string, isFinal: boolean): Promise<boolean> {
    const { store } = this.#context;
    const until = Date.now() + STOP_WAIT_MS;
    for (let isRequested = false; Date.now() < until; await scheduler.wait(STOP_POLL_MS)) {
      if (this.#nameNow() !== name) return true;
      if (isFinal && this.#container()?.phase === "ready") {
        return !keepsWorkspace(store) || (await this.#saves.checkpoint("none"));
      }
      // Once a call: if the save fails, the next call requests it again.
      if (isRequested || store.state.running !== null) continue;
      isRequested = true;
      changeIn(this.#context, "ready", (container, now) =>
        setContainerState(store, requestReplacement(container, keepsWorkspace(store)), now),
      );
    }
    return false;
  }

  /** Returns how a port of the container is reached. Starts no container. */
  async reach(port: number, isAgain: boolean): Promise<PreviewTarget["reached"]> {
    const name = this.#nameNow();
    if (name === null) return this.isWanted() ? "starting" : "asleep";
    try {
      return (await this.#handles.named(name).reach?.(port, isAgain)) ?? "unreachable";
    } catch (error) {
      if (isLoss(error)) this.#lost(name, error);
      this.#log("container.unreachable", error);
      return "unreachable";
    }
  }

  /** Destroys the container and removes the saved workspaces. */
  async erase(): Promise<void> {
    const sandbox = this.#handles.atAddress();
    await this.#calls.settled();
    this.#handles.close();
    await sandbox.destroy();
    if (this.#container()) {
      if (this.#work) {
        await this.#work;
        // The work may have started a new container.
        await sandbox.destroy();
      }
      await this.#saves.removeAll();
    }
    this.#handles.forget();
    this.#sandbox = null;
  }

  /** Works on the container, phase by phase, until no phase is pending. Never rejects. */
  async #workOnPending(): Promise<void> {
    try {
      while (await this.#workOnNext());
    } catch (error) {
      // The storage was lost with the object, or there is a bug here. The next heartbeat starts the work again.
      this.#log("container.crashed", error);
    } finally {
      this.#work = null;
    }
  }

  /** Works on the phase that is pending, or else on the checkpoint that is. Returns false if there is neither. */
  async #workOnNext(): Promise<boolean> {
    const pending = this.#pending();
    if (pending) await this.#step(pending);
    else if (this.#saves.isCheckpointDue) await this.#tryCheckpoint();
    else return false;
    return true;
  }

  async #tryCheckpoint(): Promise<void> {
    // Often another message follows at once. This wait ends when one is accepted.
    await this.#untilRetry(Date.now() + CHECKPOINT_DELAY_MS);
    if (this.#pending() || !this.#saves.isCheckpointDue) return;
    const name = this.#nameNow();
    try {
      const failures = await this.#saves.tryCheckpoint();
      if (failures > 0) await this.#untilRetry(Date.now() + retryDelayMs(failures));
    } catch (error) {
      if (name === null || !isLoss(error)) throw error;
      this.#lost(name, error);
    }
  }

  async #step(before: Pending): Promise<void> {
    const { phase } = before;
    const retryAt = retryAtOf(before);
    if (retryAt !== null) {
      await this.#untilRetry(retryAt);
      // It may have been requested again, or discarded, meanwhile.
      if (this.#pending() !== before) return;
    } else if (phase === "saving" && before.attempts > 0) {
      return this.#failSave(new Error("the attempt was interrupted"));
    }
    if (phase !== "saving" && before.attempts >= MAX_ATTEMPTS) {
      return this.#giveUp(before, new Error("it was interrupted too often"));
    }
    const attempts = before.attempts + 1;
    this.#commit((now) => setContainerState(this.#context.store, startAttempt(before), now));
    try {
      await this.#phases.attempt(before);
    } catch (error) {
      this.#log("container.failed", error, { phase, attempts });
      const after = this.#pending();
      // The container may have been released, or the session deleted, meanwhile.
      if (after?.phase !== phase) return;
      if (phase === "saving" && !isLoss(error)) return this.#failSave(error);
      if (attempts >= MAX_ATTEMPTS || isPermanent(error, phase)) this.#giveUp(after, error);
      else await scheduler.wait(retryDelayMs(attempts));
    }
  }

  /** Keeps the container for another attempt to save its workspace; destroys it after `SAVE_PATIENCE_MS` without success. */
  #failSave(error: unknown): void {
    const { store } = this.#context;
    const message = error instanceof SandboxError ? error.message : "an internal error";
    changeIn(this.#context, "saving", (container, now) => {
      const delayMs = retryDelayMs(container.attempts);
      setSaveFailed(store, failSave(container, { now, delayMs, message }), now);
      if (store.state.machine?.lost) moveAgents(store, container.saved);
    });
    if (store.state.machine?.lost) this.#log("container.given_up", error, { phase: "saving" });
  }

  /** Waits until a time, or until the state of the container changes. */
  async #untilRetry(at: number): Promise<void> {
    this.#retry = Promise.withResolvers<void>();
    await Promise.race([scheduler.wait(Math.max(0, at - Date.now())), this.#retry.promise]);
    this.#retry = null;
  }

  #giveUp({ phase }: Pending, error: unknown): void {
    const { store, drafts } = this.#context;
    this.#log("container.given_up", error, { phase });
    const why = error instanceof SandboxError ? `: ${error.message}` : "";
    if (phase === "starting") {
      const message = `its machine could not be started${why}`;
      this.#calls.rejectWaiting(new SandboxError(message, { transient: true, cause: error }));
    }
    changeIn(this.#context, phase, (container, now) => {
      setLost(store, giveUp(container), now);
      if (phase === "saving" && store.state.machine?.lost) moveAgents(store, container.saved);
      if (error instanceof SetupFailed) {
        if (error.event) store.log.append(error.event, {}, now);
        const reason = "setup_failed";
        failSession(store, { type: "upstream_error", reason, message: error.message }, drafts, now);
      }
      if (store.state.lifecycle.status !== "initializing") return;
      const message = `The sandbox could not be started${why}.`;
      failSession(store, { type: "unavailable_error", message }, drafts, now);
    });
  }

  #trackedSandbox(): Sandbox {
    return containerSandbox({
      any: this.#handles.atAddress(),
      of: (name) => this.#handles.named(name),
      ready: () => this.#calls.ready(),
      current: () => {
        const container = this.#container();
        if (container?.phase === "ready") return container;
        return container?.phase === "saving" ? { name: container.name, used: true } : null;
      },
      callable: () => {
        const container = this.#container();
        // While it is released, calls that were stopped are still to be ended.
        if (container?.phase === "releasing") return this.#handles.newestName;
        return this.#nameNow();
      },
      readable: () => {
        const container = this.#container();
        return container?.phase === "ready" || container?.phase === "saving"
          ? container.name
          : null;
      },
      saved: () => this.#savedFiles(),
      use: () => {
        const container = this.#container();
        this.#saves.noteChange();
        if (!container || markDirty(container) === container) return;
        this.#commit((now) => setContainerState(this.#context.store, markDirty(container), now));
      },
      during: (call) => this.#calls.during(call),
      explain: (name, error) => (isLoss(error) ? this.#lost(name, error) : error),
      copy: (key) => this.#copy(key),
    });
  }

  /** Records that the container with a name is lost, and returns the error for callers. */
  #lost(name: string, cause: SandboxError): SandboxError {
    const { store } = this.#context;
    const container = this.#container();
    const after = container && markLost(container, name);
    if (after && after !== container) {
      this.#commit((now) => {
        setLost(store, after, now);
        moveAgents(store, after.saved);
      });
    }
    const at = container?.saved?.at;
    const { config } = store.identity;
    const next =
      at === undefined
        ? `A new${beginsWithFiles(config) ? " one takes its place, with the files that the session began with" : ", empty one takes its place"}`
        : `A new one takes its place, with the files as they were at ${new Date(at).toISOString()}`;
    const message = `its machine is lost, and every file in it. ${next}`;
    return new SandboxError(message, { transient: true, lost: true, cause });
  }

  /** Returns the files of the saved workspace; null if there is none. They are kept, since their index is read once. */
  #savedFiles(): WorkspaceReader | null {
    const key = this.#container()?.saved?.key;
    if (key === undefined) return null;
    if (this.#read?.key !== key) {
      const files = savedFiles(this.#context.env.SNAPSHOTS, key, workspace);
      this.#read = { key, files };
    }
    return this.#read.files;
  }

  /** Copies the workspace to a key for a snapshot or copy, after saving it if a container has it. */
  async #copy(key: string): Promise<{ sizeBytes: number }> {
    const { SNAPSHOTS } = this.#context.env;
    const phase = this.#container()?.phase;
    if (phase === "saving" || phase === "releasing") {
      this.drive();
      await this.#work;
    }
    const container = this.#container();
    if (container?.phase === "saving") throw new SandboxError("it is being saved", TRANSIENT);
    if (this.#isUnprepared()) throw new SandboxError("it is not set up yet", TRANSIENT);
    if (container?.phase === "ready" && container.used) {
      const { name } = container;
      try {
        const isSaved = await this.#calls.during(this.#saves.checkpoint("all"));
        if (!isSaved) throw new SandboxError("it is being saved", TRANSIENT);
      } catch (error) {
        throw isLoss(error) ? this.#lost(name, error) : error;
      }
    }
    return copyArchive(SNAPSHOTS, this.#container()?.saved?.key ?? null, key);
  }

  #commit(change: (now: number) => void): void {
    this.#context.commit(change);
  }

  #container(): ContainerState | undefined {
    return containerOf(this.#context.store);
  }

  /** Returns whether the session's workspace is still to be set up. That of an ended session stays empty. */
  #isUnprepared(): boolean {
    const { identity, state } = this.#context.store;
    const { machine, lifecycle } = state;
    const isMade = machine?.phase === "ready" || machine?.saved;
    return !isMade && beginsWithFiles(identity.config) && !isEnded(lifecycle);
  }

  /**
   * Returns the container if its phase has work pending. In a deleted session there is none, since `erase` removes it.
   */
  #pending(): Pending | undefined {
    const container = this.#container();
    return container && isPending(container) && !this.#context.store.state.removed
      ? container
      : undefined;
  }

  /** Returns the name of the container that has the files; null if there is none. */
  #nameNow(): string | null {
    const container = this.#container();
    return container && "name" in container ? container.name : null;
  }

  #log(event: string, error: unknown, fields: Record<string, unknown> = {}): void {
    log(event, { session: this.#context.id, ...fields, error: errorText(error) });
  }
}

/** Returns whether another attempt can't succeed. A lost container, for example, can't be saved. */
function isPermanent(error: unknown, phase: Pending["phase"]): boolean {
  if (!(error instanceof SandboxError)) return false;
  if (phase === "saving") return error.lost;
  return phase === "starting" && !error.lost && !error.transient;
}

const TRANSIENT = { transient: true };
