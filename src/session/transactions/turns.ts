import { type Draft, emptyDraft } from "../../agent/assemble";
import {
  addUsage,
  affordableMaxTokens,
  boundOf,
  type CallUsage,
  costOf,
  NO_USAGE,
  totalTokens,
} from "../../agent/cost";
import type { StoredReply } from "../../agent/loop";
import { type Block, sendable, type ToolCall, toolCalls } from "../../agent/messages";
import { type FailedCall, type ModelReply, wasNotRun } from "../../agent/model";
import type { PricedModel } from "../../agent/models";
import { fits, keptTexts } from "../../agent/reply-bounds";
import type { Turn, TurnRequest, TurnReservation } from "../../agent/reserve-turn";
import type { ToolResult } from "../../agent/tool";
import { type Judgement, judgeUsage } from "../../agent/usage";
import type { EventScope, PublicCharge } from "../../events/event";
import { modelOf } from "../deployment";
import { leftNanos, type Rest, reserve, settle, type Warning, warnings } from "../rules/ledger";
import type { Call, Run } from "../storage/journal";
import type { SessionStore } from "../storage/store";
import { setupOf } from "./agents";
import { change } from "./state";

/** The run that a change belongs to, and when it happens. All of these functions run within a transaction. */
export interface RunChange {
  store: SessionStore;
  run: Run;
  now: number;
}

/** A reply under way: all that is known of it until it is written down. */
export interface LiveDraft {
  draft: Draft;
  scope: EventScope;
  /** Whether whoever watches is shown it. */
  live: boolean;
}

/** Replies under way, by turn. */
export type Drafts = ReadonlyMap<string, LiveDraft>;

/** A reply shorter than this is not worth its prompt: the session ends on its budget instead. */
const MIN_OUTPUT_TOKENS = 256;

/** What fits in a row beside its other columns, the call's input among them: rows are bounded to 2 MB. */
const MAX_RESULT_BYTES = 1_800_000;

/** Whom a run's events belong to. */
export const scopeOf = (run: Run): EventScope => ({
  messageId: run.messageId,
  ...(run.agent !== "" && { agent: run.agent }),
});

const callId = (turnId: string, attempt: number): string => `${turnId}.${attempt}`;

