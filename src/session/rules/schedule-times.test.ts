import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cronProblem, nextRun, type When, withNewStart } from "./schedule-times";

/** Returns the first runs after a time, in order. */
function runs(when: When, after: string, count: number): string[] {
  const found: string[] = [];
  let at = Date.parse(after);
  while (found.length < count) {
    const next = nextRun(when, at);
    if (next === null) break;
    at = next;
    found.push(new Date(at).toISOString().replace(":00.000Z", "Z"));
  }
  return found;
}
const cron = (cron: string, timeZone = "UTC"): When => ({ kind: "cron", cron, timeZone });
const every = (everyMs: number, from: number): When => ({ kind: "every", everyMs, from });

describe("a cron schedule", () => {
  it.each<[string, When, string, string[]]>([
    [
      "runs by the clocks of its time zone",
      cron("0 9 * * mon-fri", "Asia/Kolkata"),
      "2026-11-20T00:00Z",
      ["2026-11-20T03:30Z", "2026-11-23T03:30Z"],
    ],
    [
      "runs after the given time, never at it",
      cron("*/15 * * * *"),
      "2026-11-20T10:15:00Z",
      ["2026-11-20T10:30Z", "2026-11-20T10:45Z"],
    ],
    [
      "may have seconds",
      cron("30 0 12 * * *"),
      "2026-11-20T12:00:30.001Z",
      ["2026-11-21T12:00:30.000Z"],
    ],
    [
      "handles leap years",
      cron("0 0 29 2 *"),
      "2026-01-01T00:00Z",
      ["2028-02-29T00:00Z", "2032-02-29T00:00Z"],
    ],
    [
      "handles centuries that are not leap years",
      cron("0 0 29 2 *"),
      "2096-03-01T00:00Z",
      ["2104-02-29T00:00Z"],
    ],
    [
      "handles the last day of a month",
      cron("0 0 L * *"),
      "2028-01-31T00:00Z",
      ["2028-02-29T00:00Z", "2028-03-31T00:00Z"],
    ],
    [
      "accepts the nicknames of cron",
      cron("@daily", "Europe/Berlin"),
      "2026-07-01T00:00Z",
      ["2026-07-01T22:00Z"],
    ],
    [
      "runs on either day if a day of the month and a day of the week are given",
      cron("0 0 13 * 5"),
      "2026-01-02T00:00Z",
      ["2026-01-09T00:00Z", "2026-01-13T00:00Z"],
    ],
    [
      "runs right after the gap that its time falls into",
      cron("30 2 * * *", "Europe/Berlin"),
      "2026-03-28T12:00Z",
      ["2026-03-29T01:00Z", "2026-03-30T00:30Z"],
    ],
    [
      "runs right after the gap even if it has several hours",
      cron("30 2,14 * * *", "America/New_York"),
      "2026-03-08T00:00Z",
      ["2026-03-08T07:00Z", "2026-03-08T18:30Z", "2026-03-09T06:30Z"],
    ],
    [
      "runs once in an hour that occurs twice",
      cron("30 2 * * *", "Europe/Berlin"),
      "2026-10-24T12:00Z",
      ["2026-10-25T00:30Z", "2026-10-26T01:30Z"],
    ],
    [
      "keeps its half-hour interval through an hour that occurs twice",
      cron("*/30 * * * *", "Europe/Berlin"),
      "2026-10-25T00:00Z",
      ["2026-10-25T00:30Z", "2026-10-25T01:00Z", "2026-10-25T01:30Z", "2026-10-25T02:00Z"],
    ],
    [
      "skips no hour of an hourly schedule when clocks go forward",
      cron("0 * * * *", "Europe/Berlin"),
      "2026-03-28T23:30Z",
      ["2026-03-29T00:00Z", "2026-03-29T01:00Z", "2026-03-29T02:00Z"],
    ],
    [
      "handles a clock change of half an hour",
      cron("15 2 * * *", "Australia/Lord_Howe"),
      "2026-10-02T16:00Z",
      ["2026-10-03T15:30Z", "2026-10-04T15:15Z"],
    ],
    [
      "runs at midnight where midnight is skipped",
      cron("0 0 * * *", "Africa/Cairo"),
      "2026-04-23T00:00Z",
      ["2026-04-23T22:00Z", "2026-04-24T21:00Z"],
    ],
  ])("%s", (_, when, after, expected) =>
    expect(runs(when, after, expected.length)).toEqual(expected),
  );

  it("has no run if its time zone is no longer known", () => {
    expect(nextRun(cron("* * * * *", "Nowhere/Land"), 0)).toBeNull();
  });

  it("runs at every minute that matches its fields and at no other", () => {
    const field = (max: number) => fc.uniqueArray(fc.nat(max), { minLength: 1, maxLength: 4 });
    const start = Date.UTC(2026, 0, 1);
    fc.assert(
      fc.property(field(59), field(23), fc.nat(400 * 86_400_000), (minutes, hours, offset) => {
        const after = start + offset;
        const next = nextRun(cron(`${minutes.join()} ${hours.join()} * * *`), after);
        let expected = Math.floor(after / 60_000) * 60_000;
        const named = () => {
          const at = new Date(expected);
          return minutes.includes(at.getUTCMinutes()) && hours.includes(at.getUTCHours());
        };
        do expected += 60_000;
        while (!named());
        expect(next).toBe(expected);
      }),
      { numRuns: 50 },
    );
  });

  it.each(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])(
    "returns a later time and skips no run, in %s",
    (timeZone) => {
      const when = fc.constantFrom("*/7 * * * *", "30 2 * * *", "0 0 1 * *", "5,10 1-3 * * sun");
      const start = Date.UTC(2026, 0, 1);
      fc.assert(
        fc.property(when, fc.nat(730 * 86_400_000), fc.nat(1_000), (text, offset, share) => {
          const after = start + offset;
          const next = nextRun(cron(text, timeZone), after) ?? 0;
          expect(next).toBeGreaterThan(after);
          const between = after + Math.floor(((next - after - 1) * share) / 1_000);
          expect(nextRun(cron(text, timeZone), between)).toBe(next);
        }),
        { numRuns: 60 },
      );
    },
  );
});

