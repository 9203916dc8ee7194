import { decisionLine } from "../../agent/claude-code/protocol";
import type { Permission } from "../../agent/permissions/permissions";
import { refused } from "../../agent/tools/result";
import type { StoredApproval } from "../storage/approvals";
import type { SessionStore } from "../storage/store";
import type { StoredTool } from "../storage/tools";
import { permissionOf } from "./agents";
import {
  deniedResult,
  inputOf,
  refusedResult,
  rememberedDecision,
  requestApproval,
  sameness,
  withText,
  wordsOfDecision,
} from "./approvals";
import type { MessageChange } from "./claude-code";
import { isOfServer, receiveClientCall } from "./claude-code-client-tools";
import type { RunChange } from "./state";
import { clientToolOf, finishTool, startTool } from "./tool-calls";
import { requestCall } from "./tool-requests";

// Approvals of calls that Claude Code makes. The session asks for them as soon as it has the reply with the calls. The
// process asks for each call when it is about to make it, and is answered from the journal: also if it, or the one before
// it, was lost meanwhile. Call functions that change something within a transaction.

/**
 * Journals a call that the process has received: starts it, requests it from the caller, or asks for its approval. If a
 * process that is gone made the same call, its approval is this call's.
 */
export function receiveCall(at: RunChange, tool: StoredTool): void {
  const { store, run } = at;
  const permission = permissionOf(store, run.agent, tool);
  const begin = clientToolOf(store, tool.name) ? receiveClientCall : startTool;
  if (isOfServer(store, tool.name) && !permission.allowed) {
    // The process would make it: it is not the one that refuses these.
    finishTool(at, tool, refused(permission.reason));
    return;
  }
  if (!permission.allowed || !permission.asks) {
    begin(at, tool);
    return;
  }
  const linked = linkEarlier(at, tool);
  const known = linked ?? rememberedDecision(store, tool);
  if (!known) requestApproval(at, { ...tool, interrupted: false });
  else if (known.status === "denied" || known.status === "expired") {
    finishTool(at, tool, refusedResult(known));
  } else if (!linked) begin(at, tool);
}

function linkEarlier({ store, run }: RunChange, tool: StoredTool): StoredApproval | undefined {
  const { callId, turnId, id: toolUseId, name, input } = tool;
  const wanted = sameness(name, input);
  const earlier = store.approvals
    .unlinkedOf(run.messageId)
    .find((one) => one.name === name && sameness(name, one.input) === wanted);
  if (!earlier) return undefined;
  const { id: runId, agent } = run;
  store.approvals.link(earlier.id, { callId, turnId, toolUseId, runId, agent });
  return earlier;
}

/**
 * Takes the process's request to decide about a call. Returns the line that answers it; null if the decision is pending,
 * or is to be taken from `takeAnswer`.
 */
export function takeRequest(
  { store, messageId }: MessageChange,
  { requestId, toolUseId }: { requestId: string; toolUseId: string },
): string | null {
  const approval = store.approvals.ofToolUse(messageId, toolUseId);
  if (approval) {
    store.approvals.saveRequest(approval.id, requestId);
    return null;
  }
  const tool = store.tools.openInMessage(messageId, toolUseId);
  // A call that has its result already was denied by an earlier decision.
  if (!tool) return decisionLine(requestId, { reason: String(deniedResult(null).content) });
  const agent = store.runs.get(tool.runId)?.agent ?? "main";
  const permission = permissionOf(store, agent, tool);
  const decision = permission.allowed ? { input: tool.input } : { reason: permission.reason };
  return decisionLine(requestId, decision);
}

/**
 * Returns a call of a message that the process may make now, with what the rules say about it: one that has started, with
 * this tool and the input that was decided, whose id is not in `made`. Undefined if there is none.
 */
export function startedCall(
  store: SessionStore,
  { messageId, name, input }: { messageId: string; name: string; input: unknown },
  made: ReadonlySet<string>,
): { callId: string; permission: Permission } | undefined {
  const wanted = sameness(name, input);
  for (const run of store.runs.openOf(messageId)) {
    for (const tool of store.tools.openOf(run.id)) {
      if (tool.name !== name || tool.state !== "started" || made.has(tool.callId)) continue;
      const approval = store.approvals.ofCall(tool.callId);
      const decided = approval ? inputOf(approval) : tool.input;
      if (sameness(name, decided) !== wanted) continue;
      const permission = permissionOf(store, run.agent, { name, input: decided });
      return { callId: tool.callId, permission };
    }
  }
  return undefined;
}

/** Returns the line with the oldest decision that the process waits for, and records it as told; null if there is none. */
export function takeAnswer({
  store,
  messageId,
  now,
}: Pick<MessageChange, "store" | "messageId" | "now">): string | null {
  const [approval] = store.approvals.unanswered(messageId);
  if (!approval?.requestId) return null;
  store.approvals.saveAnswered(approval.id);
  const run = store.runs.get(approval.runId);
  const tool = store.tools.open(approval.runId, approval.toolUseId);
  if (approval.status !== "allowed") {
    const { content } = refusedResult(approval);
    return decisionLine(approval.requestId, { reason: String(content) });
  }
  const input = inputOf(approval);
  const at = run && { store, run, now };
  if (at && tool?.state === "pending" && clientToolOf(store, tool.name)) {
    requestCall(at, { ...tool, input });
  } else if (at && tool) startTool(at, { ...tool, input });
  return decisionLine(approval.requestId, { input });
}

/** Returns what a new process has to know of the calls that the one before it could not make; empty if there are none. */
export function unmadeCalls({ approvals }: SessionStore, messageId: string): string {
  const lines = approvals.unlinkedOf(messageId).map((approval) => {
    const call = `${approval.name} ${JSON.stringify(approval.input)}`;
    if (approval.status === "pending")
      return `Nobody has decided yet about your call ${call}. Make it again.`;
    if (approval.status !== "allowed")
      return `Your call ${call}: ${String(refusedResult(approval).content)}`;
    return `Your call ${call} is allowed now, and was not made yet. Make it again, with the same input.`;
  });
  return lines.join("\n");
}

/** A message of a model call, as far as it is read here. */
interface SentMessage {
  content?: unknown;
}

/** Returns a model call's messages with what the model has to know of decisions in the results of their calls. */
export function withDecisions<M extends SentMessage>(
  messages: readonly M[],
  { approvals, identity }: SessionStore,
): readonly M[] {
  const asks = [identity.config, ...Object.values(identity.config.customAgents ?? {})];
  if (!asks.some(({ askTools }) => askTools)) return messages;
  const words = new Map(approvals.noted().map((one) => [one.toolUseId, wordsOfDecision(one)]));
  if (words.size === 0) return messages;
  return messages.map((message) =>
    Array.isArray(message.content)
      ? { ...message, content: message.content.map((block) => withWords(block, words)) }
      : message,
  );
}

function withWords(block: unknown, words: Map<string, string>): unknown {
  if (typeof block !== "object" || block === null || !("tool_use_id" in block)) return block;
  const text = words.get(String(block.tool_use_id));
  if (text === undefined || !("content" in block)) return block;
  const { content } = block;
  const isContent = typeof content === "string" || Array.isArray(content);
  return isContent ? { ...block, content: withText(text, content) } : block;
}
