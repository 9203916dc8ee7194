/** Returns the delay in ms after a number of failures in a row, counted from 1. It doubles up to a maximum. */
export const backoffMs = (failures: number, baseMs: number, maxMs: number): number =>
  Math.min(baseMs * 2 ** (failures - 1), maxMs);

/**
 * Returns the delay of `backoffMs` with its second half random, so that clients that failed together do not
 * retry together. `random` is from 0 to 1.
 */
export function jitteredBackoffMs(
  failures: number,
  baseMs: number,
  maxMs: number,
  random: number,
): number {
  const ms = backoffMs(failures, baseMs, maxMs);
  return Math.round(ms / 2 + (ms / 2) * random);
}

const BASE_RETRY_MS = 1_000;
const MAX_RETRY_MS = 300_000;

/** Returns when something is sent again that could not be delivered, after a number of failures. Half of the delay is jitter. */
export function retryAt(now: number, failures: number, random: number): number {
  return now + jitteredBackoffMs(failures, BASE_RETRY_MS, MAX_RETRY_MS, random);
}

/** Returns the pause that a header `Retry-After` asks for, in ms: it is in seconds, or a date. 0 without the header. */
export function retryAfterMs(header: string | null, now: number): number {
  if (header === null) return 0;
  const seconds = Number(header);
  const ms = Number.isNaN(seconds) ? Date.parse(header) - now : seconds * 1_000;
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

/** Waits `ms` milliseconds; returns early if the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
