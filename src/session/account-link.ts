import { accountOf } from "../account/address";
import { resetsAt, type SpendLimit } from "../account/limits";
import type { AccountReply, AccountRpc, SessionReport } from "../account/rpc";
import { jitteredBackoffMs, pause } from "../shared/backoff";
import { dayOf } from "../shared/days";
import { errorText, log } from "../shared/log";
import { type Refusal, refuse, refuseForNow } from "../shared/result";
import { Serial } from "../shared/serial";
import type { Lent, SessionContext } from "./context";
import type { SessionSpec } from "./rpc";
import {
  enrolled,
  giveBack,
  isTold,
  leaseLeft,
  type Membership,
  reportOf,
  takeReply,
  withoutWork,
} from "./rules/leases";
import { isEnded } from "./rules/lifecycle";
import { isReportDue, membershipFacts, reportAt, setUsedUp } from "./transactions/leases";
import { startNext } from "./transactions/messages";

/** Delay before a session that does nothing gives money back, in ms. The next message may need it. */
const GATHER_MS = 1_000;
/** How often a report is made that does not count. */
const MAX_TRIES = 3;
const BASE_RETRY_MS = 500;
const MAX_RETRY_MS = 300_000;
/** The longest pause before the account is asked again by a message that waits for it, in ms. */
const MAX_PAUSE_MS = 10_000;

/** Money that a new message is granted in advance, in nano-dollars, or more if its calls are known to need more. */
const FIRST_NEED_NANOS = 10_000_000;

/**
 * Keeps the account of the session's owner informed, and asks it for money and for leave to work. Does nothing for a
 * session whose owner has no limits.
 */
export class AccountLink {
  readonly #context: SessionContext;
  readonly #serial: Serial;
  readonly #reschedule: () => void;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #account: Promise<string> | undefined;
  /** Whether a report is being made, or waits to be made, that asks for leave to work. */
  #isAsking = false;

  constructor(context: SessionContext, { reschedule }: { reschedule: () => void }) {
    this.#context = context;
    this.#serial = new Serial(context.waitUntil);
    this.#reschedule = reschedule;
  }

  /** Announces a session that is about to be created. Returns its membership, null if it needs none, or a refusal. */
  async claim(
    owner: string,
    { id, userId, limited }: SessionSpec,
  ): Promise<Membership | null | Refusal> {
    if (!limited) return null;
    const member = enrolled([], userId);
    const report = reportOf(id, member, { user: userId, live: "new", work: "none" }, null);
    const reply = await this.#send(owner, report).catch((error) => this.#logFailure(error));
    if (!reply) return UNREACHED;
    if (!reply.limited) return null;
    if (reply.refused !== null) return tooManySessions(reply.refused);
    return takeReply(member, report, reply, dayOf(Date.now()));
  }

  /** Gives up what `claim` has announced. Never rejects: if it fails, the account will ask. */
  async unclaim(owner: string, { id, userId }: SessionSpec, member: Membership): Promise<void> {
    const report = reportOf(id, member, { user: userId, live: false, work: "none" }, null);
    await this.#send(owner, report).catch(() => {});
  }

  /** Returns why a message can't be accepted; undefined if it can. A promise, if the account has to be asked. */
  admit(messageId: string): Promise<Refusal | undefined> | undefined {
    const { store } = this.#context;
    const { account: member } = store.state;
    if (!member || store.messages.get(messageId)) return undefined;
    const isEnough = member.lastNeedNanos > 0 && this.#left(member) >= member.lastNeedNanos;
    return isEnough ? undefined : this.#admit(member);
  }

