/** Returns the ms to wait after so many failures in a row, from 1: they double up to a maximum. */
export const backoffMs = (failures: number, baseMs: number, maxMs: number): number =>
  Math.min(baseMs * 2 ** (failures - 1), maxMs);

/**
 * Returns the same, with half of the wait by chance, so that those that failed together do not come back
 * together. `random` is from 0 to 1.
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

/** Waits so many ms, or returns early when the signal aborts. */
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
