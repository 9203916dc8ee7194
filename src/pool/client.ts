import { errorText, log } from "../shared/log";
import { settledWithin } from "../shared/timeout";
import { CLOSED, standing } from "./policy";
import { warmPool } from "./setup";
import type { PoolState } from "./warm-pool";

/** Maximum time that a session waits for the pool: a longer wait would take as long as a start of its own. */
const TAKE_MS = 1_000;

const poolOf = (env: Env) => env.WARM_POOL.getByName("pool");

/**
 * Takes a started sandbox from the pool for a session, permanently. Returns null if none is ready, if the pool
 * does not answer in time, or if there is no pool.
 */
export async function takeWarmSandbox(
  env: Env,
  sessionId: string,
  provider: string,
): Promise<string | null> {
  if (warmPool.target === 0 || provider !== warmPool.provider) return null;
  try {
    const taken = poolOf(env).take(sessionId);
    return (await settledWithin(taken, TAKE_MS)) ? await taken : null;
  } catch (error) {
    log("pool.unreachable", { session: sessionId, error: errorText(error) });
    return null;
  }
}

/** Makes the pool start and destroy sandboxes as planned. Does nothing if there is no pool. */
export async function maintainPool(env: Env): Promise<void> {
  if (warmPool.target > 0) await poolOf(env).tend();
}

/** Returns the state of the pool; an empty state if there is no pool. */
export async function poolState(env: Env): Promise<PoolState> {
  if (warmPool.target > 0) return poolOf(env).state();
  return { ...standing([], warmPool, CLOSED), handedOut: 0, missed: 0 };
}
