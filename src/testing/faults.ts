import { vi } from "vitest";

/** Waits longer than this are retry delays and timeouts of the product. Shorter ones belong to the test. */
const PAUSE_MS = 200;

/**
 * Shortens retry delays and timeouts to almost nothing while `work` runs. Their order is kept: a longer wait
 * still ends after a shorter one.
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

/** Runs `work` with the clock at `ms`. */
export async function at<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const now = vi.spyOn(Date, "now").mockReturnValue(ms);
  try {
    return await work();
  } finally {
    now.mockRestore();
  }
}
