import type { SessionRow } from "../db/schema";
import { jitteredBackoffMs } from "../shared/backoff";
import { errorText, log } from "../shared/log";
import { settledWithin } from "../shared/timeout";
import type { SessionStore } from "./storage/store";
import { toSessionRow } from "./transactions/session-row";

/** Changes that follow each other closely reach the index as one write. */
const GATHER_MS = 200;
/** The same while a message runs: its totals change with every turn, and lists may lag. */
const GATHER_BUSY_MS = 2_000;
/** A write that takes longer has failed; its version guards against its coming late. */
const WRITE_TIMEOUT_MS = 10_000;
const BASE_RETRY_MS = 1_000;
const MAX_RETRY_MS = 300_000;

/** Returns when to try again after so many failures; half of the wait is jitter. */
export function retryAt(now: number, attempts: number, random: number): number {
  return now + jitteredBackoffMs(attempts, BASE_RETRY_MS, MAX_RETRY_MS, random);
}

/** What the outbox needs of the world. */
export interface OutboxDeps {
  put(row: SessionRow): Promise<void>;
  remove(row: SessionRow): Promise<void>;
  /** Called when the index knows that the session is gone: nothing needs it any more. */
  forget(): Promise<void>;
  /** Called when the time of the next try has changed. */
  reschedule(): void;
}

/**
 * Brings the index up to date with a session. What is to be sent is the newest row, so that changes
 * gather while the index is away, and the index's own guard on versions keeps the order.
 */
export class Outbox {
  readonly #store: SessionStore;
  readonly #deps: OutboxDeps;
  #draining: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(store: SessionStore, deps: OutboxDeps) {
    this.#store = store;
    this.#deps = deps;
  }

  /** Drains soon, should there be anything to send; after a failure its own time has to come first. */
  drainSoon(): void {
    if (this.#store.outbox?.attempts !== 0) return;
    const gatherMs = this.#store.state.running === null ? GATHER_MS : GATHER_BUSY_MS;
    this.#timer ??= setTimeout(() => this.drain(), gatherMs);
  }

  /** Drains if that is due. */
  async drainDue(now: number): Promise<void> {
    if (this.#store.outbox && this.#store.outbox.nextAt <= now) await this.drain();
  }

  /** Sends what there is to send; with a bound, waits no longer than that. Never rejects. */
  async drain(boundMs?: number): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#draining ??= this.#sendAll().finally(() => {
      this.#draining = null;
    });
    if (boundMs === undefined) await this.#draining;
    else await settledWithin(this.#draining, boundMs);
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
