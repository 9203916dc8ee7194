import { accountOf } from "../account/address";
import type { AccountRpc } from "../account/rpc";
import { retryAt } from "../shared/backoff";
import { Drain } from "../shared/drain";
import { errorText, log } from "../shared/log";
import type { SessionContext } from "./context";

/** Has the account of the session's owner record what others did to the session. */
export class AuditOutbox {
  readonly #context: SessionContext;
  readonly #reschedule: () => void;
  readonly #drain = new Drain(() => this.#send());

  constructor(context: SessionContext, { reschedule }: { reschedule: () => void }) {
    this.#context = context;
    this.#reschedule = reschedule;
  }

  /** Sends what is pending, unless it has failed before. */
  drive(): void {
    const { store, waitUntil } = this.#context;
    if (!store.exists() || !store.hasAudits || store.audits?.attempts !== 0) return;
    waitUntil(this.#drain.now());
  }

  /** Sends what is due. Never rejects. */
  async drainDue(now: number): Promise<void> {
    const { audits } = this.#context.store;
    if (audits && audits.nextAt <= now) await this.#drain.now();
  }

  /** Sends everything, before the session is erased. Rejects if that is not possible. */
  async finish(): Promise<void> {
    await this.#drain.now();
    if (this.#context.store.audits) throw new Error("the account did not record an entry");
  }

  async #send(): Promise<void> {
    const { store, env } = this.#context;
    for (let pending = store.audits; pending; pending = store.audits) {
      const { entries } = pending;
      try {
        const name = await accountOf(store.identity.owner);
        const account = env.ACCOUNTS.getByName(name) as unknown as AccountRpc;
        await account.record(entries);
      } catch (error) {
        log("audit.behind", { session: this.#context.id, error: errorText(error) });
        const attempts = pending.attempts + 1;
        const nextAt = retryAt(Date.now(), attempts, Math.random());
        store.audits = { ...(store.audits ?? pending), attempts, nextAt };
        this.#reschedule();
        return;
      }
      if (!store.exists()) return;
      const others = store.audits?.entries.slice(entries.length) ?? [];
      store.audits = others.length === 0 ? null : { entries: others, attempts: 0, nextAt: 0 };
      this.#reschedule();
    }
  }
}
