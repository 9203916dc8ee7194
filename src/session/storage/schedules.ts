import type { Prompt } from "../../events/event";
import { all, number, parse, type Row, type Sql, text } from "../../shared/sql";
import type { ScheduleRow } from "../rpc";
import type { When } from "../rules/schedule-times";

/** A schedule, with fields that clients do not see. */
export interface StoredSchedule extends ScheduleRow {
  requestHash: string;
  /** When its next run was computed, in ms since 1970. */
  plannedAt: number;
  /** The agent that receives its messages; null for the main agent. */
  agent: string | null;
}

/** The schedules of a session, in the order in which they were created. */
export class ScheduleTable {
  readonly #sql: Sql;
  /** All schedules, cached because every change reads them and there are few. */
  #kept: readonly StoredSchedule[] | undefined;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  all(): readonly StoredSchedule[] {
    this.#kept ??= all(this.#sql, "SELECT * FROM schedules ORDER BY n").map(decode);
    return this.#kept;
  }

  get(id: string): StoredSchedule | undefined {
    return this.all().find((schedule) => schedule.id === id);
  }

  add(schedule: StoredSchedule): void {
    this.forget();
    this.#sql.exec(
      `INSERT INTO schedules (id, request_hash, timing, prompt, paused, planned_at, next_run_at,
         last_run_at, last_message_id, created_at, agent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      schedule.id,
      schedule.requestHash,
      JSON.stringify(schedule.when),
      JSON.stringify(schedule.prompt),
      Number(schedule.paused),
      schedule.plannedAt,
      schedule.nextRunAt,
      schedule.lastRunAt,
      schedule.lastMessageId,
      schedule.createdAt,
      schedule.agent,
    );
  }

  /** Updates a schedule's timing, its runs, and whether it is paused. */
  save(schedule: StoredSchedule): void {
    this.forget();
    this.#sql.exec(
      `UPDATE schedules SET timing = ?, paused = ?, planned_at = ?, next_run_at = ?, last_run_at = ?,
         last_message_id = ? WHERE id = ?`,
      JSON.stringify(schedule.when),
      Number(schedule.paused),
      schedule.plannedAt,
      schedule.nextRunAt,
      schedule.lastRunAt,
      schedule.lastMessageId,
      schedule.id,
    );
  }

  remove(id: string): void {
    this.forget();
    this.#sql.exec("DELETE FROM schedules WHERE id = ?", id);
  }

  /** Clears the cache. Call it when the rows may have changed. */
  forget(): void {
    this.#kept = undefined;
  }
}

const decode = (row: Row): StoredSchedule => ({
  id: String(row.id),
  requestHash: String(row.request_hash),
  when: parse<When>(row.timing),
  prompt: parse<Prompt>(row.prompt),
  paused: row.paused === 1,
  plannedAt: Number(row.planned_at),
  nextRunAt: number(row.next_run_at),
  lastRunAt: number(row.last_run_at),
  lastMessageId: text(row.last_message_id),
  createdAt: Number(row.created_at),
  agent: text(row.agent),
});
