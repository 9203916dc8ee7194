import { all, number, one, type Row, type Sql, text } from "../shared/sql";
import type { AutomationRun, RunPage, RunStatus } from "./rpc";

/** A run with what is needed to start and to follow it. */
export interface StoredRun extends AutomationRun {
  input: string | null;
  /** How often it was tried or asked since it began, and when it is next, in ms since 1970; null if it has ended. */
  looks: number;
  nextAt: number | null;
}

const TABLE = `
  CREATE TABLE runs (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    session_id TEXT,
    message_id TEXT,
    started_by TEXT NOT NULL,
    input TEXT,
    status TEXT NOT NULL,
    reason TEXT,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    cost_nanos INTEGER NOT NULL DEFAULT 0,
    looks INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER
  );
  CREATE INDEX open_runs ON runs (next_at) WHERE next_at IS NOT NULL`;

/** The runs of an automation, in the order of their starts. */
export class RunTable {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  makeTable(): void {
    this.#sql.exec("DROP TABLE IF EXISTS runs");
    this.#sql.exec(TABLE);
  }

  add(
    run: Pick<
      StoredRun,
      "id" | "sessionId" | "messageId" | "by" | "input" | "status" | "reason" | "startedAt"
    > & { nextAt: number | null; endedAt: number | null },
  ): void {
    this.#sql.exec(
      `INSERT INTO runs (id, session_id, message_id, started_by, input, status, reason, started_at, ended_at,
         next_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[run.id, run.sessionId, run.messageId, run.by, run.input, run.status, run.reason],
      ...[run.startedAt, run.endedAt, run.nextAt],
    );
  }

  get(id: string): StoredRun | undefined {
    const [row] = all(this.#sql, "SELECT * FROM runs WHERE id = ?", id);
    return row && decode(row);
  }

  /** Returns the runs that have not ended. */
  open(): StoredRun[] {
    return all(this.#sql, "SELECT * FROM runs WHERE next_at IS NOT NULL ORDER BY n").map(decode);
  }

  /** Returns when a run is to be looked at, in ms since 1970; null if all have ended. */
  nextAt(): number | null {
    return number(
      one(this.#sql, "SELECT min(next_at) AS at FROM runs WHERE next_at IS NOT NULL").at,
    );
  }

  /** Returns when the oldest run that has ended was started, in ms since 1970; null if there is none. */
  oldestEnded(): number | null {
    const query = "SELECT started_at AS at FROM runs WHERE next_at IS NULL ORDER BY n LIMIT 1";
    const [row] = all(this.#sql, query);
    return number(row?.at);
  }

  /** Records how a run is. `nextAt` is when it is looked at again; null if it has ended. */
  save(run: StoredRun): void {
    // Its message has the input by then.
    const input = run.status === "starting" ? "input" : "NULL";
    this.#sql.exec(
      `UPDATE runs SET status = ?, reason = ?, ended_at = ?, cost_nanos = ?, looks = ?, next_at = ?,
         input = ${input} WHERE id = ?`,
      ...[run.status, run.reason, run.endedAt, run.costNanos, run.looks, run.nextAt, run.id],
    );
  }

  page(before: number | null, limit: number): RunPage {
    const query = "SELECT * FROM runs WHERE n < ? ORDER BY n DESC LIMIT ?";
    const rows = all(this.#sql, query, before ?? Number.MAX_SAFE_INTEGER, limit + 1);
    const runs = rows.slice(0, limit).map((row) => shown(decode(row)));
    return { runs, next: rows.length > limit ? (runs.at(-1)?.position ?? null) : null };
  }

  /** Deletes the runs that have ended and have started before a time. */
  forget(before: number): void {
    this.#sql.exec("DELETE FROM runs WHERE started_at < ? AND next_at IS NULL", before);
  }
}

/** Returns a run with the fields that clients see. */
export const shown = ({ input: _, looks: __, nextAt: ___, ...run }: StoredRun): AutomationRun =>
  run;

const decode = (row: Row): StoredRun => ({
  position: Number(row.n),
  id: String(row.id),
  sessionId: text(row.session_id),
  messageId: text(row.message_id),
  by: row.started_by === "fire" ? "fire" : "schedule",
  input: text(row.input),
  status: String(row.status) as RunStatus,
  reason: text(row.reason),
  startedAt: Number(row.started_at),
  endedAt: number(row.ended_at),
  costNanos: Number(row.cost_nanos),
  looks: Number(row.looks),
  nextAt: number(row.next_at),
});
