import { z } from "zod";
import type { PublicError, StopReason, TurnKind } from "../events/event";
import { pause } from "../shared/backoff";
import {
  type Block,
  compactionCut,
  type Message,
  sendable,
  type ToolCall,
  textOf,
  toolCalls,
  withoutThoughts,
  withoutToolCalls,
} from "./messages";
import {
  type CallWatch,
  type FailedCall,
  type Model,
  type ModelCall,
  type ModelReply,
  weighedParts,
} from "./model";
import type { ModelFailure } from "./model-failure";
import { leastTokens, promptBound } from "./prompt-bounds";
import { reserveTurn, type Turn, type TurnRequest, type TurnReservation } from "./reserve-turn";
import { retryDelayMs } from "./retry";
import type { SearchOutcome, ToolContext, ToolResult } from "./tool";

/** How far a run has come, read from what is written down. */
export interface Progress {
  /** The stop reason of the newest reply; null before the first. */
  lastStop: string | null;
  /** Calls of the newest reply that have no result yet, in order. */
  pending: (ToolCall & {
    turnId: string;
    /** Names the call within its session, whatever the model calls it. */
    callId: string;
    interrupted: boolean;
  })[];
  /** Input and output tokens of the newest reply: what the conversation weighs. */
  contextTokens: number;
}

/** The parts of a reply that are stored. */
export type StoredReply = Pick<ModelReply, "content" | "stopReason" | "usage" | "unusable">;

/**
 * Where a run is written down. Every method commits before it returns; after the run was ended from
 * outside they change nothing, and the signal of the run is aborted.
 */
export interface Journal {
  progress(): Progress;
  /** Returns the conversation as the model is to see it. */
  conversation(): readonly Message[];
  /** Adds the messages in the agent's inbox to the conversation. */
  deliverInbox(): void;
  /** Resolves when another call of the session was settled, or the run is stopped. */
  otherSettled(): Promise<void>;
  /** Reserves a turn's price, its prompt bounded by `promptTokens`, and writes it down. */
  begin(turn: TurnRequest): TurnReservation;
  /** Settles a reply's price and writes it down with its tool calls. */
  complete(turn: Turn, reply: StoredReply): void;
  /** Settles a try that failed; with a delay there will be another. */
  fail(turn: Turn, failed: FailedCall, delayMs: number | null): void;
  /** Settles a summary and lets it stand for the conversation's first `cut` entries. */
  compact(turn: Turn, summary: Block, cut: number, usage: ModelReply["usage"]): void;
  startTool(call: ToolCall): void;
  finishTool(call: ToolCall, result: ToolResult): void;
}

/** What a run needs from the world. */
export interface AgentDeps {
  model: Model;
  /** Everything of a request but the conversation and its bounds. */
  request: Omit<ModelCall, "messages" | "maxTokens" | "attempt">;
  /** The most a reply may say. */
  maxTokens: number;
  journal: Journal;
  signal: AbortSignal;
  /** Runs a tool, with its permissions checked. Never rejects. */
  runTool(
    call: ToolCall,
    context: Pick<ToolContext, "callId" | "interrupted" | "search">,
  ): Promise<ToolResult>;
  /** Returns whether a call may run beside others. */
  sideBySide(call: ToolCall): boolean;
  /** Follows a turn's reply while it arrives; `live` ones are shown to whoever watches. */
  watch(turnId: string, live: boolean): CallWatch;
  random(): number;
}

/** How a run ended by itself. */
export type Ending =
  | { stopReason: StopReason; error?: undefined }
  | { stopReason: "error"; error: PublicError };

/** A conversation heavier than this is summarised: it fits in every model's window with room to go on. */
const COMPACT_AT_TOKENS = 150_000;

const SEARCH_MAX_TOKENS = 4_096;
const SUMMARY_MAX_TOKENS = 16_384;

/**
 * Carries a run on from wherever its journal says it is, to its end. Never rejects. Returns null when
 * it was stopped from outside: whoever stopped it has written down how it ended.
 */
export async function runAgent(deps: AgentDeps): Promise<Ending | null> {
  let mayCompact = true;
  /** Whether the conversation, as it is, is more than the model takes. */
  let overflowed = false;
  for (;;) {
    if (deps.signal.aborted) return null;
    const { pending, lastStop, contextTokens } = deps.journal.progress();
    if (pending.length > 0) {
      await runTools(pending, deps);
      continue;
    }
    const ending = endingOf(lastStop);
    if (ending) return ending;
    deps.journal.deliverInbox();
    overflowed ||= lastStop === "model_context_window_exceeded";
    if (overflowed || (mayCompact && contextTokens > COMPACT_AT_TOKENS)) {
      // A summary that failed once is not paid for again with every turn.
      mayCompact = await compact(deps);
      if (deps.signal.aborted) return null;
      if (overflowed && !mayCompact) return TOO_LONG;
      overflowed = false;
    }
    const stopped = await reply(deps);
    if (deps.signal.aborted) return null;
    overflowed = stopped?.stopReason === "overflow";
    if (stopped && stopped.stopReason !== "overflow") return stopped;
  }
}

