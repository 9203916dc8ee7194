/** Returns the ms to wait after so many failures in a row, from 1: they double up to a maximum. */
export const backoffMs = (failures: number, baseMs: number, maxMs: number): number =>
  Math.min(baseMs * 2 ** (failures - 1), maxMs);

/**
 * Returns the ms to wait, half of it by chance, so that those that failed together do not come back
 * together. `random` is from 0 to 1.
 */
export const withJitter = (ms: number, random: number): number =>
  Math.round(ms / 2 + (ms / 2) * random);

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
