import { textOf } from "../agent/messages";
import type { PublicError, StopReason } from "../events/event";
import { change, endSession, setLifecycle } from "./changes";
import { activate, complete, fail, isEnded, terminate } from "./lifecycle";
import { leftNanos } from "./limits";
import type { StoredMessage } from "./message-table";
import type { Failure, MessageRequest, MessageStatus, Result } from "./rpc";
import type { SessionStore } from "./store";
import { cutTurns, type Drafts, type ModelOf } from "./turns";

/** Messages that may wait behind a running one. */
export const MAX_QUEUED = 100;

const refuse = (
  code: Failure["code"],
  message: string,
  details?: Record<string, string>,
): { ok: false; failure: Failure } => ({
  ok: false,
  failure: { code, message, ...(details && { details }) },
});

/** Takes a message into the queue, or says why not. A repeat answers with the first one. */
export function acceptMessage(
  store: SessionStore,
  request: MessageRequest,
  now: number,
): Result<StoredMessage> {
  const known = store.messages.get(request.id);
  if (known) {
    if (known.requestHash === request.requestHash) return { ok: true, value: known };
    return refuse("idempotency_mismatch", "This Idempotency-Key was used with another body.", {
      messageId: known.id,
    });
  }
  const { lifecycle, running } = store.state;
  const { pattern } = store.identity;
  if (isEnded(lifecycle)) return refuse("session_ended", howItEnded(store));
  if (request.agent !== null) {
    const message = `There is no agent "${request.agent}" in this session.`;
    return refuse("invalid_request", message, { path: "agent" });
  }
  const earlier = pattern === "ephemeral" ? store.messages.newestId() : undefined;
  if (earlier) {
    return refuse("session_busy", "An ephemeral session takes one message.", {
      messageId: earlier,
    });
  }
  if (running && request.onBusy === "reject") {
    return refuse("session_busy", "Another message is running.", { messageId: running });
  }
  if (store.messages.queuedIds().length >= MAX_QUEUED) {
    return refuse("queue_full", `${MAX_QUEUED} messages wait already.`);
  }
  const { id, prompt, agent, requestHash, background, maxTurns, maxBudgetNanos } = request;
  const firstSeq = store.log.append({ type: "message.received", prompt }, { messageId: id }, now);
  const options = { background, maxTurns, maxBudgetNanos };
  store.messages.add({ id, requestHash, prompt, agent, options, firstSeq, createdAt: now });
  return { ok: true, value: requireMessage(store, id) };
}

function howItEnded(store: SessionStore): string {
  const { lifecycle } = store.state;
  const { pattern, sessionId } = store.identity;
  const how =
    lifecycle.status === "terminated"
      ? `was terminated (${lifecycle.reason})`
      : lifecycle.status === "error"
        ? "ended with an error"
        : "has completed its task";
  const next =
    pattern === "ephemeral"
      ? "Create a new session for another task."
      : `Its history belongs to ${sessionId}.`;
  return `The session ${how}. ${next}`;
}

/** Starts the message that has waited longest, when none runs; null when there is nothing to start. */
export function startNext(store: SessionStore, workspace: string, now: number): string | null {
  const state = store.state;
  if (state.running !== null || isEnded(state.lifecycle)) return null;
  const id = store.messages.queuedIds()[0];
  if (id === undefined) return null;

  setLifecycle(store, activate(state.lifecycle, now), now);
  change(store, { running: id, lastActivityAt: now }, now);
  store.messages.start(id, now);
  store.log.append({ type: "message.started" }, { messageId: id }, now);
  store.journal.addAgent("", workspace);
  // The root run carries the message's own id.
  store.journal.addRun({ id, messageId: id, agent: "", parentToolUseId: null });
  store.journal.addPrompt({ agent: "", runId: id, prompt: store.messages.prompt(id) });
  return id;
}

/** How a message's root run ended by itself. */
export interface MessageEnding {
  stopReason: StopReason;
  error?: PublicError | undefined;
}