/** Returns what a reply's stop reason means for the run; undefined to go on. */
export function endingOf(lastStop: string | null): Ending | undefined {
  switch (lastStop) {
    case null:
    case "tool_use":
    case "pause_turn":
    case "model_context_window_exceeded":
      return undefined;
    case "max_tokens":
    case "budget_limit":
    case "refusal":
      return { stopReason: lastStop };
    default:
      return { stopReason: "end_turn" };
  }
}

/** Returns whether a prompt was refused for its length. The API tells it in words only. */
const isOverflow = ({ status, message }: ModelFailure): boolean =>
  status === 413 ||
  (status === 400 && /prompt is too long|exceeds? (the )?context (limit|window)/i.test(message));

const TOO_LONG: Ending = {
  stopReason: "error",
  error: {
    type: "upstream_error",
    message: "The conversation does not fit in the model's context window.",
  },
};

/** Asks for one reply. Returns how the run ends when there is none, or that the prompt was too long. */
async function reply(deps: AgentDeps): Promise<Ending | Overflow | undefined> {
  const call = {
    ...deps.request,
    messages: deps.journal.conversation(),
    maxTokens: deps.maxTokens,
    attempt: 1,
  };
  const made = await makeTurn({ kind: "reply", ref: "", call, live: true }, deps);
  if (!made.ok) return made.ending;
  const { turn } = made;
  const cut = turn.maxTokens < deps.maxTokens;
  deps.journal.complete(turn, replyToStore(made.outcome, cut));
  return undefined;
}

/** Returns the parts of a reply that are stored; `cut` says that it was granted fewer tokens than it was to have. */
export function replyToStore(outcome: ModelReply, cut: boolean): StoredReply {
  // A reply cut short because the money left allowed no more ends on the budget.
  const cutByBudget = outcome.stopReason === "max_tokens" && cut;
  const stopReason = cutByBudget ? "budget_limit" : outcome.stopReason;
  const content = keptContent(outcome);
  // A reply that says it wants tools and names none would be asked for again for ever.
  const asksNothing = stopReason === "tool_use" && toolCalls(content).length === 0;
  return { ...outcome, content, stopReason: asksNothing ? "end_turn" : stopReason };
}

/** Returns what of a reply enters the conversation: no unanswered call, and nothing of one that overflowed. */
function keptContent({ content, stopReason }: ModelReply): Block[] {
  if (stopReason === "model_context_window_exceeded") return [];
  const kept = (stopReason === "tool_use" ? content : withoutToolCalls(content)).filter(sendable);
  // The API takes no reply that is nothing but thoughts.
  return withoutThoughts(kept).length === 0 ? [] : kept;
}

/** Replaces the older part of the conversation by a summary of the API's; false if there was none. */
async function compact(deps: AgentDeps): Promise<boolean> {
  const messages = deps.journal.conversation();
  const cut = compactionCut(messages);
  if (cut === 0) return false;
  const { outputSchema: _, ...request } = deps.request;
  const call = {
    ...request,
    messages: messages.slice(0, cut),
    maxTokens: SUMMARY_MAX_TOKENS,
    compaction: true,
    attempt: 1,
  };
  const made = await makeTurn({ kind: "compaction", ref: "", call, live: false }, deps);
  if (!made.ok) return false;
  const summary = made.outcome.content.find((block) => block.type === "compaction");
  if (!summary?.content) {
    deps.journal.complete(made.turn, { ...made.outcome, content: [] });
    return false;
  }
  deps.journal.compact(made.turn, summary, cut, made.outcome.usage);
  return true;
}

/** Makes one bounded call of the API's web search, paid for like any other turn. */
async function search(
  callId: string,
  query: Parameters<ToolContext["search"]>[0],
  deps: AgentDeps,
): Promise<SearchOutcome> {
  const call: ModelCall = {
    model: deps.request.model,
    system:
      "Search the web once for the query and report what the results say, with their addresses.",
    messages: [{ role: "user", content: [{ type: "text", text: query.query }] }],
    tools: [
      {
        type: "web_search_20250305",
        name: "web_search",
        max_uses: 1,
        ...(query.allowedDomains?.length && { allowed_domains: query.allowedDomains }),
        ...(query.blockedDomains?.length && { blocked_domains: query.blockedDomains }),
      },
    ],
    maxTokens: SEARCH_MAX_TOKENS,
    attempt: 1,
  };
  const made = await makeTurn({ kind: "web_search", ref: callId, call, live: false }, deps);
  if (!made.ok) {
    const why = made.ending.error?.message ?? `the session's limits (${made.ending.stopReason})`;
    return { ok: false, message: `The search was not made: ${why}` };
  }
  const { content } = made.outcome;
  deps.journal.complete(made.turn, { ...made.outcome, content: [] });
  const links = content.flatMap((block) =>
    block.type === "web_search_tool_result" && Array.isArray(block.content)
      ? block.content.flatMap((found) => Link.safeParse(found).data ?? [])
      : [],
  );
  return { ok: true, text: textOf(content), links: links.slice(0, MAX_LINKS) };
}

