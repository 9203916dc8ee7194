import { deploymentOf } from "../sandbox/machines/machine-sandbox";
import type { Machine, Vendor } from "../sandbox/machines/vendor";
import type { Machines } from "../sandbox/providers";
import { errorText, log } from "../shared/log";
import type { MachineNeed } from "./rpc";

/** A machine that was made within this time, in ms, is left alone: its session may not have heard of it yet. */
const NEW_MS = 5 * 60_000;
const AT_ONCE = 10;

/**
 * Brings the machines of all vendors in line with their sessions: extends those that are needed, and destroys those of
 * sessions that do not know them any more. Rejects if a vendor can't be asked, after the others were.
 */
export async function keepMachines(
  { publicUrl, vendors }: Machines,
  needOf: (session: string, machineId: string) => Promise<MachineNeed>,
  now: number,
): Promise<void> {
  const failures: unknown[] = [];
  for (const [name, vendor] of Object.entries(vendors)) {
    if (!vendor) continue;
    try {
      await keepThoseOf(name, vendor, deploymentOf(publicUrl), needOf, now);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

async function keepThoseOf(
  provider: string,
  vendor: Vendor,
  deployment: string,
  needOf: (session: string, machineId: string) => Promise<MachineNeed>,
  now: number,
): Promise<void> {
  const keep = async (machine: Machine) => {
    const { id, sandbox, state } = machine;
    try {
      const need = await needOf(sandbox, id);
      if (need === "running" && state === "running") await vendor.extend?.(machine);
      if (need !== "gone" || now - machine.createdAt < NEW_MS) return;
      await vendor.destroy(machine);
      log("machine.orphan_destroyed", { provider, machine: id, session: sandbox });
    } catch (error) {
      log("machine.not_kept", { provider, machine: id, session: sandbox, error: errorText(error) });
    }
  };
  let batch: Promise<void>[] = [];
  for await (const machine of vendor.list(deployment)) {
    batch.push(keep(machine));
    if (batch.length < AT_ONCE) continue;
    await Promise.all(batch);
    batch = [];
  }
  await Promise.all(batch);
}
