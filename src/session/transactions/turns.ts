import type { SpendLimit } from "../../account/limits";
import { type Block, sendable, toolCalls } from "../../agent/messages";
import { type Draft, emptyDraft } from "../../agent/model/assemble";
import type { FailedCall, ModelReply } from "../../agent/model/model";
import { wasNotRun } from "../../agent/model/model-failure";
import { keptTexts } from "../../agent/model/reply-bounds";
import type { StoredReply } from "../../agent/model/stored-reply";
import { affordableMaxTokens, boundOf } from "../../agent/pricing/cost";
import type { PricedModel } from "../../agent/pricing/models";
import { totalTokens } from "../../agent/pricing/usage";
import type { Turn, TurnRequest, TurnReservation } from "../../agent/reserve-turn";
import type { EventScope } from "../../events/event";
import { dayOf } from "../../shared/days";
import { holdLease } from "../rules/leases";
import { leftNanos, reserve } from "../rules/ledger";
import type { Call } from "../storage/calls";
import type { StoredTool } from "../storage/tools";
import { setupOf } from "./agents";
import {
  appendTurnCompleted,
  appendTurnRetried,
  charge,
  isReply,
  judge,
  NO_CHARGE,
} from "./charges";
import { haltRun, pauseLimitOf } from "./halts";
import { leasedNanos, setUsedUp } from "./leases";
import { type RunChange, scopeOf } from "./state";
import { joinSteers, steersFor } from "./steers";
import { finishTool } from "./tool-calls";

/** A reply that a model is generating, with the parts that have arrived. */
export interface OpenReply {
  draft: Draft;
  scope: EventScope;
  /** Whether its deltas are sent to subscribers. */
  live: boolean;
}

/** The replies that models are generating, by turn id. */
export type Drafts = ReadonlyMap<string, OpenReply>;

/** Minimum output tokens of a reply whose maximum was lowered. If fewer are affordable, the run ends on its budget. */
const MIN_OUTPUT_TOKENS = 256;

type RunOf = Pick<RunChange, "store" | "run">;

/** A turn to reserve, and the prompts in its conversation that join it with this call. */
export type WantedTurn = TurnRequest & { steers?: readonly string[] };

const callId = (turnId: string, attempt: number): string => `${turnId}.${attempt}`;

/** A turn that fits in the session's limits, and needs so much more money from the account, in nano-dollars. */
interface LeaseNeeded {
  ok: false;
  why: "needs_lease";
  needNanos: number;
}

/**
 * Reserves the maximum cost of a turn and journals the call. Returns the limit that forbids the turn, if one does.
 * If the session's lease is too small, the account is to be asked, unless that was done: `usedUp` is the limit because of
 * which it has not lent enough. Then what is left of the lease is a limit like the others.
 */
export function beginTurn(
  at: RunChange,
  model: PricedModel,
  turnRequest: WantedTurn,
  usedUp: SpendLimit | null,
): TurnReservation | LeaseNeeded {
  const { store, run, now } = at;
  const { kind, ref, promptTokens, ttl } = turnRequest;
  const message = store.messages.get(run.messageId);
  if (message?.status !== "running") return { ok: false, why: "interrupted" };
  const limit = kind === "reply" ? turnLimit(at) : null;
  if (limit) return { ok: false, why: limit };

  // Example: $0.05 is left, the prompt has at most 10,000 tokens at $2.50 per million, and output costs $10 per
  // million. The prompt takes $0.025, and the rest pays for 2,500 output tokens. A request for 16,384 gets them only if
  // `lowered`.
  const webSearches = kind === "web_search" ? 1 : 0;
  const searchNanos = boundOf(model, { promptTokens: 0, maxTokens: 0, webSearches }, now);
  const leased = leasedNanos(store, now);
  const affordable = (nanos: number) => {
    const { maxTokens } = turnRequest;
    return affordableMaxTokens(model, nanos - searchNanos, promptTokens, maxTokens, now, ttl);
  };
  const ofSession = moneyLeft(at);
  const maxTokens = affordable(usedUp === null ? ofSession : Math.min(ofSession, leased));
  // A reply that is cut short ends its run on the budget. Open calls may release money, so they are awaited first. A
  // session that pauses does not end its runs on its budget.
  const isCutAllowed = usedUp !== null || !pauseLimitOf(store, run, turnRequest, "over_budget");
  const mayLower = turnRequest.lowered && store.calls.countOpen() === 0 && isCutAllowed;
  const minOutputTokens = mayLower
    ? Math.min(MIN_OUTPUT_TOKENS, turnRequest.maxTokens)
    : turnRequest.maxTokens;
  if (maxTokens < minOutputTokens) {
    // The session's own money would do: its message ends at the other limit.
    const isLast = turnRequest.lowered && affordable(ofSession) >= minOutputTokens;
    if (usedUp && isLast) setUsedUp(store, usedUp, now);
    return { ok: false, why: overBudget(at, turnRequest) };
  }

  const { balance } = store.state;
  const bound = boundOf(model, { promptTokens, maxTokens, webSearches, ...(ttl && { ttl }) }, now);
  const reserved = reserve(balance, bound, store.metadata.limits.maxBudgetNanos);
  if (!reserved) return { ok: false, why: overBudget(at, turnRequest) };
  if (bound > leased) return { ok: false, why: "needs_lease", needNanos: bound - leased };

  // A failed attempt that is to be repeated leaves its turn open: this call is the next attempt.
  const earlier = store.calls.openTurn(run.id, kind, ref);
  const turnId = earlier?.turnId ?? `turn_${store.calls.nextTurnNumber()}`;
  const attempt = (earlier?.attempt ?? 0) + 1;
  const id = callId(turnId, attempt);
  store.calls.add({
    id,
    turnId,
    attempt,
    runId: run.id,
    messageId: run.messageId,
    kind,
    ref,
    model: model.id,
    likelyTokens: turnRequest.likelyTokens,
    leastTokens: turnRequest.leastTokens,
    begunAt: now,
    ...reserved.reservation,
  });
  // Not `change`: clients and the index see nothing of what is reserved.
  if (store.state.halted) haltRun(store, run, null);
  const { account } = store.state;
  store.state = {
    ...{ ...store.state, balance: reserved.balance },
    ...(account && {
      account: holdLease(account, dayOf(now), store.metadata.userId, { id, boundNanos: bound }),
    }),
  };
  const { steers = [] } = turnRequest;
  joinSteers(at, steers);
  // They are to be answered, even if the newest reply would have ended the run.
  if (steers.length > 0) store.runs.saveProgress(run.id, null);
  if (attempt === 1) {
    store.log.append({ type: "turn.started", turnId, kind, attempt }, scopeOf(run), now);
  }
  return { ok: true, turnId, attempt, maxTokens };
}

