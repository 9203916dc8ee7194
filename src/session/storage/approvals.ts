import { all, json, number, one, page, parse, type Row, type Sql, text } from "../../shared/sql";
import type { ApprovalRow, ApprovalStatus, Decider } from "../rpc";
import { agentOf, columnOf } from "./agents";

/** An approval, with what clients do not see. */
export interface StoredApproval extends Omit<ApprovalRow, "sessionId"> {
  /** The run of the call. */
  runId: string;
  /** The call's id within the session; null while the Claude Code process that made it is gone. */
  callId: string | null;
  /** The id of the process's request; null if the process does not wait for the decision. */
  requestId: string | null;
}

/** The call that an approval is about. */
type LinkedCall = Pick<StoredApproval, "runId" | "toolUseId" | "messageId" | "agent"> & {
  callId: string;
  turnId: string;
};

/** What ends the wait for an approval. */
export interface Resolution {
  status: Exclude<ApprovalStatus, "pending">;
  resolvedBy: Decider | null;
  note: string | null;
  /** The input that replaces that of the call; undefined if it stays. */
  changedInput?: unknown;
  remember: boolean;
}

/** The pending approvals: how many there are, and when the first expires, in ms since 1970; null for never. */
export interface PendingApprovals {
  count: number;
  expireAt: number | null;
}

/** The table exists once the session has asked for an approval. The inputs of the calls are in the table of tool calls. */
const TABLE = `CREATE TABLE IF NOT EXISTS approvals (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  call_id TEXT UNIQUE,
  run_id TEXT NOT NULL,
  turn_id TEXT NOT NULL,
  tool_use_id TEXT NOT NULL,
  message_id TEXT NOT NULL,
  agent TEXT NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  requested_at INTEGER NOT NULL,
  expires_at INTEGER,
  resolved_at INTEGER,
  resolved_by TEXT,
  note TEXT,
  changed_input TEXT,
  remember INTEGER NOT NULL DEFAULT 0,
  -- For Claude Code: the id of the process's request, and whether the process was told the decision.
  request_id TEXT,
  answered INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS pending_approvals ON approvals (n) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS remembered_approvals ON approvals (name) WHERE remember = 1`;

const SELECT = `SELECT *, (
    SELECT input FROM tools WHERE tools.turn_id = approvals.turn_id AND tools.id = approvals.tool_use_id
  ) AS input FROM approvals`;

