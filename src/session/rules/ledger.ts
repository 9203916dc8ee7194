import { dollars } from "../../shared/money";

/** The limits of a session; null means none. */
export interface Limits {
  maxIdleTimeMs: number | null;
  maxLifetimeMs: number | null;
  maxBudgetNanos: number | null;
  maxTurns: number | null;
}

/** What a ledger holds, in nano-dollars: what was spent, and what is reserved for calls under way. */
export interface Balance {
  spentNanos: number;
  heldNanos: number;
}

/** Returns what is left of a budget; never negative. Infinity where there is none. */
export function leftNanos(balance: Balance, maxBudgetNanos: number | null): number {
  if (maxBudgetNanos === null) return Number.POSITIVE_INFINITY;
  return Math.max(0, maxBudgetNanos - balance.spentNanos - balance.heldNanos);
}

/** A reservation in the ledger. Once settled it never changes again. */
export interface Reservation {
  boundNanos: number;
  heldNanos: number;
  costNanos: number;
  settled: boolean;
}

/**
 * Holds a call's bound, or returns null when it does not fit. Spent plus held never exceeds the
 * budget.
 */
export function reserve(
  balance: Balance,
  boundNanos: number,
  maxBudgetNanos: number | null,
): { balance: Balance; reservation: Reservation } | null {
  if (boundNanos > leftNanos(balance, maxBudgetNanos)) return null;
  return {
    balance: { ...balance, heldNanos: balance.heldNanos + boundNanos },
    reservation: { boundNanos, heldNanos: boundNanos, costNanos: 0, settled: false },
  };
}

/** What becomes of the part of its bound that a call was not charged. */
export type Remainder = "released" | "kept";

/**
 * Turns what was held into what was spent, never more than the bound. The rest is `released` for a call whose
 * price is known or that was not run, and `kept` for any other, since it may have been billed unseen.
 */
export function settle(
  balance: Balance,
  reservation: Reservation,
  costNanos: number,
  rest: Remainder,
): { balance: Balance; reservation: Reservation } {
  if (reservation.settled) return { balance, reservation };
  const cost = Math.min(costNanos, reservation.boundNanos);
  const heldNanos = rest === "kept" ? reservation.boundNanos - cost : 0;
  return {
    balance: {
      spentNanos: balance.spentNanos + cost,
      heldNanos: balance.heldNanos - reservation.heldNanos + heldNanos,
    },
    reservation: { ...reservation, heldNanos, costNanos: cost, settled: true },
  };
}

/** Returns the limit that a session at rest has used up, if there is one. */
export function usedUp(
  used: { spentNanos: number; numTurns: number },
  limits: { maxBudgetNanos: number | null; maxTurns: number | null },
): "budget_limit" | "turn_limit" | null {
  const { spentNanos, numTurns } = used;
  if (limits.maxBudgetNanos !== null && spentNanos > 0 && spentNanos >= limits.maxBudgetNanos) {
    return "budget_limit";
  }
  return limits.maxTurns !== null && numTurns >= limits.maxTurns ? "turn_limit" : null;
}

/** A limit whose warning threshold a session has just crossed. */
export interface Warning {
  limit: "budget" | "turns";
  used: number;
  max: number;
}

/** The share of a limit at which a session warns. */
const WARN_AT = 0.8;

/** Returns the warnings that fall between two moments of a session; each falls once. */
export function warnings(
  before: { spentNanos: number; numTurns: number },
  after: { spentNanos: number; numTurns: number },
  limits: { maxBudgetNanos: number | null; maxTurns: number | null },
): Warning[] {
  const found: Warning[] = [];
  const crossed = (from: number, to: number, max: number | null): max is number =>
    max !== null && max > 0 && from < max * WARN_AT && to >= max * WARN_AT;
  if (crossed(before.spentNanos, after.spentNanos, limits.maxBudgetNanos)) {
    const used = dollars(after.spentNanos);
    found.push({ limit: "budget", used, max: dollars(limits.maxBudgetNanos) });
  }
  if (crossed(before.numTurns, after.numTurns, limits.maxTurns)) {
    found.push({ limit: "turns", used: after.numTurns, max: limits.maxTurns });
  }
  return found;
}
