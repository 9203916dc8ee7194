import type { SandboxInfo } from "../../db/schema";

/** The last saved workspace: its key in the bucket, and when it was saved, in ms since 1970. */
export interface SavedWorkspace {
  key: string;
  at: number;
}

/** How the attempts to save a workspace failed so far. Times are in ms since 1970. */
interface SaveFailure {
  /** When the first attempt failed. */
  since: number;
  /** When the next attempt begins; null while one is under way. */
  retryAt: number | null;
  message: string;
}

/** How long a workspace that can't be saved is kept in its container, in ms. */
export const SAVE_PATIENCE_MS = 3_600_000;

/** The fields that the state has in every phase. */
interface Known {
  /** The workspace that the next container starts with; null for an empty one. */
  saved: SavedWorkspace | null;
  /** How many saves were started. Each save has its own key. */
  saves: number;
  /** Whether no container can exist at the session's address, so that a start need not remove one first. */
  clean: boolean;
  /** Whether the last container was lost with unsaved files. */
  lost: boolean;
}

/**
 * The state of a session's container, for providers of containers. It is stored in this form. `attempts` counts the
 * attempts of a phase. `used` means that files may have changed since the start, and `unsaved` that they may have changed
 * since the last save. `restoring` is the name of the container whose restore has begun. `again` requests another start
 * once this container is gone. `suspends` is the name of the container that is suspended instead of destroyed, and
 * `suspended` of the one that was. A transition that does not apply returns the same object.
 */
export type ContainerState = Known &
  (
    | { phase: "none"; suspended?: string }
    | { phase: "starting"; attempts: number; restoring?: string; suspended?: string }
    | { phase: "ready"; name: string; used: boolean; unsaved?: true }
    | {
        phase: "saving";
        name: string;
        attempts: number;
        again: boolean;
        failure?: SaveFailure;
        suspends?: string;
      }
    | { phase: "releasing"; attempts: number; again: boolean; suspends?: string }
  );

/** A container in a phase that has work pending. */
export type Pending = Extract<ContainerState, { attempts: number }>;

/** Returns the container state of a new session, which starts with the saved workspace, if there is one. */
export const newContainerState = (saved: SavedWorkspace | null): ContainerState => ({
  saved,
  saves: 0,
  clean: true,
  lost: false,
  phase: "starting",
  attempts: 0,
});

export const isPending = (container: ContainerState): container is Pending =>
  "attempts" in container;

/** Returns whether a container should exist. */
export const isWanted = ({ phase }: ContainerState): boolean =>
  phase === "starting" || phase === "ready" || phase === "saving";

/**
 * Returns the state after the session requested its container. A missing container starts. One that is being saved or
 * released starts again afterwards. One that waits for another attempt to save it is ready at once.
 */
export function requestStart(container: ContainerState): ContainerState {
  if (container.phase === "none") return { ...container, phase: "starting", attempts: 0 };
  if (retryAtOf(container) !== null) return keptReady(container);
  const goes = container.phase === "saving" || container.phase === "releasing";
  return goes && !container.again ? { ...container, again: true } : container;
}

/**
 * Returns the state after the session released its container. If `keep` is true and files may have changed, the
 * workspace is saved first. With `suspend` the container is suspended, not destroyed.
 */
export function requestRelease(
  container: ContainerState,
  { keep, suspend = false }: { keep: boolean; suspend?: boolean },
): ContainerState {
  switch (container.phase) {
    case "none":
      return container.suspended === undefined || suspend ? container : releasing(container);
    case "ready": {
      const { name } = container;
      const suspends = suspend ? name : undefined;
      if (!keep || !container.used) return releasing(container, suspends);
      const saving = {
        ...knownOf(container),
        saves: container.saves + 1,
        phase: "saving",
      } as const;
      return { ...saving, name, attempts: 0, again: false, ...(suspend && { suspends: name }) };
    }
    case "starting":
      return releasing(container, suspend ? container.suspended : undefined);
    case "saving":
      if (!keep) return releasing(container);
      return notAgain(container, suspend);
    case "releasing":
      return notAgain(container, suspend);
  }
}

