import type { ModelFailure } from "./model";

/** Tries of one turn, the first included, before its message fails. */
export const MAX_ATTEMPTS = 8;

const BASE_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;
/** A server that asks for more patience than this is taken for unavailable. */
const MAX_RETRY_AFTER_MS = 120_000;

/**
 * How long to wait before the next try, or null to give up. `random` is from 0 to 1: half of the
 * delay is jitter, so that sessions that failed together do not come back together.
 */
export function retryDelayMs(
  failure: Pick<ModelFailure, "retryable" | "retryAfterMs">,
  attempt: number,
  random: number,
): number | null {
  if (!failure.retryable || attempt >= MAX_ATTEMPTS) return null;
  const asked = failure.retryAfterMs ?? 0;
  if (asked > MAX_RETRY_AFTER_MS) return null;
  const backoff = Math.min(BASE_DELAY_MS * 2 ** (attempt - 1), MAX_DELAY_MS);
  return Math.round(Math.max(asked, backoff / 2 + (backoff / 2) * random));
}

/** Waits, or returns early when the signal aborts. */
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
