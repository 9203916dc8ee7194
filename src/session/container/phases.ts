import type { EventBody } from "../../events/event";
import type { Sandbox } from "../../sandbox/sandbox";
import type { SessionContext } from "../context";
import { workspace } from "../deployment";
import {
  type ContainerState,
  markContinued,
  markDirty,
  markPrepared,
  markReleased,
  markRestoring,
  markSaved,
  markStarted,
  type Pending,
  type SavedWorkspace,
} from "../rules/container-state";
import { activate } from "../rules/lifecycle";
import type { SessionStore } from "../storage/store";
import { containerOf, setContainerState, setLifecycle } from "../transactions/state";
import type { Calls } from "./calls";
import type { ContainerHandles } from "./handles";
import { isLoss } from "./sandbox";
import type { Saves } from "./saves";
import type { Setup, SetupPlan } from "./setup";

/** Number of attempts to continue in one container. After that, the container may be the cause. */
const ATTEMPTS_IN_ONE = 3;

/** The parts of the container's lifecycle that its phases use. */
interface PhaseDeps {
  handles: ContainerHandles;
  calls: Calls;
  saves: Saves;
  setup: Setup;
}

/** A container that has started. */
interface Started {
  name: string;
  /** The saved workspace that was made for it; null if what was made is not saved yet, and absent if nothing was. */
  made?: SavedWorkspace | null;
}

/** Does the work of one attempt of a phase: starts, saves or releases the container of a session. */
export class Phases {
  readonly #context: SessionContext;
  readonly #handles: ContainerHandles;
  readonly #calls: Calls;
  readonly #saves: Saves;
  readonly #setup: Setup;

  constructor(context: SessionContext, { handles, calls, saves, setup }: PhaseDeps) {
    this.#context = context;
    this.#handles = handles;
    this.#calls = calls;
    this.#saves = saves;
    this.#setup = setup;
  }

  /** Makes one attempt of a phase, and commits its end. Rejects if it fails. */
  attempt(before: Pending): Promise<void> {
    if (before.phase === "starting") return this.#start(before);
    return before.phase === "saving" ? this.#save(before) : this.#release(before);
  }

