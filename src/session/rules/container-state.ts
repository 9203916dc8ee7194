import type { SandboxInfo } from "../../db/schema";

/** The workspace as it was saved last: where, and when. */
export interface SavedWorkspace {
  key: string;
  at: number;
}

/** What is known of a session's machine whatever it does. */
interface Known {
  /** What the next machine begins with; null for an empty workspace. */
  saved: SavedWorkspace | null;
  /** How many saves were begun: each has a key of its own. */
  saves: number;
  /** Whether nothing can stand where a new machine is to be. */
  clean: boolean;
  /** Whether the files of the last machine went with it. */
  lost: boolean;
}

/**
 * Where the machine of a session stands, for a sandbox that is one. `attempts` counts the tries that were
 * begun; `again` says that the session wants a machine once this one is gone. A transition that does not
 * apply returns the same object.
 */
export type Machine = Known &
  (
    | { phase: "none" }
    | { phase: "starting"; attempts: number }
    | { phase: "ready"; name: string; used: boolean }
    | { phase: "saving"; name: string; attempts: number; again: boolean }
    | { phase: "releasing"; attempts: number; again: boolean }
  );

/** A machine on its way from one phase to the next. */
export type Pending = Extract<Machine, { attempts: number }>;

/** Returns the machine of a new session: it starts with what was saved for it. */
export const newContainerState = (saved: SavedWorkspace | null): Machine => ({
  saved,
  saves: 0,
  clean: true,
  lost: false,
  phase: "starting",
  attempts: 0,
});

export const isPending = (machine: Machine): machine is Pending => "attempts" in machine;

/** Returns whether there is to be a container. */
export const isWanted = ({ phase }: Machine): boolean =>
  phase === "starting" || phase === "ready" || phase === "saving";

/** Returns the state in which the session needs its container: what is not there starts, and what is about to go comes back. */
export function want(machine: Machine): Machine {
  if (machine.phase === "none") return { ...knownOf(machine), phase: "starting", attempts: 0 };
  const goes = machine.phase === "saving" || machine.phase === "releasing";
  return goes && !machine.again ? { ...machine, again: true } : machine;
}

/** Returns the state in which the session needs no container. Where files are to be kept and may have changed, they are saved first. */
export function release(machine: Machine, keep: boolean): Machine {
  switch (machine.phase) {
    case "none":
      return machine;
    case "ready":
      if (!keep || !machine.used) return releasing(machine);
      return {
        ...knownOf(machine),
        saves: machine.saves + 1,
        phase: "saving",
        name: machine.name,
        attempts: 0,
        again: false,
      };
    case "starting":
      return releasing(machine);
    case "saving":
      if (!keep) return releasing(machine);
      return machine.again ? { ...machine, again: false } : machine;
    case "releasing":
      return machine.again ? { ...machine, again: false } : machine;
  }
}

/** Another try begins. From the first start on something may stand where the machine is to be. */
export const attempt = <M extends Pending>(machine: M): M => ({
  ...machine,
  attempts: machine.attempts + 1,
  clean: false,
});

/** Returns the state of a container that is there, with the files it is to begin with. */
export function started(machine: Machine, name: string): Machine {
  if (machine.phase !== "starting") return machine;
  return { ...knownOf(machine), lost: false, phase: "ready", name, used: false };
}

/** Something is about to change its files. */
export const use = (machine: Machine): Machine =>
  machine.phase === "ready" && !machine.used ? { ...machine, used: true } : machine;

/** Returns the state in which the workspace was saved, and the container can go. */
export function saved(machine: Machine, workspace: SavedWorkspace): Machine {
  if (machine.phase !== "saving") return machine;
  return { ...releasing(machine), saved: workspace, again: machine.again };
}

/** Returns the state after the container of that name was lost with its files. A call that needs one starts another. */
export function lose(machine: Machine, name: string): Machine {
  const had = machine.phase === "ready" || machine.phase === "saving";
  if (!had || machine.name !== name) return machine;
  const saving = machine.phase === "saving";
  return {
    ...releasing(machine),
    lost: saving || machine.used,
    again: saving && machine.again,
  };
}

/** Returns the state in which the container is gone and nothing is in its place. */
export function released(machine: Machine): Machine {
  if (machine.phase !== "releasing") return machine;
  return gone({ ...machine, clean: true });
}

/** No more is tried. A machine that can't be saved stays if it is wanted again, or is lost. */
export function giveUp(machine: Pending): Machine {
  switch (machine.phase) {
    case "starting":
      return releasing(machine);
    case "saving":
      if (!machine.again) return lose(machine, machine.name);
      return { ...knownOf(machine), phase: "ready", name: machine.name, used: true };
    case "releasing":
      return gone(machine);
  }
}

/** Returns what a session shows of it. */
export function sandboxState(machine: Machine): SandboxInfo["state"] {
  switch (machine.phase) {
    case "starting":
    case "ready":
    case "saving":
      return machine.phase;
    case "none":
    case "releasing":
      if (machine.lost) return "lost";
      return machine.saved ? "suspended" : "none";
  }
}

const knownOf = ({ saved, saves, clean, lost }: Known): Known => ({ saved, saves, clean, lost });

function releasing(machine: Machine): Machine & { phase: "releasing" } {
  return { ...knownOf(machine), phase: "releasing", attempts: 0, again: false };
}

function gone(machine: Machine & { phase: "releasing" }): Machine {
  if (!machine.again) return { ...knownOf(machine), phase: "none" };
  return { ...knownOf(machine), phase: "starting", attempts: 0 };
}