/** Reserves a turn's price and writes the turn down, or says which limit forbids it. */
export function beginTurn(at: RunChange, model: PricedModel, wish: TurnRequest): TurnReservation {
  const { store, run, now } = at;
  const { kind, ref, promptTokens, ttl } = wish;
  const message = store.messages.get(run.messageId);
  if (message?.status !== "running") return { ok: false, why: "interrupted" };
  const limit = kind === "reply" ? turnLimit(at) : null;
  if (limit) return { ok: false, why: limit };

  const webSearches = kind === "web_search" ? 1 : 0;
  const searches = boundOf(model, { promptTokens: 0, maxTokens: 0, webSearches }, now);
  const left = moneyLeft(at) - searches;
  const maxTokens = affordableMaxTokens(model, left, promptTokens, wish.maxTokens, now, ttl);
  // A reply cut short ends its run on the budget, so it is cut only for money that nobody will leave over.
  const cut = wish.lowered && store.journal.countOpenCalls() === 0;
  const enough = cut ? Math.min(MIN_OUTPUT_TOKENS, wish.maxTokens) : wish.maxTokens;
  if (maxTokens < enough) return { ok: false, why: overBudget(at, wish) };

  const { balance } = store.state;
  const bound = boundOf(model, { promptTokens, maxTokens, webSearches, ...(ttl && { ttl }) }, now);
  const reserved = reserve(balance, bound, store.metadata.limits.maxBudgetNanos);
  if (!reserved) return { ok: false, why: overBudget(at, wish) };

  const earlier = store.journal.openTurn(run.id, kind, ref);
  const turnId = earlier?.turnId ?? `turn_${store.journal.nextTurnNumber()}`;
  const attempt = (earlier?.attempt ?? 0) + 1;
  store.journal.addCall({
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
  lowered && store.journal.countOpenCalls() > 0 ? "pending_calls" : "over_budget";

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
  if (ofAgent !== undefined && store.journal.countReplies(run.id) >= ofAgent) return "max_turns";
  return store.journal.countOpenReplies() >= Math.min(ofSession, ofMessage)
    ? "pending_calls"
    : null;
}

const least = (...limits: (number | null | undefined)[]): number =>
  Math.min(...limits.map((limit) => limit ?? Number.POSITIVE_INFINITY));

/** Returns what a call of the run may cost: the less of what the session and the message have left. */
function moneyLeft({ store, run }: RunChange): number {
  const ofSession = leftNanos(store.state.balance, store.metadata.limits.maxBudgetNanos);
  const budget = store.messages.get(run.messageId)?.options.maxBudgetNanos ?? null;
  if (budget === null) return ofSession;
  return Math.min(ofSession, leftNanos(store.journal.messageBalance(run.messageId), budget));
}

/**
 * Writes down a reply: its cost, its text, its tool calls, and how far the run has come. Returns the
 * reply's place in the history; null when nothing of it entered there.
 */
export function completeTurn(at: RunChange, turn: Turn, reply: StoredReply): number | null {
  const { store, run } = at;
  const call = store.journal.call(callId(turn.turnId, turn.attempt));
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
    store.journal.saveProgress(run.id, reply.stopReason);
    store.journal.forgetRestarts(run.messageId);
    store.journal.saveContextTokens(run.agent, totalTokens(judged.usage));
  }
  return n;
}

/** Answers the calls whose inputs could not be kept. */
function refuseUnusable(at: RunChange, unusable: StoredReply["unusable"]): void {
  for (const [id, why] of unusable ?? []) {
    const tool = at.store.journal.openTool(at.run.id, id);
    if (!tool) continue;
    const content = `The call was not made: its input ${why}, and was not kept. Ask for less at once.`;
    finishTool(at, tool, { content, isError: true, refused: true });
  }
}

/** Decides what a call is charged: at what its model cost when it began, whatever has changed since. */
const judge = (call: Call, reported: Draft["usage"], whole: boolean): Judgement =>
  judgeUsage(reported, call, whole, (usage) =>
    costOf(modelOf(call.model, call.begunAt), usage, call.begunAt),
  );

const isReply = (call: Call): boolean => call.kind === "reply";

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
  store.journal.saveSummary(run.agent, summary.block, summary.upTo);
  // Whatever stopped the reply before, the next one is asked for anew.
  store.journal.saveProgress(run.id, null);
  const tokensBefore = store.journal.contextTokens(run.agent);
  store.journal.saveContextTokens(run.agent, 0);
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
  const { store, run, now } = at;
  const call = store.journal.call(callId(turn.turnId, turn.attempt));
  if (!call || call.settled) return;
  const judged = failure.began ? judge(call, draft.usage, false) : UNHEARD;
  const rest = wasNotRun(failure) ? "released" : "kept";
  const charged = charge(at, call, { judged, rest, closed: delayMs === null, counts: false });
  if (delayMs === null) {
    appendTurnCompleted(at, call, "error", charged);
    return;
  }
  const { turnId, attempt, kind } = call;
  const withdrawn = { turnId, kind, attempt, reason: failure.type, delayMs };
  store.log.append(
    { type: "turn.retried", ...withdrawn, ...publicCharge(charged) },
    scopeOf(run),
    now,
  );
  appendNotices(at, call, charged);
}

/** Withdraws the tries of a run that were under way when it was lost: nobody knows what they said. */
export function recoverRun(at: RunChange): void {
  for (const call of at.store.journal.openCalls(at.run.id)) {
    failTurn(at, call, { failure: LOST, draft: emptyDraft() }, 0);
  }
}

