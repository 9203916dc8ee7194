import {
  addUsage,
  affordableMaxTokens,
  boundOf,
  type CallUsage,
  costOf,
  NO_USAGE,
  totalTokens,
  usageOf,
} from "../agent/cost";
import type { Turn, TurnGrant } from "../agent/loop";
import { type Block, type ToolCall, textOf, toolCalls } from "../agent/messages";
import { type Draft, emptyDraft, type ModelFailure, type ReportedUsage } from "../agent/model";
import type { PricedModel } from "../agent/models";
import type { ToolResult } from "../agent/tool";
import type { EventScope, PublicUsage, TurnKind } from "../events/event";
import { change } from "./changes";
import type { Call, Run } from "./journal";
import { leftNanos, reserve, settle, type Warning, warnings } from "./limits";
import type { SessionStore } from "./store";

/** Replies under way, by turn: all that is known of them until they are written down. */
export type Drafts = ReadonlyMap<string, Draft>;

/** A reply shorter than this is not worth its prompt: the session ends on its budget instead. */
const MIN_OUTPUT_TOKENS = 256;

/** What we take for one token where nobody counted: charged to a call whose usage was lost. */
const BYTES_PER_TOKEN = 4;

/** Finds a model by the name that was sent; one whose price is no longer known counts as the default. */
export type ModelOf = (name: string) => PricedModel;

const scopeOf = (run: Run): EventScope => ({
  messageId: run.messageId,
  ...(run.agent !== "" && { agent: run.agent }),
});

/** Reserves a turn's price and writes the turn down, or says which limit forbids it. */
export function beginTurn(
  store: SessionStore,
  run: Run,
  model: PricedModel,
  wanted: {
    kind: TurnKind;
    ref: string;
    promptTokens: number;
    maxTokens: number;
    lowered: boolean;
  },
  now: number,
): TurnGrant {
  const state = store.state;
  const { limits } = store.metadata;
  const message = store.messages.get(run.messageId);
  if (message?.status !== "running") return { ok: false, why: "interrupted" };

  const begun = store.journal.countOpenCalls();
  if (limits.maxTurns !== null && state.numTurns + begun >= limits.maxTurns) {
    return { ok: false, why: "turn_limit" };
  }
  const maxTurns = least(store.identity.config.maxTurns ?? null, message.options.maxTurns);
  if (maxTurns !== null && message.numTurns + begun >= maxTurns) {
    return { ok: false, why: "max_turns" };
  }

  const webSearches = wanted.kind === "web_search" ? 1 : 0;
  const left = Math.min(
    leftNanos(state.balance, limits.maxBudgetNanos),
    message.options.maxBudgetNanos === null
      ? Number.POSITIVE_INFINITY
      : leftNanos(store.journal.messageBalance(message.id), message.options.maxBudgetNanos),
  );
  const forSearches = boundOf(model, { promptTokens: 0, maxTokens: 0, webSearches }, now);
  const affordable = affordableMaxTokens(
    model,
    left - forSearches,
    wanted.promptTokens,
    wanted.maxTokens,
    now,
  );
  const enough = wanted.lowered ? Math.min(MIN_OUTPUT_TOKENS, wanted.maxTokens) : wanted.maxTokens;
  if (affordable < enough) return { ok: false, why: "too_dear" };

  const { promptTokens } = wanted;
  const bound = boundOf(model, { promptTokens, maxTokens: affordable, webSearches }, now);
  const reserved = reserve(state.balance, bound, limits.maxBudgetNanos);
  if (!reserved) return { ok: false, why: "too_dear" };

  const earlier = store.journal.unfinishedTurn(run.id, wanted.kind, wanted.ref);
  const turnId = earlier?.turnId ?? `turn_${store.journal.nextTurnNumber()}`;
  const attempt = (earlier?.attempt ?? 0) + 1;
  store.journal.addCall({
    id: callId(turnId, attempt),
    turnId,
    attempt,
    runId: run.id,
    messageId: run.messageId,
    kind: wanted.kind,
    ref: wanted.ref,
    model: model.id,
    promptTokens,
    begunAt: now,
    ...reserved.reservation,
  });
  store.state = { ...state, balance: reserved.balance };
  if (attempt === 1) {
    store.log.append(
      { type: "turn.started", turnId, kind: wanted.kind, attempt },
      scopeOf(run),
      now,
    );
  }
  return { ok: true, turnId, attempt, maxTokens: affordable };
}

const callId = (turnId: string, attempt: number): string => `${turnId}.${attempt}`;

const least = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.min(a, b);

/**
 * Writes down a reply: its cost, its text, its tool calls, and how far the run has come. Returns the
 * reply's place in the history; null when nothing of it entered there.
 */
