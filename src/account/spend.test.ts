import fc from "fast-check";
import { expect, it } from "vitest";
import { type Budget, grant } from "./spend";

const amount = fc.nat(1_000_000);
const budget: fc.Arbitrary<Budget> = fc
  .record({
    max: fc.option(amount),
    granted: amount,
    loose: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ max, granted, loose }) => ({
    limit: "owner_daily",
    maxNanos: max,
    grantedNanos: granted,
    looseNanos: Math.floor(granted * loose),
  }));

it("what is granted fits in every budget, and is enough, all that is left, or left to others", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.array(budget), (need, budgets) => {
      const { nanos, refusedBy, mayFree } = grant(need, budgets);
      const lefts = budgets.map(({ maxNanos, grantedNanos }) =>
        maxNanos === null ? Number.POSITIVE_INFINITY : Math.max(0, maxNanos - grantedNanos),
      );
      const left = Math.min(...lefts);
      expect(Number.isSafeInteger(nanos)).toBe(true);
      expect(nanos).toBeLessThanOrEqual(left);
      if (left >= need) {
        expect({ refusedBy, mayFree }).toEqual({ refusedBy: null, mayFree: false });
        expect(nanos).toBeGreaterThanOrEqual(need);
        expect(nanos).toBeLessThanOrEqual(4 * need);
      } else {
        expect(refusedBy).toBe("owner_daily");
        expect(nanos).toBe(mayFree ? 0 : left);
      }
    }),
  );
});

it("a session is told to wait only if every budget that lacks money may get some back", () => {
  const of = (limit: Budget["limit"], looseNanos: number): Budget => ({
    ...{ limit, maxNanos: 100, grantedNanos: 90, looseNanos },
  });
  expect(grant(50, [of("owner_daily", 40), of("user_daily", 1)])).toMatchObject({ mayFree: true });
  expect(grant(50, [of("owner_daily", 40), of("user_daily", 0)])).toMatchObject({ mayFree: false });
  expect(grant(5, [of("owner_daily", 40), of("user_daily", 0)])).toMatchObject({ refusedBy: null });
});
