import type { SpendLimit } from "./limits";

/** Money of a day or a month that a limit is for, in nano-dollars. */
export interface Budget {
  limit: SpendLimit;
  maxNanos: number | null;
  /** What was spent, and what sessions may still spend. */
  grantedNanos: number;
  /** The part of it that other sessions may give back. */
  looseNanos: number;
}

/** What a session is granted. */
export interface Grant {
  nanos: number;
  /** The limit because of which it is less than needed; null if it is enough. */
  refusedBy: SpendLimit | null;
  /** Whether more may be left once other sessions give back what they do not spend. */
  mayFree: boolean;
}

/** How many times what is needed a session gets at most, so that it seldom has to ask. */
const MAX_STEPS = 4;
/** The part of what is left beyond the need that a session gets at most, so that others find some too. */
const FAIR_PART = 1 / 8;

/**
 * Returns how much of several budgets is granted to a session that needs an amount: at least that, or else all that is
 * left; nothing if more may be left soon, so that it serves those who need less. Granted amounts never exceed a budget.
 */
export function grant(needNanos: number, budgets: readonly Budget[]): Grant {
  const scarce = budgets
    .filter((budget) => budget.maxNanos !== null)
    .map((budget) => ({ ...budget, left: leftOf(budget) }))
    .sort((a, b) => a.left - b.left);
  const [tightest] = scarce;
  const left = tightest?.left ?? Number.POSITIVE_INFINITY;
  if (left >= needNanos) {
    const more = Math.min(needNanos * (MAX_STEPS - 1), Math.floor((left - needNanos) * FAIR_PART));
    return { nanos: needNanos + more, refusedBy: null, mayFree: false };
  }
  const short = scarce.filter((budget) => budget.left < needNanos);
  const mayFree = short.every(({ looseNanos }) => looseNanos > 0);
  return { nanos: mayFree ? 0 : left, refusedBy: tightest?.limit ?? null, mayFree };
}

const leftOf = ({ maxNanos, grantedNanos }: Budget): number =>
  Math.max(0, (maxNanos ?? Number.POSITIVE_INFINITY) - grantedNanos);

/** Money that a session has from its account for a day and a user. Amounts are in nano-dollars. */
export interface LeaseAmounts {
  /** What it may spend in all. */
  grantedNanos: number;
  spentNanos: number;
  /** What stays reserved for calls that may have been billed. */
  keptNanos: number;
}

/** Returns the part of a lease that may be given back. */
export const looseOf = ({ grantedNanos, spentNanos, keptNanos }: LeaseAmounts): number =>
  grantedNanos - spentNanos - keptNanos;
