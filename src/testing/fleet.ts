import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { warmPool } from "../pool/setup";
import { providers } from "../sandbox/providers";
import { SandboxError } from "../sandbox/sandbox";
import { until } from "./sessions";

/** Machines of a pretended provider: those that run, by the id of their sandbox, with their names. */
export interface Fleet {
  running: Map<string, string>;
  /** Ids in the order in which they were started, or asked whether they run. */
  started: string[];
  destroyed: string[];
  /** What happens before a start or a destruction comes about: a wait, or a failure. */
  before: { start(id: string): Promise<void>; destroy(id: string): Promise<void> };
}

/**
 * Has the warm pool's sandboxes be machines of a fleet, and the pool keep so many, until mocks are restored and
 * `stop` is called. All other sandboxes stay what they are.
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

/** Has the deployment's pool forget what it was and give back what it holds. */
export async function emptyPool(): Promise<void> {
  const pool = env.WARM_POOL.getByName("pool");
  warmPool.target = 0;
  await pool.tend();
  await until(async () => (await pool.state()).leaving === 0);
  await runInDurableObject(pool, (_, { storage }) => storage.deleteAll());
  await runInDurableObject(pool, (_, state) => state.abort("emptied")).catch(() => {});
}

/** Returns a start or a destruction that fails. */
export const failing = (): Promise<never> =>
  Promise.reject(new SandboxError("no capacity", { transient: true }));
