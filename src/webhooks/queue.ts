import { all, number, one, type Row, type Sql, text } from "../shared/sql";
import type { Attempt, Delivery, DeliveryPage, DeliveryState, OutgoingEvent } from "./rpc";

/** A delivery with what is needed to send it. */
export interface DueDelivery {
  n: number;
  id: string;
  lane: string;
  body: string;
  /** How often it was tried, and when first, in ms since 1970; null if it was not tried. */
  attempts: number;
  firstAt: number | null;
}

/** `next_at` is null for a delivery that is not to be sent, or that waits for an earlier one of its lane. */
const TABLES = `
  CREATE TABLE deliveries (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    lane TEXT NOT NULL,
    type TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    first_at INTEGER,
    next_at INTEGER
  );
  CREATE INDEX due_deliveries ON deliveries (next_at) WHERE next_at IS NOT NULL;
  CREATE INDEX pending_deliveries ON deliveries (lane, n) WHERE state = 'pending';
  CREATE INDEX deliveries_by_state ON deliveries (state, n);

  CREATE TABLE attempts (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery INTEGER NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER,
    duration_ms INTEGER NOT NULL,
    response TEXT,
    error TEXT
  );
  CREATE INDEX attempts_of_delivery ON attempts (delivery, n)`;

/** Attempts that are kept of one delivery: the newest. */
const MAX_ATTEMPTS = 50;

/** The deliveries of an endpoint. Deliveries of one lane are sent in their order. */
export class DeliveryQueue {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  makeTables(): void {
    this.#sql.exec(TABLES);
  }

