import type { Pattern, SessionRow } from "../../db/schema";
import type { Limits } from "./ledger";
import { isEnded, type Lifecycle } from "./lifecycle";

/** Work under way is looked after at least this often, so that a lost runner is soon replaced. */
export const HEARTBEAT_MS = 30_000;

/** Alarms closer together than this would be a tight loop. */
const MIN_ALARM_MS = 250;

/** What the clock acts on. */
export interface Timing {
  lifecycle: Lifecycle;
  limits: Limits;
  createdAt: number;
  lastActivityAt: number;
  /** Whether a message runs. */
  busy: boolean;
  /** True once the session is to be forgotten: only the outbox matters then. */
  removed: boolean;
  /** When the outbox is to be tried next; null when it is empty. */
  outboxAt: number | null;
  pattern: Pattern;
  /** When the next run of a schedule is due; null when there is none to come. */
  scheduleAt: number | null;
  /** True while due runs wait for room in the queue: the end of a message makes room, and plans anew. */
  schedulesWait: boolean;
  /** The part of each second in which the session's schedules run, in ms: 0 to 999. */
  scheduleOffsetMs: number;
  /** Whether the sandbox's machine is on its way from one state to another. */
  machinePending: boolean;
}

/** What happens to a session by itself, and when. */
export interface Deadline {
  at: number;
  because: NonNullable<SessionRow["expiresBecause"]>;
}

/** Returns the earliest deadline of a session; null when nothing will ever happen to it by itself. */
export function nextDeadline(timing: Timing): Deadline | null {
  const { lifecycle, limits } = timing;
  if (timing.removed) return null;
  if (isEnded(lifecycle)) {
    return lifecycle.cleanupAt === null ? null : { at: lifecycle.cleanupAt, because: "cleanup" };
  }
  const deadlines: Deadline[] = [];
  if (limits.maxLifetimeMs !== null) {
    deadlines.push({ at: timing.createdAt + limits.maxLifetimeMs, because: "lifetime_limit" });
  }
  // A session that works is not idle, and one that sleeps, or is not ready yet, can't fall asleep. One that
  // would end of idleness does not while a schedule has something for it to do.
  const awaitsRun = timing.scheduleAt !== null && timing.pattern !== "hybrid";
  if (
    limits.maxIdleTimeMs !== null &&
    lifecycle.status === "active" &&
    !timing.busy &&
    !awaitsRun
  ) {
    const since = Math.max(timing.lastActivityAt, lifecycle.startedAt);
    deadlines.push({ at: since + limits.maxIdleTimeMs, because: "idle_timeout" });
  }
  return deadlines.reduce<Deadline | null>(
    (first, next) => (first === null || next.at < first.at ? next : first),
    null,
  );
}

/** Returns the deadline that has come; null while none has. */
export function dueDeadline(timing: Timing, now: number): Deadline | null {
  const next = nextDeadline(timing);
  return next !== null && next.at <= now ? next : null;
}

/**
 * Returns when the object has to wake next, but not before `restUntil`, and for what the clock says is due not before
 * `dueFrom`; null lets it sleep for ever.
 */
export function nextAlarm(
  timing: Timing,
  now: number,
  restUntil = now,
  dueFrom = now,
): number | null {
  const due = [nextDeadline(timing)?.at ?? null, timing.outboxAt, scheduleAlarm(timing, now)]
    .filter((at) => at !== null)
    .map((at) => Math.max(at, dueFrom));
  const times = beats(timing) ? [...due, now + HEARTBEAT_MS] : due;
  return times.length === 0 ? null : Math.max(Math.min(...times), now + MIN_ALARM_MS, restUntil);
}

/** Returns whether work is under way that would have to be taken up after a loss. */
export const beats = ({ busy, machinePending, removed }: Timing): boolean =>
  busy || (machinePending && !removed);

/**
 * Returns when to wake for the schedules: less than a second after a run is due. Many schedules that run every second
 * are one alarm a second, which the breaker lets pass, and so are those that are overdue.
 */
function scheduleAlarm(timing: Timing, now: number): number | null {
  const { scheduleAt, schedulesWait, scheduleOffsetMs } = timing;
  if (scheduleAt === null || schedulesWait) return null;
  const earliest = Math.max(scheduleAt, now + 1);
  return Math.ceil((earliest - scheduleOffsetMs) / 1_000) * 1_000 + scheduleOffsetMs;
}

/**
 * Returns the part of each second, in ms, in which a session's schedules run. Most schedules are due at full seconds;
 * by their ids, the sessions spread over the second that follows.
 */
export function scheduleOffset(sessionId: string): number {
  let hash = 0x811c9dc5;
  for (let n = 0; n < sessionId.length; n++) {
    hash = Math.imul(hash ^ sessionId.charCodeAt(n), 0x01000193);
  }
  return (hash >>> 0) % 1_000;
}

/**
 * Returns whether an alarm that is set will do for one that is wanted. A heartbeat moves with every change of a
 * busy session, and the one that is set already comes soon enough: setting an alarm is a write.
 */
export function keepsAlarm(
  set: number | null | undefined,
  wanted: number | null,
  busy: boolean,
): boolean {
  if (set === wanted) return true;
  if (set === null || set === undefined || wanted === null) return false;
  return busy && set <= wanted;
}
