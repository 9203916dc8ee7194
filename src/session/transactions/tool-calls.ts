import type { ToolCall } from "../../agent/messages";
import { fits } from "../../agent/model/reply-bounds";
import type { ClientTool, ToolResult } from "../../agent/tool";
import type { Resolution, StoredApproval } from "../storage/approvals";
import type { SessionStore } from "../storage/store";
import { change, type RunChange, scopeOf } from "./state";

// Tool calls. Each is started at most once and gets exactly one result. Call these functions within a transaction.

/** Maximum size of a result in bytes. A row is limited to 2 MB and also contains the call's input and other columns. */
const MAX_RESULT_BYTES = 1_800_000;

/** Returns a client tool of the session; undefined if it has none with the name. */
export const clientToolOf = ({ identity }: SessionStore, name: string): ClientTool | undefined =>
  identity.config.clientTools?.find((tool) => tool.name === name);

/** Journals that a tool call is about to run. Does nothing if the call is not pending. */
export function startTool({ store, run, now }: RunChange, call: ToolCall): void {
  const tool = store.tools.open(run.id, call.id);
  if (tool?.state !== "pending") return;
  store.tools.start(run.id, call.id, now);
  noteRequests(store, call.name, now);
  const { turnId } = tool;
  store.log.append(
    { type: "tool.started", turnId, toolUseId: call.id, name: call.name, input: call.input },
    scopeOf(run),
    now,
  );
}

/** Journals the result of a tool call. Does nothing if the call has a result already. */
export function finishTool(at: RunChange, call: ToolCall, given: ToolResult): void {
  const { store, run, now } = at;
  const tool = store.tools.open(run.id, call.id);
  if (!tool) return;
  if (store.state.approvals) cancelApproval(store, tool.callId, now);
  if (tool.state === "pending") startTool(at, call);
  const result = bounded(given);
  store.tools.finish(run.id, call.id, result);
  noteRequests(store, call.name, now);
  store.runs.resetRestarts(run.messageId);
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

/** Sends the index how many calls of client tools wait, if a call of the tool may have changed that. */
function noteRequests(store: SessionStore, name: string, now: number): void {
  if (clientToolOf(store, name)) change(store, {}, now);
}

/** Records how the wait for an approval has ended. */
export function settleApproval(
  store: SessionStore,
  { id, toolUseId, name, messageId, agent }: StoredApproval,
  resolution: Resolution,
  now: number,
): void {
  store.approvals.resolve(id, resolution, now);
  notePending(store, now);
  const { status, resolvedBy, note, changedInput } = resolution;
  const decided = { status, resolvedBy, note, ...(changedInput !== undefined && { changedInput }) };
  store.log.append(
    { type: "approval.resolved", approvalId: id, toolUseId, name, ...decided },
    scopeOf({ messageId, agent }),
    now,
  );
}

/** Updates what the session's state says about pending approvals. */
export const notePending = (store: SessionStore, now: number): void =>
  change(store, { approvals: store.approvals.pending() ?? undefined }, now);

/** Cancels the pending approval of a call that gets a result without a decision. Does nothing if there is none. */
function cancelApproval(store: SessionStore, callId: string, now: number): void {
  const approval = store.approvals.ofCall(callId);
  if (approval?.status === "pending") settleApproval(store, approval, CANCELLED, now);
}

/** Cancels the pending approvals of a message that ends. */
export function cancelApprovals(store: SessionStore, messageId: string, now: number): void {
  if (!store.state.approvals) return;
  for (const approval of store.approvals.pendingOf(messageId)) {
    settleApproval(store, approval, CANCELLED, now);
  }
}

const CANCELLED = { status: "cancelled", resolvedBy: null, note: null, remember: false } as const;

function bounded(result: ToolResult): ToolResult {
  if (fits(result, MAX_RESULT_BYTES)) return result;
  return { content: "The result is too large to be kept. Ask for a part of it.", isError: true };
}

/** Returns the text of a result. Other content is named. */
export function shownContent({ content }: ToolResult): string {
  if (typeof content === "string") return content;
  return content
    .map((block) => (block.type === "text" ? block.text : `[${block.type}]`))
    .join("\n");
}

/** Adds a tool to the tools used by the session and by the message. */
function noteToolUse({ store, run, now }: RunChange, name: string): void {
  const { toolsUsed } = store.state;
  if (!toolsUsed.includes(name)) change(store, { toolsUsed: [...toolsUsed, name] }, now);
  const message = store.messages.get(run.messageId);
  if (!message || message.toolsUsed.includes(name)) return;
  store.messages.saveTotals(message.id, { ...message, toolsUsed: [...message.toolsUsed, name] });
}