const LOST = { type: "restarted", began: true, status: null };
/** A call of whose reply nothing was heard is charged nothing yet. */
const UNHEARD: Judgement = {
  usage: { ...NO_USAGE, cacheWrite1hTokens: 0 },
  costNanos: 0,
  dispute: null,
};

/**
 * Settles whatever of a run is open, at its end: text that arrived is kept, and every tool call gets a
 * result, so that the conversation can go on. A run that ended by itself has nothing open.
 */
export function closeTurns(at: RunChange, why: string, drafts: Drafts): void {
  const { store, run } = at;
  for (const call of store.journal.openCalls(run.id)) {
    const draft = drafts.get(call.turnId)?.draft;
    // Without a draft the object was lost meanwhile, and the reply may well have begun.
    const began = !draft || draft.usage.start !== null;
    const judged = began ? judge(call, (draft ?? emptyDraft()).usage, false) : UNHEARD;
    const said = isReply(call) ? keptTexts(draft?.content ?? []).filter(sendable) : [];
    const counts = said.length > 0;
    const charged = charge(at, call, { judged, rest: "kept", closed: true, counts });
    keepReply(at, call, said);
    appendTurnCompleted(at, call, why, charged);
  }
  for (const tool of store.journal.openTools(run.id)) {
    const begun = tool.state === "started";
    const content = begun
      ? `The call was stopped (${why}). What it had done until then is not known.`
      : `The call was not made (${why}).`;
    finishTool(at, tool, { content, isError: true, refused: !begun });
  }
}

/** Writes down that a tool is about to run. */
export function startTool({ store, run, now }: RunChange, call: ToolCall): void {
  const tool = store.journal.openTool(run.id, call.id);
  if (tool?.state !== "pending") return;
  store.journal.startTool(run.id, call.id, now);
  const { turnId } = tool;
  store.log.append(
    { type: "tool.started", turnId, toolUseId: call.id, name: call.name, input: call.input },
    scopeOf(run),
    now,
  );
}

/** Writes down a tool's result; a second one changes nothing. */
export function finishTool(at: RunChange, call: ToolCall, given: ToolResult): void {
  const { store, run, now } = at;
  const tool = store.journal.openTool(run.id, call.id);
  if (!tool) return;
  if (tool.state === "pending") startTool(at, call);
  const result = bounded(given);
  store.journal.finishTool(run.id, call.id, result);
  store.journal.forgetRestarts(run.messageId);
  if (!result.refused) noteToolUse(at, call.name);
  store.log.append(
    {
      type: "tool.completed",
      turnId: tool.turnId,
      toolUseId: call.id,
      name: call.name,
      isError: result.isError ?? false,
      content: shownContent(result),
      durationMs: tool.startedAt === null ? 0 : now - tool.startedAt,
    },
    scopeOf(run),
    now,
  );
}

function bounded(result: ToolResult): ToolResult {
  if (fits(result, MAX_RESULT_BYTES)) return result;
  return { content: "The result is too large to be kept. Ask for a part of it.", isError: true };
}

function shownContent({ content }: ToolResult): string {
  if (typeof content === "string") return content;
  return content
    .map((block) => (block.type === "text" ? block.text : `[${block.type}]`))
    .join("\n");
}

/** Counts a tool among those that the session and the message have used. */
function noteToolUse({ store, run, now }: RunChange, name: string): void {
  const { toolsUsed } = store.state;
  if (!toolsUsed.includes(name)) change(store, { toolsUsed: [...toolsUsed, name] }, now);
  const message = store.messages.get(run.messageId);
  if (!message || message.toolsUsed.includes(name)) return;
  store.messages.saveTotals(message.id, { ...message, toolsUsed: [...message.toolsUsed, name] });
}