export function completeTurn(
  store: SessionStore,
  run: Run,
  model: PricedModel,
  turn: Turn,
  reply: { content: Block[]; stopReason: string },
  reported: ReportedUsage,
  now: number,
): number | null {
  const call = store.journal.call(callId(turn.turnId, turn.attempt));
  if (!call || call.settled) return null;
  const usage = usageOf(reported);
  const charged = charge(store, run, call, model, usage, "released", true, now);
  const n = keepReply(store, run, call, reply.content, now);
  appendTurnCompleted(store, run, call, reply.stopReason, charged, now);
  if (call.kind === "reply") {
    store.journal.saveProgress(run.id, reply.stopReason);
    store.journal.saveContextTokens(run.agent, totalTokens(usage));
  }
  return n;
}

/** Writes down a summary, and that it stands for the agent's history up to an entry. */
export function compactTurn(
  store: SessionStore,
  run: Run,
  model: PricedModel,
  turn: Turn,
  summary: { block: Block; upTo: number },
  reported: ReportedUsage,
  now: number,
): void {
  completeTurn(store, run, model, turn, { content: [], stopReason: "compaction" }, reported, now);
  store.journal.saveSummary(run.agent, summary.block, summary.upTo);
  const tokensBefore = store.journal.contextTokens(run.agent);
  store.journal.saveContextTokens(run.agent, 0);
  const { turnId } = turn;
  store.log.append({ type: "context.compacted", turnId, tokensBefore }, scopeOf(run), now);
}

/**
 * Settles a try that failed. One whose reply had begun is charged its whole prompt and the output that
 * arrived, and the rest of its bound stays held; one refused before it began costs nothing. With a
 * delay, the try's deltas are withdrawn and another follows; without, the turn has failed and counts as
 * no reply.
 */
export function failTurn(
  store: SessionStore,
  run: Run,
  model: PricedModel,
  turn: Turn,
  failed: { failure: ModelFailure; draft: Draft },
  delayMs: number | null,
  now: number,
): void {
  const call = store.journal.call(callId(turn.turnId, turn.attempt));
  if (!call || call.settled) return;
  const { failure, draft } = failed;
  const usage = failure.began ? usageOfDraft(call, draft) : { ...NO_USAGE, cacheWrite1hTokens: 0 };
  const rest = failure.began ? "kept" : "released";
  const charged = charge(store, run, call, model, usage, rest, false, now);
  if (delayMs === null) {
    appendTurnCompleted(store, run, call, "error", charged, now);
    return;
  }
  const { turnId, attempt, kind } = call;
  store.log.append(
    {
      type: "turn.retried",
      turnId,
      kind,
      attempt,
      reason: failure.type,
      delayMs,
      model: model.id,
      cost: dollars(charged.cost),
      usage: publicUsage(usage),
    },
    scopeOf(run),
    now,
  );
}

/** Withdraws the tries that were under way when the object was lost: nobody knows what they said. */
export function abandonTurns(store: SessionStore, run: Run, modelOf: ModelOf, now: number): void {
  for (const call of store.journal.openCalls(run.id)) {
    const failure = { type: "restarted", began: true } as ModelFailure;
    const draft = emptyDraft();
    failTurn(
      store,
      run,
      modelOf(call.model),
      { ...call, maxTokens: 0 },
      { failure, draft },
      0,
      now,
    );
  }
}

/** Ends a run's turns from outside: text that arrived is kept, and every tool call gets a result. */
export function cutTurns(
  store: SessionStore,
  run: Run,
  why: string,
  drafts: Drafts,
  modelOf: ModelOf,
  now: number,
): void {
  for (const call of store.journal.openCalls(run.id)) {
    const draft = drafts.get(call.turnId);
    const model = modelOf(call.model);
    const began = draft?.usage.start != null;
    const usage = began ? usageOfDraft(call, draft) : { ...NO_USAGE, cacheWrite1hTokens: 0 };
    const charged = charge(store, run, call, model, usage, "kept", true, now);
    const text = draft ? draft.content.filter((block) => block.type === "text" && block.text) : [];
    keepReply(store, run, call, text, now);
    appendTurnCompleted(store, run, call, why, charged, now);
  }
  for (const tool of store.journal.openTools(run.id)) {
    const begun = tool.state === "started";
    const content = toolCutText(begun, why);
    finishTool(store, run, tool, { content, isError: true, refused: !begun }, now);
  }
}

const toolCutText = (begun: boolean, why: string): string =>
  begun
    ? `The call was stopped (${why}). What it had done until then is not known.`
    : `The call was not made (${why}).`;