/** Ends a message and draws what follows for its session. A message that has ended stays as it is. */
export function endMessage(
  store: SessionStore,
  messageId: string,
  ending: MessageEnding,
  now: number,
): void {
  const message = requireMessage(store, messageId);
  if (message.status !== "running") return;
  const { stopReason, error } = ending;
  const status = statusOf(stopReason);
  const result = lastText(store, messageId);
  for (const run of store.journal.openRuns(messageId)) store.journal.closeRun(run.id);
  store.messages.end(
    messageId,
    { status, stopReason, result, output: outputOf(store, result), error: error ?? null },
    now,
  );
  const scope = { messageId };
  if (status === "failed") {
    const shown = error ?? { type: "api_error", message: "The message failed." };
    store.log.append({ type: "message.failed", stopReason, error: shown }, scope, now);
  } else if (status === "interrupted") {
    store.log.append({ type: "message.interrupted", stopReason, result }, scope, now);
  } else {
    store.log.append({ type: "message.completed", stopReason, result }, scope, now);
  }
  change(store, { running: null, lastActivityAt: now }, now);
  concludeSession(store, requireMessage(store, messageId), now);
}

/** Ends the running message from outside, in good order: what arrived is kept, every call is answered. */
export function cutMessage(
  store: SessionStore,
  stopReason: "interrupted" | "terminated" | "lifetime_limit",
  drafts: Drafts,
  modelOf: ModelOf,
  now: number,
): string | null {
  const { running } = store.state;
  if (running === null) return null;
  for (const run of store.journal.openRuns(running)) {
    cutTurns(store, run, stopReason, drafts, modelOf, now);
  }
  endMessage(store, running, { stopReason }, now);
  return running;
}

/** Draws from a message's end what follows for its session. */
function concludeSession(store: SessionStore, message: StoredMessage, now: number): void {
  const { lifecycle, numTurns } = store.state;
  const { pattern } = store.identity;
  const { maxTurns } = store.metadata.limits;
  const context = { pattern, unread: message.options.background };
  const { stopReason, error } = message;

  if (stopReason === "budget_limit" && isSessionsOwnLimit(store, message)) {
    endSession(store, terminate(lifecycle, "budget_limit", context, now), now);
  } else if (maxTurns !== null && numTurns >= maxTurns) {
    endSession(store, terminate(lifecycle, "turn_limit", context, now), now);
  } else if (pattern === "ephemeral" && !endsWithSession(stopReason)) {
    const after = error ? fail(lifecycle, error, context, now) : complete(lifecycle, context, now);
    endSession(store, after, now);
  }
}

/** Whether a message was stopped by the end of its session, which whoever ends it writes down. */
const endsWithSession = (stopReason: StopReason | null): boolean =>
  stopReason === "terminated" || stopReason === "lifetime_limit";

/** Whether a message stopped at the session's budget and not at a smaller one of its own. */
function isSessionsOwnLimit(store: SessionStore, message: StoredMessage): boolean {
  const { maxBudgetNanos } = message.options;
  if (maxBudgetNanos === null) return true;
  const ofMessage = leftNanos(store.journal.messageBalance(message.id), maxBudgetNanos);
  return leftNanos(store.state.balance, store.metadata.limits.maxBudgetNanos) < ofMessage;
}

function statusOf(stopReason: StopReason): MessageStatus {
  switch (stopReason) {
    case "error":
      return "failed";
    case "interrupted":
    case "terminated":
    case "lifetime_limit":
      return "interrupted";
    default:
      return "completed";
  }
}

/** The newest text of a message's main agent: its result, whole or so far. */
function lastText(store: SessionStore, runId: string): string | null {
  for (const content of store.journal.repliesNewestFirst(runId)) {
    const text = textOf(content);
    if (text !== "") return text;
  }
  return null;
}

/** The structured result, where the session asked for one and the reply is one. */
function outputOf(store: SessionStore, result: string | null): unknown {
  if (!store.identity.config.outputSchema || result === null) return null;
  try {
    return JSON.parse(result);
  } catch {
    return null;
  }
}

/** Reads a message that must be there. */
export function requireMessage(store: SessionStore, id: string): StoredMessage {
  const message = store.messages.get(id);
  if (!message) throw new Error(`there is no message ${id}`);
  return message;
}
