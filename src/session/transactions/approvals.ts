import { inputProblem as inputProblemOf } from "../../agent/client-tools";
import type { ToolResult } from "../../agent/tool";
import { findTool } from "../../agent/tools";
import { refused } from "../../agent/tools/result";
import { randomHex } from "../../shared/bytes";
import { canonicalJson } from "../../shared/canonical-json";
import { ok, type Result, refuse } from "../../shared/result";
import type { ApprovalPage, ApprovalRow, ApprovalStatus, Decider, Decision } from "../rpc";
import type { StoredApproval } from "../storage/approvals";
import type { SessionStore } from "../storage/store";
import type { StoredTool } from "../storage/tools";
import { permissionOf } from "./agents";
import { continueWaiting } from "./messages";
import { terminateSession } from "./session";
import { type RunChange, scopeOf } from "./state";
import { clientToolOf, finishTool, notePending, settleApproval } from "./tool-calls";
import { requestCall } from "./tool-requests";
import type { Drafts } from "./turns";

// Calls of tools that somebody has to approve. Each is asked about once. Call functions that change something within a
// transaction.

/** A call without a result that a run is about to make. */
type OpenCall = Pick<StoredTool, "id" | "callId" | "name" | "input" | "turnId"> & {
  interrupted: boolean;
};

/**
 * Returns the calls of a run that may be made now, with the inputs that were decided. Asks for approval of those that have
 * to be approved and about which nothing is known; a call that is refused by an earlier decision gets its result. Calls of
 * client tools that may be made are requested from the caller.
 */
export function admitCalls(at: RunChange, calls: readonly OpenCall[]): OpenCall[] {
  return calls.flatMap((call) => {
    if (!clientToolOf(at.store, call.name)) return approvedCall(at, call);
    // One that was started was requested.
    const approved = call.interrupted ? [] : approvedCall(at, call);
    for (const one of approved) {
      const permission = permissionOf(at.store, at.run.agent, one);
      if (permission.allowed) requestCall(at, one);
      else finishTool(at, one, refused(permission.reason));
    }
    return [];
  });
}

/** Returns a call, with the input that was decided, if nobody has to approve it any more; otherwise nothing. */
function approvedCall(at: RunChange, call: OpenCall): OpenCall[] {
  const approval = at.store.approvals.ofCall(call.callId);
  if (approval?.status === "allowed") return [{ ...call, input: inputOf(approval) }];
  if (approval) return [];
  const permission = permissionOf(at.store, at.run.agent, call);
  if (call.interrupted || !permission.allowed || !permission.asks) return [call];
  const earlier = rememberedDecision(at.store, call);
  if (earlier?.status === "allowed") return [call];
  if (earlier) finishTool(at, call, deniedResult(earlier.note));
  else requestApproval(at, call);
  return [];
}

/** Asks for the approval of a call. Returns it. */
export function requestApproval(
  at: RunChange,
  { id: toolUseId, callId, name, input, turnId }: OpenCall,
): StoredApproval {
  const { store, run, now } = at;
  const { approvalTimeoutMs } = store.identity.config;
  const expiresAt = approvalTimeoutMs === undefined ? null : now + approvalTimeoutMs;
  const { id: runId, messageId, agent } = run;
  const id = `appr_${randomHex()}`;
  const call = { toolUseId, callId, name, turnId, runId, messageId, agent };
  store.approvals.add({ ...call, id, requestedAt: now, expiresAt });
  notePending(store, now);
  store.log.append(
    {
      ...{ type: "approval.requested", approvalId: id, toolUseId, name, input },
      expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    },
    scopeOf(run),
    now,
  );
  return requireApproval(store, id);
}

/** Returns the decision that was made about the same call before and is to be made again; undefined if there is none. */
export function rememberedDecision(
  store: SessionStore,
  { name, input }: Pick<OpenCall, "name" | "input">,
): StoredApproval | undefined {
  const wanted = sameness(name, input);
  const earlier = store.approvals.remembered(name);
  return earlier.find((one) => sameness(name, inputOf(one)) === wanted);
}

/**
 * Decides about a call. The same decision again changes nothing; another one is refused. A message that has waited for it
 * goes on.
 */
export function resolveApproval(
  store: SessionStore,
  approvalId: string,
  { decision, note, input, remember }: Decision,
  by: Decider,
  now: number,
): Result<ApprovalRow> {
  const approval = store.approvals.get(approvalId);
  if (!approval) return refuse("not_found", "There is no such approval.");
  const status = decision === "allow" ? "allowed" : "denied";
  if (approval.status === status) return ok(approvalRow(store, approval));
  if (approval.status !== "pending") {
    const message = `The approval is ${approval.status} already.`;
    return refuse("already_resolved", message, { status: approval.status });
  }
  const problem = input === undefined ? undefined : inputProblem(store, approval, input);
  if (problem) return refuse("invalid_request", problem, { path: "input" });
  settle(store, approval, { status, resolvedBy: by, note, changedInput: input, remember }, now);
  return ok(approvalRow(store, requireApproval(store, approvalId)));
}

