import type { ApprovalRow, Decision } from "../session/rpc";
import { ALICE, sessionOf, value } from "./sessions";

/** Who decides in tests: the owner of the sessions. */
export const ANNA = {
  ...{ owner: "alice", via: "key", keyId: "key_1", address: null, requestId: "req_1" },
};

export const ALLOW: Decision = { decision: "allow", note: null, remember: false };
export const DENY: Decision = { decision: "deny", note: null, remember: false };

/** Returns the approvals of a session: all, or those with a status. */
export async function approvalsOf(
  id: string,
  status: ApprovalRow["status"] | null = null,
): Promise<ApprovalRow[]> {
  const page = { after: 0, limit: 100, status };
  return value(await sessionOf(id).approvals(ALICE, page)).approvals;
}

/** Decides about a call. */
export const decide = (id: string, approvalId: string, decision: Decision = ALLOW, by = ANNA) =>
  sessionOf(id).resolveApproval(ALICE, approvalId, decision, by);
