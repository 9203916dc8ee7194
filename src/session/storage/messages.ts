import type { SpendLimit } from "../../account/limits";
import { NO_USAGE } from "../../agent/pricing/usage";
import type { Prompt, PublicError, StopReason, Usage } from "../../events/event";
import {
  all,
  json,
  MAX_PAGE_CHARACTERS,
  number,
  one,
  pageUpTo,
  parse,
  type Row,
  type Sql,
  text,
} from "../../shared/sql";
import type { MessageRow, MessageStatus, WaitingFor } from "../rpc";

/** Options of a message's request. A limit of null means none. */
export interface MessageOptions {
  background: boolean;
  maxTurns: number | null;
  maxBudgetNanos: number | null;
  /** The message that its prompt is to join. If that ends first, it runs as a message of its own. */
  joins?: string;
}

/** A queued message. */
interface Queued {
  id: string;
  agent: string | null;
  joins: string | null;
}

/** A message whose prompt has joined another one, or is to join it. */
export interface Steer {
  id: string;
  agent: string | null;
  isJoined: boolean;
}

/** A message without its prompt, which can be large, and with fields that clients do not see. */
export interface StoredMessage extends Omit<MessageRow, "prompt"> {
  options: MessageOptions;
  requestHash: string;
  /** The seq of its first event. */
  firstSeq: number;
}

/** The messages of a session, in the order in which they were accepted. */
export class MessageTable {
  readonly #sql: Sql;
  readonly #sessionId: () => string;
  /** The message that was read or added last, cached because every change reads the running message again. */
  #kept: StoredMessage | undefined;
  /** The prompt of the message that was added last. */
  #prompt: { id: string; prompt: Prompt } | undefined;
  /** The queued messages, oldest first. */
  #queued: readonly Queued[] | undefined;

  constructor(sql: Sql, sessionId: () => string) {
    this.#sql = sql;
    this.#sessionId = sessionId;
  }