/** Ends the wait for the approvals that have expired: their calls are denied, or the session is terminated. */
export function expireApprovals(store: SessionStore, drafts: Drafts, now: number): void {
  const isTerminating = store.identity.config.onApprovalTimeout === "terminate";
  for (const approval of store.approvals.expired(now)) {
    settle(store, approval, { ...NOBODY, status: "expired" }, now);
    if (!isTerminating) continue;
    terminateSession(store, "terminated", "approval_timeout", drafts, now);
    return;
  }
}

const NOBODY = { resolvedBy: null, note: null, remember: false } as const;

function settle(
  store: SessionStore,
  approval: StoredApproval,
  resolution: Parameters<typeof settleApproval>[2],
  now: number,
): void {
  const { runId, toolUseId, messageId } = approval;
  settleApproval(store, approval, resolution, now);
  const run = store.runs.get(runId);
  const tool = store.tools.open(runId, toolUseId);
  if (run && tool && resolution.status !== "allowed") {
    finishTool({ store, run, now }, tool, refusedResult({ ...approval, ...resolution }));
  } else if (run && tool && clientToolOf(store, tool.name)) {
    // Nothing has to run for that.
    const input = resolution.changedInput ?? approval.input;
    requestCall({ store, run, now }, { ...tool, input });
  }
  continueWaiting(store, messageId, now);
}

/** Returns approvals with the fields that clients see. */
export function approvalPage(
  store: SessionStore,
  { after, limit, status }: { after: number; limit: number; status: ApprovalStatus | null },
): ApprovalPage {
  const rows = store.approvals.rowsAfter(after, limit + 1, status);
  const shown = rows.slice(0, limit).map((row) => approvalRow(store, row));
  const next = rows.length > shown.length ? (shown.at(-1)?.position ?? null) : null;
  return { approvals: shown, next };
}

function approvalRow(
  { identity }: SessionStore,
  { runId: _, callId: __, requestId: ___, ...row }: StoredApproval,
): ApprovalRow {
  return { ...row, sessionId: identity.id };
}

/** Returns a call's result with what the model has to know of the decision about it: a note, and a changed input. */
export function withDecision(
  { approvals }: SessionStore,
  callId: string,
  { content, ...result }: ToolResult,
): ToolResult {
  const approval = approvals.ofCall(callId);
  const text = approval && wordsOfDecision(approval);
  if (!text) return { content, ...result };
  return { content: withText(text, content), ...result };
}

/** Returns the content of a result with a text before it. */
export const withText = <B>(text: string, content: string | readonly B[]) =>
  typeof content === "string"
    ? `${text}\n${content}`
    : [{ type: "text" as const, text }, ...content];

/** Returns what the model has to know of the decision about an allowed call; empty if there is nothing. */
export const wordsOfDecision = ({
  changedInput,
  note,
}: Pick<StoredApproval, "changedInput" | "note">): string =>
  [
    changedInput === null
      ? ""
      : `[The call was made with another input than yours: ${JSON.stringify(changedInput)}]`,
    note === null ? "" : `[Note of who allowed the call: ${note}]`,
  ]
    .filter(Boolean)
    .join("\n");

/** Returns the result of a call that was not allowed. */
export function deniedResult(note: string | null): ToolResult {
  return refused(
    `The call was not allowed, and was not made.${note ? ` The reason: ${note}` : ""}`,
  );
}

const EXPIRED = refused("The call was not made: nobody has decided about it in time.");

/** The result of a call that was not made because its approval was not given. */
export const refusedResult = ({ status, note }: StoredApproval): ToolResult =>
  status === "expired" ? EXPIRED : deniedResult(note);

/** The input that a call is made with. */
export const inputOf = ({ input, changedInput }: StoredApproval): unknown => changedInput ?? input;

/** Returns why a call can't be made with another input: the tool does not take it, or the rules do not allow it. */
function inputProblem(
  store: SessionStore,
  { name, agent }: Pick<StoredApproval, "name" | "agent">,
  input: unknown,
): string | undefined {
  const clientTool = clientToolOf(store, name);
  const misfit = clientTool && inputProblemOf(clientTool, input);
  if (misfit !== undefined) return misfit;
  const parsed = findTool(name)?.input.safeParse(input);
  if (!parsed || parsed.success) {
    const permission = permissionOf(store, agent, { name, input });
    return permission.allowed ? undefined : permission.reason;
  }
  const [issue] = parsed.error.issues;
  return [issue?.path.join("."), issue?.message].filter(Boolean).join(": ");
}

/**
 * Returns a text that is equal for inputs that mean the same call of a tool. What a call is said to be for does not count.
 * For a client tool, everything does.
 */
export function sameness(name: string, input: unknown): string {
  const isSaid = typeof input === "object" && input !== null && findTool(name) !== undefined;
  return canonicalJson(isSaid ? { ...input, description: undefined } : input);
}

function requireApproval(store: SessionStore, id: string): StoredApproval {
  const approval = store.approvals.get(id);
  if (!approval) throw new Error(`there is no approval ${id}`);
  return approval;
}