/** The most links that are shown of a search. */
const MAX_LINKS = 50;
const Link = z.object({ title: z.string().max(1_000), url: z.string().max(4_000) });

type MadeTurn =
  | { ok: true; turn: Turn; outcome: ModelReply }
  | { ok: false; ending: Ending | Overflow };

/** The model refused the prompt: it does not fit in its window. */
interface Overflow {
  stopReason: "overflow";
  error: PublicError;
}

/** Makes one turn within its limits, trying again as long as it makes sense. */
async function makeTurn(
  wanted: { kind: TurnKind; ref: string; call: ModelCall; live: boolean },
  deps: AgentDeps,
): Promise<MadeTurn> {
  let failure: ModelFailure | undefined;
  for (;;) {
    // From before it is asked: one that settles while the answer is on its way counts, too.
    const otherSettled = deps.journal.otherSettled();
    const granted = await grant(wanted, deps);
    if (granted === "pending_calls") {
      await otherSettled;
      if (deps.signal.aborted) return { ok: false, ending: { stopReason: "interrupted" } };
      continue;
    }
    if (!granted.ok) {
      // What the failed tries hold is not spent: that ends the message, and not the session.
      const isHeld = granted.ending.stopReason === "budget_limit";
      return failure && isHeld ? { ok: false, ending: failed(failure) } : granted;
    }
    const turn = granted.turn;
    const call = { ...wanted.call, maxTokens: turn.maxTokens, attempt: turn.attempt };
    const watch = deps.watch(turn.turnId, wanted.live);
    const outcome = await deps.model.call(call, deps.signal, watch);
    if (deps.signal.aborted) return { ok: false, ending: { stopReason: "interrupted" } };
    if (outcome.ok) return { ok: true, turn, outcome };

    failure = outcome.failure;
    const delayMs = retryDelayMs(failure, turn.attempt, deps.random());
    deps.journal.fail(turn, outcome, delayMs);
    if (delayMs === null) return { ok: false, ending: failed(failure) };
    await pause(delayMs, deps.signal);
    if (deps.signal.aborted) return { ok: false, ending: { stopReason: "interrupted" } };
  }
}

/** Gets a turn granted, or says how the run ends without. */
async function grant(
  wanted: { kind: TurnKind; ref: string; call: ModelCall },
  deps: AgentDeps,
): Promise<{ ok: true; turn: Turn } | { ok: false; ending: Ending | Overflow } | "pending_calls"> {
  const { kind, ref, call } = wanted;
  const { maxTokens } = call;
  const parts = weighedParts(call);
  const granted = await reserveTurn(
    { kind, ref, maxTokens, promptBound: promptBound(parts), leastTokens: leastTokens(parts) },
    {
      begin: (wish) => deps.journal.begin(wish),
      count: () => deps.model.count(call, deps.signal),
      signal: deps.signal,
      random: deps.random,
    },
  );
  if (granted.ok) return { ok: true, turn: granted };
  if ("failure" in granted) return { ok: false, ending: failed(granted.failure) };
  if (granted.why === "pending_calls") return "pending_calls";
  const why = granted.why === "over_budget" ? "budget_limit" : granted.why;
  return { ok: false, ending: { stopReason: why } as Ending };
}

/** Returns how a call's failure ends its run. */
const failed = (failure: ModelFailure): Ending | Overflow => ({
  stopReason: isOverflow(failure) ? "overflow" : "error",
  error: publicError(failure),
});

/** Returns a failure of the model as clients see it. */
function publicError(failure: ModelFailure): PublicError {
  return {
    type: failure.status === 401 || failure.status === 403 ? "unavailable_error" : "upstream_error",
    message: `The model failed (${failure.type}): ${failure.message}`,
    ...(failure.requestId && { upstreamRequestId: failure.requestId }),
  };
}

/** Runs calls in their order, those that may run side by side so. */
async function runTools(calls: Progress["pending"], deps: AgentDeps): Promise<void> {
  for (const batch of batches(calls, deps)) {
    await Promise.all(batch.map((call) => runOne(call, deps)));
    if (deps.signal.aborted) return;
  }
}

async function runOne(call: Progress["pending"][number], deps: AgentDeps): Promise<void> {
  if (!call.interrupted) deps.journal.startTool(call);
  const result = await deps.runTool(call, {
    callId: call.callId,
    interrupted: call.interrupted,
    search: (query) => search(call.callId, query, deps),
  });
  if (!deps.signal.aborted) deps.journal.finishTool(call, result);
}

/** Neighbouring calls that may run side by side form one batch; any other call is a batch of its own. */
function batches(calls: Progress["pending"], deps: AgentDeps): Progress["pending"][] {
  const found: Progress["pending"][] = [];
  for (const call of calls) {
    const open = found.at(-1);
    const first = open?.[0];
    if (open && first && deps.sideBySide(first) && deps.sideBySide(call)) open.push(call);
    else found.push([call]);
  }
  return found;
}
