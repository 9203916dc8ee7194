import type { ToolResult } from "../../agent/tool";
import { wellFormed } from "../../agent/tools";
import { failed } from "../../agent/tools/result";
import { ok, type Refusal, type Result, refuse } from "../../shared/result";
import type { GivenResult, TakenResults, ToolRequestRow } from "../rpc";
import { isEnded } from "../rules/lifecycle";
import type { SessionStore } from "../storage/store";
import type { StoredTool } from "../storage/tools";
import { inputOf, withDecision } from "./approvals";
import { continueWaiting, refuseEnded } from "./messages";
import { clientToolOf, finishTool } from "./tool-calls";
import { expiryOf, isRequested, requestedCalls } from "./tool-requests";

// Results of calls that were requested from the caller. Each call takes one. Call functions that change something within a
// transaction.

/** Returns the calls that wait for results of the caller, oldest first. */
export function toolRequests(store: SessionStore): ToolRequestRow[] {
  return requestedCalls(store).flatMap((tool) => {
    const run = store.runs.get(tool.runId);
    const approval = store.approvals.ofCall(tool.callId);
    return {
      ...{ toolUseId: tool.id, sessionId: store.identity.id, messageId: run?.messageId ?? "" },
      ...{ agent: run?.agent ?? "main", name: tool.name },
      input: approval ? inputOf(approval) : tool.input,
      ...{ requestedAt: tool.startedAt ?? 0, expiresAt: expiryOf(store, tool) },
    };
  });
}

/**
 * Takes results of the caller, all or none. The result that a call has already changes nothing; another one is refused. A
 * message that has waited goes on once nothing of it waits any more.
 */
export function takeResults(
  store: SessionStore,
  given: readonly GivenResult[],
  now: number,
): Result<TakenResults> {
  const answers: Answer[] = [];
  for (const [n, one] of given.entries()) {
    const answer = answerOf(store, one, n);
    if ("ok" in answer) return answer;
    answers.push(answer);
  }
  for (const { tool, result } of answers) settle(store, tool, result, now);
  return ok({
    taken: given.map(({ toolUseId }) => toolUseId),
    awaited: requestedCalls(store).map(({ id }) => id),
  });
}

/** Ends the wait for the results that have not come in time. */
export function expireRequests(store: SessionStore, now: number): void {
  const expired = requestedCalls(store).filter((tool) => {
    const at = expiryOf(store, tool);
    return at !== null && at <= now;
  });
  for (const tool of expired) settle(store, tool, EXPIRED, now);
}

const EXPIRED: ToolResult = failed("Nobody has answered the call in time.");

/** A result for a call, as it is stored. */
interface Answer {
  tool: StoredTool;
  result: ToolResult;
}

/** Returns the call that a result is for; or why it is refused. */
function answerOf(
  store: SessionStore,
  { toolUseId, content, isError }: GivenResult,
  n: number,
): Answer | Refusal {
  const tool = store.tools.newest(toolUseId);
  if (!tool || tool.state === "pending" || !clientToolOf(store, tool.name)) {
    const path = `results.${n}.toolUseId`;
    return refuse("invalid_request", "is no call that was requested from the caller", { path });
  }
  const result = storedForm(store, tool, {
    content: wellFormed(content),
    ...(isError && { isError }),
  });
  if (isRequested(store, tool)) return { tool, result };
  const isSame = JSON.stringify(tool.result) === JSON.stringify(result);
  return isSame ? { tool, result } : refuseLate(store, tool);
}

function refuseLate(store: SessionStore, { id, result, runId }: StoredTool): Refusal {
  const messageId = store.runs.get(runId)?.messageId;
  const message = messageId === undefined ? undefined : store.messages.get(messageId);
  if (message?.endedAt != null && isEnded(store.state.lifecycle)) return refuseEnded(store);
  const why =
    result?.content === EXPIRED.content
      ? "its time was over"
      : message?.endedAt != null
        ? "its message has ended"
        : "it has another result already";
  const text = `The call ${id} waits for no result: ${why}.`;
  return refuse("already_resolved", text, { toolUseId: id });
}

/** The model reads what was decided about a call. The results of Claude Code get it with its model calls. */
const storedForm = (store: SessionStore, { callId }: StoredTool, result: ToolResult): ToolResult =>
  store.identity.config.runtime === "claude-code" ? result : withDecision(store, callId, result);

function settle(store: SessionStore, tool: StoredTool, result: ToolResult, now: number): void {
  const run = store.runs.get(tool.runId);
  if (!run || tool.state === "done") return;
  finishTool({ store, run, now }, tool, result);
  continueWaiting(store, run.messageId, now);
}
