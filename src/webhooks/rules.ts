import type { WebhookFilter } from "./rpc";

// When events are sent, and when no more are. Times are in ms, and instants in ms since 1970.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The pauses after the first failures of a delivery; the last one is for all that follow. */
const PAUSES_MS = [5_000, 30_000, 2 * MINUTE_MS, 10 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS];
/** A pause is up to this part longer or shorter, so that deliveries that failed together do not stay together. */
const JITTER = 0.2;
/** How long a delivery is tried, from its first attempt. */
const TRIED_MS = DAY_MS;
/** An endpoint that has only failed for this long is disabled. */
const DISABLED_AFTER_MS = 3 * DAY_MS;
/** An endpoint is down after this many failures in a row. Then one delivery at a time is tried, with pauses up to a minute. */
const DOWN_AFTER = 5;
const DOWN_PAUSE_MS = 1_000;
const MAX_DOWN_PAUSE_MS = MINUTE_MS;
/** How many deliveries of an endpoint that is not down are under way at once. */
const AT_ONCE = 8;

/** How deliveries of an endpoint have ended lately. */
export interface Health {
  /** Failures since the last success. */
  failures: number;
  failingSince: number | null;
  lastSuccessAt: number | null;
  /** When the next attempt of an endpoint that is down may begin. */
  retryAt: number;
}

export const HEALTHY: Health = { failures: 0, failingSince: null, lastSuccessAt: null, retryAt: 0 };

/** Returns whether an endpoint is sent events of a type of a session; of no session, if that is null. */
export const wants = (
  { events, sessionId }: Pick<WebhookFilter, "events" | "sessionId">,
  type: string,
  session: string | null,
): boolean =>
  (sessionId === null || sessionId === session) && events.some((pattern) => matches(pattern, type));

/** Returns whether a type is one that a filter names. In a filter, `*` is any text. */
export function matches(pattern: string, type: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return pattern === type;
  const last = rest.pop() ?? "";
  if (!type.startsWith(first) || !type.endsWith(last)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = type.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= type.length - last.length;
}

/**
 * Returns when a delivery is tried again after an attempt that failed; null if it is given up. It is tried for a day, at
 * the end of it for the last time. `afterMs` is the pause that the receiver asked for.
 */
export function retryAt(
  delivery: { attempts: number; firstAt: number },
  now: number,
  random: number,
  afterMs = 0,
): number | null {
  const until = delivery.firstAt + TRIED_MS;
  if (now >= until) return null;
  const pauseMs = PAUSES_MS[Math.min(delivery.attempts, PAUSES_MS.length) - 1] ?? 0;
  const jittered = pauseMs * (1 - JITTER + 2 * JITTER * random);
  return Math.min(now + Math.max(jittered, Math.min(afterMs, HOUR_MS)), until);
}

/** Returns the health after an attempt. */
export function afterAttempt(health: Health, isAccepted: boolean, now: number): Health {
  if (isAccepted) return { ...HEALTHY, lastSuccessAt: now };
  const failures = health.failures + 1;
  const pauseMs = Math.min(DOWN_PAUSE_MS * 2 ** (failures - DOWN_AFTER), MAX_DOWN_PAUSE_MS);
  const isDown = failures >= DOWN_AFTER;
  const failingSince = health.failingSince ?? now;
  return { ...health, failures, failingSince, retryAt: isDown ? now + pauseMs : 0 };
}

/** Returns whether deliveries have only failed for so long that the endpoint is to be disabled. */
export const isHopeless = ({ failingSince }: Health, now: number): boolean =>
  failingSince !== null && now - failingSince >= DISABLED_AFTER_MS;

/** Returns how many deliveries may be under way at once. */
export const atOnce = ({ failures }: Health): number => (failures >= DOWN_AFTER ? 1 : AT_ONCE);
