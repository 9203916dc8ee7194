// Decides what a pool of started sandboxes does next, from its content and the time. `warm-pool.ts` executes
// it.

import { backoffMs } from "../shared/backoff";

/** The target of a pool: the number of sandboxes of a provider, with one version of their content. */
export interface PoolSetup {
  provider: string;
  version: string;
  target: number;
}

/** A sandbox of the pool: starting, ready to be handed out, or being destroyed. */
export interface PooledSandbox {
  id: string;
  provider: string;
  version: string;
  state: "starting" | "ready" | "leaving";
  madeAt: number;
  /** When the sandbox needs attention next. */
  dueAt: number;
  /** The number of failed attempts to destroy it. */
  failures: number;
}

/**
 * The state of the circuit breaker: the number of failed starts in a row, and the time before which no other
 * start is tried.
 */
export interface StartBreaker {
  failures: number;
  retryAt: number;
}

/** Maximum number of parallel starts, because the platform rejects too many at once. */
export const MAX_STARTING = 5;
/** Number of failed starts in a row after which the pool pauses. */
const MAX_FAILURES = 3;
/**
 * Interval at which a ready sandbox is checked: one that died is started again, and one that runs does not fall
 * asleep.
 */
export const CHECK_MS = 60_000;
/** Age at which a ready sandbox is replaced by a new one. */
export const MAX_AGE_MS = 6 * 3_600_000;
/** Delay after which work in progress is checked again, in case it was lost. */
const RECOVERY_MS = 30_000;

const FIRST_REST_MS = 15_000;
const MAX_REST_MS = 5 * 60_000;

/** Returns the ids of the sandboxes to destroy, and the number of sandboxes to start now. */
export function planPool(
  all: readonly PooledSandbox[],
  setup: PoolSetup,
  breaker: StartBreaker,
  now: number,
): { leave: string[]; start: number } {
  const staying = all.filter(({ state }) => state !== "leaving");
  const [fitting, wrong] = partition(staying, (one) => fits(one, setup));
  // The sandboxes that would be ready last are destroyed first.
  const order = fitting.toSorted(
    (a, b) => Number(a.state === "ready") - Number(b.state === "ready") || b.madeAt - a.madeAt,
  );
  const leave = [...wrong, ...order.slice(0, Math.max(0, fitting.length - setup.target))];
  if (leave.length === 0 && fitting.every(({ state }) => state === "ready")) {
    // One at a time, so that the pool is never emptied because of age.
    const oldest = order.at(-1);
    if (oldest && now - oldest.madeAt > MAX_AGE_MS) leave.push(oldest);
  }
  const left = fitting.filter((one) => !leave.includes(one));
  const missing = setup.target - left.length;
  const starting = left.filter(({ state }) => state === "starting").length;
  const start = Math.max(0, Math.min(missing, mayStart(breaker, now) - starting));
  return { leave: leave.map(({ id }) => id), start };
}

/** Returns when the pool must run again without a request; null if there is nothing left to do. */
export function nextLook(
  all: readonly PooledSandbox[],
  setup: PoolSetup,
  breaker: StartBreaker,
  now: number,
): number | null {
  const later = (at: number) => (at > now ? at : now + RECOVERY_MS);
  const looks = all.map(({ dueAt }) => later(dueAt));
  const here = all.filter((one) => one.state !== "leaving" && fits(one, setup)).length;
  if (here < setup.target) looks.push(later(breaker.retryAt));
  return looks.length === 0 ? null : Math.min(...looks);
}

/** Returns whether a sandbox has the provider and the version of the target. */
export const fits = (one: PooledSandbox, { provider, version }: PoolSetup): boolean =>
  one.provider === provider && one.version === version;

/**
 * Returns the breaker after one more failed start: from the third failure in a row it pauses, with increasing
 * delays.
 */
export function afterFailure({ failures: before }: StartBreaker, now: number): StartBreaker {
  const failures = before + 1;
  const restMs = backoffMs(failures - MAX_FAILURES + 1, FIRST_REST_MS, MAX_REST_MS);
  return { failures, retryAt: failures < MAX_FAILURES ? now : now + restMs };
}

/** The closed breaker, which allows every start. */
export const CLOSED: StartBreaker = { failures: 0, retryAt: 0 };

/** Returns whether too many starts failed in a row. Until one succeeds, starts are tried one at a time. */
const isOpen = ({ failures }: StartBreaker): boolean => failures >= MAX_FAILURES;

/** The state of a pool. Sandboxes that no longer match the target count as leaving. */
export interface PoolStanding {
  target: number;
  ready: number;
  starting: number;
  leaving: number;
  breaker: { state: "closed" | "open"; failures: number; retryAt: number | null };
}

/** Returns the state of a pool. */
export function standing(
  all: readonly PooledSandbox[],
  setup: PoolSetup,
  breaker: StartBreaker,
): PoolStanding {
  const of = (state: "ready" | "starting") =>
    all.filter((one) => one.state === state && fits(one, setup)).length;
  const [ready, starting] = [of("ready"), of("starting")];
  const { failures, retryAt } = breaker;
  return {
    target: setup.target,
    ready,
    starting,
    leaving: all.length - ready - starting,
    breaker: isOpen(breaker)
      ? { state: "open", failures, retryAt }
      : { state: "closed", failures, retryAt: null },
  };
}

function mayStart(breaker: StartBreaker, now: number): number {
  if (!isOpen(breaker)) return MAX_STARTING;
  return now < breaker.retryAt ? 0 : 1;
}

function partition<T>(all: readonly T[], belongs: (one: T) => boolean): [T[], T[]] {
  return [all.filter(belongs), all.filter((one) => !belongs(one))];
}