/**
 * Returns why a turn does not fit into the budget. `pending_calls` if the request permits a lowered maximum and other
 * calls are open: settling them may release money. `over_budget` otherwise.
 */
const overBudget = (
  { store }: RunChange,
  { lowered }: TurnRequest,
): "over_budget" | "pending_calls" =>
  lowered && store.calls.countOpen() > 0 ? "pending_calls" : "over_budget";

/**
 * Returns the limit on turns that another reply would exceed; null if none. `pending_calls` if it would exceed one once
 * the open replies are counted.
 */
function turnLimit({ store, run }: RunOf): "turn_limit" | "max_turns" | "pending_calls" | null {
  const message = store.messages.get(run.messageId);
  const { maxTurns } = store.metadata.limits;
  const { config } = store.identity;
  const ofMessage = least(config.maxTurns, message?.options.maxTurns) - (message?.numTurns ?? 0);
  const ofSession = least(maxTurns) - store.state.numTurns;
  if (ofSession <= 0) return "turn_limit";
  if (ofMessage <= 0) return "max_turns";
  const ofAgent = setupOf(store, run.agent).maxTurns;
  if (ofAgent !== undefined && store.calls.countReplies(run.id) >= ofAgent) return "max_turns";
  // Open replies count as turns as soon as they are settled.
  return store.calls.countOpenReplies() >= Math.min(ofSession, ofMessage) ? "pending_calls" : null;
}

/** Returns whether no limit on turns forbids another reply in a run. */
export const hasTurnLeft = (at: RunOf): boolean => turnLimit(at) === null;

/** Returns whether prompts are to join a run's conversation, and there is a turn left to answer them. */
export const isSteered = (at: RunOf): boolean =>
  steersFor(at.store, at.run).length > 0 && hasTurnLeft(at);

const least = (...limits: (number | null | undefined)[]): number =>
  Math.min(...limits.map((limit) => limit ?? Number.POSITIVE_INFINITY));

/** Returns the amount that a call of the run may cost: the smaller of what the session and the message have left. */
function moneyLeft({ store, run }: RunChange): number {
  const ofSession = leftNanos(store.state.balance, store.metadata.limits.maxBudgetNanos);
  const budget = store.messages.get(run.messageId)?.options.maxBudgetNanos ?? null;
  if (budget === null) return ofSession;
  return Math.min(ofSession, leftNanos(store.calls.balanceOf(run.messageId), budget));
}

/**
 * Journals a reply: its cost, its text, its tool calls, and the run's progress. Returns the position of the reply in
 * the history; null if nothing was added there. Does nothing if the call is settled already.
 */
