import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { afterAttempt, atOnce, HEALTHY, isHopeless, matches, retryAt, wants } from "./rules";

const DAY = 86_400_000;

describe("a filter", () => {
  it.each([
    ["message.completed", "message.completed", true],
    ["message.completed", "message.completed2", false],
    ["message.*", "message.failed", true],
    ["message.*", "messages.failed", false],
    ["*", "session.created", true],
    ["*.completed", "tool.completed", true],
    ["*.completed", "turn.completed.late", false],
    ["a*b*c", "a1b2c", true],
    ["a*b*c", "acb", false],
    ["ab*ba", "aba", false],
    ["limit.warned", "owner.limit_warned", false],
    ["**", "x", true],
  ])("%s and the type %s: %j", (pattern, type, expected) => {
    expect(matches(pattern, type)).toBe(expected);
  });

  it("agrees with a regular expression, for any text", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 8 });
    const pattern = fc.string({ unit: fc.constantFrom("a", "b", ".", "*"), maxLength: 8 });
    fc.assert(
      fc.property(pattern, text, (filter, type) => {
        const source = filter.replaceAll(".", "\\.").replaceAll("*", ".*");
        expect(matches(filter, type)).toBe(new RegExp(`^${source}$`).test(type));
      }),
    );
  });

  it("of one session is for the events of no other", () => {
    const filter = { events: ["*"], sessionId: "sess_1" };
    expect(wants(filter, "x", "sess_1")).toBe(true);
    expect(wants(filter, "x", "sess_2")).toBe(false);
    expect(wants(filter, "owner.limit_warned", null)).toBe(false);
    expect(wants({ ...filter, sessionId: null }, "owner.limit_warned", null)).toBe(true);
  });
});

describe("a delivery that fails", () => {
  it("is tried again for a day, with pauses that grow, and for the last time at its end", () => {
    const times: number[] = [0];
    for (let now: number | null = 0, attempts = 1; now !== null; attempts++) {
      now = retryAt({ attempts, firstAt: 0 }, now, 0.5);
      if (now !== null) times.push(now);
    }
    const pauses = times.slice(1).map((at, n) => at - (times[n] ?? 0));
    expect(pauses.slice(0, 6)).toEqual([5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000]);
    expect(Math.max(...pauses)).toBe(3_600_000);
    expect(times.at(-1)).toBe(DAY);
    expect(times.length).toBeLessThan(40);
  });

  it("waits as long as the receiver asks, an hour at most, and never beyond its day", () => {
    expect(retryAt({ attempts: 1, firstAt: 0 }, 0, 0.5, 60_000)).toBe(60_000);
    expect(retryAt({ attempts: 1, firstAt: 0 }, 0, 0.5, DAY)).toBe(3_600_000);
    expect(retryAt({ attempts: 9, firstAt: 0 }, DAY - 1, 0.5, DAY)).toBe(DAY);
    expect(retryAt({ attempts: 9, firstAt: 0 }, DAY, 0.5)).toBeNull();
  });
});

describe("an endpoint", () => {
  it("that fails five times in a row is tried with one delivery, at most a minute apart", () => {
    let health = HEALTHY;
    for (let n = 0; n < 4; n++) health = afterAttempt(health, false, 1_000);
    expect([atOnce(health), health.retryAt]).toEqual([8, 0]);
    health = afterAttempt(health, false, 1_000);
    expect([atOnce(health), health.retryAt]).toEqual([1, 2_000]);
    for (let n = 0; n < 20; n++) health = afterAttempt(health, false, 1_000);
    expect(health.retryAt).toBe(61_000);
    expect(afterAttempt(health, true, 9_000)).toEqual({ ...HEALTHY, lastSuccessAt: 9_000 });
  });

  it("that has only failed for three days is given up, and not before", () => {
    const failing = afterAttempt(HEALTHY, false, 1_000);
    expect(isHopeless(failing, 1_000 + 3 * DAY - 1)).toBe(false);
    expect(isHopeless(failing, 1_000 + 3 * DAY)).toBe(true);
    expect(isHopeless(afterAttempt(failing, true, 2_000), 1_000 + 9 * DAY)).toBe(false);
  });
});
