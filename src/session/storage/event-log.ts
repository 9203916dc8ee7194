import type { EventBody, EventScope, SessionEvent } from "../../events/event";
import { isTextDeeperThan } from "../../shared/json-depth";
import { all, one, page, type Row, type Sql, text } from "../../shared/sql";

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

  /** Returns the events after `after`, oldest first; of one message only, when it is given. */
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
      logEntry(Number(row.seq), String(row.type), text(row.message_id), readable(row)),
    );
  }

  /** Returns the seq of the newest event; 0 before the first. */
  lastSeq(): number {
    return Number(one(this.#sql, "SELECT coalesce(max(seq), 0) AS seq FROM events").seq);
  }

  /** Returns the seq of a message's newest event that tells of progress; 0 for none. */
  progressOf(messageId: string): number {
    const query = `SELECT seq FROM events WHERE message_id = ?
      AND type NOT IN ('turn.retried', 'sandbox.lost') ORDER BY seq DESC LIMIT 1`;
    return Number(all(this.#sql, query, messageId)[0]?.seq ?? 0);
  }

  /** Returns how many events wait to be shown. */
  get untaken(): number {
    return this.#appended.length;
  }

  /** Drops what was appended beyond a mark, after the transaction that appended it was undone. */
  dropBeyond(mark: number): void {
    this.#appended.length = mark;
  }

  /** Returns the events appended since the last call, for whoever watches. */
  take(): LoggedEvent[] {
    const taken = this.#appended;
    this.#appended = [];
    return taken;
  }
}

/** Types of events that hold what a model said in a form of its own. */
const FREE_FORM = new Set<SqlStorageValue | undefined>(["tool.started", "message.completed"]);

/** Neither the runtime's own serialising nor every client reads JSON that nests in more levels. */
const MAX_DEPTH = 110;

/** Returns the body of a stored event. What nests too deep, as earlier versions stored it, is left out. */
function readable({ type, body }: Row): string {
  const json = String(body);
  if (!FREE_FORM.has(type) || !isTextDeeperThan(json, MAX_DEPTH)) return json;
  return JSON.stringify(pruned(JSON.parse(json), MAX_DEPTH));
}

function pruned(value: unknown, levels: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (levels === 0) return "[nested too deep]";
  if (Array.isArray(value)) return value.map((one) => pruned(one, levels - 1));
  const entries = Object.entries(value).map(([key, one]) => [key, pruned(one, levels - 1)]);
  return Object.fromEntries(entries);
}

/** Returns the event of a log entry, parsed. */
export const parseLogged = (entry: LoggedEvent): SessionEvent => JSON.parse(entry.json);

function logEntry(seq: number, type: string, messageId: string | null, body: string): LoggedEvent {
  return { seq, type, messageId, json: `{"seq":${seq},${body.slice(1)}` };
}
