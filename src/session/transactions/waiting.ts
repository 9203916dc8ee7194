import { endingOf } from "../../agent/loop";
import type { PauseLimit, WaitingFor } from "../rpc";
import { activate, pause } from "../rules/lifecycle";
import type { Run } from "../storage/runs";
import type { SessionStore, State } from "../storage/store";
import { warnOfUsedBudget } from "./charges";
import { change, setLifecycle } from "./state";

// A message that can't go on without somebody waits: nothing of it runs, and no loss of the object changes it. Call these
// functions within a transaction.

/** Returns the id of the message that runs or waits; null if there is none. */
export const currentMessage = ({ running, waiting }: State): string | null =>
  running ?? waiting?.messageId ?? null;

/** Returns whether the session pauses when a limit is used up. */
export const pauses = ({ metadata }: SessionStore): boolean => metadata.onLimit === "pause";

/**
 * Makes the running message wait if nothing of it can go on: every open run has only calls whose approval is pending, or
 * has reached a limit at which the session pauses, or awaits such a run. Every commit ends with it.
 */
export function waitIfBlocked(store: SessionStore, now: number): void {
  const { running, approvals, halted } = store.state;
  if (running === null || (!approvals && !halted)) return;
  if (!isBlocked(store, running)) return;
  const [limit] = Object.values(halted ?? {});
  if (limit === undefined) wait(store, running, now);
  else pauseSession(store, limit, now);
}

/**
 * Lets the waiting message go on, if it can: after a decision about a call, or when a limit was raised. `startNext` then
 * starts it. Otherwise updates what it waits for.
 */
export function allowWaiting(store: SessionStore, now: number): void {
  const { waiting, pausedBecause } = store.state;
  if (!waiting || waiting.mayGoOn) return;
  if (pausedBecause || isBlocked(store, waiting.messageId)) {
    store.messages.wait(waiting.messageId, waitingFor(store, waiting.messageId));
    return;
  }
  change(store, { waiting: { ...waiting, mayGoOn: true } }, now);
  // Until the account lets it, if it has to.
  store.messages.wait(waiting.messageId, { type: "limit", limit: "owner_running_messages" });
}

/** Makes the waiting message run again. */
export function resumeWaiting(store: SessionStore, messageId: string, now: number): void {
  store.messages.resume(messageId);
  setLifecycle(store, activate(store.state.lifecycle, now), now);
  change(store, { running: messageId, waiting: undefined, lastActivityAt: now }, now);
  store.log.append({ type: "message.resumed" }, { messageId }, now);
}

/** Records that a run has reached a limit of the session, at which the session pauses; with null, that it tries again. */
export function haltRun(store: SessionStore, { id }: Run, limit: PauseLimit | null): void {
  const { [id]: _, ...others } = store.state.halted ?? {};
  const halted = limit === null ? others : { ...others, [id]: limit };
  const isEmpty = Object.keys(halted).length === 0;
  store.state = { ...store.state, halted: isEmpty ? undefined : halted };
}

/**
 * Pauses the session at a limit: the running message waits, and no other one starts. Its sandbox is released, as that of
 * an idle session. Does nothing if the session is paused.
 */
export function pauseSession(store: SessionStore, limit: PauseLimit, now: number): void {
  const { running, waiting, pausedBecause } = store.state;
  if (pausedBecause) return;
  if (limit === "budget") warnOfUsedBudget(store, currentMessage(store.state), now);
  change(store, { pausedBecause: limit, halted: undefined }, now);
  if (running !== null) wait(store, running, now);
  else if (waiting) store.messages.wait(waiting.messageId, waitingFor(store, waiting.messageId));
  store.log.append({ type: "session.paused", limit }, {}, now);
  setLifecycle(store, pause(store.state.lifecycle), now);
}

/** Ends the pause of a session whose limits leave something again. `startNext` then starts what has waited. */
export function endPause(store: SessionStore, now: number): void {
  if (!store.state.pausedBecause) return;
  change(store, { pausedBecause: undefined, lastActivityAt: now }, now);
  setLifecycle(store, activate(store.state.lifecycle, now), now);
  allowWaiting(store, now);
}

function wait(store: SessionStore, messageId: string, now: number): void {
  const awaited = waitingFor(store, messageId);
  store.messages.wait(messageId, awaited);
  const waiting = { messageId, mayGoOn: false };
  change(store, { running: null, waiting, halted: undefined, lastActivityAt: now }, now);
  store.log.append({ type: "message.waiting", waitingFor: awaited }, { messageId }, now);
}

function waitingFor(store: SessionStore, messageId: string): WaitingFor {
  const { pausedBecause } = store.state;
  if (pausedBecause) return { type: "limit", limit: pausedBecause };
  const approvalIds = store.approvals.pendingOf(messageId).map(({ id }) => id);
  return { type: "approval", approvalIds };
}

/** Returns whether nothing of a message can go on without somebody. */
function isBlocked(store: SessionStore, messageId: string): boolean {
  if (store.calls.countOpen() > 0) return false;
  const open = store.runs.openOf(messageId);
  const awaited = store.approvals.pendingCalls();
  const isProgram = store.identity.config.runtime === "claude-code";
  const isOpen = (runId: string) => open.some(({ id }) => id === runId);
  return open.every((run) => {
    if (store.state.halted?.[run.id]) return true;
    const calls = store.tools.openOf(run.id);
    if (calls.length === 0) return awaitsOthers(store, run, open);
    // Claude Code makes the calls of a turn in their order, and none after one that it waits for.
    const next = isProgram ? calls.slice(0, 1) : calls;
    // A call that has an agent work ends with the agent's run, which has the call's id in its own.
    return next.every(({ callId }) => awaited.has(callId) || isOpen(`${run.id}/${callId}`));
  });
}

/** Returns whether a message's own run is done, and waits for the other agents of the message. */
const awaitsOthers = ({ agents }: SessionStore, run: Run, open: readonly Run[]): boolean =>
  run.id === run.messageId &&
  open.length > 1 &&
  endingOf(run.lastStop)?.stopReason === "end_turn" &&
  !agents.hasInboxMessages(run.agent);
