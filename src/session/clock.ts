import { errorText, log } from "../shared/log";
import type { Breaker } from "./breaker";
import type { SessionContext } from "./context";
import type { CrashGuard } from "./crash-guard";
import type { Outbox } from "./outbox";
import { beats, dueDeadline, keepsAlarm, nextAlarm } from "./rules/deadlines";
import { hasDueSchedule, runDueSchedules, schedulesWait } from "./transactions/schedules";
import { applyDeadline } from "./transactions/session";
import { timingOf } from "./transactions/session-row";

/** The parts of a session that its clock uses. */
export interface ClockDeps {
  breaker: Breaker;
  guard: CrashGuard;
  outbox: Outbox;
  /** Resumes work that was lost with an earlier object. */
  resume(): void;
}

/** Does what is due at a time: deadlines, schedules, retries of the outbox. Sets the object's one alarm to the next of them. */
export class Clock {
  readonly #context: SessionContext;
  readonly #deps: ClockDeps;
  /** When the alarm is set to; undefined while that is not known. */
  #alarmAt: number | null | undefined;

  constructor(context: SessionContext, deps: ClockDeps) {
    this.#context = context;
    this.#deps = deps;
  }

  /** Forgets what the alarm was set to: it has fired, or was deleted with the storage. */
  forgetAlarm(): void {
    this.#alarmAt = undefined;
  }

  /** Sets the alarm to what the session's state asks for. */
  planAlarm(): void {
    const { store, storage } = this.#context;
    if (!store.exists()) return;
    const { breaker, guard } = this.#deps;
    const timing = timingOf(store);
    const now = Date.now();
    const at = nextAlarm(timing, now, breaker.restUntil(now), guard.restsUntil("alarm", now));
    if (keepsAlarm(this.#alarmAt, at, beats(timing))) return;
    this.#alarmAt = at;
    // Not awaited: the write belongs to the same transaction as what was just committed.
    if (at === null) storage.deleteAlarm();
    else storage.setAlarm(at);
  }

  /** Returns whether what the session does by itself has ended its object too often, and waits for now. */
  isResting(): boolean {
    const now = Date.now();
    return this.#deps.guard.restsUntil("alarm", now) > now;
  }

  /** Brings a session that is about to be used up to the present. Schedules are run behind the call. */
  catchUp(): void {
    const { store, waitUntil } = this.#context;
    this.#applyDeadline();
    if (store.state.removed) return;
    if (hasDueSchedule(store, Date.now()) && !schedulesWait(store)) waitUntil(this.doDue());
    this.#deps.resume();
  }

  /**
   * Does all that is due and resumes lost work. What has ended the object too often is left for later. Never rejects,
   * and is safe to run twice.
   */
  async doDue(): Promise<void> {
    const { store } = this.#context;
    const { guard, outbox, resume } = this.#deps;
    try {
      const work = async () => {
        this.#enforceDeadlines();
        resume();
        await outbox.drainDue(Date.now());
      };
      if (this.#isAnythingDue(Date.now())) await guard.attempt("alarm", work);
      if (store.exists()) resume();
    } catch (error) {
      this.logFailure(error);
    }
  }

  /** Logs that what was due could not be done. */
  logFailure(error: unknown): void {
    log("alarm.failed", { session: this.#context.id, error: errorText(error) });
  }

  #isAnythingDue(now: number): boolean {
    const { store } = this.#context;
    const timing = timingOf(store);
    const isIndexDue = timing.outboxAt !== null && timing.outboxAt <= now;
    return isIndexDue || dueDeadline(timing, now) !== null || hasDueSchedule(store, now);
  }

  /** What ends the session comes before what it was to do. */
  #enforceDeadlines(): void {
    const { store, commit } = this.#context;
    this.#applyDeadline();
    if (hasDueSchedule(store, Date.now())) commit((now) => runDueSchedules(store, now));
  }

  #applyDeadline(): void {
    const { store, drafts, commit } = this.#context;
    const due = dueDeadline(timingOf(store), Date.now());
    if (due) commit((now) => applyDeadline(store, due.because, drafts, now));
  }
}
