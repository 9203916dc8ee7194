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

/** A warning that a session crossed the threshold of a limit. `used` and `max` are in dollars for `budget`. */
export interface Warning {
  limit: "budget" | "turns";
  used: number;
  max: number;
}

/** The share of a limit at which a session warns. */
const WARN_AT = 0.8;

/** Returns the warnings whose threshold was crossed between two states of a session. Each is returned once. */
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
