import type { TurnKind } from "../../events/event";
import { all, one, type Row, type Sql } from "../../shared/sql";
import type { Balance, Reservation } from "../rules/ledger";
import { RUNS_OF_MESSAGE } from "./runs";

/** One model call: an attempt of a turn, and its reservation in the ledger. */
export interface Call extends Reservation {
  /** `<turnId>.<attempt>` */
  id: string;
  turnId: string;
  /** The number of the attempt within its turn, starting at 1. */
  attempt: number;
  runId: string;
  kind: TurnKind;
  /** Distinguishes turns of the same kind that run concurrently in one run; empty for a reply. */
  ref: string;
  model: string;
  /** The best estimate of the prompt's tokens. The bound assumes at least as many. */
  likelyTokens: number;
  /** The minimum number of tokens that the prompt can have. */
  leastTokens: number;
  /** When the call started, in ms since 1970. The prices of this time apply. */
  begunAt: number;
}

/** The session's model calls, with the amount reserved and charged for each. */
export class CallTable {
  readonly #sql: Sql;
  /** The calls that are not settled, oldest first, cached because every turn asks for them several times. */
  #open: readonly Call[] | undefined;
  /** The number of calls that were ever made. */
  #count: number | undefined;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  add({ messageId, ...call }: Omit<Call, "costNanos" | "settled"> & { messageId: string }): void {
    if (this.#open) this.#open = [...this.#open, { ...call, costNanos: 0, settled: false }];
    if (this.#count !== undefined) this.#count += 1;
    this.#sql.exec(
      `INSERT INTO calls (id, turn_id, attempt, run_id, message_id, kind, ref, model, likely_tokens,
         least_tokens, begun_at, bound_nanos, held_nanos)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      call.id,
      call.turnId,
      call.attempt,
      call.runId,
      messageId,
      call.kind,
      call.ref,
      call.model,
      call.likelyTokens,
      call.leastTokens,
      call.begunAt,
      call.boundNanos,
      call.heldNanos,
    );
  }

  /** Returns a call that is not settled; undefined if there is none with this id. */
  open(id: string): Call | undefined {
    return this.#openCalls().find((call) => call.id === id);
  }

  /** Settles a call. `closed` means that no further attempt of its turn follows. */
  settle({ id, runId }: Call, reservation: Reservation, closed: boolean): void {
    this.#open = this.#open?.filter((call) => call.id !== id);
    this.#sql.exec(
      `UPDATE calls SET held_nanos = ?, cost_nanos = ?, settled = 1, closed = ?
       WHERE run_id = ? AND settled = 0 AND id = ?`,
      reservation.heldNanos,
      reservation.costNanos,
      closed ? 1 : 0,
      runId,
      id,
    );
  }

  /**
   * Returns the newest attempt of a turn that is not closed, so that another attempt may follow; undefined if the next
   * call starts a new turn.
   */
  openTurn(runId: string, kind: TurnKind, ref: string): Call | undefined {
    const query =
      "SELECT * FROM calls WHERE run_id = ? AND kind = ? AND ref = ? ORDER BY n DESC LIMIT 1";
    const row = all(this.#sql, query, runId, kind, ref)[0];
    return row && row.closed === 0 ? decode(row) : undefined;
  }

  /** Returns the id of the newest turn of a kind in a run; undefined if there is none. */
  newestTurn(runId: string, kind: TurnKind): string | undefined {
    const query = "SELECT turn_id FROM calls WHERE run_id = ? AND kind = ? ORDER BY n DESC LIMIT 1";
    const row = all(this.#sql, query, runId, kind)[0];
    return row && String(row.turn_id);
  }

  /** Returns a number that no turn of the session has. */
  nextTurnNumber(): number {
    this.#count ??= Number(one(this.#sql, "SELECT coalesce(max(n), 0) AS n FROM calls").n);
    return this.#count + 1;
  }

  /** Returns the calls of a run that are not settled, oldest first. */
  openOf(runId: string): Call[] {
    return this.#openCalls().filter((call) => call.runId === runId);
  }

  /** Returns the calls of the session that are not settled, oldest first. */
  allOpen(): readonly Call[] {
    return this.#openCalls();
  }

  /** Returns how many calls of the session are not settled. */
  countOpen(): number {
    return this.#openCalls().length;
  }

  /** Returns how many calls for replies are not settled in the session. */
  countOpenReplies(): number {
    return this.#openCalls().filter(({ kind }) => kind === "reply").length;
  }

  /** Returns how many turns of kind `reply` a run has finished. */
  countReplies(runId: string): number {
    const query =
      "SELECT count(*) AS n FROM calls WHERE run_id = ? AND kind = 'reply' AND ref = '' AND closed = 1";
    return Number(one(this.#sql, query, runId).n);
  }

  /** Returns the cost of a message's calls and the amount still reserved for them, in nano-dollars. */
  balanceOf(messageId: string): Balance {
    const query = `SELECT coalesce(sum(cost_nanos), 0) AS spent, coalesce(sum(held_nanos), 0) AS held
      FROM calls WHERE run_id IN (${RUNS_OF_MESSAGE})`;
    const row = one(this.#sql, query, messageId);
    return { spentNanos: Number(row.spent), heldNanos: Number(row.held) };
  }

  /** Clears the caches. Call it when the rows may have changed. */
  forget(): void {
    this.#open = undefined;
    this.#count = undefined;
  }

  #openCalls(): readonly Call[] {
    // Otherwise SQLite reads all calls, in their order.
    const query = "SELECT * FROM calls INDEXED BY open_calls WHERE settled = 0 ORDER BY n";
    this.#open ??= all(this.#sql, query).map(decode);
    return this.#open;
  }
}

const decode = (row: Row): Call => ({
  id: String(row.id),
  turnId: String(row.turn_id),
  attempt: Number(row.attempt),
  runId: String(row.run_id),
  kind: String(row.kind) as TurnKind,
  ref: String(row.ref),
  model: String(row.model),
  likelyTokens: Number(row.likely_tokens),
  leastTokens: Number(row.least_tokens),
  begunAt: Number(row.begun_at),
  boundNanos: Number(row.bound_nanos),
  heldNanos: Number(row.held_nanos),
  costNanos: Number(row.cost_nanos),
  settled: row.settled === 1,
});
