import { vi } from "vitest";

/** Waits of more than this are pauses and bounds of ours; shorter ones belong to what is tested. */
const PAUSE_MS = 200;

/**
 * Lets the pauses between tries, and the bounds of those who wait, be over in a moment while `work` is done.
 * Their order is kept: a longer one is still longer than a shorter one.
 */
export async function withoutPauses<T>(work: () => Promise<T>, factor = 1 / 1_000): Promise<T> {
  const shorter = (ms = 0) => (ms < PAUSE_MS ? ms : ms * factor);
  const setTimer = setTimeout;
  const wait = scheduler.wait.bind(scheduler);
  const timers = vi
    .spyOn(globalThis, "setTimeout")
    .mockImplementation(((then: () => void, ms?: number, ...rest: []) =>
      setTimer(then, shorter(ms), ...rest)) as typeof setTimeout);
  const waits = vi
    .spyOn(scheduler, "wait")
    .mockImplementation((ms, options) => wait(shorter(ms), options));
  try {
    return await work();
  } finally {
    timers.mockRestore();
    waits.mockRestore();
  }
}

/** Does `work` as if it were that time. */
export async function at<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const now = vi.spyOn(Date, "now").mockReturnValue(ms);
  try {
    return await work();
  } finally {
    now.mockRestore();
  }
}
