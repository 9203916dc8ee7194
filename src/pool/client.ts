import { errorText, log } from "../shared/log";
import { settledWithin } from "../shared/timeout";
import { CLOSED, standing } from "./policy";
import { warmPool } from "./setup";
import type { PoolState } from "./warm-pool";

/** A session does not wait longer for the pool than a start would gain it. */
const TAKE_MS = 1_000;

const poolOf = (env: Env) => env.WARM_POOL.getByName("pool");

/** Takes a started sandbox of a provider for a session, for good. Null when there is none; without a pool nobody is asked. */
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

/** Has the pool start and destroy what it has to; without one nobody is asked. */
export async function maintainPool(env: Env): Promise<void> {
  if (warmPool.target > 0) await poolOf(env).tend();
}

/** Returns how the pool stands; without one nobody is asked. */
export async function poolState(env: Env): Promise<PoolState> {
  if (warmPool.target > 0) return poolOf(env).state();
  return { ...standing([], warmPool, CLOSED), handedOut: 0, missed: 0 };
}
