import { jitteredBackoffMs } from "../shared/backoff";
import type { ModelFailure } from "./model-failure";

/** Tries of one turn, the first included, before its message fails. */
export const MAX_ATTEMPTS = 8;

const BASE_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;
/** A server that asks for more patience than this is taken for unavailable. */
const MAX_RETRY_AFTER_MS = 120_000;

/**
 * Returns how long to wait before the next try, or null to give up. `random` is from 0 to 1: half of the
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
  return Math.round(
    Math.max(asked, jitteredBackoffMs(attempt, BASE_DELAY_MS, MAX_DELAY_MS, random)),
  );
}
