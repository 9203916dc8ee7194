import type { EventBody, EventScope } from "../../events/event";
import { suspends } from "../../sandbox/providers";
import {
  type ContainerState,
  isUnsaved,
  requestRelease,
  requestStart,
  sandboxView,
} from "../rules/container-state";
import { isEnded, type Lifecycle } from "../rules/lifecycle";
import { MAIN } from "../storage/agents";
import type { Run } from "../storage/runs";
import type { SessionStore, State } from "../storage/store";

/** If the object is lost before it has updated the index, the update is retried this long after the change, in ms. */
const OUTBOX_DELAY_MS = 5_000;

/** The run that a change belongs to, and the time of the change in ms since 1970. */
export interface RunChange {
  store: SessionStore;
  run: Run;
  now: number;
}

/** Returns the scope of a run's events. Events of the main agent have no `agent`. */
export const scopeOf = ({ messageId, agent }: Pick<Run, "messageId" | "agent">): EventScope => ({
  messageId,
  ...(agent !== MAIN && { agent }),
});

/** Fields of the state to change. */
export type Changes = Partial<Omit<State, "version" | "updatedAt">>;

/** Changes the state, increases its version, and adds an update of the index to the outbox. */
export function change(store: SessionStore, changes: Changes, now: number): void {
  const before = store.state;
  store.state = {
    ...before,
    ...changes,
    version: Math.max(before.version + 1, now),
    updatedAt: now,
  };
  store.outbox ??= { attempts: 0, nextAt: now + OUTBOX_DELAY_MS };
}

/** Returns the number of messages that the session has accepted. */
export const numMessagesOf = ({ state, messages }: SessionStore): number =>
  state.numMessages ?? messages.count();

/**
 * Sets the session's lifecycle state, appends the event of the transition, and requests or releases its sandbox. Does
 * nothing if `after` is the current state.
 */
export function setLifecycle(store: SessionStore, after: Lifecycle, now: number): void {
  const { lifecycle: before, sandbox, machine: container } = store.state;
  if (after === before) return;
  const awake = after.status === "active";
  if (container) {
    const keep = keepsWorkspace(store);
    const suspend = after.status === "idle" && suspends(sandbox.provider);
    change(store, { lifecycle: after }, now);
    setContainerState(
      store,
      awake ? requestStart(container) : requestRelease(container, { keep, suspend }),
      now,
    );
  } else {
    // The files of such a sandbox stay in place while the session sleeps.
    const state = awake ? "ready" : "suspended";
    change(store, { lifecycle: after, sandbox: { ...sandbox, state } }, now);
  }
  const event = transitionEvent(before, after);
  if (event) store.log.append(event, {}, now);
}

/** Changes the state of the session's container. Updates the index only if the state that clients see has changed. */
export function setContainerState(store: SessionStore, after: ContainerState, now: number): void {
  const { saveFailed, ...sandbox } = store.state.sandbox;
  if (after === store.state.machine) return;
  store.state = { ...store.state, machine: after };
  const view = sandboxView(after);
  const isSame = view.state === sandbox.state && view.saveFailed?.message === saveFailed?.message;
  if (!isSame) change(store, { sandbox: { ...sandbox, ...view } }, now);
}

/**
 * Changes the state of a container that may be lost. Appends the event `sandbox.lost` if unsaved files were lost with
 * it, unless the session has ended.
 */
export function setLost(store: SessionStore, after: ContainerState, now: number): void {
  const before = store.state.machine;
  setContainerState(store, after, now);
  const { lifecycle, running } = store.state;
  if (before?.lost || !after.lost || isEnded(lifecycle)) return;
  const savedAt = after.saved && new Date(after.saved.at).toISOString();
  const scope = running === null ? {} : { messageId: running };
  store.log.append({ type: "sandbox.lost", savedAt }, scope, now);
}

/** Returns the session's container; undefined if it has no such sandbox, or does not exist. */
export const containerOf = (store: SessionStore): ContainerState | undefined =>
  store.exists() ? store.state.machine : undefined;

/** Returns whether the session keeps its workspace when it has no container. */
export const keepsWorkspace = ({ identity, state }: SessionStore): boolean =>
  identity.pattern !== "ephemeral" || (state.waiting !== undefined && !isEnded(state.lifecycle));

/** How old the last save may become while messages run, in ms. */
const MAX_UNSAVED_MS = 10 * 60_000;

/**
 * Returns whether a checkpoint is to be taken: files of the running container may have changed, and no message runs or the
 * last save is old. While Claude Code works on a message, its commands can't be told apart, so none is taken.
 */
export function needsCheckpoint({ identity, state }: SessionStore, now: number): boolean {
  const { machine, lifecycle, running, removed } = state;
  const isActive = lifecycle.status === "active" && !removed;
  if (!isActive || !machine || !isUnsaved(machine) || identity.pattern === "ephemeral")
    return false;
  if (running === null) return true;
  const savedAt = machine.saved?.at ?? identity.createdAt;
  return identity.config.runtime !== "claude-code" && now - savedAt > MAX_UNSAVED_MS;
}

/**
 * Records that an attempt to save the workspace failed. Appends the event `sandbox.unsaved` if another attempt follows,
 * unless the session has ended.
 */
export function setSaveFailed(store: SessionStore, after: ContainerState, now: number): void {
  setLost(store, after, now);
  const { message, retryAt = null } = (after.phase === "saving" && after.failure) || {};
  if (message === undefined || retryAt === null || isEnded(store.state.lifecycle)) return;
  const event = { message, retryAt: new Date(retryAt).toISOString() };
  store.log.append({ type: "sandbox.unsaved", ...event }, {}, now);
}

/**
 * Ends the session. Queued messages are interrupted first, since no event may follow the session's last one. Does
 * nothing if `after` is the current state.
 */
export function endSession(store: SessionStore, after: Lifecycle, now: number): void {
  if (after === store.state.lifecycle) return;
  for (const messageId of store.messages.queuedIds()) {
    const stopReason = "terminated";
    const end = {
      status: "interrupted",
      stopReason,
      result: null,
      output: null,
      error: null,
    } as const;
    store.messages.end(messageId, end, now);
    store.log.append({ type: "message.interrupted", stopReason, result: null }, { messageId }, now);
  }
  if (store.state.pausedBecause) change(store, { pausedBecause: undefined }, now);
  setLifecycle(store, after, now);
}

function transitionEvent(before: Lifecycle, after: Lifecycle): EventBody | null {
  switch (after.status) {
    case "initializing":
      return null;
    case "active":
      return { type: before.status === "idle" ? "session.resumed" : "session.started" };
    case "idle":
      return { type: "session.idled" };
    case "completed":
      return { type: "session.completed" };
    case "error":
      return { type: "session.failed", error: after.error };
    case "terminated":
      return { type: "session.terminated", reason: after.reason };
  }
}