  async #admit(member: Membership): Promise<Refusal | undefined> {
    const { store } = this.#context;
    const missing = member.lastNeedNanos - this.#left(member);
    try {
      return await this.#sync(Math.max(missing, FIRST_NEED_NANOS), ({ limit, mayFree }) => {
        const { account } = store.state;
        if (!limit || mayFree || !account || this.#left(account) > 0) return undefined;
        return usedUp(limit, Date.now());
      });
    } catch (error) {
      this.#logFailure(error);
      return UNREACHED;
    }
  }

  /** Implements `SessionContext.lend`. Waits while the account can't be reached. */
  async lend<T>(
    needNanos: number,
    signal: AbortSignal,
    use: (lent: Lent) => T,
  ): Promise<T | undefined> {
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        return await this.#sync(needNanos, (lent) => (signal.aborted ? undefined : use(lent)));
      } catch (error) {
        this.#logFailure(error);
        const pauseMs = jitteredBackoffMs(failures, BASE_RETRY_MS, MAX_PAUSE_MS, Math.random());
        await pause(pauseMs, signal);
      }
    }
    return undefined;
  }

  /** Makes an existing session a member. Idempotent. */
  enrol(): void {
    const { store, commit } = this.#context;
    commit(() => {
      const { state, calls, metadata } = store;
      if (state.account) return;
      store.state = { ...state, account: enrolled(calls.allOpen(), metadata.userId) };
    });
  }

  /**
   * Reports to the account, which asks for it: the limits may have changed, a message may start, or others need money.
   * Returns whether the session is a member.
   */
  async reportNow(): Promise<boolean> {
    const { store, commit } = this.#context;
    if (!isEnded(store.state.lifecycle)) this.enrol();
    if (store.state.account?.usedUp) commit((now) => setUsedUp(store, null, now));
    await this.report();
    return store.exists() && store.state.account !== undefined;
  }

  /** Asks for leave to start the next message, or reports soon, as the session's state requires. */
  drive(): void {
    const { store, waitUntil } = this.#context;
    if (!store.exists()) return;
    const { account } = store.state;
    if (!account || account.retryAt !== null) return;
    const waits = membershipFacts(store).work === "wanted" && account.told?.work !== "wanted";
    if (waits && !this.#isAsking) {
      this.#isAsking = true;
      const asked = this.report().finally(() => {
        this.#isAsking = false;
      });
      waitUntil(asked);
    } else if (isReportDue(store)) this.#reportSoon();
  }

  /** Reports if that is due. */
  async reportDue(now: number): Promise<void> {
    const at = reportAt(this.#context.store);
    if (at !== null && at <= now) await this.report();
  }

  /**
   * Reports how the session is, and gives back what it has not reserved. Starts the next message if that may start now.
   * Never rejects: a report that fails is made again later.
   */
  async report(): Promise<void> {
    this.#stopTimer();
    try {
      await this.#sync(null, () => {});
    } catch (error) {
      this.#logFailure(error);
      // A commit fails too if the object is broken: the next one reports.
      await this.#postpone().catch((failure) => this.#logFailure(failure));
    }
  }

  /** Reports that the session is gone, before it is erased. Rejects if the account can't be reached. */
  async finish(): Promise<void> {
    this.#stopTimer();
    const { store } = this.#context;
    for (let tries = 0; tries < 3; tries++) {
      const { account } = store.state;
      if (!account || isTold(account, membershipFacts(store))) return;
      await this.#sync(null, () => {});
    }
    throw new Error("the account did not take the report");
  }

  #left(member: Membership): number {
    return leaseLeft(member, dayOf(Date.now()), this.#context.store.metadata.userId);
  }

  #reportSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      if (this.#context.store.exists() && isReportDue(this.#context.store)) void this.report();
    }, GATHER_MS);
  }

  #stopTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /**
   * Reports, and asks for an amount; with null, gives back instead. Runs `use` with the answer, before another report is
   * made. One report is made at a time. If this one does not count, because the answer to another one was lost, it is made
   * again.
   */
  async #sync<T>(needNanos: number | null, use: (lent: Lent) => T): Promise<T | undefined> {
    return this.#serial.run(async () => {
      const { store } = this.#context;
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        if (!store.exists()) return undefined;
        const reply = store.state.account ? await this.#report(needNanos) : null;
        if (reply && !reply.isTaken) continue;
        this.#reschedule();
        const { limit = null, mayFree = false } = reply?.short ?? {};
        return store.exists() ? use({ limit, mayFree }) : undefined;
      }
      throw new Error("the account did not take the report");
    });
  }

  /** Makes one report. Returns the reply; null if the session is no member, or not any more. */
  async #report(needNanos: number | null): Promise<(AccountReply & { limited: true }) | null> {
    const { store, commit } = this.#context;
    const facts = membershipFacts(store);
    const today = dayOf(Date.now());
    // What is given back must not be used any more when the account hears of it.
    const before = store.state.account;
    if (!before) return null;
    const kept = giveBack(before, today, needNanos === null ? "all" : "past");
    const member = facts.work === "none" ? withoutWork(kept) : kept;
    if (member !== before) {
      commit(() => {
        store.state = { ...store.state, account: member };
      });
    }
    const wanted = needNanos === null ? null : { day: today, needNanos };
    const report = reportOf(store.identity.id, member, facts, wanted);
    const reply = await this.#send(store.identity.owner, report);
    if (!store.exists()) return null;
    commit((now) => {
      const { account } = store.state;
      if (!account) return;
      const taken = reply.limited ? takeReply(account, report, reply, today) : undefined;
      store.state = { ...store.state, account: taken };
      if (!taken || taken.mayWork) startNext(store, now);
    });
    return reply.limited ? reply : null;
  }

  async #send(owner: string, report: SessionReport): Promise<AccountReply> {
    this.#account ??= accountOf(owner);
    const name = await this.#account;
    const account = this.#context.env.ACCOUNTS.getByName(name) as unknown as AccountRpc;
    return account.sync(report, owner);
  }

  async #postpone(): Promise<void> {
    const { store, commit } = this.#context;
    if (!store.exists()) return;
    commit((now) => {
      const { account } = store.state;
      if (!account) return;
      const attempts = account.attempts + 1;
      const ms = jitteredBackoffMs(attempts, BASE_RETRY_MS, MAX_RETRY_MS, Math.random());
      store.state = { ...store.state, account: { ...account, attempts, retryAt: now + ms } };
    });
  }

  #logFailure(error: unknown): void {
    log("account.unreachable", { session: this.#context.id, error: errorText(error) });
  }
}

const UNREACHED = refuseForNow(
  "The account that has the limits can't be reached at the moment. Try again.",
);

const tooManySessions = (whose: "owner" | "user"): Refusal =>
  refuse(
    "too_many_sessions",
    `${whose === "owner" ? "There are" : "The user has"} as many sessions as the limits allow. End one first.`,
    { limit: whose === "owner" ? "owner_active_sessions" : "user_active_sessions" },
  );

const WHAT = {
  user_daily: "The user's money for today",
  owner_daily: "The money for today",
  owner_monthly: "The money for this month",
} satisfies Record<SpendLimit, string>;

const usedUp = (limit: SpendLimit, now: number): Refusal =>
  refuse("spend_limit", `${WHAT[limit]} is used up.`, {
    limit,
    resetsAt: new Date(resetsAt(limit, now)).toISOString(),
  });