  async #start(before: ContainerState & { phase: "starting" }): Promise<void> {
    const { store } = this.#context;
    const restored = await this.#resumeRestore(before);
    const { name, made } = restored ? { name: restored } : await this.#startAny(before);
    changeIn(this.#context, "starting", (container, now) => {
      const isSame = container.suspended === name;
      const begun = made ? markPrepared(container, made) : container;
      const after = isSame ? markContinued(container) : markStarted(begun, name);
      setContainerState(store, made === null ? markDirty(after) : after, now);
      const { lifecycle } = store.state;
      if (lifecycle.status === "initializing") setLifecycle(store, activate(lifecycle, now), now);
    });
  }

  /** Starts a container with its initial files, or lets the suspended one continue. */
  async #startAny({
    saved,
    clean,
    suspended,
    restoring,
  }: ContainerState & { phase: "starting" }): Promise<Started> {
    const sandbox = this.#handles.atAddress();
    // Its commits are looked up while the container starts, unless it may continue.
    const early = saved || suspended !== undefined ? undefined : this.#setup.plan();
    early?.catch(() => {});
    // A restore has begun only if the suspended container is gone.
    if (suspended !== undefined && restoring === undefined) this.#handles.reopen();
    // An interrupted attempt may have left a container that is not in its initial state.
    else if (!clean) await sandbox.destroy();
    const name = await sandbox.start?.();
    if (name === undefined) throw new Error("the sandbox knows no start");
    if (name === suspended) return { name };
    const plan = saved ? null : await (early ?? this.#setup.plan());
    const workspace = saved ?? plan?.reused;
    if (workspace) return this.#startWith(name, workspace, plan);
    return plan ? { name, made: await this.#setup.run(name, plan) } : { name };
  }

  /** Restores a workspace into a container: the session's own, or one that another session's set-up has made. */
  async #startWith(name: string, saved: SavedWorkspace, plan: SetupPlan | null): Promise<Started> {
    const { store } = this.#context;
    changeIn(this.#context, "starting", (container, now) => {
      setContainerState(store, markRestoring(markPrepared(container, saved), name), now);
      if (plan) store.log.append(reuseOf(plan, saved), {}, now);
    });
    await this.#restore(name, saved);
    return { name };
  }

  /** Goes on with a restore that was interrupted. Returns the name of its container; undefined if a new one is needed. */
  async #resumeRestore({
    saved,
    restoring,
    attempts,
  }: ContainerState & { phase: "starting" }): Promise<string | undefined> {
    if (!saved || restoring === undefined || attempts >= ATTEMPTS_IN_ONE) return undefined;
    try {
      await this.#restore(restoring, saved);
      return restoring;
    } catch (error) {
      if (!isLoss(error)) throw error;
      return undefined;
    }
  }

  async #restore(name: string, { key }: SavedWorkspace): Promise<void> {
    await this.#handles.named(name).restore?.(key, () => this.#calls.noteProgress());
  }

  async #save(before: ContainerState & { phase: "saving" }): Promise<void> {
    const { store } = this.#context;
    await this.#calls.settled();
    await this.#saves.release(before, (saved) =>
      changeIn(this.#context, "saving", (container, now) => {
        setContainerState(store, markSaved(container, saved), now);
        moveAgents(store, saved);
      }),
    );
  }

  async #release({ suspends, attempts }: ContainerState & { phase: "releasing" }): Promise<void> {
    await this.#calls.settled();
    this.#handles.close();
    const sandbox = this.#handles.atAddress();
    // What can't be suspended is destroyed: its workspace is saved.
    const suspend = suspends !== undefined && attempts < ATTEMPTS_IN_ONE;
    if (suspend) await this.#suspend(sandbox);
    else await sandbox.destroy();
    const { store } = this.#context;
    changeIn(this.#context, "releasing", (container, now) => {
      // It may have been decided meanwhile that it is to be destroyed: that is done next.
      if (suspend && container.suspends === undefined) return;
      setContainerState(store, markReleased(container, suspend), now);
    });
  }

  /** Suspends the container. The process of Claude Code is ended first: not every provider keeps what runs. */
  async #suspend(sandbox: Sandbox): Promise<void> {
    const { store } = this.#context;
    const process = store.process.read();
    if (process) {
      await sandbox.kill(process.id);
      this.#context.commit(() => store.process.forget());
    }
    await sandbox.suspend?.();
  }
}

/** Returns the event of a session that starts with what another session's set-up has made. */
const reuseOf = ({ repositories }: SetupPlan, { at }: SavedWorkspace): EventBody => ({
  type: "setup.reused",
  savedAt: new Date(at).toISOString(),
  repositories: repositories.map(({ url, path, commit }) => ({ url, path, commit })),
});

/** Commits a change of the session's container if it is still in the phase. */
export function changeIn<P extends ContainerState["phase"]>(
  { store, commit }: SessionContext,
  phase: P,
  change: (container: ContainerState & { phase: P }, now: number) => void,
): void {
  const container = containerOf(store);
  if (container && isIn(container, phase)) commit((now) => change(container, now));
}

const isIn = <P extends ContainerState["phase"]>(
  container: ContainerState,
  phase: P,
): container is ContainerState & { phase: P } => container.phase === phase;

/**
 * Moves agents into directories that the next container has, since no shell can start in a missing one: into the
 * workspace if they are outside of it, or all of them if no workspace was saved.
 */
export function moveAgents(store: SessionStore, saved: SavedWorkspace | null): void {
  if (saved) store.agents.moveInto(workspace);
  else store.agents.moveAllTo(workspace);
}
