import { jitteredBackoffMs } from "../../shared/backoff";
import type { ModelFailure } from "./model-failure";

/** The most tries of one turn, the first included. */
export const MAX_ATTEMPTS = 8;

const BASE_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;
/** A server that asks for a longer pause is treated as unavailable. */
const MAX_RETRY_AFTER_MS = 120_000;

/**
 * Returns the ms to wait before the next try, or null to give up. `attempt` counts from 1. `random` is from 0
 * to 1: half of the delay is jitter, so that sessions that failed together do not retry together.
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
