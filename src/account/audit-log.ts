import { randomHex } from "../shared/bytes";
import { Drain } from "../shared/drain";
import { errorText, log } from "../shared/log";
import {
  type Actor,
  AUDIT_KEPT_MS,
  type AuditEntry,
  type AuditPage,
  type AuditQuery,
  AuditTable,
  EVERYONE,
} from "./audit";
import type { AccountRpc } from "./rpc";

/** How many entries are forwarded at a time, and when it is tried again, in ms. */
const ENTRIES_AT_ONCE = 100;
const RETRY_MS = 60_000;

/** Notes what is done, within the transaction that does it. */
export type Note = (
  action: AuditEntry["action"],
  owner: string,
  target: string | null,
  details?: AuditEntry["details"],
) => void;

/** The audit log of an account. Every entry is also sent to the account of everyone. */
export class AuditLog {
  readonly #ctx: DurableObjectState;
  readonly #env: Env;
  readonly #table: AuditTable;
  readonly #isOfAll: boolean;
  readonly #drain = new Drain(() => this.#forward());

  constructor(ctx: DurableObjectState, env: Env) {
    this.#ctx = ctx;
    this.#env = env;
    this.#table = new AuditTable(ctx.storage.sql);
    this.#isOfAll = ctx.id.name === EVERYONE;
  }

  /** Returns what notes the actions of somebody at a time. */
  noting(by: Actor, now: number): Note {
    return (action, owner, target, details = {}) =>
      this.#table.add({ id: `audit_${randomHex()}`, at: now, action, owner, target, details, by });
  }

  /** Adds entries of others. One that is known changes nothing. */
  add(entries: readonly AuditEntry[]): void {
    for (const entry of entries) this.#table.add(entry);
  }

  page(query: AuditQuery, now: number): AuditPage {
    if (!this.#table.exists()) return { entries: [], next: null };
    return this.#table.page(query, now - AUDIT_KEPT_MS);
  }

  /** Sends new entries to the account of everyone, without waiting for that. */
  forwardSoon(): void {
    if (this.#isOfAll || !this.#table.exists()) return;
    this.#ctx.waitUntil(this.#drain.now());
  }

  /** Removes old entries, and sends those that could not be sent. */
  async doDue(now: number): Promise<void> {
    if (!this.#table.exists()) return;
    this.#table.forget(now - AUDIT_KEPT_MS);
    if (!this.#isOfAll) await this.#drain.now();
  }

  /** Returns when there is something to do; null if never. */
  nextAt(now: number): number | null {
    if (!this.#table.exists()) return null;
    if (!this.#isOfAll && this.#table.toForward(1).length > 0) return now + RETRY_MS;
    const oldestAt = this.#table.oldestAt();
    return oldestAt === null ? null : oldestAt + AUDIT_KEPT_MS;
  }

  /** Never rejects. */
  async #forward(): Promise<void> {
    try {
      const everyone = this.#env.ACCOUNTS.getByName(EVERYONE) as unknown as AccountRpc;
      for (;;) {
        const entries = this.#table.toForward(ENTRIES_AT_ONCE);
        if (entries.length === 0) return;
        await everyone.record(entries);
        this.#table.markForwarded(entries);
      }
    } catch (error) {
      log("audit.behind", { error: errorText(error) });
    }
  }
}