/** Adds a reply to the conversation and to the log; returns its place, or null for an empty one. */
function keepReply(
  { store, run, now }: RunChange,
  call: Call,
  content: readonly Block[],
): number | null {
  if (content.length === 0) return null;
  const { turnId, model } = call;
  const n = store.journal.addHistory({
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
    store.journal.addTool({ ...tool, runId: run.id, turnId });
  }
  return n;
}

/** What a call was charged, what stays held of it, and which limits that brought near. */
interface Charged {
  model: string;
  costNanos: number;
  heldNanos: number;
  usage: CallUsage;
  dispute: Judgement["dispute"];
  warnings: Warning[];
}

/** How a call is settled. */
interface Settlement {
  judged: Judgement;
  /** What becomes of the part of its bound that was not used. */
  rest: Rest;
  /** No other try of its turn follows. */
  closed: boolean;
  /** It counts among the session's turns: it is a reply of the agent's model. */
  counts: boolean;
}

/** Settles a call in the ledger and counts it in the session's and the message's totals. */
function charge({ store, run, now }: RunChange, call: Call, settlement: Settlement): Charged {
  const { usage, costNanos, dispute } = settlement.judged;
  const state = store.state;
  const settled = settle(state.balance, call, costNanos, settlement.rest);
  const { costNanos: cost, heldNanos } = settled.reservation;
  store.journal.settleCall(call.id, settled.reservation, settlement.closed);

  const turns = settlement.counts ? 1 : 0;
  const numTurns = state.numTurns + turns;
  const ofModel = state.usage[call.model] ?? { ...NO_USAGE, costNanos: 0 };
  const grown = { ...addUsage(ofModel, usage), costNanos: ofModel.costNanos + cost };
  change(
    store,
    {
      balance: settled.balance,
      numTurns,
      totalTokens: state.totalTokens + totalTokens(usage),
      usage:
        cost === 0 && totalTokens(usage) === 0
          ? state.usage
          : { ...state.usage, [call.model]: grown },
    },
    now,
  );
  const message = store.messages.get(run.messageId);
  if (message) {
    store.messages.saveTotals(message.id, {
      costNanos: message.costNanos + cost,
      usage: addUsage(message.usage, usage),
      numTurns: message.numTurns + turns,
      toolsUsed: message.toolsUsed,
    });
  }
  const before = { spentNanos: state.balance.spentNanos, numTurns: state.numTurns };
  const after = { spentNanos: settled.balance.spentNanos, numTurns };
  const fallen = warnings(before, after, store.metadata.limits);
  return { model: call.model, costNanos: cost, heldNanos, usage, dispute, warnings: fallen };
}

function appendTurnCompleted(
  at: RunChange,
  call: Call,
  stopReason: string,
  charged: Charged,
): void {
  const { store, run, now } = at;
  const { turnId, kind } = call;
  store.log.append(
    { type: "turn.completed", turnId, kind, stopReason, ...publicCharge(charged) },
    scopeOf(run),
    now,
  );
  appendNotices(at, call, charged);
}

/** Logs a report of usage that was not taken as it came, and the limits that have come near. */
function appendNotices({ store, run, now }: RunChange, call: Call, charged: Charged): void {
  const { model, dispute } = charged;
  if (dispute) {
    const { turnId, attempt, boundNanos } = call;
    const { reason, reportedNanos } = dispute;
    const reported = reportedNanos === null ? null : dollars(reportedNanos);
    const disputed = { turnId, attempt, model, reason, reported, bound: dollars(boundNanos) };
    store.log.append({ type: "usage.disputed", ...disputed }, scopeOf(run), now);
  }
  for (const warning of charged.warnings) {
    store.log.append({ type: "limit.warned", ...warning }, scopeOf(run), now);
  }
}

const dollars = (nanos: number): number => nanos / 1e9;

/** Returns what a call was charged, as clients see it. */
function publicCharge({ model, costNanos, heldNanos, usage }: Charged): PublicCharge {
  const { cacheWrite1hTokens: _, ...shown } = usage;
  return { model, cost: dollars(costNanos), held: dollars(heldNanos), usage: shown };
}
