import type { SpendLimit } from "../../account/limits";
import { fits } from "../../agent/model/reply-bounds";
import { readOutput } from "../../agent/schema/output";
import type { PublicError, StopReason } from "../../events/event";
import { type Refusal, type Result, refuse, refuseReusedKey } from "../../shared/result";
import { workspace } from "../deployment";
import type { MessageRequest, MessageStatus } from "../rpc";
import { leftNanos } from "../rules/ledger";
import { activate, complete, type EndContext, fail, isEnded, terminate } from "../rules/lifecycle";
import { MAIN } from "../storage/agents";
import type { StoredMessage } from "../storage/messages";
import type { SessionStore } from "../storage/store";
import { closeAgentRun, findAgent, lastText } from "./agents";
import { warnOfUsedBudget } from "./charges";
import { isSessionsOwnLimit, pauses } from "./halts";
import { setUsedUp, usedUpLimit } from "./leases";
import { change, endSession, numMessagesOf, setLifecycle } from "./state";
import { cancelApprovals } from "./tool-calls";
import { closeTurns, type Drafts } from "./turns";
import { allowWaiting, currentMessage, pauseSession, resumeWaiting } from "./waiting";

/** Maximum size of a message's prompt and result in bytes. A row is limited to 2 MB and also contains other columns. */
const MAX_ROW_BYTES = 1_960_000;
/** A result of up to this many characters fits into a row together with the largest prompt. */
const SHORT_RESULT_CHARACTERS = 5_000;

/** Maximum number of queued messages. */
const MAX_QUEUED = 100;

/**
 * Adds a message to the queue and starts it if no other message runs. Returns a refusal if it can't be accepted. For a
 * repeated id with the same hash, returns the first message and changes nothing. `scheduleId` is the schedule that
 * sends the message, if one does.
 */
export function acceptMessage(
  store: SessionStore,
  request: MessageRequest,
  drafts: Drafts,
  now: number,
  scheduleId?: string,
): Result<StoredMessage> {
  const { id, prompt, agent, requestHash, background, maxTurns, maxBudgetNanos } = request;
  const { traceparent } = request;
  const known = store.messages.get(id);
  if (known) {
    if (known.requestHash === requestHash) return { ok: true, value: known };
    return refuseReusedKey({ messageId: known.id });
  }
  const refused = refusalOf(store, request);
  if (refused) return refused;
  const joins = request.onBusy === "steer" ? currentMessage(store.state) : null;
  const from = {
    ...(scheduleId && { scheduleId }),
    ...(traceparent && { traceparent }),
    ...(joins && { joins }),
  };
  const received = { type: "message.received", prompt, ...from } as const;
  const firstSeq = store.log.append(received, { messageId: id }, now);
  const options = { background, maxTurns, maxBudgetNanos, ...(joins && { joins }) };
  const { account, pausedBecause } = store.state;
  const mayWork = (account?.mayWork ?? true) && !pausedBecause;
  const isFree =
    mayWork && currentMessage(store.state) === null && store.messages.queuedIds().length === 0;
  const startedAt = isFree ? now : null;
  change(store, { numMessages: numMessagesOf(store) + 1 }, now);
  store.messages.add({
    id,
    requestHash,
    prompt,
    // A prompt that names no agent is for the one that answers the message.
    agent: joins === null ? agent : (agent ?? requireMessage(store, joins).agent),
    options,
    firstSeq,
    createdAt: now,
    startedAt,
  });
  if (isFree) begin(store, id, now);
  else if (request.onBusy === "interrupt") interruptMessage(store, drafts, now, id);
  startNext(store, now);
  return { ok: true, value: requireMessage(store, id) };
}

/** Returns why a message can't be accepted; undefined if it can. */
export function refusalOf(store: SessionStore, request: MessageRequest): Refusal | undefined {
  const { lifecycle } = store.state;
  const current = currentMessage(store.state);
  const { pattern } = store.identity;
  if (isEnded(lifecycle)) return refuseEnded(store);
  if (request.agent !== null && findAgent(store, request.agent) === undefined) {
    const message = `There is no agent "${request.agent}" in this session.`;
    return refuse("invalid_request", message, { path: "agent" });
  }
  if (request.agent && findAgent(store, request.agent) !== MAIN && runsProgram(store)) {
    const message =
      'can\'t be addressed in a session of runtime "claude-code": let the main agent ask it';
    return refuse("invalid_request", message, { path: "agent" });
  }
  const earlier = pattern === "ephemeral" ? store.messages.newestId() : undefined;
  const joins = current !== null && request.onBusy === "steer";
  if (earlier && !joins) {
    const message = "An ephemeral session takes one message.";
    return refuse("session_busy", message, { messageId: earlier });
  }
  if (current && request.onBusy === "reject") {
    const does = store.state.running === null ? "waiting" : "running";
    return refuse("session_busy", `Another message is ${does}.`, { messageId: current });
  }
  if (store.messages.queuedIds().length >= MAX_QUEUED) {
    return refuse("queue_full", `${MAX_QUEUED} messages wait already.`);
  }
  return undefined;
}