/** Writes down that a tool is about to run. */
export function startTool(store: SessionStore, run: Run, call: ToolCall, now: number): void {
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
export function finishTool(
  store: SessionStore,
  run: Run,
  call: ToolCall,
  result: ToolResult,
  now: number,
): void {
  const tool = store.journal.openTool(run.id, call.id);
  if (!tool) return;
  if (tool.state === "pending") startTool(store, run, call, now);
  store.journal.finishTool(run.id, call.id, result);
  if (!result.refused) noteToolUse(store, run, call.name, now);
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

function shownContent({ content }: ToolResult): string {
  if (typeof content === "string") return content;
  return content
    .map((block) => (block.type === "text" ? block.text : `[${block.type}]`))
    .join("\n");
}

/** Counts a tool among those that the session and the message have used. */
function noteToolUse(store: SessionStore, run: Run, name: string, now: number): void {
  const { toolsUsed } = store.state;
  if (!toolsUsed.includes(name)) change(store, { toolsUsed: [...toolsUsed, name] }, now);
  const message = store.messages.get(run.messageId);
  if (!message || message.toolsUsed.includes(name)) return;
  store.messages.saveTotals(message.id, { ...message, toolsUsed: [...message.toolsUsed, name] });
}

/** Adds a reply to the conversation and to the log; returns its place, or null for an empty one. */
function keepReply(
  store: SessionStore,
  run: Run,
  call: Call,
  content: readonly Block[],
  now: number,
): number | null {
  if (content.length === 0) return null;
  const { turnId } = call;
  const n = store.journal.addHistory({
    agent: run.agent,
    runId: run.id,
    turnId,
    role: "assistant",
    content: [...content],
  });
  content.forEach((block, index) => {
    if (block.type === "text" && block.text !== "") {
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

/** What a call was charged, and which limits that brought near. */
interface Charged {
  model: string;
  cost: number;
  usage: CallUsage;
  warnings: Warning[];
}

/** Settles a call in the ledger and counts it in the session's and the message's totals. */
function charge(
  store: SessionStore,
  run: Run,
  call: Call,
  model: PricedModel,
  usage: CallUsage,
  rest: "released" | "kept",
  completed: boolean,
  now: number,
): Charged {
  const state = store.state;
  const settled = settle(state.balance, call, costOf(model, usage, call.begunAt), rest);
  const cost = settled.reservation.costNanos;
  store.journal.settleCall(call.id, settled.reservation, completed);

  const turns = completed ? 1 : 0;
  const ofModel = state.usage[model.id] ?? { ...NO_USAGE, costNanos: 0 };
  const numTurns = state.numTurns + turns;
  change(
    store,
    {
      balance: settled.balance,
      numTurns,
      totalTokens: state.totalTokens + totalTokens(usage),
      usage: {
        ...state.usage,
        [model.id]: { ...addUsage(ofModel, usage), costNanos: ofModel.costNanos + cost },
      },
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
  return {
    model: model.id,
    cost,
    usage,
    warnings: warnings(before, after, store.metadata.limits),
  };
}

function appendTurnCompleted(
  store: SessionStore,
  run: Run,
  call: Call,
  stopReason: string,
  charged: Charged,
  now: number,
): void {
  const { turnId, kind } = call;
  const { model } = charged;
  const usage = publicUsage(charged.usage);
  const cost = dollars(charged.cost);
  store.log.append(
    { type: "turn.completed", turnId, kind, model, stopReason, cost, usage },
    scopeOf(run),
    now,
  );
  for (const warning of charged.warnings) {
    store.log.append({ type: "limit.warned", ...warning }, scopeOf(run), now);
  }
}

/** What a call that was cut off is charged: its prompt as the API counted it, and what it had said. */
function usageOfDraft(call: Call, draft: Draft): CallUsage {
  const said = draft.content.reduce((sum, block) => sum + saidCharacters(block), 0);
  const outputTokens = Math.ceil(said / BYTES_PER_TOKEN);
  const usage = usageOf(draft.usage);
  // The object was lost, or the API counts this kind of call at its end only.
  if (totalTokens(usage) === usage.outputTokens) {
    const inputTokens = Math.ceil(call.promptTokens / BYTES_PER_TOKEN);
    return { ...usage, inputTokens, outputTokens };
  }
  return { ...usage, outputTokens: Math.max(usage.outputTokens, outputTokens) };
}

function saidCharacters(block: Block): number {
  if (block.type === "thinking") return block.thinking.length;
  return textOf([block]).length;
}

const dollars = (nanos: number): number => nanos / 1e9;

const publicUsage = ({ cacheWrite1hTokens: _, ...usage }: CallUsage): PublicUsage => usage;
