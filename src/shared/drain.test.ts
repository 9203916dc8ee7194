import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Drain } from "./drain";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"], now: 1_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

it("makes one run at a time, and says when it is over", async () => {
  const runs: { dueAt: number; end(): void }[] = [];
  const after = vi.fn();
  const run = (dueAt: number) => new Promise<void>((end) => runs.push({ dueAt, end }));
  const drain = new Drain(run, after);
  const first = drain.now();
  expect(drain.now(Number.POSITIVE_INFINITY)).toBe(first);
  drain.soon(10);
  vi.advanceTimersByTime(10);
  expect(runs.map(({ dueAt }) => dueAt)).toEqual([1_000]);
  expect(after).not.toHaveBeenCalled();
  runs[0]?.end();
  await drain.idle();
  expect(after).toHaveBeenCalledTimes(1);
  void drain.now(5);
  expect(runs.map(({ dueAt }) => dueAt)).toEqual([1_000, 5]);
});

it("runs at the earliest time that was asked for, and not again after a run that came before", async () => {
  const run = vi.fn(async () => {});
  const drain = new Drain(run);
  drain.soon(100);
  drain.soon(20);
  drain.soon(50);
  vi.advanceTimersByTime(19);
  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(run).toHaveBeenCalledTimes(1);
  await drain.idle();
  vi.advanceTimersByTime(1_000);
  expect(run).toHaveBeenCalledTimes(1);
  drain.soon(10);
  await drain.now();
  vi.advanceTimersByTime(10);
  expect(run).toHaveBeenCalledTimes(2);
});