  /** Adds an event. Does nothing if it is there. */
  add({ id, lane, type, body }: OutgoingEvent, now: number): void {
    this.#sql.exec(
      `INSERT INTO deliveries (id, lane, type, body, created_at, next_at) VALUES (?, ?, ?, ?, ?, CASE
         WHEN EXISTS (SELECT 1 FROM deliveries WHERE lane = ? AND state = 'pending') THEN NULL ELSE ? END)
       ON CONFLICT (id) DO NOTHING`,
      ...[id, lane, type, body, now, lane, now],
    );
  }

  /** Returns the deliveries that are due, those that have waited longest first. */
  due(now: number, limit: number): DueDelivery[] {
    const query = `SELECT n, id, lane, body, attempts, first_at FROM deliveries
      WHERE next_at IS NOT NULL AND next_at <= ? ORDER BY next_at LIMIT ?`;
    return all(this.#sql, query, now, limit).map((row) => ({
      n: Number(row.n),
      id: String(row.id),
      lane: String(row.lane),
      body: String(row.body),
      attempts: Number(row.attempts),
      firstAt: number(row.first_at),
    }));
  }

  /** Returns when the next delivery is due, in ms since 1970; null if none is. */
  nextAt(): number | null {
    const query = "SELECT min(next_at) AS at FROM deliveries WHERE next_at IS NOT NULL";
    return number(one(this.#sql, query).at);
  }

  /**
   * Records an attempt. With a time, the delivery is tried again then. With null, it has ended in `state`, and the next one
   * of its lane is due.
   */
  record(
    { n, lane }: Pick<DueDelivery, "n" | "lane">,
    attempt: Attempt,
    state: DeliveryState,
    nextAt: number | null,
    now: number,
  ): void {
    this.#sql.exec(
      "INSERT INTO attempts (delivery, at, status, duration_ms, response, error) VALUES (?, ?, ?, ?, ?, ?)",
      ...[n, attempt.at, attempt.status, attempt.durationMs, attempt.response, attempt.error],
    );
    this.#sql.exec(
      `DELETE FROM attempts WHERE delivery = ?1 AND n <=
         (SELECT n FROM attempts WHERE delivery = ?1 ORDER BY n DESC LIMIT 1 OFFSET ${MAX_ATTEMPTS})`,
      n,
    );
    const set = `state = ?, next_at = ?, attempts = attempts + 1, first_at = coalesce(first_at, ?)`;
    this.#sql.exec(`UPDATE deliveries SET ${set} WHERE n = ?`, state, nextAt, attempt.at, n);
    if (nextAt === null) this.#release(lane, now);
  }

  /** Makes the first pending delivery of a lane due, unless one is due already. */
  #release(lane: string, now: number): void {
    this.#sql.exec(
      `UPDATE deliveries SET next_at = ?2 WHERE n =
         (SELECT min(n) FROM deliveries WHERE lane = ?1 AND state = 'pending')
       AND NOT EXISTS
         (SELECT 1 FROM deliveries WHERE lane = ?1 AND state = 'pending' AND next_at IS NOT NULL)`,
      lane,
      now,
    );
  }

  /** Makes all deliveries that are to be tried later due now: the receiver is there again. */
  hurry(now: number): void {
    this.#sql.exec("UPDATE deliveries SET next_at = ? WHERE next_at > ?", now, now);
  }

  /**
   * Makes a delivery due again, whatever has become of it, in a lane of its own, so that nothing waits for it. Returns whether
   * there is one with this id.
   */
  repeat(id: string, now: number): boolean {
    const [row] = all(this.#sql, "SELECT lane FROM deliveries WHERE id = ?", id);
    if (!row) return false;
    const set =
      "state = 'pending', lane = 'again ' || id, next_at = ?, attempts = 0, first_at = NULL";
    this.#sql.exec(`UPDATE deliveries SET ${set} WHERE id = ?`, now, id);
    this.#release(String(row.lane), now);
    return true;
  }

  /** Deletes the oldest deliveries: up to `count` that have ended, or as many that wait if none has. */
  makeRoom(count: number, now: number): void {
    const ended = "SELECT n FROM deliveries WHERE state <> 'pending' ORDER BY n LIMIT ?";
    const oldest = "SELECT n FROM deliveries ORDER BY n LIMIT ?";
    const hasEnded = all(this.#sql, ended, 1).length > 0;
    this.#delete(hasEnded ? ended : oldest, count, now);
  }

  countPending(): number {
    const query = "SELECT count(*) AS count FROM deliveries WHERE state = 'pending'";
    return Number(one(this.#sql, query).count);
  }

  get(id: string): Delivery | undefined {
    const [row] = all(this.#sql, "SELECT * FROM deliveries WHERE id = ?", id);
    return row && this.#decode(row);
  }

  /** Returns deliveries, newest first: all, or those in a state. */
  page(state: DeliveryState | null, before: number | null, limit: number): DeliveryPage {
    const rows = all(
      this.#sql,
      `SELECT * FROM deliveries WHERE ${state === null ? "? IS NULL" : "state = ?"} AND n < ?
       ORDER BY n DESC LIMIT ?`,
      ...[state, before ?? Number.MAX_SAFE_INTEGER, limit + 1],
    );
    const deliveries = rows.slice(0, limit).map((row) => this.#decode(row));
    const next = rows.length > limit ? (deliveries.at(-1)?.position ?? null) : null;
    return { deliveries, next };
  }

  /** Returns when the oldest delivery was created, in ms since 1970; null if there is none. */
  oldest(): number | null {
    const query = "SELECT created_at AS at FROM deliveries ORDER BY n LIMIT 1";
    return number(all(this.#sql, query)[0]?.at);
  }

  /** Deletes deliveries that were created before a time, also those that were never sent. */
  forget(before: number, now: number): void {
    const oldest = this.oldest();
    if (oldest === null || oldest >= before) return;
    this.#delete("SELECT n FROM deliveries WHERE created_at < ?", before, now);
  }

  /** Deletes the deliveries that a query finds. Those that have waited for them are due. */
  #delete(found: string, bound: number, now: number): void {
    const query = `SELECT DISTINCT lane FROM deliveries WHERE n IN (${found}) AND state = 'pending'`;
    const lanes = all(this.#sql, query, bound);
    this.#sql.exec(`DELETE FROM attempts WHERE delivery IN (${found})`, bound);
    this.#sql.exec(`DELETE FROM deliveries WHERE n IN (${found})`, bound);
    for (const { lane } of lanes) this.#release(String(lane), now);
  }

  #decode(row: Row): Delivery {
    const query = "SELECT * FROM attempts WHERE delivery = ? ORDER BY n";
    const attempts = all(this.#sql, query, Number(row.n)).map((attempt) => ({
      at: Number(attempt.at),
      status: number(attempt.status),
      durationMs: Number(attempt.duration_ms),
      response: text(attempt.response),
      error: text(attempt.error),
    }));
    return {
      position: Number(row.n),
      id: String(row.id),
      type: String(row.type),
      status: String(row.state) as DeliveryState,
      createdAt: Number(row.created_at),
      nextAttemptAt: number(row.next_at),
      attempts,
    };
  }
}
