import { type Block, toolResultBlock } from "../../agent/messages";
import type { ToolResult } from "../../agent/tool";
import { all, number, parse, type Row, type Sql } from "../../shared/sql";
import { columnOf } from "./agents";

/** A tool call of a reply. */
export interface StoredTool {
  /** The id that the model gave the call, unique within the conversation. */
  id: string;
  /** Identifies the call within the session, whatever id the model chose. */
  callId: string;
  runId: string;
  turnId: string;
  name: string;
  input: unknown;
  state: "pending" | "started" | "done";
  result: ToolResult | null;
  startedAt: number | null;
}

/** The session's tool calls, with their results. */
export class ToolTable {
  readonly #sql: Sql;
  /** The calls without a result, oldest first, cached because every turn asks for them several times. */
  #open: readonly StoredTool[] | undefined;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  add(tool: Pick<StoredTool, "id" | "runId" | "turnId" | "name" | "input">): void {
    const callId = `${tool.turnId}.${tool.id}`;
    if (this.#open) {
      const input = tool.input ?? null;
      const added = {
        ...tool,
        input,
        callId,
        state: "pending",
        result: null,
        startedAt: null,
      } as const;
      this.#open = [...this.#open, added];
    }
    this.#sql.exec(
      `INSERT INTO tools (id, call_id, run_id, turn_id, name, input, state)
       VALUES (?, ?, ?, ?, ?, ?, 'pending')`,
      tool.id,
      callId,
      tool.runId,
      tool.turnId,
      tool.name,
      JSON.stringify(tool.input ?? null),
    );
  }

  /** Returns the calls of a run that have no result yet, oldest first. */
  openOf(runId: string): StoredTool[] {
    return this.#openTools().filter((tool) => tool.runId === runId);
  }

  /** Returns a call of a run, by the model's id, if it has no result yet. */
  open(runId: string, id: string): StoredTool | undefined {
    return this.#openTools().find((tool) => tool.runId === runId && tool.id === id);
  }

  /** Returns a call by any agent of a message, by the model's id, if it has no result yet. */
  openInMessage(messageId: string, id: string): StoredTool | undefined {
    // The ids of a message's runs begin with the message's id.
    const isOf = (runId: string) => runId === messageId || runId.startsWith(`${messageId}/`);
    return this.#openTools().find((tool) => tool.id === id && isOf(tool.runId));
  }

  /** Returns the calls of the session that have no result yet, oldest first. */
  allOpen(): readonly StoredTool[] {
    return this.#openTools();
  }

  /** Returns the newest call with an id of the model; undefined if there is none. */
  newest(id: string): StoredTool | undefined {
    const open = this.#openTools().findLast((tool) => tool.id === id);
    if (open) return open;
    const row = all(this.#sql, "SELECT * FROM tools WHERE id = ? ORDER BY n DESC LIMIT 1", id)[0];
    return row && decode(row);
  }

  /** Returns a call by its id within the session; undefined if there is none. */
  byCallId(callId: string): StoredTool | undefined {
    const row = all(this.#sql, "SELECT * FROM tools WHERE call_id = ?", callId)[0];
    return row && decode(row);
  }

  /** Returns the calls of some tools in a run that have results, oldest first. */
  doneOf(runId: string, names: readonly string[]): StoredTool[] {
    const query = `SELECT * FROM tools WHERE run_id = ? AND state = 'done'
      AND name IN (SELECT value FROM json_each(?)) ORDER BY n`;
    return all(this.#sql, query, runId, JSON.stringify(names)).map(decode);
  }

  /** Marks a pending call as started. Does nothing for a call in another state. */
  start(runId: string, id: string, now: number): void {
    this.#open = this.#open?.map((tool) =>
      tool.runId === runId && tool.id === id && tool.state === "pending"
        ? { ...tool, state: "started", startedAt: now }
        : tool,
    );
    this.#sql.exec(
      "UPDATE tools SET state = 'started', started_at = ? WHERE run_id = ? AND id = ? AND state = 'pending'",
      now,
      runId,
      id,
    );
  }

  /** Stores a call's result. Does nothing if the call has a result already. */
  finish(runId: string, id: string, result: ToolResult): void {
    this.#open = this.#open?.filter((tool) => tool.runId !== runId || tool.id !== id);
    this.#sql.exec(
      "UPDATE tools SET state = 'done', result = ? WHERE run_id = ? AND id = ? AND state <> 'done'",
      JSON.stringify(result),
      runId,
      id,
    );
  }

  /** Replaces the content of the result of a call that entry `n` of the history makes. */
  replaceResult(n: number, id: string, content: ToolResult["content"]): void {
    const place = "turn_id = (SELECT turn_id FROM history WHERE n = ?) AND id = ?";
    const row = all(this.#sql, `SELECT * FROM tools WHERE ${place}`, n, id)[0];
    const result = row && decode(row).result;
    if (!result) return;
    const replaced = JSON.stringify({ ...result, content });
    this.#sql.exec(`UPDATE tools SET result = ? WHERE ${place}`, replaced, n, id);
  }

  /** Returns the results of a turn's calls as `tool_result` blocks. */
  resultsOf(turnId: string): Block[] {
    return all(this.#sql, "SELECT * FROM tools WHERE turn_id = ? ORDER BY n", turnId)
      .map(decode)
      .flatMap((tool) => (tool.result ? [toolResultBlock(tool.id, tool.result)] : []));
  }

  /** Returns the results of calls in an agent's history after entry `after`, as `tool_result` blocks by turn id. */
  resultsByTurn(agent: string, after: number): Map<string, Block[]> {
    const rows = all(
      this.#sql,
      `SELECT tools.* FROM history JOIN tools ON tools.turn_id = history.turn_id
       WHERE history.agent = ? AND history.n > ? ORDER BY tools.n`,
      columnOf(agent),
      after,
    );
    const results = new Map<string, Block[]>();
    for (const tool of rows.map(decode)) {
      if (!tool.result) continue;
      const block = toolResultBlock(tool.id, tool.result);
      results.set(tool.turnId, [...(results.get(tool.turnId) ?? []), block]);
    }
    return results;
  }

  /** Clears the cache. Call it when the rows may have changed. */
  forget(): void {
    this.#open = undefined;
  }

  #openTools(): readonly StoredTool[] {
    // Otherwise SQLite reads all calls, in their order.
    const query = "SELECT * FROM tools INDEXED BY open_tools WHERE state <> 'done' ORDER BY n";
    this.#open ??= all(this.#sql, query).map(decode);
    return this.#open;
  }
}

const decode = (row: Row): StoredTool => ({
  id: String(row.id),
  callId: String(row.call_id ?? row.id),
  runId: String(row.run_id),
  turnId: String(row.turn_id),
  name: String(row.name),
  input: parse(row.input),
  state: String(row.state) as StoredTool["state"],
  result: row.result === null ? null : parse<ToolResult>(row.result),
  startedAt: number(row.started_at),
});
