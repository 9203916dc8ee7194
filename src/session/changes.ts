import type { EventBody } from "../events/event";
import type { Lifecycle } from "./lifecycle";
import type { SessionStore, State } from "./store";

/** The index is told of a change this much later at the latest, should the object be lost before. */
const OUTBOX_DELAY_MS = 5_000;

/** What a change of the state may change. */
export type Changes = Partial<Omit<State, "version" | "updatedAt">>;

/** Changes the state: its version grows, and the index is behind until it is told. */
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

/** Moves the session on and logs it; the same state changes nothing. */
export function setLifecycle(store: SessionStore, after: Lifecycle, now: number): void {
  const { lifecycle: before, sandbox } = store.state;
  if (after === before) return;
  // The embedded sandbox is files at rest; whoever wakes the session finds them where they were.
  const state = after.status === "active" ? "ready" : "suspended";
  change(store, { lifecycle: after, sandbox: { ...sandbox, state } }, now);
  const event = transitionEvent(before, after);
  if (event) store.log.append(event, {}, now);
}

/** Ends the session: what still waits is told first, since nothing comes after a session's last event. */
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
