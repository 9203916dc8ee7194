import type { AgentDeps, Ending, Progress, Withdrawn } from "./agent-deps";
import { makeTurn, type RefusedPrompt } from "./make-turn";
import { compactionCut } from "./messages";
import { replyToStore } from "./model/stored-reply";
import { searchWeb } from "./search-web";
import { replaceEntries, withdrawals } from "./withdraw";

/** A conversation of more tokens is summarised: it fits into every model's window with room to continue. */
const COMPACT_AT_TOKENS = 150_000;

const SUMMARY_MAX_TOKENS = 16_384;

/**
 * Runs an agent from the state in its journal to its end. Never rejects. Returns null if the run was stopped
 * from outside: then its end is stored already.
 */
export async function runAgent(deps: AgentDeps): Promise<Ending | null> {
  let mayCompact = true;
  /** True if the conversation exceeds the model's window. */
  let overflowed = false;
  for (;;) {
    if (deps.signal.aborted) return null;
    const { pending, lastStop, contextTokens } = deps.journal.progress();
    if (pending.length > 0) {
      await runTools(deps);
      continue;
    }
    const ending = endingOf(lastStop);
    if (ending && !(ending.stopReason === "end_turn" && deps.journal.isSteered())) return ending;
    deps.journal.deliverInbox();
    overflowed ||= lastStop === "model_context_window_exceeded";
    if (overflowed || (mayCompact && contextTokens > COMPACT_AT_TOKENS)) {
      // A summary that failed is not paid for again with every turn.
      mayCompact = await compact(deps);
      if (deps.signal.aborted) return null;
    }
    const stopped: Ending | RefusedPrompt | undefined =
      overflowed && !mayCompact ? TOO_LONG : await reply(deps);
    if (deps.signal.aborted) return null;
    // It had ended by itself, and there was no call: its limits leave too little for what was to join it.
    if (ending && deps.journal.progress().lastStop === lastStop) return ending;
    overflowed = stopped?.stopReason === "overflow";
    if (!stopped || overflowed) continue;
    const refused = stopped.stopReason === "refused" && stopped.error;
    const end = refused ? await replyWithoutRefused(refused, deps) : (stopped as Ending);
    if (deps.signal.aborted) return null;
    if (end) return end;
  }
}

/** Returns the end of a run whose newest reply has this stop reason; undefined if the run continues. */
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

const TOO_LONG: RefusedPrompt = {
  stopReason: "refused",
  error: {
    type: "upstream_error",
    message: "The conversation does not fit in the model's context window.",
  },
};

/** Makes one reply. Returns the end of the run if there is none, or that the prompt was refused. */
async function reply(
  deps: AgentDeps,
  withdrawn?: Withdrawn,
): Promise<Ending | RefusedPrompt | undefined> {
  const messages = deps.journal.conversation();
  const call = {
    ...deps.request,
    messages: withdrawn
      ? replaceEntries(messages, withdrawn.replacements)
      : [...messages, ...deps.journal.joining()],
    maxTokens: deps.maxTokens,
    attempt: 1,
  };
  const made = await makeTurn({ kind: "reply", ref: "", call, live: true }, deps);
  if (!made.ok) return made.ending;
  const { turn } = made;
  const cut = turn.maxTokens < deps.maxTokens;
  deps.journal.complete(turn, replyToStore(made.outcome, cut), withdrawn);
  return undefined;
}

/**
 * Makes a reply to a conversation that was refused, without the content that the API never accepted. Returns the end of
 * the run if none of it helps.
 */
async function replyWithoutRefused(
  error: RefusedPrompt["error"],
  deps: AgentDeps,
): Promise<Ending | undefined> {
  const reason = error.message;
  for (const replacements of withdrawals(deps.journal.conversation(), reason)) {
    const stopped = await reply(deps, { replacements, reason });
    if (deps.signal.aborted || !stopped) return undefined;
    const { stopReason } = stopped;
    if (stopReason !== "refused" && stopReason !== "overflow") return stopped as Ending;
  }
  return { stopReason: "error", error };
}

/** Replaces the older part of the conversation by a summary of the API's. Returns false if there was none. */
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

/**
 * Runs the calls of a turn until each has its result, or the run is stopped. A call with effects is made alone: after all
 * before it, and before all after it. Others run in parallel. A call that waits for approval holds up no other one.
 */
async function runTools(deps: AgentDeps): Promise<void> {
  const underWay = new Map<string, { call: PendingCall; done: Promise<void> }>();
  while (!deps.signal.aborted) {
    // Obtained before the look, so that a decision that comes meanwhile counts.
    const decided = deps.journal.decided();
    const { pending } = deps.journal.progress();
    const isUnderWay = ({ callId }: PendingCall) => underWay.has(callId);
    const waiting = pending.filter((call) => !isUnderWay(call));
    if (waiting.length === 0 && underWay.size === 0) return;
    const admitted = waiting.length === 0 ? waiting : deps.journal.admit(waiting);
    const order = pending.flatMap(
      (call) =>
        admitted.find(({ callId }) => callId === call.callId) ??
        underWay.get(call.callId)?.call ??
        [],
    );
    for (const call of order) {
      if (isUnderWay(call) || !mayStart(call, order, isUnderWay, deps)) continue;
      const done = runOne(call, deps).finally(() => underWay.delete(call.callId));
      underWay.set(call.callId, { call, done });
    }
    const ends = [...underWay.values()].map(({ done }) => done);
    if (ends.length > 0 || deps.journal.progress().pending.length > 0) {
      await Promise.race([...ends, decided]);
    }
  }
  await Promise.all([...underWay.values()].map(({ done }) => done));
}

type PendingCall = Progress["pending"][number];

/** Returns whether a call may start now. `order` has the calls that are under way or may be made, in their order. */
function mayStart(
  call: PendingCall,
  order: readonly PendingCall[],
  isUnderWay: (call: PendingCall) => boolean,
  deps: AgentDeps,
): boolean {
  const before = order.slice(0, order.indexOf(call));
  if (deps.sideBySide(call)) return before.every(deps.sideBySide);
  const isOtherAtWork = order.some((one) => isUnderWay(one) && !deps.sideBySide(one));
  return before.length === 0 && !isOtherAtWork;
}

async function runOne(call: PendingCall, deps: AgentDeps): Promise<void> {
  if (!call.interrupted) deps.journal.startTool(call);
  const result = await deps.runTool(call, {
    callId: call.callId,
    interrupted: call.interrupted,
    search: (query) => searchWeb(call.callId, query, deps),
  });
  if (!deps.signal.aborted) deps.journal.finishTool(call, result);
}
