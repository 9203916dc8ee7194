import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  dueDeadline,
  HEARTBEAT_MS,
  keepsAlarm,
  nextAlarm,
  nextDeadline,
  scheduleOffset,
  type Timing,
} from "./deadlines";

const timing = (changes: Partial<Timing> = {}): Timing => ({
  lifecycle: { status: "active", startedAt: 1_000 },
  limits: { maxIdleTimeMs: 10_000, maxLifetimeMs: 60_000, maxBudgetNanos: null, maxTurns: null },
  retentionMs: null,
  createdAt: 1_000,
  lastActivityAt: 5_000,
  busy: false,
  waits: false,
  paused: false,
  awaitedUntil: null,
  removed: false,
  outboxAt: null,
  pattern: "long-running",
  scheduleAt: null,
  schedulesWait: false,
  scheduleOffsetMs: 0,
  machinePending: false,
  ...changes,
});
const NO_LIMITS = {
  maxIdleTimeMs: null,
  maxLifetimeMs: null,
  maxBudgetNanos: null,
  maxTurns: null,
};
const completed = { status: "completed", startedAt: 0, endedAt: 1, cleanupAt: 70_000 } as const;

describe("nextDeadline", () => {
  it.each<[string, Partial<Timing>, ReturnType<typeof nextDeadline>]>([
    ["the earlier of idle and lifetime comes first", {}, { at: 15_000, because: "idle_timeout" }],
    ["a busy session is not idle", { busy: true }, { at: 61_000, because: "lifetime_limit" }],
    [
      "an idle session has only its lifetime limit",
      { lifecycle: { status: "idle", startedAt: 0 }, pattern: "hybrid" },
      { at: 61_000, because: "lifetime_limit" },
    ],
    [
      "an initializing session has no idle timeout",
      { lifecycle: { status: "initializing" } },
      { at: 61_000, because: "lifetime_limit" },
    ],
    [
      "a session without messages has been idle since it started",
      { lifecycle: { status: "active", startedAt: 9_000 } },
      { at: 19_000, because: "idle_timeout" },
    ],
    [
      "an ended session has only its cleanup",
      { lifecycle: completed },
      { at: 70_000, because: "cleanup" },
    ],
    ["one that is kept has no deadline", { lifecycle: { ...completed, cleanupAt: null } }, null],
    [
      "one that is kept for some time is deleted that long after its end",
      { lifecycle: { ...completed, cleanupAt: null }, retentionMs: 5_000 },
      { at: 5_001, because: "retention" },
    ],
    [
      "the earlier of cleanup and retention comes first",
      { lifecycle: completed, retentionMs: 80_000 },
      { at: 70_000, because: "cleanup" },
    ],
    [
      "a session that has not ended has no retention",
      { lifecycle: { status: "idle", startedAt: 0 }, pattern: "hybrid", retentionMs: 1 },
      { at: 61_000, because: "lifetime_limit" },
    ],
    [
      "a session that is idle since a message waited ends like others when it no longer does",
      { lifecycle: { status: "idle", startedAt: 0 } },
      { at: 15_000, because: "idle_timeout" },
    ],
    [
      "a session whose message waits becomes idle, whatever is to come",
      { waits: true, scheduleAt: 70_000 },
      { at: 15_000, because: "idle_timeout" },
    ],
    [
      "a session whose message waits becomes idle after five minutes at the latest",
      { waits: true, limits: { ...NO_LIMITS, maxIdleTimeMs: 3_600_000 } },
      { at: 305_000, because: "idle_timeout" },
    ],
    [
      "a session whose message waits becomes idle after five minutes if it has no idle timeout",
      { waits: true, limits: NO_LIMITS },
      { at: 305_000, because: "idle_timeout" },
    ],
    [
      "a session that is idle while a message waits has only its lifetime limit",
      { waits: true, lifecycle: { status: "idle", startedAt: 0 } },
      { at: 61_000, because: "lifetime_limit" },
    ],
    [
      "a paused session has no deadline",
      { paused: true, lifecycle: { status: "idle", startedAt: 0 } },
      null,
    ],
    [
      "a session with a run to come has no idle timeout",
      { scheduleAt: 50_000 },
      { at: 61_000, because: "lifetime_limit" },
    ],
    [
      "a hybrid session with a run to come has an idle timeout",
      { scheduleAt: 50_000, pattern: "hybrid" },
      { at: 15_000, because: "idle_timeout" },
    ],
    ["one that is being forgotten has none", { lifecycle: completed, removed: true }, null],
    [
      "a session without limits has no deadline",
      {
        limits: { maxIdleTimeMs: null, maxLifetimeMs: null, maxBudgetNanos: null, maxTurns: null },
      },
      null,
    ],
  ])("%s", (_, changes, expected) => expect(nextDeadline(timing(changes))).toEqual(expected));
});

describe("dueDeadline", () => {
  it("is due at its time, not before", () => {
    expect(dueDeadline(timing(), 14_999)).toBeNull();
    expect(dueDeadline(timing(), 15_000)).toEqual({ at: 15_000, because: "idle_timeout" });
  });
});