/** The approvals that the session has asked for, in the order of the requests. */
export class ApprovalTable {
  readonly #sql: Sql;
  #exists: boolean | undefined;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  add(
    approval: LinkedCall & Pick<StoredApproval, "id" | "name" | "requestedAt" | "expiresAt">,
  ): void {
    this.#sql.exec(TABLE);
    this.#exists = true;
    this.#sql.exec(
      `INSERT INTO approvals (id, call_id, run_id, turn_id, tool_use_id, message_id, agent, name, status,
         requested_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?)`,
      approval.id,
      approval.callId,
      approval.runId,
      approval.turnId,
      approval.toolUseId,
      approval.messageId,
      columnOf(approval.agent),
      approval.name,
      approval.requestedAt,
      approval.expiresAt,
    );
  }

  get(id: string): StoredApproval | undefined {
    return this.#all("WHERE id = ?", id)[0];
  }

  /** Returns the approval that was asked for a call; undefined if none was. */
  ofCall(callId: string): StoredApproval | undefined {
    return this.#all("WHERE call_id = ?", callId)[0];
  }

  /** Returns the approval that was asked for a call of a message, by the id that the model gave the call. */
  ofToolUse(messageId: string, toolUseId: string): StoredApproval | undefined {
    const isOf = "message_id = ? AND tool_use_id = ? AND call_id IS NOT NULL";
    return this.#all(`WHERE ${isOf} ORDER BY n DESC`, messageId, toolUseId)[0];
  }

  /** Returns up to `limit` approvals after a position, all or those with a status. Returns fewer if they are large. */
  rowsAfter(after: number, limit: number, status: ApprovalStatus | null): StoredApproval[] {
    if (!this.#hasTable()) return [];
    const which = status === null ? "? IS NULL" : "status = ?";
    const query = `${SELECT} WHERE ${which} AND n > ? ORDER BY n LIMIT ?`;
    return page(this.#sql, query, status, after, limit).map(decode);
  }

  /** Returns the pending approvals of a message. */
  pendingOf(messageId: string): StoredApproval[] {
    return this.#all("WHERE status = 'pending' AND message_id = ? ORDER BY n", messageId);
  }

  /** Returns the pending approvals that have expired. */
  expired(now: number): StoredApproval[] {
    return this.#all("WHERE status = 'pending' AND expires_at <= ? ORDER BY n", now);
  }

  /** Returns the decisions about calls of a tool that are to be taken again, newest first. */
  remembered(name: string): StoredApproval[] {
    return this.#all("WHERE remember = 1 AND name = ? ORDER BY n DESC", name);
  }

  /** Returns the approvals of a message whose decision the process waits for and was not told. */
  unanswered(messageId: string): StoredApproval[] {
    const isWaitedFor = "request_id IS NOT NULL AND answered = 0 AND status <> 'pending'";
    return this.#all(`WHERE message_id = ? AND ${isWaitedFor} ORDER BY n`, messageId);
  }

  /** Returns the approvals of a message that lost the process that made their calls, oldest first. */
  unlinkedOf(messageId: string): StoredApproval[] {
    const isUnlinked = "call_id IS NULL AND answered = 0 AND status <> 'cancelled'";
    return this.#all(`WHERE message_id = ? AND ${isUnlinked} ORDER BY n`, messageId);
  }

  /** Records that the process of a message is gone: its calls are made again by another one. */
  unlink(messageId: string): void {
    if (!this.#hasTable()) return;
    const query = `UPDATE approvals SET call_id = NULL, request_id = NULL
      WHERE message_id = ? AND answered = 0 AND status <> 'cancelled'`;
    this.#sql.exec(query, messageId);
  }

  /** Makes an approval that of another call, which is the same. */
  link(
    id: string,
    { callId, runId, turnId, toolUseId, agent }: Omit<LinkedCall, "messageId">,
  ): void {
    this.#sql.exec(
      `UPDATE approvals SET call_id = ?, run_id = ?, turn_id = ?, tool_use_id = ?, agent = ? WHERE id = ?`,
      callId,
      runId,
      turnId,
      toolUseId,
      columnOf(agent),
      id,
    );
  }

  /** Records that the process waits for a decision. */
  saveRequest(id: string, requestId: string): void {
    this.#sql.exec("UPDATE approvals SET request_id = ? WHERE id = ?", requestId, id);
  }

  /** Records that the process is told a decision. */
  saveAnswered(id: string): void {
    this.#sql.exec("UPDATE approvals SET answered = 1 WHERE id = ?", id);
  }

  /** Returns the approvals of calls whose results the model reads together with a note or a changed input. */
  noted(): StoredApproval[] {
    return this.#all(
      "WHERE status = 'allowed' AND (note IS NOT NULL OR changed_input IS NOT NULL)",
    );
  }

  /** Returns how many approvals are pending; null if none is. */
  pending(): PendingApprovals | null {
    if (!this.#hasTable()) return null;
    const query =
      "SELECT count(*) AS count, min(expires_at) AS at FROM approvals WHERE status = 'pending'";
    const { count, at } = one(this.#sql, query);
    return count === 0 ? null : { count: Number(count), expireAt: number(at) };
  }

  /** Returns the ids of the calls whose approval is pending. */
  pendingCalls(): Set<string> {
    if (!this.#hasTable()) return new Set();
    const query = "SELECT call_id FROM approvals WHERE status = 'pending' AND call_id IS NOT NULL";
    return new Set(all(this.#sql, query).map((row) => String(row.call_id)));
  }

  resolve(id: string, resolution: Resolution, now: number): void {
    this.#sql.exec(
      `UPDATE approvals SET status = ?, resolved_at = ?, resolved_by = ?, note = ?, changed_input = ?,
         remember = ? WHERE id = ?`,
      resolution.status,
      now,
      json(resolution.resolvedBy),
      resolution.note,
      resolution.changedInput === undefined ? null : JSON.stringify(resolution.changedInput),
      resolution.remember ? 1 : 0,
      id,
    );
  }

  /** Clears the caches. Call it when the rows may have changed. */
  forget(): void {
    this.#exists = undefined;
  }

  #all(where: string, ...bound: (string | number)[]): StoredApproval[] {
    return this.#hasTable() ? all(this.#sql, `${SELECT} ${where}`, ...bound).map(decode) : [];
  }

  #hasTable(): boolean {
    const query = "SELECT 1 FROM sqlite_master WHERE name = 'approvals'";
    this.#exists ??= all(this.#sql, query).length > 0;
    return this.#exists;
  }
}

const decode = (row: Row): StoredApproval => ({
  position: Number(row.n),
  id: String(row.id),
  callId: text(row.call_id),
  requestId: text(row.request_id),
  runId: String(row.run_id),
  toolUseId: String(row.tool_use_id),
  messageId: String(row.message_id),
  agent: agentOf(row.agent),
  name: String(row.name),
  input: parse(row.input),
  status: String(row.status) as ApprovalStatus,
  requestedAt: Number(row.requested_at),
  expiresAt: number(row.expires_at),
  resolvedAt: number(row.resolved_at),
  resolvedBy: row.resolved_by === null ? null : parse<Decider>(row.resolved_by),
  note: text(row.note),
  changedInput: row.changed_input === null ? null : parse(row.changed_input),
  remember: row.remember === 1,
});
