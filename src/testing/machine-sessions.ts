import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import type { Machine, Vendor } from "../sandbox/machines/vendor";
import type { VendorName } from "../sandbox/providers";
import { sandboxOptions } from "../session/machines";
import type { SessionSpec } from "../session/rpc";
import { at } from "./faults";
import { createSession, NO_LIMITS, objectOf, read } from "./sessions";

const IDLE_MS = 60_000;

/** The vendors whose stand-ins can run here: that of Modal needs Python. */
export const VENDORS_HERE: VendorName[] = [
  ...(["daytona", "e2b", "fly"] as const),
  ...(env.TEST_HAS_PYTHON ? (["modal"] as const) : []),
];

/** The host of the deployment under test, which its machines are labelled with. */
export const { host: DEPLOYMENT } = new URL(env.PUBLIC_URL);

/** Waits until something holds: machines are slower than objects. */
export async function eventually(holds: () => Promise<boolean>, everyMs = 25): Promise<void> {
  for (let ms = 0; ms < 10_000; ms += everyMs) {
    if (await holds()) return;
    await scheduler.wait(everyMs);
  }
  throw new Error("it did not come to hold within ten seconds");
}

/** Hybrid sessions in machines of a vendor. */
export interface MachineSessions {
  vendor: Vendor;
  /** Creates a session. */
  create(changes?: Partial<SessionSpec>): Promise<string>;
  /** Lets a session sleep, and waits until its machine does. */
  sleep(id: string): Promise<void>;
  machinesOf(id: string): Promise<Machine[]>;
  /** Returns the only machine of a session. */
  machineOf(id: string): Promise<Machine>;
}

/** Returns the sessions in machines of a vendor's stand-in. */
export function machineSessions(provider: VendorName): MachineSessions {
  const vendor = sandboxOptions.machines?.vendors[provider];
  if (!vendor) throw new Error(`there is no ${provider}`);

  const machinesOf = (sandbox: string): Promise<Machine[]> =>
    vendor.find({ deployment: DEPLOYMENT, sandbox });
  const machineOf = async (id: string): Promise<Machine> => {
    const [machine, ...others] = await machinesOf(id);
    expect(others).toEqual([]);
    if (!machine) throw new Error("it has no machine");
    return machine;
  };
  return {
    vendor,
    machinesOf,
    machineOf,
    create: ({ config, ...changes } = {}) =>
      createSession({
        pattern: "hybrid",
        limits: { ...NO_LIMITS, maxIdleTimeMs: IDLE_MS },
        config: { ...config, sandbox: { provider, ...config?.sandbox } },
        ...changes,
      }),
    async sleep(id) {
      await at(Date.now() + 2 * IDLE_MS, () => runDurableObjectAlarm(objectOf(id)));
      await eventually(async () => (await read(id)).sandbox.state === "suspended");
      await eventually(async () => (await machineOf(id)).state === "suspended");
    },
  };
}
