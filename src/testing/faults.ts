import { env } from "cloudflare:workers";
import { vi } from "vitest";

/** Waits longer than this are retry delays and timeouts of the product. Shorter ones belong to the test. */
const PAUSE_MS = 200;

/**
 * Shortens retry delays and timeouts to almost nothing while `work` runs, those of requests too. Their order is kept: a longer wait
 * still ends after a shorter one.
 */
export async function withoutPauses<T>(work: () => Promise<T>, factor = 1 / 1_000): Promise<T> {
  const shorter = (ms = 0) => (ms < PAUSE_MS ? ms : ms * factor);
  const setTimer = setTimeout;
  const wait = scheduler.wait.bind(scheduler);
  const timeout = AbortSignal.timeout.bind(AbortSignal);
  const timers = vi
    .spyOn(globalThis, "setTimeout")
    .mockImplementation(((then: () => void, ms?: number, ...rest: []) =>
      setTimer(then, shorter(ms), ...rest)) as typeof setTimeout);
  const waits = vi
    .spyOn(scheduler, "wait")
    .mockImplementation((ms, options) => wait(shorter(ms), options));
  const timeouts = vi
    .spyOn(AbortSignal, "timeout")
    .mockImplementation((ms) => timeout(shorter(ms)));
  try {
    return await work();
  } finally {
    timers.mockRestore();
    waits.mockRestore();
    timeouts.mockRestore();
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

/** Sets the clock ahead, until mocks are restored. Returns a function that sets it further ahead, by more ms. */
export function moveClock(aheadMs = 0): (ms: number) => void {
  const { now } = Date;
  let offset = aheadMs;
  vi.spyOn(Date, "now").mockImplementation(() => now() + offset);
  return (ms) => {
    offset += ms;
  };
}

/** Replaces the writes of sessions' rows to the index, until mocks are restored. */
export function replaceWrites(
  write: (row: { id: string }, run: () => Promise<unknown>) => Promise<unknown>,
): void {
  const ids = new WeakMap<D1PreparedStatement, string>();
  const prepare = env.DB.prepare.bind(env.DB);
  const batch = env.DB.batch.bind(env.DB);
  vi.spyOn(env.DB, "prepare").mockImplementation((sql) => {
    const statement = prepare(sql);
    if (!sql.includes("insert into agent_sessions")) return statement;
    const bind = (...values: unknown[]) => {
      const bound = statement.bind(...values);
      ids.set(bound, String(values[0]));
      return bound;
    };
    return Object.assign(Object.create(statement), { bind });
  });
  vi.spyOn(env.DB, "batch").mockImplementation(((statements: D1PreparedStatement[]) => {
    const id = statements.map((one) => ids.get(one)).find((one) => one !== undefined);
    return id === undefined ? batch(statements) : write({ id }, () => batch(statements));
  }) as typeof env.DB.batch);
}
