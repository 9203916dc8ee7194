import { textOf } from "../agent/messages";
import type { PublicError, StopReason } from "../events/event";
import { change, endSession, setLifecycle } from "./changes";
import { activate, complete, type EndContext, fail, isEnded, terminate } from "./lifecycle";
import { leftNanos } from "./limits";
import type { StoredMessage } from "./message-table";
import { type MessageRequest, type MessageStatus, type Result, refuse } from "./rpc";
import type { SessionStore } from "./store";
import { closeTurns, type Drafts } from "./turns";

/** Messages that may wait behind a running one. */
export const MAX_QUEUED = 100;

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
  if (isEnded(lifecycle)) return refuseEnded(store);
  if (request.agent !== null) {
    const message = `There is no agent "${request.agent}" in this session.`;
    return refuse("invalid_request", message, { path: "agent" });
  }
  const earlier = pattern === "ephemeral" ? store.messages.newestId() : undefined;
  if (earlier) {
    const message = "An ephemeral session takes one message.";
    return refuse("session_busy", message, { messageId: earlier });
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

/** Says how the session ended, in words and in fields. */
function refuseEnded(store: SessionStore): Result<never> {
  const { lifecycle } = store.state;
  const reason = lifecycle.status === "terminated" ? lifecycle.reason : undefined;
  const how = {
    completed: "has completed its task",
    error: "has ended with an error",
    terminated: `was terminated (${reason})`,
  };
  const { status } = lifecycle;
  const words = status in how ? how[status as keyof typeof how] : "has ended";
  const { id, pattern } = store.identity;
  const advice =
    pattern === "ephemeral"
      ? "Create a new one to go on."
      : `Create one with config.resumeSessionId "${id}" to go on.`;
  return refuse("session_ended", `The session ${words}. ${advice}`, {
    status,
    ...(reason !== undefined && { terminationReason: reason }),
    sessionId: store.identity.sessionId,
  });
}

/**
 * Starts a message when none runs: the one named, or the one that has waited longest. Does nothing
 * when there is none to start.
 */
export function startNext(
  store: SessionStore,
  workspace: string,
  now: number,
  id: string | undefined = store.messages.queuedIds()[0],
): void {
  const { running, lifecycle } = store.state;
  if (id === undefined || running !== null || isEnded(lifecycle)) return;
  setLifecycle(store, activate(lifecycle, now), now);
  change(store, { running: id, lastActivityAt: now }, now);
  store.messages.start(id, now);
  store.log.append({ type: "message.started" }, { messageId: id }, now);
  store.journal.addAgent("", workspace);
  // The root run carries the message's own id.
  store.journal.addRun({ id, messageId: id, agent: "", parentToolUseId: null });
  store.journal.addPrompt({ agent: "", runId: id, prompt: store.messages.prompt(id) });
}

/** How a message ends: by itself, by a limit, or by somebody's word. */
export interface MessageEnding {
  stopReason: StopReason;
  error?: PublicError | undefined;
}

/**
 * Ends a message in good order and draws what follows for its session: whatever is open of its runs is
 * settled and answered, what arrived is kept. A message that does not run stays as it is.
 */
export function endMessage(
  store: SessionStore,
  messageId: string,
  { stopReason, error }: MessageEnding,
  drafts: Drafts,
  now: number,
): void {
  if (store.messages.get(messageId)?.status !== "running") return;
  for (const run of store.journal.openRuns(messageId)) {
    closeTurns({ store, run, now }, stopReason, drafts);
    store.journal.closeRun(run.id);
  }
  const status = statusOf(stopReason);
  const result = lastText(store, messageId);
  const output = outputOf(store, result);
  store.messages.end(messageId, { status, stopReason, result, output, error: error ?? null }, now);
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

/** Ends the running message from outside; returns its id, or null when none runs. */
export function cutMessage(
  store: SessionStore,
  stopReason: "interrupted" | "terminated" | "lifetime_limit",
  drafts: Drafts,
  now: number,
): string | null {
  const { running } = store.state;
  if (running !== null) endMessage(store, running, { stopReason }, drafts, now);
  return running;
}

/** What an end of the session has to know: whether somebody waits for the end of a background message. */
export function endContext(store: SessionStore): EndContext {
  const { pattern } = store.identity;
  const newest = pattern === "ephemeral" ? store.messages.newestId() : undefined;
  const message = newest === undefined ? undefined : store.messages.get(newest);
  return { pattern, unread: message?.options.background ?? false };
}

/** Draws from a message's end what follows for its session. */
function concludeSession(store: SessionStore, message: StoredMessage, now: number): void {
  const { stopReason, error } = message;
  // The session is ending already, and whoever ends it writes down why.
  if (stopReason === "terminated" || stopReason === "lifetime_limit") return;
  const { lifecycle, numTurns } = store.state;
  const { maxTurns } = store.metadata.limits;
  const context = endContext(store);

  if (stopReason === "budget_limit" && isSessionsOwnLimit(store, message)) {
    endSession(store, terminate(lifecycle, "budget_limit", context, now), now);
  } else if (maxTurns !== null && numTurns >= maxTurns) {
    endSession(store, terminate(lifecycle, "turn_limit", context, now), now);
  } else if (context.pattern === "ephemeral") {
    const after = error ? fail(lifecycle, error, context, now) : complete(lifecycle, context, now);
    endSession(store, after, now);
  }
}

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
function requireMessage(store: SessionStore, id: string): StoredMessage {
  const message = store.messages.get(id);
  if (!message) throw new Error(`there is no message ${id}`);
  return message;
}
