import { activate } from "../rules/lifecycle";
import { MAIN } from "../storage/agents";
import type { SessionStore } from "../storage/store";
import { hasAgents } from "./agents";
import { change, setLifecycle } from "./state";

// Changes of a session's files by callers. Call each function within a transaction.

/**
 * Prepares the session for a change of its files: wakes it, and counts as activity. With the path of a file that is
 * written, an agent without others has to see it before it changes it. Several agents always have to, and Claude Code has
 * a rule of its own. Returns the hash of what the agent has seen of the file.
 */
export function beginFileChange(
  store: SessionStore,
  written: string | null,
  now: number,
): string | undefined {
  setLifecycle(store, activate(store.state.lifecycle, now), now);
  touch(store, now);
  const isLoop = store.identity.config.runtime !== "claude-code";
  if (written === null || !isLoop || hasAgents(store)) return undefined;
  const seen = store.agents.seenFile(MAIN, written);
  store.agents.markUnseen(MAIN, written);
  return seen;
}

/** Records that a file was not written after all. `seen` is what `beginFileChange` has returned. */
export function undoFileChange(
  store: SessionStore,
  written: string,
  seen: string | undefined,
): void {
  store.agents.unmarkUnseen(MAIN, written, seen);
}

/** Counts a change that goes on as activity. */
export const touch = (store: SessionStore, now: number): void =>
  change(store, { lastActivityAt: now }, now);

/** Records a change of the session's files. */
export function endFileChange(
  store: SessionStore,
  event:
    | { type: "file.written"; path: string; size: number }
    | { type: "file.deleted"; path: string },
  now: number,
): void {
  touch(store, now);
  store.log.append(event, {}, now);
}
