import { endingOf } from "../../agent/loop";
import { findTool } from "../../agent/tools";
import type { PauseLimit, WaitingFor } from "../rpc";
import { activate, pause } from "../rules/lifecycle";
import type { Run } from "../storage/runs";
import type { SessionStore, State } from "../storage/store";
import type { StoredTool } from "../storage/tools";
import { MAX_AT_WORK } from "./agents";
import { warnOfUsedBudget } from "./charges";
import { change, setLifecycle } from "./state";
import { requestedCalls } from "./tool-requests";
import { isSteered } from "./turns";

// A message that can't go on without somebody waits: nothing of it runs, and no loss of the object changes it. Call these
// functions within a transaction.

/** Returns the id of the message that runs or waits; null if there is none. */
export const currentMessage = ({ running, waiting }: State): string | null =>
  running ?? waiting?.messageId ?? null;

/**
 * Makes the running message wait if nothing of it can go on: every open run has only calls that wait for approval or for
 * results of the caller, or has reached a limit at which the session pauses, or awaits such a run. Every commit ends with it.
 */
export function waitIfBlocked(store: SessionStore, now: number): void {
  const { running, approvals, halted } = store.state;
  if (running === null) return;
  if (!approvals && !halted && requestedCalls(store).length === 0) return;
  if (!isBlocked(store, running)) return;
  const [limit] = Object.values(halted ?? {});
  if (limit === undefined) wait(store, running, now);
  else pauseSession(store, limit, now);
}

/**
 * Lets the waiting message go on, if it can: after a decision about a call or its result, or when a limit was raised. `startNext` then
 * starts it. Otherwise updates what it waits for.
 */
export function allowWaiting(store: SessionStore, now: number): void {
  const { waiting, pausedBecause } = store.state;
  if (!waiting) return;
  if (waiting.mayGoOn && !pausedBecause) {
    store.messages.wait(waiting.messageId, FOR_LEAVE);
    return;
  }
  if (pausedBecause || isBlocked(store, waiting.messageId)) {
    store.messages.wait(waiting.messageId, waitingFor(store, waiting.messageId));
    return;
  }
  change(store, { waiting: { ...waiting, mayGoOn: true } }, now);
  // Until the account lets it, if it has to.
  store.messages.wait(waiting.messageId, FOR_LEAVE);
}

const FOR_LEAVE = { type: "limit", limit: "owner_running_messages" } as const;

/** Makes the waiting message run again. */
export function resumeWaiting(store: SessionStore, messageId: string, now: number): void {
  store.messages.resume(messageId);
  setLifecycle(store, activate(store.state.lifecycle, now), now);
  change(store, { running: messageId, waiting: undefined, lastActivityAt: now }, now);
  store.log.append({ type: "message.resumed" }, { messageId }, now);
}

/**
 * Pauses the session at a limit: the running message waits, and no other one starts. Its sandbox is released, as that of
 * an idle session. Does nothing if the session is paused at this limit; otherwise this one is the limit from now on.
 */
export function pauseSession(store: SessionStore, limit: PauseLimit, now: number): void {
  const { running, waiting, pausedBecause } = store.state;
  if (pausedBecause === limit) return;
  if (limit === "budget") warnOfUsedBudget(store, currentMessage(store.state), now);
  change(store, { pausedBecause: limit, halted: undefined }, now);
  if (running !== null) wait(store, running, now);
  else if (waiting) store.messages.wait(waiting.messageId, waitingFor(store, waiting.messageId));
  store.log.append({ type: "session.paused", limit }, {}, now);
  setLifecycle(store, pause(store.state.lifecycle, now), now);
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
  const toolUseIds = requestedCalls(store).map(({ id }) => id);
  if (approvalIds.length === 0) return { type: "toolResult", toolUseIds };
  return { type: "approval", approvalIds, ...(toolUseIds.length > 0 && { toolUseIds }) };
}

/** Returns whether nothing of a message can go on without somebody. */
function isBlocked(store: SessionStore, messageId: string): boolean {
  if (store.calls.countOpen() > 0) return false;
  const open = store.runs.openOf(messageId);
  const awaited = store.approvals.pendingCalls();
  for (const { callId } of requestedCalls(store)) awaited.add(callId);
  const free = open.filter((run) => !isRunBlocked(store, run, open, awaited));
  if (free.length === 0) return true;
  // Runs that have not begun wait until one of those that are at work ends.
  const blocked = open.filter((run) => run.id !== messageId && !free.includes(run));
  return blocked.length >= MAX_AT_WORK && free.every((run) => run.lastStop === null);
}

function isRunBlocked(
  store: SessionStore,
  run: Run,
  open: readonly Run[],
  awaited: ReadonlySet<string>,
): boolean {
  if (store.state.halted?.[run.id]) return true;
  const calls = store.tools.openOf(run.id);
  if (calls.length === 0) return awaitsOthers(store, run, open);
  // A call that has an agent work ends with the agent's run, which has the call's id in its own.
  const awaitsAgent = ({ callId }: StoredTool) =>
    open.some(({ id }) => id === `${run.id}/${callId}`);
  // Claude Code makes the calls of a turn in their order, and none after one that it waits for.
  const isProgram = store.identity.config.runtime === "claude-code";
  const [first] = calls;
  if (isProgram && first) return awaited.has(first.callId) || awaitsAgent(first);
  // In the loop, a call with effects is made after all calls before it that are under way, and before all after it.
  let holds: "nothing" | "effects" | "everything" = "nothing";
  for (const call of calls) {
    if (awaited.has(call.callId)) continue;
    if (awaitsAgent(call)) holds = holds === "nothing" ? "effects" : holds;
    else if (call.state === "started" || holds === "nothing") return false;
    else if (holds === "effects" && !hasEffects(call)) return false;
    else holds = "everything";
  }
  return true;
}

const hasEffects = ({ name }: StoredTool): boolean => findTool(name)?.effect === "acting";

/** Returns whether a message's own run is done, and waits for the other agents of the message. */
const awaitsOthers = (store: SessionStore, run: Run, open: readonly Run[]): boolean =>
  run.id === run.messageId &&
  open.length > 1 &&
  endingOf(run.lastStop)?.stopReason === "end_turn" &&
  !store.agents.hasInboxMessages(run.agent) &&
  !isSteered({ store, run });
