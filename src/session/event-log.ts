import type { EventBody, EventScope, SessionEvent } from "../events/event";
import { one, page, type Sql, text } from "./sql";

/** An event as it leaves the log: its record can be sent as it is. */
export interface LoggedEvent {
  seq: number;
  type: string;
  messageId: string | null;
  /** The event as JSON. */
  json: string;
}

/** The session's log: what happened, in order, counted from 1 without gaps. */
export class EventLog {
  #appended: LoggedEvent[] = [];
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Appends an event to the log; its seq is one above the last. */
  append(body: EventBody, scope: EventScope, now: number): number {
    const { type, ...fields } = body;
    const json = JSON.stringify({ type, at: new Date(now).toISOString(), ...scope, ...fields });
    const { seq } = one(
      this.#sql,
      "INSERT INTO events (type, message_id, body) VALUES (?, ?, ?) RETURNING seq",
      body.type,
      scope.messageId ?? null,
      json,
    );
    const logged = logEntry(Number(seq), body.type, scope.messageId ?? null, json);
    this.#appended.push(logged);
    return logged.seq;
  }

  /** The events after `after`, oldest first; of one message only, when it is given. */
  after(after: number, limit: number, messageId?: string): LoggedEvent[] {
    const rows = messageId
      ? page(
          this.#sql,
          "SELECT * FROM events WHERE seq > ? AND message_id = ? ORDER BY seq LIMIT ?",
          after,
          messageId,
          limit,
        )
      : page(this.#sql, "SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?", after, limit);
    return rows.map((row) =>
      logEntry(Number(row.seq), String(row.type), text(row.message_id), String(row.body)),
    );
  }

  /** The seq of the newest event; 0 before the first. */
  lastSeq(): number {
    return Number(one(this.#sql, "SELECT coalesce(max(seq), 0) AS seq FROM events").seq);
  }

  /** How many events wait to be shown. */
  get untaken(): number {
    return this.#appended.length;
  }

  /** Drops what was appended beyond a mark, after the transaction that appended it was undone. */
  dropBeyond(mark: number): void {
    this.#appended.length = mark;
  }

  /** The events appended since the last call, for whoever watches. */
  take(): LoggedEvent[] {
    const taken = this.#appended;
    this.#appended = [];
    return taken;
  }
}

/** The event of a log entry, parsed. */
export const parseLogged = (entry: LoggedEvent): SessionEvent => JSON.parse(entry.json);

function logEntry(seq: number, type: string, messageId: string | null, body: string): LoggedEvent {
  return { seq, type, messageId, json: `{"seq":${seq},${body.slice(1)}` };
}
