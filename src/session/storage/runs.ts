import type { PublicError, StopReason } from "../../events/event";
import { all, json, parse, type Row, type Sql, text } from "../../shared/sql";
import { agentOf, columnOf } from "./agents";

/** One agent's work on a message. A message's own run, which starts with the message, has the message's id. */
export interface Run {
  id: string;
  messageId: string;
  agent: string;
  /** The tool call that started it; null for a message's own run. */
  parentToolUseId: string | null;
  open: boolean;
  /** Stop reason of the newest reply; null before the first reply and after new input, such as a summary. */
  lastStop: string | null;
  /** How often the Claude Code process or its container was lost since the message last made progress. */
  restarts: number;
  /** Whether the agent that started it continues meanwhile and receives the result in its inbox. */
  background: boolean;
  /** How it ended; null while it is open. */
  outcome: Outcome | null;
}

/** How a run ended. */
export interface Outcome {
  stopReason: StopReason;
  error?: PublicError | undefined;
}

/** The query of the ids of a message's runs: its own, which has the id of the message, and those of its tasks. */
export const RUNS_OF_MESSAGE = `SELECT id FROM runs WHERE id = ?1
  UNION ALL SELECT id FROM runs WHERE message_id = ?1 AND parent_tool_use_id IS NOT NULL`;

/** The runs of a session's messages. */
export class RunTable {
  readonly #sql: Sql;
  /** The open runs of the message that is worked on, cached because every turn reads them. */
  #kept: { messageId: string; open: readonly Run[] } | undefined;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  add(run: Omit<Run, "open" | "lastStop" | "restarts" | "outcome">): void {
    const { id, messageId } = run;
    // A message's own run is its first.
    const others = id === messageId ? [] : this.openOf(messageId);
    const added = { ...run, open: true, lastStop: null, restarts: 0, outcome: null };
    this.#kept = { messageId, open: [...others, added] };
    this.#sql.exec(
      `INSERT INTO runs (id, message_id, agent, parent_tool_use_id, background)
       VALUES (?, ?, ?, ?, ?)`,
      id,
      messageId,
      columnOf(run.agent),
      run.parentToolUseId,
      run.background ? 1 : 0,
    );
  }

  get(id: string): Run | undefined {
    const open = this.#kept?.open.find((run) => run.id === id);
    if (open) return open;
    const row = all(this.#sql, "SELECT * FROM runs WHERE id = ?", id)[0];
    return row && decode(row);
  }

  /** Returns the runs of a message that have not ended. */
  openOf(messageId: string): readonly Run[] {
    if (this.#kept?.messageId !== messageId) {
      const query = `SELECT * FROM runs WHERE id IN (${RUNS_OF_MESSAGE}) AND open = 1`;
      this.#kept = { messageId, open: all(this.#sql, query, messageId).map(decode) };
    }
    return this.#kept.open;
  }

  saveProgress(id: string, lastStop: string | null): void {
    this.#change((run) => (run.id === id ? { ...run, lastStop } : run));
    this.#sql.exec("UPDATE runs SET last_stop = ? WHERE id = ?", lastStop, id);
  }

  saveRestarts(id: string, restarts: number): void {
    this.#change((run) => (run.id === id ? { ...run, restarts } : run));
    this.#sql.exec("UPDATE runs SET restarts = ? WHERE id = ?", restarts, id);
  }

  /** Sets the restart counts of a message's runs to 0. Call it when one of the message's agents has made progress. */
  resetRestarts(messageId: string): void {
    const open = this.#kept?.messageId === messageId ? this.#kept.open : undefined;
    if (open?.every(({ restarts }) => restarts === 0)) return;
    this.#change((run) => ({ ...run, restarts: 0 }));
    const query = `UPDATE runs SET restarts = 0 WHERE id IN (${RUNS_OF_MESSAGE}) AND restarts > 0`;
    this.#sql.exec(query, messageId);
  }

  /** Marks a run as ended. */
  close(id: string, outcome: Outcome | null = null): void {
    if (this.#kept) {
      this.#kept = { ...this.#kept, open: this.#kept.open.filter((run) => run.id !== id) };
    }
    this.#sql.exec("UPDATE runs SET open = 0, outcome = ? WHERE id = ?", json(outcome), id);
  }

  /** Clears the cache. Call it when the rows may have changed. */
  forget(): void {
    this.#kept = undefined;
  }

  /** Changes the cached runs as their rows are changed. */
  #change(change: (run: Run) => Run): void {
    if (this.#kept) this.#kept = { ...this.#kept, open: this.#kept.open.map(change) };
  }
}

const decode = (row: Row): Run => ({
  id: String(row.id),
  messageId: String(row.message_id),
  agent: agentOf(row.agent),
  parentToolUseId: text(row.parent_tool_use_id),
  open: row.open === 1,
  lastStop: text(row.last_stop),
  restarts: Number(row.restarts),
  background: row.background === 1,
  outcome: row.outcome === null ? null : parse<Outcome>(row.outcome),
});
