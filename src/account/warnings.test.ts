import { describe, expect, it } from "vitest";
import type { OwnerLimits } from "./limits";
import { dueWarnings, type Used, type WarnedLimits } from "./warnings";

const NOW = Date.UTC(2026, 10, 28, 12);
const DAY = 86_400_000;
const limits = (changes: Partial<OwnerLimits> = {}): OwnerLimits => ({
  ...{ maxActiveSessions: null, maxRunningMessages: null, maxRequestsPerMinute: null },
  ...{ maxDailyNanos: 10e9, maxMonthlyNanos: 100e9 },
  perUser: { maxActiveSessions: null, maxDailyNanos: null },
  ...changes,
});
const day = (spentNanos: number, isUsedUp = false): Used[] => [
  { limit: "owner_daily", spentNanos, isUsedUp },
];
const partsOf = (used: Used[], before: WarnedLimits, now = NOW, of = limits()) => {
  const { events, warned } = dueWarnings("alice", of, used, before, now);
  return { parts: events.map(({ part }) => part), warned };
};

describe("the warnings of an owner's limits", () => {
  it("name the limit, what is used of it, and when there is money again", () => {
    expect(dueWarnings("alice", limits(), day(5e9), {}, NOW).events).toEqual([
      {
        ...{ type: "owner.limit_warned", at: "2026-11-28T12:00:00.000Z", owner: "alice" },
        ...{ limit: "owner_daily", part: 0.5, used: 5, max: 10 },
        resetsAt: "2026-11-29T00:00:00.000Z",
      },
    ]);
  });

  it("fall once for each part, and again on the next day or for another limit", () => {
    const first = partsOf(day(8e9), {});
    expect(first.parts).toEqual([0.5, 0.8]);
    expect(partsOf(day(9e9), first.warned).parts).toEqual([]);
    const full = partsOf(day(10e9), first.warned);
    expect(full.parts).toEqual([1]);
    expect(partsOf(day(10e9), full.warned).parts).toEqual([]);
    expect(partsOf(day(5e9), full.warned, NOW + DAY).parts).toEqual([0.5]);
    const raised = limits({ maxDailyNanos: 20e9 });
    expect(partsOf(day(10e9), full.warned, NOW, raised).parts).toEqual([0.5]);
  });

  it("say that all is used when a call can't be made any more", () => {
    expect(partsOf(day(7e9, true), {}).parts).toEqual([0.5, 0.8, 1]);
  });

  it("of a month fall once in the month", () => {
    const month: Used[] = [{ limit: "owner_monthly", spentNanos: 50e9, isUsedUp: false }];
    const first = partsOf(month, {});
    expect(first.parts).toEqual([0.5]);
    expect(partsOf(month, first.warned, NOW + DAY).parts).toEqual([]);
    expect(partsOf(month, first.warned, NOW + 5 * DAY).parts).toEqual([0.5]);
  });

  it("do not fall without a limit", () => {
    const none = limits({ maxDailyNanos: null });
    expect(partsOf(day(50e9, true), {}, NOW, none).parts).toEqual([]);
  });
});
