import type { SessionRow } from "../db/schema";
import { retryAt } from "../shared/backoff";
import { Drain } from "../shared/drain";
import { errorText, log } from "../shared/log";
import { settledWithin } from "../shared/timeout";
import type { SessionStore } from "./storage/store";
import { toSessionRow } from "./transactions/session-row";

/** Delay before the index is updated, in ms. Changes within this time reach the index as one write. */
const GATHER_MS = 1_000;
/** The delay after a change of status, in ms. */
const GATHER_STATUS_MS = 200;
/** The delay while a message runs, in ms. Its totals change with every turn, and lists may lag behind. */
const GATHER_BUSY_MS = 2_000;
/** Timeout of a write, in ms. If the write still arrives later, its version prevents it from replacing a newer row. */
const WRITE_TIMEOUT_MS = 10_000;

/** The functions that the outbox calls. */
export interface OutboxDeps {
  put(row: SessionRow): Promise<void>;
  remove(row: SessionRow): Promise<void>;
  /** Called after the index has removed the session, so that its storage can be erased. */
  forget(): Promise<void>;
  /** Called when the time of the next attempt has changed. */
  reschedule(): void;
}

/**
 * Updates the index with the session's row. It always sends the newest row, so that changes during an outage of the
 * index are combined. The index compares versions, which keeps the order.
 */
export class Outbox {
  readonly #store: SessionStore;
  readonly #deps: OutboxDeps;
  readonly #drain = new Drain(() => this.#sendAll());
  /** The status that the index has, as far as this object knows. */
  #sentStatus: SessionRow["status"] | undefined;

  constructor(store: SessionStore, deps: OutboxDeps) {
    this.#store = store;
    this.#deps = deps;
  }

  /**
   * Drains after a short delay if there is something to send. After a failure, does nothing: the retry is scheduled.
   */
  drainSoon(): void {
    if (this.#store.outbox?.attempts !== 0) return;
    this.#drain.soon(this.#gatherMs());
  }

  /** Drains if the time of the next attempt has come. */
  async drainDue(now: number): Promise<void> {
    if (this.#store.outbox && this.#store.outbox.nextAt <= now) await this.drain();
  }

  /** Sends the pending update. With `boundMs`, stops waiting after that time. Never rejects. */
  async drain(boundMs?: number): Promise<void> {
    const drained = this.#drain.now();
    if (boundMs === undefined) await drained;
    else await settledWithin(drained, boundMs);
  }

  #gatherMs(): number {
    const { lifecycle, running } = this.#store.state;
    if (lifecycle.status !== this.#sentStatus) return GATHER_STATUS_MS;
    return running === null ? GATHER_MS : GATHER_BUSY_MS;
  }

  async #sendAll(): Promise<void> {
    while (this.#store.exists() && this.#store.outbox) {
      const row = toSessionRow(this.#store);
      const { removed } = this.#store.state;
      try {
        const write = removed ? this.#deps.remove(row) : this.#deps.put(row);
        if (!(await settledWithin(write, WRITE_TIMEOUT_MS)))
          throw new Error("the index did not answer");
        if (removed) {
          await this.#deps.forget();
          return;
        }
      } catch (error) {
        this.#postpone(error);
        return;
      }
      this.#sentStatus = row.status;
      if (this.#store.state.version === row.version) this.#store.outbox = null;
      this.#deps.reschedule();
    }
  }

  #postpone(error: unknown): void {
    const attempts = (this.#store.outbox?.attempts ?? 0) + 1;
    this.#store.outbox = { attempts, nextAt: retryAt(Date.now(), attempts, Math.random()) };
    log("index.behind", { session: this.#store.identity.id, attempts, error: errorText(error) });
    this.#deps.reschedule();
  }
}