export function completeTurn(at: RunChange, turn: Turn, reply: StoredReply): number | null {
  const { store, run } = at;
  const call = store.calls.open(callId(turn.turnId, turn.attempt));
  if (!call) return null;
  const judged = judge(call, reply.usage, { isComplete: true });
  // If the report can't be true, the billed amount is unknown.
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

/**
 * Replaces entries of the agent's conversation, which the model's API refused, by their new content. Does nothing if the
 * call that was accepted without them is settled already.
 */
export function withdrawContent(
  { store, run, now }: RunChange,
  turn: Turn,
  entries: readonly { n: number; content: Block[] }[],
  reason: string,
): void {
  const { turnId } = turn;
  const call = store.calls.open(callId(turnId, turn.attempt));
  if (!call) return;
  for (const { n, content } of entries) store.history.replace(n, content);
  store.log.append({ type: "content.withdrawn", turnId, reason }, scopeOf(run), now);
}

/** Adds an error result to each tool call whose input could not be stored. */
function refuseUnusable(at: RunChange, unusable: StoredReply["unusable"]): void {
  for (const [id, why] of unusable ?? []) {
    const tool = at.store.tools.open(at.run.id, id);
    if (!tool) continue;
    const content = `The call was not made: its input ${why}, and was not kept. Ask for less at once.`;
    finishTool(at, tool, { content, isError: true, refused: true });
  }
}

/** Journals a summary. In the conversation it replaces the agent's history up to and including entry `upTo`. */
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
  // The stop reason of the reply before the summary must not end the run: another reply follows.
  store.runs.saveProgress(run.id, null);
  const tokensBefore = store.agents.contextTokens(run.agent);
  store.agents.saveContextTokens(run.agent, 0);
  store.log.append({ type: "context.compacted", turnId, tokensBefore }, scopeOf(run), now);
}

/**
 * Settles a failed attempt. If its reply had begun, it is charged for the whole prompt and for the output that arrived.
 * The rest of its bound stays reserved, since it may have been billed, unless the attempt was refused before it ran.
 * With a delay in ms, the attempt's deltas are withdrawn and another attempt follows. With null, the turn has failed.
 * Does nothing if the call is settled already.
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
  const call = at.store.calls.open(callId(turn.turnId, turn.attempt));
  if (!call) return;
  const judged = failure.began ? judge(call, draft.usage, { isComplete: false }) : NO_CHARGE;
  const rest = wasNotRun(failure) ? "released" : "kept";
  const charged = charge(at, call, { judged, rest, closed: delayMs === null, counts: false });
  if (delayMs === null) {
    appendTurnCompleted(at, call, "error", charged);
  } else {
    appendTurnRetried(at, call, { reason: failure.type, delayMs }, charged);
  }
}

/**
 * Fails the open calls of a run after a loss of its object, since their replies are not known, or because the session
 * pauses: then `drafts` has what arrived of them. Each is made again as another attempt.
 */
export function withdrawOpenCalls(at: RunChange, drafts: Drafts = NO_DRAFTS): void {
  for (const call of at.store.calls.openOf(at.run.id)) {
    const draft = drafts.get(call.turnId)?.draft;
    const began = !draft || draft.usage.start !== null;
    failTurn(at, call, { failure: { ...LOST, began }, draft: draft ?? emptyDraft() }, 0);
  }
}

const NO_DRAFTS: Drafts = new Map();

const LOST = { type: "restarted", began: true, status: null };

/**
 * Settles the open calls of a run at its end. Text that arrived is kept, and every open tool call gets a result, so
 * that the conversation can continue. A run that ended by itself has nothing open. Calls that it `keeps` stay open.
 */
export function closeTurns(
  at: RunChange,
  why: string,
  drafts: Drafts,
  keeps: (tool: StoredTool) => boolean = () => false,
): void {
  const { store, run } = at;
  for (const call of store.calls.openOf(run.id)) {
    const draft = drafts.get(call.turnId)?.draft;
    // If there is no draft, the object was lost meanwhile, and the reply may have begun.
    const began = !draft || draft.usage.start !== null;
    const judged = began
      ? judge(call, (draft ?? emptyDraft()).usage, { isComplete: false })
      : NO_CHARGE;
    const texts = isReply(call) ? keptTexts(draft?.content ?? []).filter(sendable) : [];
    const counts = texts.length > 0;
    const charged = charge(at, call, { judged, rest: "kept", closed: true, counts });
    keepReply(at, call, texts);
    appendTurnCompleted(at, call, why, charged);
  }
  for (const tool of store.tools.openOf(run.id)) {
    if (keeps(tool)) continue;
    const begun = tool.state === "started";
    const content = begun
      ? `The call was stopped (${why}). What it had done until then is not known.`
      : `The call was not made (${why}).`;
    finishTool(at, tool, { content, isError: true, refused: !begun });
  }
}

/**
 * Adds a reply to the conversation, and its events to the log. Returns its position in the history; null if it is
 * empty.
 */
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
