import type { EventBody, EventScope, SessionEvent } from "../../events/event";
import { isTextDeeperThan } from "../../shared/json-depth";
import {
  all,
  MAX_PAGE_CHARACTERS,
  one,
  page,
  pageUpTo,
  type Row,
  type Sql,
  text,
} from "../../shared/sql";

/** An event of the log. Its `json` can be sent to clients without further encoding. */
export interface LoggedEvent {
  seq: number;
  type: string;
  messageId: string | null;
  /** The event as JSON. */
  json: string;
}

/** The session's event log. Events are numbered from 1 without gaps. */
export class EventLog {
  #appended: LoggedEvent[] = [];
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Appends an event and returns its seq, which is one greater than that of the event before it. */
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

  /** Returns up to `limit` events whose seq is greater than `after`, oldest first. `messageId` selects one message. */
  after(after: number, limit: number, messageId?: string): LoggedEvent[] {
    if (messageId === undefined) return this.page(after, limit);
    const query = "SELECT * FROM events WHERE seq > ? AND message_id = ? ORDER BY seq LIMIT ?";
    return page(this.#sql, query, after, messageId, limit).map(decodeRow);
  }

  /** Returns events after a seq: up to `limit`, and fewer if they have more than `maxCharacters`. */
  page(after: number, limit: number, maxCharacters = MAX_PAGE_CHARACTERS): LoggedEvent[] {
    const query = "SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?";
    return pageUpTo(maxCharacters, this.#sql, query, after, limit).map(decodeRow);
  }

  /** Returns the seq of the newest event; 0 if there is none. */
  lastSeq(): number {
    return Number(one(this.#sql, "SELECT coalesce(max(seq), 0) AS seq FROM events").seq);
  }

  /** Returns the seq of the newest event from before a time, in ms since 1970; 0 if there is none. */
  seqBefore(time: number): number {
    const query = `SELECT seq FROM events WHERE json_extract(body, '$.at') < ? ORDER BY seq DESC LIMIT 1`;
    return Number(all(this.#sql, query, new Date(time).toISOString())[0]?.seq ?? 0);
  }

  /** Returns the seq of a message's newest event that indicates progress; 0 if there is none. */
  progressOf(messageId: string): number {
    const query = `SELECT seq FROM events WHERE message_id = ?
      AND type NOT IN ('turn.retried', 'sandbox.lost') ORDER BY seq DESC LIMIT 1`;
    return Number(all(this.#sql, query, messageId)[0]?.seq ?? 0);
  }

  /** The number of appended events that `take` has not returned yet. */
  get untaken(): number {
    return this.#appended.length;
  }

  /** Drops the events appended after `untaken` was `mark`: the transaction that appended them was rolled back. */
  dropBeyond(mark: number): void {
    this.#appended.length = mark;
  }

  /** Returns the events appended since the last call, to be sent to subscribers. */
  take(): LoggedEvent[] {
    const taken = this.#appended;
    this.#appended = [];
    return taken;
  }
}

const decodeRow = (row: Row): LoggedEvent =>
  logEntry(Number(row.seq), String(row.type), text(row.message_id), readable(row));

/** Event types that contain JSON whose shape the model chose: a tool's input or a structured result. */
const FREE_FORM = new Set<SqlStorageValue | undefined>(["tool.started", "message.completed"]);

/** Maximum nesting of an event's JSON, in levels. The runtime's serialization and some clients fail on deeper JSON. */
const MAX_DEPTH = 110;

/** Returns the body of a stored event. Replaces values nested too deeply, which earlier versions could store. */
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

/** Parses the event of a log entry. */
export const parseLogged = (entry: LoggedEvent): SessionEvent => JSON.parse(entry.json);

function logEntry(seq: number, type: string, messageId: string | null, body: string): LoggedEvent {
  return { seq, type, messageId, json: `{"seq":${seq},${body.slice(1)}` };
}
