import type { Pattern, SessionRow } from "../../db/schema";
import type { Limits } from "./ledger";
import { isEnded, type Lifecycle } from "./lifecycle";

/** While work is in progress, the alarm fires at least this often, so that a lost worker is soon replaced. */
export const HEARTBEAT_MS = 30_000;

/** Minimum delay of an alarm. It prevents a tight loop of alarms. */
const MIN_ALARM_MS = 250;

/** The input of the deadline rules. Times are in ms since 1970. */
export interface Timing {
  lifecycle: Lifecycle;
  limits: Limits;
  /** How long the session is kept after its end, in ms; null for no limit. */
  retentionMs: number | null;
  createdAt: number;
  lastActivityAt: number;
  /** Whether a message runs, or waits for the account's leave to start. */
  busy: boolean;
  /** Whether a message waits for somebody. */
  waits: boolean;
  /** Whether the session is paused at a limit. */
  paused: boolean;
  /** When the first call that waits for somebody expires; null if none does. */
  awaitedUntil: number | null;
  /** Whether the session is deleted. Then only the outbox sets an alarm. */
  removed: boolean;
  /** When the index or the account is told next what it does not know; null if they know everything. */
  outboxAt: number | null;
  pattern: Pattern;
  /** When the next run of a schedule is due; null if there is none. */
  scheduleAt: number | null;
  /** Whether due runs wait for room in the queue. The end of a message makes room and plans the alarm again. */
  schedulesWait: boolean;
  /** The offset within a second at which the session's schedules run, in ms: 0 to 999. */
  scheduleOffsetMs: number;
  /** Whether the container is in a phase that has work pending, or is to be saved. */
  machinePending: boolean;
}

/** A session whose message waits becomes idle after this time, or after its idle timeout if that is shorter, in ms. */
const MAX_WAITING_IDLE_MS = 300_000;

/** A time-driven change of a session: when it happens, in ms since 1970, and why. */
export interface Deadline {
  at: number;
  because: NonNullable<SessionRow["expiresBecause"]>;
}

/** Returns the earliest deadline of a session; null if it has none. */
export function nextDeadline(timing: Timing): Deadline | null {
  const { lifecycle, limits, waits } = timing;
  if (timing.removed) return null;
  const deadlines: Deadline[] = [];
  if (isEnded(lifecycle)) {
    const { cleanupAt, endedAt } = lifecycle;
    if (cleanupAt !== null) deadlines.push({ at: cleanupAt, because: "cleanup" });
    if (timing.retentionMs !== null) {
      deadlines.push({ at: endedAt + timing.retentionMs, because: "retention" });
    }
    return earliest(deadlines);
  }
  // A paused session waits for its limits to be raised.
  if (timing.paused) return null;
  if (limits.maxLifetimeMs !== null) {
    deadlines.push({ at: timing.createdAt + limits.maxLifetimeMs, because: "lifetime_limit" });
  }
  const idleMs = waits ? waitingIdleMs(limits) : limits.maxIdleTimeMs;
  if (idleMs !== null && lifecycle.status !== "initializing" && canExpire(timing)) {
    const since = Math.max(timing.lastActivityAt, lifecycle.startedAt);
    deadlines.push({ at: since + idleMs, because: "idle_timeout" });
  }
  return earliest(deadlines);
}

const waitingIdleMs = ({ maxIdleTimeMs }: Limits): number =>
  Math.min(maxIdleTimeMs ?? MAX_WAITING_IDLE_MS, MAX_WAITING_IDLE_MS);

/**
 * Returns whether the idle timeout can make the session idle, or end it. A session with a running message is not idle. One
 * that would end does not end while a run of a schedule is still to come.
 */
function canExpire({ lifecycle, busy, waits, pattern, scheduleAt }: Timing): boolean {
  const becomesIdle = pattern === "hybrid" || waits;
  if (busy || (becomesIdle && lifecycle.status === "idle")) return false;
  return becomesIdle || scheduleAt === null;
}

const earliest = (deadlines: readonly Deadline[]): Deadline | null =>
  deadlines.reduce<Deadline | null>(
    (first, next) => (first === null || next.at < first.at ? next : first),
    null,
  );

/** Returns whether the wait for somebody has expired for a call, of a session that has not ended. */
export const hasExpiredCall = ({ awaitedUntil, removed }: Timing, now: number): boolean =>
  awaitedUntil !== null && awaitedUntil <= now && !removed;

/** Returns the earliest deadline if it is due; null otherwise. */
export function dueDeadline(timing: Timing, now: number): Deadline | null {
  const next = nextDeadline(timing);
  return next !== null && next.at <= now ? next : null;
}

/**
 * Returns the time of the next alarm; null if none is needed. It is not before `alarmsFrom`. For deadlines, the outbox
 * and schedules it is not before `dueFrom`.
 */
export function nextAlarm(
  timing: Timing,
  now: number,
  alarmsFrom = now,
  dueFrom = now,
): number | null {
  const { outboxAt, awaitedUntil } = timing;
  const due = [nextDeadline(timing)?.at ?? null, outboxAt, awaitedUntil, scheduleAlarm(timing, now)]
    .filter((at) => at !== null)
    .map((at) => Math.max(at, dueFrom));
  const times = needsHeartbeat(timing) ? [...due, now + HEARTBEAT_MS] : due;
  return times.length === 0 ? null : Math.max(Math.min(...times), now + MIN_ALARM_MS, alarmsFrom);
}

/**
 * Returns whether the session needs a heartbeat: work is in progress that must be resumed after a loss of the object.
 */
export const needsHeartbeat = ({ busy, machinePending, removed }: Timing): boolean =>
  busy || (machinePending && !removed);

/**
 * Returns the time of the alarm for the schedules: less than a second after the next run is due. Any number of
 * schedules that run every second, and of overdue ones, cause one alarm per second, which the breaker permits.
 */
function scheduleAlarm(timing: Timing, now: number): number | null {
  const { scheduleAt, schedulesWait, scheduleOffsetMs } = timing;
  if (scheduleAt === null || schedulesWait) return null;
  const earliest = Math.max(scheduleAt, now + 1);
  return Math.ceil((earliest - scheduleOffsetMs) / 1_000) * 1_000 + scheduleOffsetMs;
}

/**
 * Returns the offset within a second, in ms, at which a session's schedules run: a hash of its id. Most schedules are
 * due at full seconds, and the offset distributes the sessions over the following second.
 */
export function scheduleOffset(sessionId: string): number {
  let hash = 0x811c9dc5;
  for (let n = 0; n < sessionId.length; n++) {
    hash = Math.imul(hash ^ sessionId.charCodeAt(n), 0x01000193);
  }
  return (hash >>> 0) % 1_000;
}

/** An alarm that fires within this time is left, in ms: with messages in a row it would be moved back and forth. */
const SOON_MS = 5_000;

/**
 * Returns whether the alarm that is set can stay although `wanted` is needed. An earlier alarm is sufficient, and setting
 * one is a write. So it stays if it fires soon, or if the session is busy, whose heartbeat moves with every change.
 */
export function keepsAlarm(
  set: number | null | undefined,
  wanted: number | null,
  { busy, now }: { busy: boolean; now: number },
): boolean {
  if (set === wanted) return true;
  if (set === null || set === undefined || wanted === null) return false;
  const isSoon = set > now && set - now <= SOON_MS;
  return set <= wanted && (busy || isSoon);
}
