import { type Draft, emptyDraft } from "../../agent/assemble";
import { affordableMaxTokens, boundOf } from "../../agent/cost";
import { type Block, sendable, toolCalls } from "../../agent/messages";
import type { FailedCall, ModelReply } from "../../agent/model";
import { wasNotRun } from "../../agent/model-failure";
import type { PricedModel } from "../../agent/models";
import { keptTexts } from "../../agent/reply-bounds";
import type { Turn, TurnRequest, TurnReservation } from "../../agent/reserve-turn";
import type { StoredReply } from "../../agent/stored-reply";
import { totalTokens } from "../../agent/usage";
import type { EventScope } from "../../events/event";
import { leftNanos, reserve } from "../rules/ledger";
import type { Call } from "../storage/calls";
import { setupOf } from "./agents";
import {
  appendTurnCompleted,
  appendTurnRetried,
  charge,
  isReply,
  judge,
  NOTHING_HEARD,
} from "./charges";
import { type RunChange, scopeOf } from "./state";
import { finishTool } from "./tool-calls";

/** A reply that a model is writing, and all that has arrived of it. */
export interface LiveDraft {
  draft: Draft;
  scope: EventScope;
  /** Whether its deltas are sent to subscribers. */
  live: boolean;
}

/** Replies that models are writing, by turn. */
export type Drafts = ReadonlyMap<string, LiveDraft>;

/** A reply shorter than this is not worth its prompt: the session ends on its budget instead. */
const MIN_OUTPUT_TOKENS = 256;

const callId = (turnId: string, attempt: number): string => `${turnId}.${attempt}`;

/** Reserves a turn's price and writes the turn down, or says which limit forbids it. */
export function beginTurn(at: RunChange, model: PricedModel, wish: TurnRequest): TurnReservation {
  const { store, run, now } = at;
  const { kind, ref, promptTokens, ttl } = wish;
  const message = store.messages.get(run.messageId);
  if (message?.status !== "running") return { ok: false, why: "interrupted" };
  const limit = kind === "reply" ? turnLimit(at) : null;
  if (limit) return { ok: false, why: limit };

  // With $0.05 left, a prompt of at most 10,000 tokens at $2.50 a million and output at $10 a million, $0.025 pay for the
  // prompt, and the rest for 2,500 tokens of output. Of a wish for 16,384 that is granted only as a lowered one.
  const webSearches = kind === "web_search" ? 1 : 0;
  const searchNanos = boundOf(model, { promptTokens: 0, maxTokens: 0, webSearches }, now);
  const left = moneyLeft(at) - searchNanos;
  const maxTokens = affordableMaxTokens(model, left, promptTokens, wish.maxTokens, now, ttl);
  // A reply that is cut short ends its run on the budget. Other calls under way may leave money over: wait for those first.
  const mayLower = wish.lowered && store.calls.countOpen() === 0;
  const leastTokens = mayLower ? Math.min(MIN_OUTPUT_TOKENS, wish.maxTokens) : wish.maxTokens;
  if (maxTokens < leastTokens) return { ok: false, why: overBudget(at, wish) };

  const { balance } = store.state;
  const bound = boundOf(model, { promptTokens, maxTokens, webSearches, ...(ttl && { ttl }) }, now);
  const reserved = reserve(balance, bound, store.metadata.limits.maxBudgetNanos);
  if (!reserved) return { ok: false, why: overBudget(at, wish) };

  const earlier = store.calls.openTurn(run.id, kind, ref);
  const turnId = earlier?.turnId ?? `turn_${store.calls.nextTurnNumber()}`;
  const attempt = (earlier?.attempt ?? 0) + 1;
  store.calls.add({
    id: callId(turnId, attempt),
    turnId,
    attempt,
    runId: run.id,
    messageId: run.messageId,
    kind,
    ref,
    model: model.id,
    likelyTokens: wish.likelyTokens,
    leastTokens: wish.leastTokens,
    begunAt: now,
    ...reserved.reservation,
  });
  store.state = { ...store.state, balance: reserved.balance };
  if (attempt === 1) {
    store.log.append({ type: "turn.started", turnId, kind, attempt }, scopeOf(run), now);
  }
  return { ok: true, turnId, attempt, maxTokens };
}