/** Returns the state of a container that is on its way out and not needed again. */
function notAgain<C extends { again: boolean; suspends?: string }>(
  container: C,
  suspend: boolean,
): C {
  if (!container.again && (suspend || container.suspends === undefined)) return container;
  return { ...(suspend ? container : withoutSuspension(container)), again: false };
}

/** Returns the state in which the container will be destroyed. */
function withoutSuspension<C extends { suspends?: string }>(container: C): C {
  const { suspends: _, ...rest } = container;
  return rest as C;
}

/** Returns the state in which another attempt begins. After the first attempt, a container may exist at the address. */
export const startAttempt = <C extends Pending>(container: C): C => ({
  ...container,
  attempts: container.attempts + 1,
  clean: false,
  ...("failure" in container && { failure: { ...container.failure, retryAt: null } }),
});

/** Returns when a failed save is attempted again, in ms since 1970; null if no attempt is awaited. */
export const retryAtOf = (container: ContainerState): number | null =>
  container.phase === "saving" ? (container.failure?.retryAt ?? null) : null;

/**
 * Returns the state after an attempt to save the workspace failed. If the container was requested again, it is ready.
 * Otherwise another attempt follows after `delayMs`, until the first failure is `SAVE_PATIENCE_MS` ago: then the container
 * counts as lost.
 */
export function failSave(
  container: ContainerState,
  failed: { now: number; delayMs: number; message: string },
): ContainerState {
  if (container.phase !== "saving") return container;
  if (container.again) return keptReady(container);
  const { now, delayMs, message } = failed;
  const since = container.failure?.since ?? now;
  if (now - since >= SAVE_PATIENCE_MS) return markLost(container, container.name);
  return { ...container, failure: { since, retryAt: now + delayMs, message } };
}

/** Returns the state of a container that is not saved after all, with files that may have changed. */
const keptReady = (container: ContainerState): ContainerState =>
  container.phase === "saving"
    ? { ...knownOf(container), phase: "ready", name: container.name, used: true, unsaved: true }
    : container;

/** Returns the state in which the container that starts has a saved workspace to begin with. */
export const markPrepared = <C extends ContainerState>(container: C, saved: SavedWorkspace): C =>
  container.phase === "starting" ? { ...container, saved } : container;

/** Returns the state in which the container with a name is being restored, so that another attempt can go on with it. */
export const markRestoring = (container: ContainerState, name: string): ContainerState =>
  container.phase === "starting" ? { ...container, restoring: name } : container;

/** Returns the state after the container has started with its initial files. */
export function markStarted(container: ContainerState, name: string): ContainerState {
  if (container.phase !== "starting") return container;
  return { ...knownOf(container), lost: false, phase: "ready", name, used: false };
}

/** Returns the state after the suspended container continues with its files, which its programs may change at once. */
export function markContinued(container: ContainerState): ContainerState {
  if (container.phase !== "starting" || container.suspended === undefined) return container;
  const { suspended: name } = container;
  return { ...knownOf(container), lost: false, phase: "ready", name, used: true };
}

/** Returns the state before files of the container change. */
export const markDirty = (container: ContainerState): ContainerState =>
  container.phase === "ready" && !(container.used && container.unsaved)
    ? { ...container, used: true, unsaved: true }
    : container;

/** Returns whether files of the running container may have changed since the last save. */
export const isUnsaved = (container: ContainerState): boolean =>
  container.phase === "ready" && container.unsaved === true;

/**
 * Returns the state after the workspace of the container with this name was saved while it runs. `unsaved` says whether
 * files may have changed since the save began.
 */
export function markCheckpoint(
  container: ContainerState,
  name: string,
  workspace: SavedWorkspace,
  unsaved: boolean,
): ContainerState {
  if (container.phase === "saving" && container.name === name) {
    return { ...container, saved: workspace };
  }
  if (container.phase !== "ready" || container.name !== name) return container;
  const { used } = container;
  const after = { ...knownOf(container), saved: workspace, phase: "ready", name, used } as const;
  return unsaved ? { ...after, unsaved } : after;
}

/**
 * Returns the state in which a running container is released and replaced by another, because it is about to be stopped.
 * `keep` as for `requestRelease`.
 */