  /** Adds a message: a queued one, or one that runs from `startedAt`. */
  add(message: {
    id: string;
    requestHash: string;
    prompt: Prompt;
    agent: string | null;
    options: MessageOptions;
    firstSeq: number;
    createdAt: number;
    startedAt: number | null;
  }): void {
    const { id, prompt } = message;
    const status = message.startedAt === null ? "queued" : "running";
    const { position } = one(
      this.#sql,
      `INSERT INTO messages (id, request_hash, prompt, agent, options, status, usage, first_seq,
         created_at, started_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING position`,
      id,
      message.requestHash,
      JSON.stringify(prompt),
      message.agent,
      JSON.stringify(message.options),
      status,
      JSON.stringify(NO_USAGE),
      message.firstSeq,
      message.createdAt,
      message.startedAt,
    );
    const { prompt: _, ...rest } = message;
    this.#kept = {
      ...rest,
      sessionId: this.#sessionId(),
      position: Number(position),
      status,
      waitingFor: null,
      joinedMessageId: null,
      stopReason: null,
      limit: null,
      result: null,
      output: null,
      error: null,
      costNanos: 0,
      usage: NO_USAGE,
      numTurns: 0,
      toolsUsed: [],
      endedAt: null,
    };
    this.#prompt = { id, prompt };
    if (status === "queued" && this.#queued) {
      const { agent, options } = message;
      this.#queued = [...this.#queued, { id, agent, joins: options.joins ?? null }];
    }
  }

  /** Returns a message without its prompt; undefined if there is none with this id. */
  get(id: string): StoredMessage | undefined {
    if (this.#kept?.id === id) return this.#kept;
    const row = all(this.#sql, `SELECT ${FACTS} FROM messages WHERE id = ?`, id)[0];
    if (row) this.#kept = this.#decodeMessage(row);
    return row && this.#kept;
  }

  /**
   * Returns up to `limit` messages after a position, oldest first, with the fields that clients see. Returns fewer if
   * they have more than `maxCharacters`.
   */
  rowsAfter(position: number, limit: number, maxCharacters = MAX_PAGE_CHARACTERS): MessageRow[] {
    return pageUpTo(
      maxCharacters,
      this.#sql,
      "SELECT * FROM messages WHERE position > ? ORDER BY position LIMIT ?",
      position,
      limit,
    ).map((row) => this.#decodeRow(row));
  }

  /** Returns the number of messages that are not inherited. Reads all of them. */
  count(): number {
    const query = "SELECT count(*) AS n FROM messages WHERE session_id IS NULL";
    return Number(one(this.#sql, query).n);
  }

  /** Returns the position of the newest message; 0 if there is none. */
  lastPosition(): number {
    return Number(one(this.#sql, "SELECT coalesce(max(position), 0) AS n FROM messages").n);
  }

  /** Returns a message with the fields that clients see; undefined if there is none with this id. */
  row(id: string): MessageRow | undefined {
    if (this.#kept?.id === id && this.#prompt?.id === id) {
      const { options: _, requestHash: __, firstSeq: ___, ...facts } = this.#kept;
      return { ...facts, prompt: this.#prompt.prompt };
    }
    const row = all(this.#sql, "SELECT * FROM messages WHERE id = ?", id)[0];
    return row && this.#decodeRow(row);
  }

  /** Returns a message's prompt. Throws if the message does not exist. */
  prompt(id: string): Prompt {
    if (this.#prompt?.id === id) return this.#prompt.prompt;
    return parse<Prompt>(one(this.#sql, "SELECT prompt FROM messages WHERE id = ?", id).prompt);
  }

  /** Returns the size of a message's stored prompt in bytes. Throws if the message does not exist. */
  promptBytes(id: string): number {
    const query = "SELECT length(CAST(prompt AS BLOB)) AS bytes FROM messages WHERE id = ?";
    return Number(one(this.#sql, query, id).bytes);
  }

  /** Returns the ids of the queued messages, oldest first. */
  queuedIds(): readonly string[] {
    return this.#readQueued().map(({ id }) => id);
  }

  /** Returns the queued messages whose prompts are to join a message, oldest first. */
  queuedSteersOf(messageId: string): readonly Queued[] {
    return this.#readQueued().filter(({ joins }) => joins === messageId);
  }

  /** Returns the messages whose prompts have joined a message or are to join it, oldest first. */
  steersOf(messageId: string): Steer[] {
    const query = `SELECT id, agent, status FROM messages
      WHERE position > (SELECT position FROM messages WHERE id = ?1)
      AND json_extract(options, '$.joins') = ?1 AND status IN ('queued', 'joined') ORDER BY position`;
    return all(this.#sql, query, messageId).map(({ id, agent, status }) => ({
      id: String(id),
      agent: text(agent),
      isJoined: status === "joined",
    }));
  }

  /**
   * Returns the ids of the schedules that have a queued message. A message sent by a schedule has the schedule's id as
   * its request hash.
   */
  queuedSchedules(): Set<string> {
    const query = `SELECT request_hash FROM messages WHERE status = 'queued'
      AND status IN ('queued', 'running') AND substr(request_hash, 1, 6) = 'sched_'`;
    return new Set(all(this.#sql, query).map((row) => String(row.request_hash)));
  }

  /** Returns the id of the newest message that is neither inherited nor a steer; undefined if there is none. */
  newestId(): string | undefined {
    const newest = `SELECT id FROM messages WHERE session_id IS NULL
      AND json_extract(options, '$.joins') IS NULL ORDER BY position DESC LIMIT 1`;
    const row = all(this.#sql, newest)[0];
    return row && String(row.id);
  }

  /** Returns the newest message before message `id` that has ended, in this session; undefined if there is none. */
  endedBefore(id: string): Omit<MessageRow, "prompt"> | undefined {
    const query = `SELECT ${FACTS} FROM messages
      WHERE ended_at IS NOT NULL AND status <> 'joined' AND session_id IS NULL
      AND position < (SELECT position FROM messages WHERE id = ?) ORDER BY position DESC LIMIT 1`;
    const row = all(this.#sql, query, id)[0];
    return row && this.#decodeFacts(row);
  }

  start(id: string, now: number): void {
    this.#change(id, { status: "running", startedAt: now });
    this.#sql.exec("UPDATE messages SET status = 'running', started_at = ? WHERE id = ?", now, id);
  }

  /** Records that a message waits, or what it waits for now. */
  wait(id: string, waitingFor: WaitingFor): void {
    this.#change(id, { status: "waiting", waitingFor });
    const set = "status = 'waiting', waiting_for = ?";
    this.#sql.exec(`UPDATE messages SET ${set} WHERE id = ?`, JSON.stringify(waitingFor), id);
  }

  /** Records that a message that waited runs again. */
  resume(id: string): void {
    this.#change(id, { status: "running", waitingFor: null });
    const set = "status = 'running', waiting_for = NULL";
    this.#sql.exec(`UPDATE messages SET ${set} WHERE id = ?`, id);
  }

  /** Ends a queued message whose prompt has joined the message that it was to join. */
  join(id: string, now: number): void {
    const joinedMessageId = this.get(id)?.options.joins ?? null;
    this.#change(id, { status: "joined", joinedMessageId, endedAt: now });
    this.#sql.exec("UPDATE messages SET status = 'joined', ended_at = ? WHERE id = ?", now, id);
  }

  end(
    id: string,
    end: {
      status: MessageStatus;
      stopReason: StopReason;
      limit?: SpendLimit | null;
      result: string | null;
      output: unknown;
      error: PublicError | null;
    },
    now: number,
  ): void {
    const { limit = null } = end;
    this.#change(id, { ...end, limit, waitingFor: null, endedAt: now });
    this.#sql.exec(
      `UPDATE messages SET status = ?, waiting_for = NULL, stop_reason = ?, spend_limit = ?, result = ?,
         output = ?, error = ?, ended_at = ? WHERE id = ?`,
      end.status,
      end.stopReason,
      limit,
      end.result,
      json(end.output),
      json(end.error),
      now,
      id,
    );
  }

  saveTotals(
    id: string,
    totals: Pick<MessageRow, "costNanos" | "usage" | "numTurns" | "toolsUsed">,
  ): void {
    this.#change(id, totals);
    this.#sql.exec(
      "UPDATE messages SET cost_nanos = ?, usage = ?, num_turns = ?, tools_used = ? WHERE id = ?",
      totals.costNanos,
      JSON.stringify(totals.usage),
      totals.numTurns,
      JSON.stringify(totals.toolsUsed),
      id,
    );
  }

  /** Clears the caches. Call it when the rows may have changed. */
  forget(): void {
    this.#kept = undefined;
    this.#prompt = undefined;
    this.#queued = undefined;
  }

  /** Changes what is cached of a message, as its row is changed. */
  #change(id: string, changes: Partial<StoredMessage>): void {
    if (this.#kept?.id === id) this.#kept = { ...this.#kept, ...changes };
    const isQueued = changes.status === undefined || changes.status === "queued";
    if (!isQueued) this.#queued = this.#queued?.filter((queued) => queued.id !== id);
  }

  #readQueued(): readonly Queued[] {
    // The second term makes SQLite use the partial index `live_messages`.
    const query = `SELECT id, agent, json_extract(options, '$.joins') AS joins FROM messages
      WHERE status = 'queued' AND status IN ('queued', 'running') ORDER BY position`;
    this.#queued ??= all(this.#sql, query).map(({ id, agent, joins }) => ({
      id: String(id),
      agent: text(agent),
      joins: text(joins),
    }));
    return this.#queued;
  }

  #decodeMessage(row: Row): StoredMessage {
    return {
      ...this.#decodeFacts(row),
      options: parse<MessageOptions>(row.options),
      requestHash: String(row.request_hash),
      firstSeq: Number(row.first_seq),
    };
  }

  #decodeRow(row: Row): MessageRow {
    return { ...this.#decodeFacts(row), prompt: parse<Prompt>(row.prompt) };
  }

  #decodeFacts(row: Row): Omit<MessageRow, "prompt"> {
    return {
      id: String(row.id),
      sessionId: text(row.session_id) ?? this.#sessionId(),
      position: Number(row.position),
      agent: text(row.agent),
      status: String(row.status) as MessageStatus,
      waitingFor: row.waiting_for === null ? null : parse<WaitingFor>(row.waiting_for),
      joinedMessageId:
        row.status === "joined" ? (parse<MessageOptions>(row.options).joins ?? null) : null,
      stopReason: text(row.stop_reason) as StopReason | null,
      limit: text(row.spend_limit) as SpendLimit | null,
      result: text(row.result),
      output: row.output === null ? null : parse(row.output),
      error: row.error === null ? null : parse<PublicError>(row.error),
      costNanos: Number(row.cost_nanos),
      usage: parse<Usage>(row.usage),
      numTurns: Number(row.num_turns),
      toolsUsed: parse<string[]>(row.tools_used),
      createdAt: Number(row.created_at),
      startedAt: number(row.started_at),
      endedAt: number(row.ended_at),
    };
  }
}

/** All columns of a message except its prompt. */
const FACTS = `position, id, request_hash, agent, options, status, stop_reason, result, output, error,
  cost_nanos, usage, num_turns, tools_used, first_seq, created_at, started_at, ended_at, session_id,
  spend_limit, waiting_for`;