describe("nextAlarm", () => {
  it("is a heartbeat while a message runs", () => {
    const endless = { ...timing().limits, maxLifetimeMs: null };
    expect(nextAlarm(timing({ busy: true, limits: endless }), 5_000)).toBe(5_000 + HEARTBEAT_MS);
  });

  it("is a heartbeat while a container has work pending, unless the session is removed", () => {
    const rests = { machinePending: true, lifecycle: { ...completed, cleanupAt: null } };
    expect(nextAlarm(timing(rests), 5_000)).toBe(5_000 + HEARTBEAT_MS);
    expect(nextAlarm(timing({ ...rests, removed: true }), 5_000)).toBeNull();
  });

  it("wakes for the outbox, even if there is no other deadline", () => {
    const lifecycle = { ...completed, cleanupAt: null };
    expect(nextAlarm(timing({ lifecycle, outboxAt: 9_000 }), 5_000)).toBe(9_000);
    expect(nextAlarm(timing({ lifecycle }), 5_000)).toBeNull();
  });

  it("wakes for a schedule, at a full second", () => {
    expect(nextAlarm(timing({ scheduleAt: 9_001 }), 5_000)).toBe(10_000);
    expect(nextAlarm(timing({ scheduleAt: 9_000 }), 5_000)).toBe(9_000);
    expect(nextAlarm(timing({ scheduleAt: 9_001, busy: true }), 5_000)).toBe(10_000);
    expect(nextAlarm(timing({ scheduleAt: 90_000 }), 5_000)).toBe(61_000);
  });

  it("wakes for a schedule at the session's offset within a second, less than a second late", () => {
    expect(nextAlarm(timing({ scheduleAt: 9_000, scheduleOffsetMs: 250 }), 5_000)).toBe(9_250);
    expect(nextAlarm(timing({ scheduleAt: 9_251, scheduleOffsetMs: 250 }), 5_000)).toBe(10_250);
    fc.assert(
      fc.property(
        fc.integer({ min: 5_000, max: 60_000 }),
        fc.nat(999),
        (scheduleAt, scheduleOffsetMs) => {
          const at = nextAlarm(timing({ scheduleAt, scheduleOffsetMs }), 4_000) ?? 0;
          expect(at % 1_000).toBe(scheduleOffsetMs);
          expect(at).toBeGreaterThanOrEqual(scheduleAt);
          expect(at).toBeLessThan(scheduleAt + 1_000);
        },
      ),
    );
  });

  it("wakes once a second for overdue runs, and not at all while the queue has no room", () => {
    const overdue = { scheduleAt: 1_000, scheduleOffsetMs: 400 };
    expect(nextAlarm(timing(overdue), 5_000)).toBe(5_400);
    expect(nextAlarm(timing(overdue), 5_400)).toBe(6_400);
    const waits = { ...overdue, schedulesWait: true, busy: true };
    expect(nextAlarm(timing(waits), 5_000)).toBe(5_000 + HEARTBEAT_MS);
  });

  it("is never in the past, so that alarms can't loop", () => {
    const instant = fc.option(fc.nat(1_000_000), { nil: null });
    fc.assert(
      fc.property(
        fc.nat(1_000_000),
        fc.nat(1_000_000),
        instant,
        instant,
        instant,
        instant,
        fc.boolean(),
        (now, lastActivityAt, maxIdleTimeMs, maxLifetimeMs, outboxAt, scheduleAt, busy) => {
          const limits = { maxIdleTimeMs, maxLifetimeMs, maxBudgetNanos: null, maxTurns: null };
          const at = nextAlarm(timing({ lastActivityAt, limits, outboxAt, scheduleAt, busy }), now);
          if (at !== null) expect(at).toBeGreaterThan(now);
          if (busy) expect(at).toBeLessThanOrEqual(now + HEARTBEAT_MS);
        },
      ),
    );
  });
});

describe("scheduleOffset", () => {
  it("is the same for a session at any time", () => {
    expect(scheduleOffset("sess_bfe71ea8461f3e3bdc6fdbc9ef3e546d")).toBe(84);
  });

  it("distributes sessions evenly over a second", () => {
    const tenths = new Array<number>(10).fill(0);
    for (let n = 0; n < 1_000; n++) {
      const offset = scheduleOffset(`sess_${n.toString(16).padStart(32, "0")}`);
      expect(Number.isInteger(offset)).toBe(true);
      const tenth = Math.floor(offset / 100);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    for (const count of tenths) {
      expect(count).toBeGreaterThan(50);
      expect(count).toBeLessThan(200);
    }
  });
});

describe("keepsAlarm", () => {
  const now = 100_000;
  const [soon, later, latest] = [now + 5_000, now + 5_001, now + 9_000];
  it.each<[string, number | null | undefined, number | null, boolean, boolean]>([
    ["the same alarm", later, later, false, true],
    ["none for none", null, null, false, true],
    ["an alarm that nobody knows of is set anew", undefined, later, true, false],
    ["one that is not wanted any more goes", soon, null, false, false],
    ["a busy session keeps an earlier beat", later, latest, true, true],
    ["a busy session takes an earlier deadline", latest, later, true, false],
    ["a session at rest is woken when something is due, not before", later, latest, false, false],
    ["a session at rest keeps an alarm that fires soon", soon, latest, false, true],
    ["a session at rest sets an alarm anew that did not fire", now, latest, false, false],
    ["a session at rest takes an earlier deadline", soon, now + 1, false, false],
  ])("%s", (_, set, wanted, busy, expected) => {
    expect(keepsAlarm(set, wanted, { busy, now })).toBe(expected);
  });
});
