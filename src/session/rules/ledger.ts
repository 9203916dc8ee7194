import { dollars } from "../../shared/money";

/** The limits of a session; null means none. */
export interface Limits {
  maxIdleTimeMs: number | null;
  maxLifetimeMs: number | null;
  maxBudgetNanos: number | null;
  maxTurns: number | null;
}

/** The balance of a ledger, in nano-dollars: the amount spent, and the amount held by reservations. */
export interface Balance {
  spentNanos: number;
  heldNanos: number;
}

/** Returns the rest of a budget in nano-dollars, never negative; Infinity if there is no budget. */
export function leftNanos(balance: Balance, maxBudgetNanos: number | null): number {
  if (maxBudgetNanos === null) return Number.POSITIVE_INFINITY;
  return Math.max(0, maxBudgetNanos - balance.spentNanos - balance.heldNanos);
}

/**
 * A call's reservation in the ledger, in nano-dollars: its maximum cost, the amount still held, and the amount charged.
 * It never changes after it was settled.
 */
export interface Reservation {
  boundNanos: number;
  heldNanos: number;
  costNanos: number;
  settled: boolean;
}

/**
 * Reserves a call's maximum cost. Returns null if the budget has too little left. Spent plus held never exceeds the
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

/** What happens to the part of the bound that a call was not charged. */
export type Remainder = "released" | "kept";

/**
 * Settles a reservation: charges the cost, but at most the bound. The rest is `released` if the cost of the call is
 * known or the call did not run. It is `kept` for any other call, since more may have been billed than is known. Does
 * nothing if the reservation is settled already.
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

/** Returns the limit that a session without a running message has used up; null if none. */
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

/** A warning that a session has used up a part of a limit. `used` and `max` are in dollars for `budget`. */
export interface Warning {
  limit: "budget" | "turns";
  /** The part of the limit: over 0, and at most 1. */
  part: number;
  used: number;
  max: number;
}

/** The parts of a limit at which a session warns, if its config does not name others. */
export const WARN_AT: readonly number[] = [0.5, 0.8, 1];

/** Returns a warning for each part of a limit that was crossed between two states of a session. */
export function warnings(
  before: { spentNanos: number; numTurns: number },
  after: { spentNanos: number; numTurns: number },
  limits: { maxBudgetNanos: number | null; maxTurns: number | null },
  warnAt = WARN_AT,
): Warning[] {
  const { maxBudgetNanos, maxTurns } = limits;
  return [
    ...crossed(before.spentNanos, after.spentNanos, maxBudgetNanos, warnAt).map((part) => {
      const max = dollars(maxBudgetNanos ?? 0);
      return { limit: "budget" as const, part, used: dollars(after.spentNanos), max };
    }),
    ...crossed(before.numTurns, after.numTurns, maxTurns, warnAt).map((part) => {
      return { limit: "turns" as const, part, used: after.numTurns, max: maxTurns ?? 0 };
    }),
  ];
}

/** Returns the parts of a limit that are reached by `to` and not by `from`, in increasing order. */
const crossed = (
  from: number,
  to: number,
  max: number | null,
  parts: readonly number[],
): number[] =>
  max === null || max <= 0 ? [] : parts.filter((part) => from < max * part && to >= max * part);
