import type { SandboxInfo } from "../../db/schema";

/** The workspace as it was saved last: where, and when. */
export interface SavedWorkspace {
  key: string;
  at: number;
}

/** What is known of a session's container whatever it does. */
interface Known {
  /** What the next container begins with; null for an empty workspace. */
  saved: SavedWorkspace | null;
  /** How many saves were begun: each has a key of its own. */
  saves: number;
  /** Whether no container can be left at the session's address. */
  clean: boolean;
  /** Whether the last container was lost with files that were not saved. */
  lost: boolean;
}

/**
 * The state of a session's container, for a provider of containers. It is stored as it is here. `attempts` counts the
 * tries of a phase; `used` says that files may have changed since the start; `again` asks for another start once this
 * container is gone. A transition that does not apply returns the same object.
 */
export type ContainerState = Known &
  (
    | { phase: "none" }
    | { phase: "starting"; attempts: number }
    | { phase: "ready"; name: string; used: boolean }
    | { phase: "saving"; name: string; attempts: number; again: boolean }
    | { phase: "releasing"; attempts: number; again: boolean }
  );

/** A container on its way from one phase to the next. */
export type Pending = Extract<ContainerState, { attempts: number }>;

/** Returns the container of a new session: it starts with what was saved for it. */
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

/** Returns whether there is to be a container. */
export const isWanted = ({ phase }: ContainerState): boolean =>
  phase === "starting" || phase === "ready" || phase === "saving";

/** Returns the state in which the session needs its container: what is not there starts, and what is about to go comes back. */
export function requestStart(container: ContainerState): ContainerState {
  if (container.phase === "none") return { ...knownOf(container), phase: "starting", attempts: 0 };
  const goes = container.phase === "saving" || container.phase === "releasing";
  return goes && !container.again ? { ...container, again: true } : container;
}

/** Returns the state in which the session needs no container. Where files are to be kept and may have changed, they are saved first. */
export function requestRelease(container: ContainerState, keep: boolean): ContainerState {
  switch (container.phase) {
    case "none":
      return container;
    case "ready":
      if (!keep || !container.used) return releasing(container);
      return {
        ...knownOf(container),
        saves: container.saves + 1,
        phase: "saving",
        name: container.name,
        attempts: 0,
        again: false,
      };
    case "starting":
      return releasing(container);
    case "saving":
      if (!keep) return releasing(container);
      return container.again ? { ...container, again: false } : container;
    case "releasing":
      return container.again ? { ...container, again: false } : container;
  }
}

/** Returns the state in which another try begins. From the first start on, a container may be left at the address. */
export const startAttempt = <C extends Pending>(container: C): C => ({
  ...container,
  attempts: container.attempts + 1,
  clean: false,
});

/** Returns the state of a container that is there, with the files it is to begin with. */
export function markStarted(container: ContainerState, name: string): ContainerState {
  if (container.phase !== "starting") return container;
  return { ...knownOf(container), lost: false, phase: "ready", name, used: false };
}

/** Returns the state of a container whose files are about to change. */
export const markDirty = (container: ContainerState): ContainerState =>
  container.phase === "ready" && !container.used ? { ...container, used: true } : container;

/** Returns the state in which the workspace was saved, and the container can go. */
export function markSaved(container: ContainerState, workspace: SavedWorkspace): ContainerState {
  if (container.phase !== "saving") return container;
  return { ...releasing(container), saved: workspace, again: container.again };
}

/** Returns the state after the container of that name was lost with its files. A call that needs one starts another. */
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

/** Returns the state in which the container is gone and nothing is in its place. */
export function markReleased(container: ContainerState): ContainerState {
  if (container.phase !== "releasing") return container;
  return gone({ ...container, clean: true });
}

/** Returns the state after the last try failed. A container that can't be saved stays if it is needed again, or is lost. */
export function giveUp(container: Pending): ContainerState {
  switch (container.phase) {
    case "starting":
      return releasing(container);
    case "saving":
      if (!container.again) return markLost(container, container.name);
      return { ...knownOf(container), phase: "ready", name: container.name, used: true };
    case "releasing":
      return gone(container);
  }
}

/** Returns the sandbox's state as clients see it. */
export function sandboxState(container: ContainerState): SandboxInfo["state"] {
  switch (container.phase) {
    case "starting":
    case "ready":
    case "saving":
      return container.phase;
    case "none":
    case "releasing":
      if (container.lost) return "lost";
      return container.saved ? "suspended" : "none";
  }
}

const knownOf = ({ saved, saves, clean, lost }: Known): Known => ({ saved, saves, clean, lost });

function releasing(container: ContainerState): ContainerState & { phase: "releasing" } {
  return { ...knownOf(container), phase: "releasing", attempts: 0, again: false };
}

function gone(container: ContainerState & { phase: "releasing" }): ContainerState {
  if (!container.again) return { ...knownOf(container), phase: "none" };
  return { ...knownOf(container), phase: "starting", attempts: 0 };
}
