import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PATTERNS, type Pattern } from "../../db/schema";
import {
  activate,
  complete,
  expireIdle,
  fail,
  isEnded,
  type Lifecycle,
  markRead,
  terminate,
} from "./lifecycle";

const initializing: Lifecycle = { status: "initializing" };
const active: Lifecycle = { status: "active", startedAt: 5 };
const idle: Lifecycle = { status: "idle", startedAt: 5 };
const hybrid = { pattern: "hybrid", waits: false, unread: false } as const;
const ephemeral = { pattern: "ephemeral", waits: false, unread: false } as const;
const longRunning = { pattern: "long-running", waits: false, unread: false } as const;
const error = { type: "upstream_error", message: "it broke" };

describe("every transition of the lifecycle", () => {
  it.each<[string, Lifecycle, Lifecycle]>([
    ["a new session becomes active", activate(initializing, 9), { status: "active", startedAt: 9 }],
    ["a sleeping session wakes with its start", activate(idle, 9), active],
    ["a hybrid session falls asleep", expireIdle(active, hybrid, 9), idle],
    [
      "a session that is not hybrid ends when idle",
      expireIdle(active, longRunning, 9),
      { status: "terminated", reason: "idle_timeout", startedAt: 5, endedAt: 9, cleanupAt: null },
    ],
    [
      "an ephemeral session completes and is kept for 60 s",
      complete(active, ephemeral, 9),
      { status: "completed", startedAt: 5, endedAt: 9, cleanupAt: 60_009 },
    ],
    [
      "an ephemeral session with an unread background message is kept for an hour",
      complete(active, { pattern: "ephemeral", waits: false, unread: true }, 9),
      { status: "completed", startedAt: 5, endedAt: 9, cleanupAt: 3_600_009 },
    ],
    [
      "an ephemeral session fails with its message",
      fail(active, error, ephemeral, 9),
      { status: "error", error, startedAt: 5, endedAt: 9, cleanupAt: 60_009 },
    ],
    [
      "a session that never started fails without a start",
      fail(initializing, error, longRunning, 9),
      { status: "error", error, startedAt: null, endedAt: 9, cleanupAt: null },
    ],
    [
      "an idle session can be terminated",
      terminate(idle, "enough", hybrid, 9),
      { status: "terminated", reason: "enough", startedAt: 5, endedAt: 9, cleanupAt: null },
    ],
  ])("%s", (_, after, expected) => expect(after).toEqual(expected));

  it("a transition that does not apply returns the same state", () => {
    expect(activate(active, 9)).toBe(active);
    expect(expireIdle(idle, hybrid, 9)).toBe(idle);
  });

  it("the first read of a background message shortens how long the session is kept, and later reads do not extend it", () => {
    const kept = complete(active, { pattern: "ephemeral", waits: false, unread: true }, 0);
    const read = markRead(kept, 1_000);
    expect(read).toMatchObject({ cleanupAt: 61_000 });
    expect(markRead(read, 30_000)).toBe(read);
    expect(markRead(active, 1)).toBe(active);
  });
});

type Step = (state: Lifecycle, pattern: Pattern, now: number) => Lifecycle;
const steps: Step[] = [
  (state, _, now) => activate(state, now),
  (state, pattern, now) => expireIdle(state, { pattern, waits: false, unread: false }, now),
  (state, pattern, now) => complete(state, { pattern, waits: false, unread: true }, now),
  (state, pattern, now) => fail(state, error, { pattern, waits: false, unread: false }, now),
  (state, pattern, now) => terminate(state, "any", { pattern, waits: false, unread: false }, now),
];

describe("in any sequence of transitions", () => {
  it("terminal states are final, only ephemeral sessions are cleaned up, and times never decrease", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PATTERNS),
        fc.array(fc.tuple(fc.nat(steps.length - 1), fc.nat(10_000)), { maxLength: 20 }),
        (pattern, walk) => {
          let state: Lifecycle = initializing;
          let now = 0;
          for (const [step, later] of walk) {
            now += later;
            const after = (steps[step] as Step)(state, pattern, now);
            if (isEnded(state)) expect(after).toBe(state);
            if (isEnded(after)) {
              expect(after.cleanupAt === null).toBe(pattern !== "ephemeral");
              expect(after.endedAt).toBeGreaterThanOrEqual(after.startedAt ?? 0);
            }
            if (after.status === "idle") expect(pattern).toBe("hybrid");
            state = after;
          }
        },
      ),
    );
  });
});
