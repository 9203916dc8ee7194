import { errorText, log } from "../shared/log";
import type { AccountLink } from "./account-link";
import type { AuditOutbox } from "./audit-outbox";
import type { Breaker } from "./breaker";
import type { SessionContext } from "./context";
import type { CrashGuard } from "./crash-guard";
import type { Outbox } from "./outbox";
import {
  dueDeadline,
  hasExpiredCall,
  keepsAlarm,
  needsHeartbeat,
  nextAlarm,
} from "./rules/deadlines";
import type { TraceOutbox } from "./trace-outbox";
import { expireApprovals } from "./transactions/approvals";
import { waitsForWork } from "./transactions/leases";
import { hasDueSchedule, runDueSchedules, schedulesWait } from "./transactions/schedules";
import { applyDeadline } from "./transactions/session";
import { timingOf } from "./transactions/session-row";
import { expireRequests } from "./transactions/tool-results";
import type { WebhookOutbox } from "./webhook-outbox";

/** The parts of a session that its clock uses. */
export interface ClockDeps {
  breaker: Breaker;
  guard: CrashGuard;
  outbox: Outbox;
  account: AccountLink;
  audits: AuditOutbox;
  webhooks: WebhookOutbox;
  traces: TraceOutbox;
  /** Starts and stops work as the session's state requires, which resumes work that was lost with an earlier object. */
  drive(): void;
}

/**
 * Runs what is due: deadlines, schedules and retries of the outbox. Sets the object's single alarm to the next of
 * these.
 */
export class Clock {
  readonly #context: SessionContext;
  readonly #deps: ClockDeps;
  /** The time of the alarm in ms since 1970; null if none is set; undefined if not known. */
  #alarmAt: number | null | undefined;

  constructor(context: SessionContext, deps: ClockDeps) {
    this.#context = context;
    this.#deps = deps;
  }

  /** Forgets the time of the alarm. Call it after the alarm fired or was deleted with the storage. */
  forgetAlarm(): void {
    this.#alarmAt = undefined;
  }

  /** Sets the alarm to the time that the session's state requires, or deletes it. */
  planAlarm(): void {
    const { store, storage } = this.#context;
    if (!store.exists()) return;
    const { breaker, guard } = this.#deps;
    const timing = timingOf(store);
    const now = Date.now();
    const at = nextAlarm(timing, now, breaker.alarmsFrom(now), guard.pausedUntil("alarm", now));
    if (keepsAlarm(this.#alarmAt, at, { busy: needsHeartbeat(timing), now })) return;
    this.#alarmAt = at;
    // Not awaited, so that the write is atomic with the change that was just committed.
    if (at === null) storage.deleteAlarm();
    else storage.setAlarm(at);
  }

  /** Returns whether due work is paused because it crashed the object too often. */
  isPaused(): boolean {
    const now = Date.now();
    return this.#deps.guard.pausedUntil("alarm", now) > now;
  }

  /**
   * Brings the session up to date before a call: applies a due deadline, and resumes lost work. A deadline may end the
   * session and so decides how the call is answered. Due schedules do not, so they run in the background.
   */
  catchUp(): void {
    const { store, waitUntil } = this.#context;
    this.#applyDeadline();
    if (store.state.removed) return;
    if (hasDueSchedule(store, Date.now()) && !schedulesWait(store)) waitUntil(this.doDue());
    this.#deps.drive();
  }

  /**
   * Runs everything that is due and resumes lost work. Due work that crashed the object too often is postponed. Never
   * rejects. Idempotent.
   */
  async doDue(): Promise<void> {
    const { store } = this.#context;
    const { guard, outbox, account, audits, webhooks, traces, drive } = this.#deps;
    try {
      const work = async () => {
        this.#runDeadlineAndSchedules();
        drive();
        await Promise.all([
          outbox.drainDue(Date.now()),
          account.reportDue(Date.now()),
          audits.drainDue(Date.now()),
          webhooks.drainDue(Date.now()),
          traces.drainDue(Date.now()),
        ]);
      };
      if (this.#isAnythingDue(Date.now())) await guard.attempt("alarm", work);
      // Also if nothing is due, or due work is paused: lost work does not wait for that.
      if (store.exists()) drive();
      // The account says when a waiting message may start. It is asked again, since that may have been lost.
      if (store.exists() && waitsForWork(store)) await account.report();
    } catch (error) {
      this.logFailure(error);
    }
  }

  /** Logs that due work failed. */
  logFailure(error: unknown): void {
    log("alarm.failed", { session: this.#context.id, error: errorText(error) });
  }

  #isAnythingDue(now: number): boolean {
    const { store } = this.#context;
    const timing = timingOf(store);
    const isOutboxDue = timing.outboxAt !== null && timing.outboxAt <= now;
    const isDeadlineDue = dueDeadline(timing, now) !== null || hasExpiredCall(timing, now);
    return isOutboxDue || isDeadlineDue || hasDueSchedule(store, now);
  }

  /** Applies a due deadline, then runs due schedules. A deadline comes first, since it may end the session. */
  #runDeadlineAndSchedules(): void {
    const { store, commit } = this.#context;
    this.#applyDeadline();
    if (hasDueSchedule(store, Date.now())) commit((now) => runDueSchedules(store, now));
  }

  #applyDeadline(): void {
    const { id, store, drafts, commit } = this.#context;
    if (hasExpiredCall(timingOf(store), Date.now())) {
      commit((now) => {
        expireApprovals(store, drafts, now);
        expireRequests(store, now);
      });
    }
    const due = dueDeadline(timingOf(store), Date.now());
    if (!due) return;
    commit((now) => applyDeadline(store, due.because, drafts, now));
    if (due.because === "retention") log("session.expired", { session: id });
  }
}