export const requestReplacement = (container: ContainerState, keep: boolean): ContainerState =>
  container.phase === "ready" ? requestStart(requestRelease(container, { keep })) : container;

/** Returns the state after the workspace was saved: the container can be released. */
export function markSaved(container: ContainerState, workspace: SavedWorkspace): ContainerState {
  if (container.phase !== "saving") return container;
  const { suspends, again } = container;
  return { ...releasing(container, suspends), saved: workspace, again };
}

/**
 * Returns the state after the container with this name was lost with its files. The next call that needs a container
 * starts another.
 */
export function markLost(container: ContainerState, name: string): ContainerState {
  const had = container.phase === "ready" || container.phase === "saving";
  if (!had || container.name !== name) return container;
  const saving = container.phase === "saving";
  return {
    ...releasing(container),
    lost: saving || container.used,
    again: saving && container.again,
  };
}

/**
 * Returns the state after the container was released: suspended, or else destroyed. It starts again if that was
 * requested.
 */
export function markReleased(container: ContainerState, suspended = false): ContainerState {
  if (container.phase !== "releasing") return container;
  if (!suspended) return released({ ...withoutSuspension(container), clean: true });
  return released({ ...container, clean: false });
}

/**
 * Returns the state after the last attempt of a phase failed. A container that can't be saved is kept if it was
 * requested again, and counts as lost otherwise. A suspended one is kept, since it may continue later.
 */
export function giveUp(container: Pending): ContainerState {
  switch (container.phase) {
    case "starting": {
      const { suspended, restoring } = container;
      if (suspended === undefined || restoring !== undefined) return releasing(container);
      return { ...knownOf(container), phase: "none", suspended };
    }
    case "saving":
      return container.again ? keptReady(container) : markLost(container, container.name);
    case "releasing":
      return released(withoutSuspension(container));
  }
}

/** Returns what clients see of the container. */
export function sandboxView(
  container: ContainerState,
): Pick<SandboxInfo, "state"> & Partial<Pick<SandboxInfo, "saveFailed">> {
  const state = sandboxState(container);
  const failure = container.phase === "saving" ? container.failure : undefined;
  if (!failure) return { state };
  return { state, saveFailed: { since: isoOf(failure.since), message: failure.message } };
}

const isoOf = (at: number): string => new Date(at).toISOString();

function sandboxState(container: ContainerState): SandboxInfo["state"] {
  switch (container.phase) {
    case "starting":
    case "ready":
    case "saving":
      return container.phase;
    case "none":
    case "releasing":
      if (container.lost) return "lost";
      return container.saved || isSuspended(container) ? "suspended" : "none";
  }
}

const isSuspended = (container: ContainerState): boolean =>
  ("suspended" in container || "suspends" in container) && container.phase !== "starting";

/**
 * Returns the name of the container that the session needs as it is, and whether it is suspended; null for any, while one
 * is started, and undefined if it needs none.
 */
export function neededOf(
  container: ContainerState,
): { name: string | null; suspended: boolean } | undefined {
  switch (container.phase) {
    case "starting":
      return { name: null, suspended: false };
    case "ready":
    case "saving":
      return { name: container.name, suspended: false };
    case "releasing": {
      const { suspends: name, again } = container;
      return name === undefined ? undefined : { name, suspended: !again };
    }
    case "none":
      return container.suspended === undefined
        ? undefined
        : { name: container.suspended, suspended: true };
  }
}

const knownOf = ({ saved, saves, clean, lost }: Known): Known => ({ saved, saves, clean, lost });

function releasing(
  container: ContainerState,
  suspends?: string,
): ContainerState & { phase: "releasing" } {
  const state = { ...knownOf(container), phase: "releasing", attempts: 0, again: false } as const;
  return suspends === undefined ? state : { ...state, suspends };
}

function released(container: ContainerState & { phase: "releasing" }): ContainerState {
  const { suspends: suspended } = container;
  const known = { ...knownOf(container), ...(suspended !== undefined && { suspended }) };
  if (!container.again) return { ...known, phase: "none" };
  return { ...known, phase: "starting", attempts: 0 };
}