/** Returns what other calls hold may be left over when they are settled. */
const overBudget = (
  { store }: RunChange,
  { lowered }: TurnRequest,
): "over_budget" | "pending_calls" =>
  lowered && store.calls.countOpen() > 0 ? "pending_calls" : "over_budget";

/** Returns the limit on turns that another reply would break, or may break once those under way are counted. */
function turnLimit({ store, run }: RunChange): "turn_limit" | "max_turns" | "pending_calls" | null {
  const message = store.messages.get(run.messageId);
  const { maxTurns } = store.metadata.limits;
  const { config } = store.identity;
  const ofMessage = least(config.maxTurns, message?.options.maxTurns) - (message?.numTurns ?? 0);
  const ofSession = least(maxTurns) - store.state.numTurns;
  if (ofSession <= 0) return "turn_limit";
  if (ofMessage <= 0) return "max_turns";
  const ofAgent = setupOf(store, run.agent).maxTurns;
  if (ofAgent !== undefined && store.calls.countReplies(run.id) >= ofAgent) return "max_turns";
  return store.calls.countOpenReplies() >= Math.min(ofSession, ofMessage) ? "pending_calls" : null;
}

const least = (...limits: (number | null | undefined)[]): number =>
  Math.min(...limits.map((limit) => limit ?? Number.POSITIVE_INFINITY));

/** Returns what a call of the run may cost: the less of what the session and the message have left. */
function moneyLeft({ store, run }: RunChange): number {
  const ofSession = leftNanos(store.state.balance, store.metadata.limits.maxBudgetNanos);
  const budget = store.messages.get(run.messageId)?.options.maxBudgetNanos ?? null;
  if (budget === null) return ofSession;
  return Math.min(ofSession, leftNanos(store.calls.balanceOf(run.messageId), budget));
}

/**
 * Writes down a reply: its cost, its text, its tool calls, and how far the run has come. Returns the
 * reply's place in the history; null when nothing of it entered there.
 */
export function completeTurn(at: RunChange, turn: Turn, reply: StoredReply): number | null {
  const { store, run } = at;
  const call = store.calls.get(callId(turn.turnId, turn.attempt));
  if (!call || call.settled) return null;
  const judged = judge(call, reply.usage, true);
  // What was billed is not known where the report can't be true.
  const unknown = judged.dispute !== null && judged.dispute.reason !== "above_bound";
  const charged = charge(at, call, {
    judged,
    rest: unknown ? "kept" : "released",
    closed: true,
    counts: isReply(call),
  });
  const n = keepReply(at, call, reply.content);
  appendTurnCompleted(at, call, reply.stopReason, charged);
  refuseUnusable(at, reply.unusable);
  if (isReply(call)) {
    store.runs.saveProgress(run.id, reply.stopReason);
    store.runs.resetRestarts(run.messageId);
    store.agents.saveContextTokens(run.agent, totalTokens(judged.usage));
  }
  return n;
}

/** Answers the calls whose inputs could not be kept. */
function refuseUnusable(at: RunChange, unusable: StoredReply["unusable"]): void {
  for (const [id, why] of unusable ?? []) {
    const tool = at.store.tools.open(at.run.id, id);
    if (!tool) continue;
    const content = `The call was not made: its input ${why}, and was not kept. Ask for less at once.`;
    finishTool(at, tool, { content, isError: true, refused: true });
  }
}

/** Writes down a summary, and that it stands for the agent's history up to an entry. */
export function compactTurn(
  at: RunChange,
  turn: Turn,
  summary: { block: Block; upTo: number },
  usage: ModelReply["usage"],
): void {
  const { store, run, now } = at;
  const { turnId } = turn;
  completeTurn(at, turn, { content: [], stopReason: "compaction", usage });
  store.history.saveSummary(run.agent, summary.block, summary.upTo);
  // Whatever stopped the reply before, the next one is asked for anew.
  store.runs.saveProgress(run.id, null);
  const tokensBefore = store.agents.contextTokens(run.agent);
  store.agents.saveContextTokens(run.agent, 0);
  store.log.append({ type: "context.compacted", turnId, tokensBefore }, scopeOf(run), now);
}

