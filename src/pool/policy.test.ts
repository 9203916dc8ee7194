import { describe, expect, it } from "vitest";
import {
  afterFailure,
  CLOSED,
  MAX_AGE_MS,
  MAX_STARTING,
  nextLook,
  type PooledSandbox,
  type PoolSetup,
  planPool,
  type StartBreaker,
  standing,
} from "./policy";

const NOW = 1_000_000_000;
const setup = (target: number): PoolSetup => ({ provider: "some", version: "2", target });

/** Returns sandboxes given as letters, in order of creation: `R`eady, `S`tarting, `L`eaving. */
const pool = (states: string, changes: Partial<PooledSandbox> = {}): PooledSandbox[] =>
  [...states].map((letter, n) => ({
    id: `${letter}${n}`,
    provider: "some",
    version: "2",
    state: ({ R: "ready", S: "starting", L: "leaving" } as const)[letter] ?? "ready",
    madeAt: NOW - 1_000 + n,
    dueAt: NOW + 5_000,
    failures: 0,
    ...changes,
  }));

/** Returns the breaker after a number of failures in a row, the last one now. */
const broken = (failures: number): StartBreaker =>
  Array(failures)
    .fill(0)
    .reduce((breaker) => afterFailure(breaker, NOW), CLOSED);

describe("a pool", () => {
  it.each([
    ["starts missing sandboxes", "RS", 4, { leave: [], start: 2 }],
    ["starts a few at a time", "", 100, { leave: [], start: MAX_STARTING }],
    ["counts those that are already starting", "SSSS", 100, { leave: [], start: MAX_STARTING - 4 }],
    ["replaces those that are being destroyed", "LLR", 2, { leave: [], start: 1 }],
    ["does nothing when it is full", "RRR", 3, { leave: [], start: 0 }],
    ["destroys excess sandboxes, starting ones first", "RRSR", 2, ["S2", "R3"]],
    ["destroys everything when it is off", "RSL", 0, ["S1", "R0"]],
    ["that is off and empty does nothing", "", 0, { leave: [], start: 0 }],
  ])("%s", (_, states, target, expected) => {
    const plan = Array.isArray(expected) ? { leave: expected, start: 0 } : expected;
    expect(planPool(pool(states), setup(target), CLOSED, NOW)).toEqual(plan);
  });

  it.each([{ version: "1" }, { provider: "other" }])(
    "destroys those that were started as %j, and starts others immediately",
    (changes) => {
      const held = [...pool("RS", changes), ...pool("L", changes)];
      expect(planPool(held, setup(2), CLOSED, NOW)).toEqual({ leave: ["R0", "S1"], start: 2 });
      expect(standing(held, setup(2), CLOSED)).toMatchObject({ ready: 0, starting: 0, leaving: 3 });
    },
  );

  it("replaces old ones one by one, and only while all the others are ready", () => {
    const old = { madeAt: NOW - MAX_AGE_MS - 1 };
    const plan = (held: PooledSandbox[]) => planPool(held, setup(3), CLOSED, NOW);
    expect(plan(pool("RRR", old))).toEqual({ leave: ["R2"], start: 1 });
    expect(plan(pool("RRS", old))).toEqual({ leave: [], start: 0 });
    expect(plan(pool("RRR", { madeAt: NOW - MAX_AGE_MS }))).toEqual({ leave: [], start: 0 });
  });
});

describe("the breaker", () => {
  it("pauses from the third failed start in a row, doubling each time, up to five minutes", () => {
    const rests = Array.from({ length: 12 }, (_, n) => broken(n).retryAt - NOW);
    expect(rests.slice(1, 7)).toEqual([0, 0, 15_000, 30_000, 60_000, 120_000]);
    expect(rests.slice(7)).toEqual([240_000, ...Array(4).fill(300_000)]);
  });

  it("allows no start during the pause, and then one at a time", () => {
    const starts = (states: string, at: number) =>
      planPool(pool(states), setup(5), broken(3), at).start;
    expect(starts("R", NOW + 14_999)).toBe(0);
    expect(starts("R", NOW + 15_000)).toBe(1);
    expect(starts("RS", NOW + 15_000)).toBe(0);
    expect(planPool(pool("R"), setup(5), broken(2), NOW).start).toBe(4);
  });

  it("is open until a start succeeds, and reports the time of the next one", () => {
    expect(standing([], setup(1), broken(2)).breaker).toEqual({
      state: "closed",
      failures: 2,
      retryAt: null,
    });
    expect(standing([], setup(1), broken(4)).breaker).toEqual({
      state: "open",
      failures: 4,
      retryAt: NOW + 30_000,
    });
  });
});

describe("the next check", () => {
  it("is at the first due time; work in progress is checked again in case it was lost", () => {
    const look = (held: PooledSandbox[]) => nextLook(held, setup(1), CLOSED, NOW);
    expect(look(pool("RL"))).toBe(NOW + 5_000);
    expect(look(pool("R", { dueAt: NOW }))).toBe(NOW + 30_000);
  });

  it("is at the end of a pause, and never if the pool is off and empty", () => {
    expect(nextLook([], setup(1), broken(3), NOW)).toBe(NOW + 15_000);
    expect(nextLook([], setup(1), broken(3), NOW + 15_000)).toBe(NOW + 45_000);
    expect(nextLook(pool("L"), setup(0), CLOSED, NOW)).toBe(NOW + 5_000);
    expect(nextLook([], setup(0), CLOSED, NOW)).toBeNull();
  });
});