describe("a schedule at an interval", () => {
  it("runs at multiples of the interval from its start, whatever the given time", () => {
    const instant = fc.integer({ min: 0, max: 4e12 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1_000, max: 3e12 }),
        instant,
        instant,
        (everyMs, from, after) => {
          const next = nextRun(every(everyMs, from), after) ?? 0;
          expect(next).toBeGreaterThan(after);
          expect(next - after).toBeLessThanOrEqual(everyMs);
          expect(Math.abs((next - from) % everyMs)).toBe(0);
        },
      ),
    );
  });
});

describe("a one-time schedule", () => {
  it("runs once", () => {
    const when: When = { kind: "once", at: 5_000, delayMs: null };
    expect([4_999, 5_000].map((after) => nextRun(when, after))).toEqual([5_000, null]);
  });

  it("waits again if it was set by a delay and the clock was set back, and keeps a fixed time", () => {
    const byDelay: When = { kind: "once", at: 9_000, delayMs: 4_000 };
    expect(withNewStart(byDelay, 1_000)).toEqual({ ...byDelay, at: 5_000 });
    const byInstant: When = { kind: "once", at: 9_000, delayMs: null };
    expect(withNewStart(byInstant, 1_000)).toBe(byInstant);
  });
});

describe("cronProblem", () => {
  const now = Date.UTC(2026, 0, 1);

  it.each(["* * * * *", "0 9 * * 1-5", "*/10 * * * * *", "@weekly", "0 0 L 2 *", "0 9 * * MON#2"])(
    "accepts %s",
    (text) => expect(cronProblem(text, "Europe/Berlin", now)).toBeUndefined(),
  );

  it.each([
    ["", /five or six|5 or 6|five/i],
    ["* * * *", /is no cron expression/],
    ["61 * * * *", /Invalid value for minute/],
    ["*/0 * * * *", /stepping/],
    ["a b c d e", /is no cron expression/],
    ["0 0 0 1 1 * 2030", /5 or 6 parts/],
    ["@reboot", /not supported/],
    ["2026-12-01T00:00:00", /is no cron expression/],
    ["0 0 30 2 *", /never comes/],
  ])("says what is wrong with %j", (text, message) => {
    expect(cronProblem(text, "UTC", now)).toEqual({
      path: "cron",
      message: expect.stringMatching(message),
    });
  });

  it.each(["", "Nowhere/Land", "Berlin", "\ud800"])("rejects the time zone %j", (timeZone) => {
    expect(cronProblem("* * * * *", timeZone, now)).toMatchObject({ path: "timeZone" });
  });

  it("never throws, whatever the input is", () => {
    const word = fc.constantFrom(
      "*",
      "*/5",
      "1-3",
      "L",
      "MON#2",
      "?",
      "15W",
      "feb",
      "+1",
      "9",
      "%",
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(word, { maxLength: 8 }).map((w) => w.join(" ")),
    );
    fc.assert(
      fc.property(text, (text) => {
        const problem = cronProblem(text, "Europe/Berlin", now);
        if (problem === undefined)
          expect(nextRun(cron(text, "Europe/Berlin"), now)).toBeGreaterThan(now);
      }),
    );
  });
});