/**
 * Settles a try that failed. One whose reply had begun is charged its whole prompt and the output that
 * arrived. The rest of its bound stays held, since it may have been billed unseen, unless the try was refused
 * before it was run. With a delay, the try's deltas are withdrawn and another follows; without, the turn has
 * failed.
 */
export function failTurn(
  at: RunChange,
  turn: Pick<Turn, "turnId" | "attempt">,
  {
    failure,
    draft,
  }: { failure: Pick<FailedCall["failure"], "type" | "began" | "status">; draft: Draft },
  delayMs: number | null,
): void {
  const call = at.store.calls.get(callId(turn.turnId, turn.attempt));
  if (!call || call.settled) return;
  const judged = failure.began ? judge(call, draft.usage, false) : NOTHING_HEARD;
  const rest = wasNotRun(failure) ? "released" : "kept";
  const charged = charge(at, call, { judged, rest, closed: delayMs === null, counts: false });
  if (delayMs === null) {
    appendTurnCompleted(at, call, "error", charged);
  } else {
    appendTurnRetried(at, call, { reason: failure.type, delayMs }, charged);
  }
}

/** Withdraws the tries of a run that were under way when it was lost: nobody knows what they said. */
export function recoverRun(at: RunChange): void {
  for (const call of at.store.calls.openOf(at.run.id)) {
    failTurn(at, call, { failure: LOST, draft: emptyDraft() }, 0);
  }
}

const LOST = { type: "restarted", began: true, status: null };
/**
 * Settles whatever of a run is open, at its end: text that arrived is kept, and every tool call gets a
 * result, so that the conversation can go on. A run that ended by itself has nothing open.
 */
export function closeTurns(at: RunChange, why: string, drafts: Drafts): void {
  const { store, run } = at;
  for (const call of store.calls.openOf(run.id)) {
    const draft = drafts.get(call.turnId)?.draft;
    // Without a draft the object was lost meanwhile, and the reply may well have begun.
    const began = !draft || draft.usage.start !== null;
    const judged = began ? judge(call, (draft ?? emptyDraft()).usage, false) : NOTHING_HEARD;
    const said = isReply(call) ? keptTexts(draft?.content ?? []).filter(sendable) : [];
    const counts = said.length > 0;
    const charged = charge(at, call, { judged, rest: "kept", closed: true, counts });
    keepReply(at, call, said);
    appendTurnCompleted(at, call, why, charged);
  }
  for (const tool of store.tools.openOf(run.id)) {
    const begun = tool.state === "started";
    const content = begun
      ? `The call was stopped (${why}). What it had done until then is not known.`
      : `The call was not made (${why}).`;
    finishTool(at, tool, { content, isError: true, refused: !begun });
  }
}

/** Adds a reply to the conversation and to the log; returns its place, or null for an empty one. */
function keepReply(
  { store, run, now }: RunChange,
  call: Call,
  content: readonly Block[],
): number | null {
  if (content.length === 0) return null;
  const { turnId, model } = call;
  const n = store.history.add({
    agent: run.agent,
    runId: run.id,
    turnId,
    model,
    role: "assistant",
    content: [...content],
  });
  content.forEach((block, index) => {
    if (block.type === "text") {
      const { text } = block;
      store.log.append({ type: "assistant.text", turnId, block: index, text }, scopeOf(run), now);
    } else if (block.type === "thinking" && block.thinking !== "") {
      const { thinking: text } = block;
      store.log.append(
        { type: "assistant.thinking", turnId, block: index, text },
        scopeOf(run),
        now,
      );
    }
  });
  for (const tool of toolCalls(content)) {
    store.tools.add({ ...tool, runId: run.id, turnId });
  }
  return n;
}
