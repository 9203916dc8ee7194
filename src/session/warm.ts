import { CLOSED, standing } from "../sandbox/pool";
import { errorText, log } from "../shared/log";
import { settledWithin } from "../shared/timeout";
import { defaultProvider, warmPool } from "./deployment";
import type { SessionSpec } from "./rpc";
import type { PoolState } from "./warm-pool";

/** A session does not wait longer for the pool than a start would gain it. */
const TAKE_MS = 1_000;

const poolOf = (env: Env) => env.WARM_POOL.getByName("pool");

/** The same spec, with a sandbox of the warm pool if it has one ready. Without a pool nobody is asked. */
export async function warmed(env: Env, spec: SessionSpec): Promise<SessionSpec> {
  const { provider = defaultProvider } = spec.config.sandbox ?? {};
  if (warmPool.target === 0 || provider !== warmPool.provider) return spec;
  try {
    const taken = poolOf(env).take(spec.id);
    const sandboxId = (await settledWithin(taken, TAKE_MS)) ? await taken : null;
    return sandboxId === null ? spec : { ...spec, sandboxId };
  } catch (error) {
    log("pool.unreachable", { session: spec.id, error: errorText(error) });
    return spec;
  }
}

/** Has the pool look after itself; without one nobody is asked. */
export async function tendPool(env: Env): Promise<void> {
  if (warmPool.target > 0) await poolOf(env).tend();
}

/** How the pool stands; without one nobody is asked. */
export async function poolState(env: Env): Promise<PoolState> {
  if (warmPool.target > 0) return poolOf(env).state();
  return { ...standing([], warmPool, CLOSED), handedOut: 0, missed: 0 };
}
