// What a pool of started sandboxes does next. Decided here from what it holds and the time; done elsewhere.

import { backoffMs } from "../shared/backoff";

/** What a pool is to hold: so many sandboxes of a provider, of one version of what is in them. */
export interface PoolSetup {
  provider: string;
  version: string;
  target: number;
}

/** A sandbox of the pool: on its way to be ready, ready to be handed out, or to be destroyed. */
export interface PooledSandbox {
  id: string;
  provider: string;
  version: string;
  state: "starting" | "ready" | "leaving";
  madeAt: number;
  /** When there is next something to do for it. */
  dueAt: number;
  /** How often it could not be destroyed. */
  failures: number;
}

/** Starts that failed one after the other, and until when no other is tried. */
export interface StartBreaker {
  failures: number;
  retryAt: number;
}

/** How many sandboxes are started at once: a platform refuses a crowd. */
export const MAX_STARTING = 5;
/** Failed starts in a row after which the pool rests. */
const MAX_FAILURES = 3;
/** A ready sandbox is looked at this often: one that died is started anew, one that lives does not fall asleep. */
export const CHECK_MS = 60_000;
/** A sandbox that nobody took for so long makes room for a fresh one. */
export const MAX_AGE_MS = 6 * 3_600_000;
/** What is under way is looked at again after this, should whoever does it be lost. */
const RECOVERY_MS = 30_000;

const FIRST_REST_MS = 15_000;
const MAX_REST_MS = 5 * 60_000;

/** Returns which sandboxes are to be destroyed, and how many new ones to be started now. */
export function planPool(
  all: readonly PooledSandbox[],
  setup: PoolSetup,
  breaker: StartBreaker,
  now: number,
): { leave: string[]; start: number } {
  const staying = all.filter(({ state }) => state !== "leaving");
  const [fitting, wrong] = partition(staying, (one) => fits(one, setup));
  // Whoever would be ready last goes first.
  const order = fitting.toSorted(
    (a, b) => Number(a.state === "ready") - Number(b.state === "ready") || b.madeAt - a.madeAt,
  );
  const leave = [...wrong, ...order.slice(0, Math.max(0, fitting.length - setup.target))];
  if (leave.length === 0 && fitting.every(({ state }) => state === "ready")) {
    // One at a time, so that the pool is never emptied by its age.
    const oldest = order.at(-1);
    if (oldest && now - oldest.madeAt > MAX_AGE_MS) leave.push(oldest);
  }
  const left = fitting.filter((one) => !leave.includes(one));
  const missing = setup.target - left.length;
  const starting = left.filter(({ state }) => state === "starting").length;
  const start = Math.max(0, Math.min(missing, mayStart(breaker, now) - starting));
  return { leave: leave.map(({ id }) => id), start };
}

/** Returns when the pool has to look again by itself; null when nothing is to happen any more. */
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

/** Returns whether a sandbox is what the pool is to hold. */
export const fits = (one: PooledSandbox, { provider, version }: PoolSetup): boolean =>
  one.provider === provider && one.version === version;

/** Returns the breaker after one more failed start: from the third in a row on it rests, ever longer. */
export function afterFailure({ failures: before }: StartBreaker, now: number): StartBreaker {
  const failures = before + 1;
  const restMs = backoffMs(failures - MAX_FAILURES + 1, FIRST_REST_MS, MAX_REST_MS);
  return { failures, retryAt: failures < MAX_FAILURES ? now : now + restMs };
}

/** A breaker that lets every start through. */
export const CLOSED: StartBreaker = { failures: 0, retryAt: 0 };

/** Returns whether starts have failed too often. Until one succeeds they are tried one by one. */
const isOpen = ({ failures }: StartBreaker): boolean => failures >= MAX_FAILURES;

/** How a pool stands; those that are wrong for it by now count as leaving. */
export interface PoolStanding {
  target: number;
  ready: number;
  starting: number;
  leaving: number;
  breaker: { state: "closed" | "open"; failures: number; retryAt: number | null };
}

/** Tells how a pool stands. */
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
