import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Balance,
  leftNanos,
  type Reservation,
  reserve,
  settle,
  usedUp,
  warnings,
} from "./ledger";

const empty: Balance = { spentNanos: 0, heldNanos: 0 };

describe("the ledger", () => {
  it("refuses a call whose bound does not fit, and accepts one that fits exactly", () => {
    expect(reserve(empty, 101, 100)).toBeNull();
    expect(reserve(empty, 100, 100)?.balance).toEqual({ spentNanos: 0, heldNanos: 100 });
    expect(reserve(empty, 1e15, null)).not.toBeNull();
  });

  it("settles a call once, so that a second settlement changes nothing", () => {
    const held = reserve(empty, 100, 100);
    if (!held) throw new Error("it fits");
    const once = settle(held.balance, held.reservation, 30, "released");
    expect(once.balance).toEqual({ spentNanos: 30, heldNanos: 0 });
    expect(settle(once.balance, once.reservation, 90, "released")).toEqual(once);
  });

  it("keeps the rest of an interrupted call's bound held, and never charges more than the bound", () => {
    const held = reserve(empty, 100, 100);
    if (!held) throw new Error("it fits");
    const cut = settle(held.balance, held.reservation, 30, "kept");
    expect(cut.balance).toEqual({ spentNanos: 30, heldNanos: 70 });
    expect(leftNanos(cut.balance, 100)).toBe(0);
    expect(settle(held.balance, held.reservation, 500, "kept").balance.spentNanos).toBe(100);
    const unheard = settle(held.balance, held.reservation, 0, "kept");
    expect(unheard.balance).toEqual({ spentNanos: 0, heldNanos: 100 });
    const dear = settle(held.balance, held.reservation, 500, "released");
    expect(dear.balance).toEqual({ spentNanos: 100, heldNanos: 0 });
  });

  it("never spends or holds more than the budget, whichever calls run concurrently and however they end", () => {
    const act = fc.record({
      pick: fc.nat(20),
      bound: fc.nat(1_000),
      share: fc.double({ min: 0, max: 10, noNaN: true }),
      rest: fc.constantFrom("released" as const, "kept" as const),
      settles: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.nat(5_000), fc.array(act, { maxLength: 60 }), (budget, acts) => {
        let balance = empty;
        const calls: Reservation[] = [];
        for (const { pick, bound, share, rest, settles } of acts) {
          const chosen = pick % Math.max(1, calls.length);
          const call = calls[chosen];
          if (settles && call) {
            // Including a report of ten times the bound.
            const cost = Math.floor(call.boundNanos * share);
            const settled = settle(balance, call, cost, rest);
            balance = settled.balance;
            calls[chosen] = settled.reservation;
          } else {
            const held = reserve(balance, bound, budget);
            if (!held) continue;
            balance = held.balance;
            calls.push(held.reservation);
          }
          const sum = (key: "costNanos" | "heldNanos") =>
            calls.reduce((total, each) => total + each[key], 0);
          expect(balance.spentNanos + balance.heldNanos).toBeLessThanOrEqual(budget);
          expect(balance).toEqual({ spentNanos: sum("costNanos"), heldNanos: sum("heldNanos") });
          expect(Math.min(balance.spentNanos, balance.heldNanos)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});

describe("usedUp", () => {
  it.each([
    [{ spentNanos: 5, numTurns: 0 }, { maxBudgetNanos: 5, maxTurns: null }, "budget_limit"],
    [{ spentNanos: 4, numTurns: 0 }, { maxBudgetNanos: 5, maxTurns: null }, null],
    [{ spentNanos: 0, numTurns: 3 }, { maxBudgetNanos: null, maxTurns: 3 }, "turn_limit"],
    [{ spentNanos: 9, numTurns: 9 }, { maxBudgetNanos: null, maxTurns: null }, null],
    // A session with a budget of 0 ends with its first message, not at its creation.
    [{ spentNanos: 0, numTurns: 0 }, { maxBudgetNanos: 0, maxTurns: null }, null],
  ])("%j of %j: %s", (used, limits, expected) => expect(usedUp(used, limits)).toBe(expected));
});

describe("warnings", () => {
  const limits = { maxBudgetNanos: 1e9, maxTurns: 10 };
  const at = (spentNanos: number, numTurns: number) => ({ spentNanos, numTurns });

  it("are returned once, when half, four fifths and all of a limit are used", () => {
    expect(warnings(at(0, 0), at(4e8, 4), limits)).toEqual([]);
    expect(warnings(at(7e8, 7), at(8e8, 8), limits)).toEqual([
      { limit: "budget", part: 0.8, used: 0.8, max: 1 },
      { limit: "turns", part: 0.8, used: 8, max: 10 },
    ]);
    expect(warnings(at(8e8, 8), at(9e8, 9), limits)).toEqual([]);
    expect(warnings(at(0, 0), at(0, 10), limits).map(({ part }) => part)).toEqual([0.5, 0.8, 1]);
  });

  it("are returned at the parts that a session names", () => {
    expect(warnings(at(0, 0), at(1e9, 10), limits, [])).toEqual([]);
    expect(warnings(at(0, 0), at(25e7, 0), limits, [0.25])).toEqual([
      { limit: "budget", part: 0.25, used: 0.25, max: 1 },
    ]);
  });
});
