import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dollars, nanos } from "./money";

describe("nanos", () => {
  it("returns the same dollars after conversion, to nine decimal places", () => {
    const given = fc.integer({ min: 0, max: 1e15 }).map((n) => Number((n / 1e9).toFixed(9)));
    const property = fc.property(given, (usd) => {
      expect(dollars(nanos(usd) ?? -1)).toBe(usd);
    });
    fc.assert(property);
  });

  it("never increases a budget, and reduces it by less than a nano-dollar", () => {
    const given = fc.double({ min: 0, max: 1e6, noNaN: true });
    const property = fc.property(given, (usd) => {
      const made = nanos(usd) ?? -1;
      expect(Number.isSafeInteger(made)).toBe(true);
      expect(dollars(made)).toBeLessThanOrEqual(usd);
      expect(dollars(made + 1)).toBeGreaterThan(usd);
    });
    fc.assert(property);
  });

  it.each([
    [0, 0],
    [0.29, 290_000_000],
    [0.0000000019, 1],
    [1_000_000, 1e15],
    [null, null],
  ])("makes of %s dollars %s", (usd, expected) => expect(nanos(usd)).toBe(expected));
});
