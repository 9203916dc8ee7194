import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { warmPool } from "../pool/setup";
import { providers } from "../sandbox/providers";
import { SandboxError } from "../sandbox/sandbox";
import { until } from "./sessions";

/** The containers of a fake provider: the names of the running ones, by sandbox id. */
export interface Fleet {
  running: Map<string, string>;
  /** Ids in the order of their starts and checks. */
  started: string[];
  destroyed: string[];
  /** Hooks that run before a start or a destruction takes effect: they may wait or fail. */
  before: { start(id: string): Promise<void>; destroy(id: string): Promise<void> };
}

/**
 * Replaces the sandboxes of the warm pool by fake containers and sets the pool's target, until mocks are
 * restored and `stop` is called. Other sandboxes do not change.
 */
export function aFleet(target: number): Fleet & { stop(): void } {
  const fleet: Fleet = {
    running: new Map(),
    started: [],
    destroyed: [],
    before: { start: async () => {}, destroy: async () => {} },
  };
  const embedded = providers.embedded;
  vi.spyOn(providers, "embedded").mockImplementation((env, address, options) => {
    const sandbox = embedded(env, address, options);
    const { id } = address;
    if (!id.startsWith("warm_")) return sandbox;
    return {
      ...sandbox,
      async start() {
        fleet.started.push(id);
        await fleet.before.start(id);
        const name = fleet.running.get(id) ?? crypto.randomUUID();
        fleet.running.set(id, name);
        return name;
      },
      async destroy() {
        fleet.destroyed.push(id);
        await fleet.before.destroy(id);
        fleet.running.delete(id);
        await sandbox.destroy();
      },
    };
  });
  const before = { ...warmPool };
  Object.assign(warmPool, { provider: "embedded", target });
  return Object.assign(fleet, { stop: () => Object.assign(warmPool, before) });
}

/** Resets the deployment's pool: it destroys its sandboxes and clears its state. */
export async function emptyPool(): Promise<void> {
  const pool = env.WARM_POOL.getByName("pool");
  warmPool.target = 0;
  await pool.tend();
  await until(async () => (await pool.state()).leaving === 0);
  await runInDurableObject(pool, (_, { storage }) => storage.deleteAll());
  await runInDurableObject(pool, (_, state) => state.abort("emptied")).catch(() => {});
}

/** A hook that fails. */
export const failing = (): Promise<never> =>
  Promise.reject(new SandboxError("no capacity", { transient: true }));