/** Returns the id of the message that a message's prompt has joined or may still join; null if there is none. */
export function joinedBy({ messages, state }: SessionStore, id: string): string | null {
  const message = messages.get(id);
  if (message?.status !== "queued") return message?.joinedMessageId ?? null;
  const { joins = null } = message.options;
  return joins === currentMessage(state) ? joins : null;
}

const runsProgram = ({ identity }: SessionStore): boolean =>
  identity.config.runtime === "claude-code";

/** Returns a refusal that states how the session ended, in its message and in its details. */
export function refuseEnded(store: SessionStore): Refusal {
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
 * Starts a message if none runs: the one that waited, if it may go on, or a queued one, which is `named` or the oldest.
 * Does nothing if there is none, the session has ended or is paused, or its account lets no message be at work.
 */
export function startNext(store: SessionStore, now: number, named?: string): void {
  const { running, waiting, lifecycle, account, pausedBecause } = store.state;
  if (running !== null || isEnded(lifecycle) || account?.mayWork === false || pausedBecause) return;
  if (waiting) {
    if (waiting.mayGoOn) resumeWaiting(store, waiting.messageId, now);
    return;
  }
  const id = named ?? store.messages.queuedIds()[0];
  if (id === undefined) return;
  store.messages.start(id, now);
  begin(store, id, now);
}

/** Lets a message go on if it waits and nothing of it has to any more. Otherwise updates what it waits for. */
export function continueWaiting(store: SessionStore, messageId: string, now: number): void {
  if (store.state.waiting?.messageId !== messageId) return;
  allowWaiting(store, now);
  startNext(store, now);
}

/** Begins the work on a message that was started. */
function begin(store: SessionStore, id: string, now: number): void {
  setLifecycle(store, activate(store.state.lifecycle, now), now);
  setUsedUp(store, null, now);
  change(store, { running: id, lastActivityAt: now }, now);
  store.log.append({ type: "message.started" }, { messageId: id }, now);
  const asked = store.messages.get(id)?.agent ?? null;
  const agent = (asked === null ? undefined : findAgent(store, asked)) ?? MAIN;
  store.agents.add(agent, agent, workspace);
  // A message's own run has the message's id.
  store.runs.add({ id, messageId: id, agent, parentToolUseId: null, background: false });
  store.history.addPrompt({ agent, runId: id, prompt: store.messages.prompt(id) });
}

/** How a message ends: by itself, by a limit, or by a client's call. */
export interface MessageEnding {
  stopReason: StopReason;
  error?: PublicError | undefined;
}

/** Ends a message as `closeMessage` does, and starts the next one: `next`, or the oldest queued message. */
export function endMessage(
  store: SessionStore,
  messageId: string,
  ending: MessageEnding,
  drafts: Drafts,
  now: number,
  next?: string,
): void {
  closeMessage(store, messageId, ending, drafts, now);
  startNext(store, now, next);
}

/**
 * Ends a message without starting the next one, for callers that then end the session or its queued messages. Settles
 * the open calls of its runs, adds results to open tool calls, and keeps the part of a reply that arrived. Ends the
 * session if the message's end requires it. Does nothing for a message that does not run or wait.
 */
export function closeMessage(
  store: SessionStore,
  messageId: string,
  ending: MessageEnding,
  drafts: Drafts,
  now: number,
): void {
  if (currentMessage(store.state) !== messageId) return;
  const own = store.runs.get(messageId);
  for (const run of store.runs.openOf(messageId)) {
    closeTurns({ store, run, now }, ending.stopReason, drafts);
    closeAgentRun({ store, run, now }, { stopReason: ending.stopReason });
  }
  cancelApprovals(store, messageId, now);
  const result = storable(store, messageId, own ? lastText(store, own) : null);
  const { stopReason, error, output } = withOutput(store, ending, result);
  const status = statusOf(stopReason);
  const limit = stopReason === "budget_limit" ? spendLimitOf(store, now) : null;
  const end = { status, stopReason, limit, result, output, error: error ?? null };
  const isUsedUp = stopReason === "budget_limit" && limit === null;
  if (isUsedUp && isSessionsOwnLimit(store, requireMessage(store, messageId)) && !pauses(store)) {
    warnOfUsedBudget(store, messageId, now);
  }
  store.messages.end(messageId, end, now);
  const scope = { messageId };
  if (status === "failed") {
    const shown = error ?? { type: "api_error", message: "The message failed." };
    store.log.append({ type: "message.failed", stopReason, error: shown }, scope, now);
  } else if (status === "interrupted") {
    store.log.append({ type: "message.interrupted", stopReason, result }, scope, now);
  } else {
    const structured = store.identity.config.outputSchema && { output };
    const reason = { stopReason, ...(limit && { limit }) };
    const completed = { type: "message.completed", ...reason, result, ...structured } as const;
    store.log.append(completed, scope, now);
  }
  const none = { running: null, waiting: undefined, halted: undefined };
  change(store, { ...none, lastActivityAt: now }, now);
  concludeSession(store, requireMessage(store, messageId), now);
}

/**
 * Returns a result shortened to fit into the message's row and into the event of its end. Earlier events contain the
 * whole result.
 */
function storable(store: SessionStore, messageId: string, result: string | null): string | null {
  if (result === null || result.length <= SHORT_RESULT_CHARACTERS) return result;
  const room = MAX_ROW_BYTES - store.messages.promptBytes(messageId);
  // A structured result is stored in addition to its text.
  const most = store.identity.config.outputSchema ? room / 2 : room;
  if (fits(result, most)) return result;
  // In JSON, a character takes six bytes at most.
  const beginning = result.slice(0, Math.max(SHORT_RESULT_CHARACTERS, most / 6)).toWellFormed();
  return `${beginning}\n[The result is too large. The rest is in the events.]`;
}

/**
 * Interrupts the running or waiting message and starts the next, as `endMessage` does. Returns the id of the former, or
 * null.
 */
export function interruptMessage(
  store: SessionStore,
  drafts: Drafts,
  now: number,
  next?: string,
): string | null {
  const current = currentMessage(store.state);
  if (current !== null) {
    endMessage(store, current, { stopReason: "interrupted" }, drafts, now, next);
  }
  return current;
}

/** Returns the context for ending the session: its pattern, and whether a background message's end is still unread. */
export function endContext(store: SessionStore): EndContext {
  const { pattern } = store.identity;
  const newest = pattern === "ephemeral" ? store.messages.newestId() : undefined;
  const message = newest === undefined ? undefined : store.messages.get(newest);
  const waits = store.state.waiting !== undefined;
  return { pattern, waits, unread: message?.options.background ?? false };
}

/** Ends the session if the end of a message requires it: at a session limit, or if the session is ephemeral. */
function concludeSession(store: SessionStore, message: StoredMessage, now: number): void {
  const { stopReason, limit, error } = message;
  // The caller is ending the session and records the reason.
  if (stopReason === "terminated" || stopReason === "lifetime_limit") return;
  const { lifecycle, numTurns } = store.state;
  const { maxTurns } = store.metadata.limits;
  const context = endContext(store);

  const reached =
    stopReason === "budget_limit" && limit === null && isSessionsOwnLimit(store, message)
      ? "budget_limit"
      : maxTurns !== null && numTurns >= maxTurns
        ? "turn_limit"
        : null;
  if (reached !== null && context.pattern !== "ephemeral" && pauses(store)) {
    pauseSession(store, reached === "budget_limit" ? "budget" : "turns", now);
  } else if (reached !== null) {
    endSession(store, terminate(lifecycle, reached, context, now), now);
  } else if (context.pattern === "ephemeral") {
    const after = error ? fail(lifecycle, error, context, now) : complete(lifecycle, context, now);
    endSession(store, after, now);
  }
}

/** Returns the limit over many sessions at which a message stopped; null if it stopped at a budget of the session. */
function spendLimitOf(store: SessionStore, now: number): SpendLimit | null {
  const { maxBudgetNanos } = store.metadata.limits;
  return leftNanos(store.state.balance, maxBudgetNanos) > 0 ? usedUpLimit(store, now) : null;
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

/**
 * Returns an ending with the structured result, if the session's config asks for one. A reply that ended by itself and
 * does not match the schema fails its message. A reply that was cut short or declined has no structured result; its
 * stop reason says why.
 */
function withOutput(
  store: SessionStore,
  ending: MessageEnding,
  result: string | null,
): MessageEnding & { output: unknown } {
  const { outputSchema } = store.identity.config;
  if (!outputSchema || ending.stopReason !== "end_turn") return { ...ending, output: null };
  const output = readOutput(outputSchema, result);
  if (output.ok) return { ...ending, output: output.value };
  const message = `The reply does not fit config.outputSchema: ${output.why}.`;
  const error = { type: "upstream_error", reason: "output_mismatch", message } as const;
  return { stopReason: "error", error, output: null };
}

/** Returns a message. Throws if it does not exist. */
function requireMessage(store: SessionStore, id: string): StoredMessage {
  const message = store.messages.get(id);
  if (!message) throw new Error(`there is no message ${id}`);
  return message;
}
