import { expect, it } from "vitest";
import type { Vendor } from "../../sandbox/machines/vendor";
import { messageOf } from "../../sandbox/sandbox";
import { VENDORS } from "./own-machines";

// Destroys the machines of a run, whatever has become of it.

/** A machine whose creation was under way appears within the first time. None may be left after the second, in ms. */
const LATE_MS = 5_000;
const SWEEP_MS = 60_000;
const POLL_MS = 1_000;

it.each(VENDORS)(
  "no machine of %s is left",
  async (name, vendor) => {
    const destroyed = new Set<string>();
    let left: string[] = [];
    const began = Date.now();
    do {
      left = await sweep(vendor, destroyed);
      if (left.length === 0 && Date.now() - began > LATE_MS) break;
      await scheduler.wait(POLL_MS);
    } while (Date.now() - began < SWEEP_MS);
    console.log(`${name}: ${destroyed.size} machines were left by the tests and are destroyed`);
    expect(left, `${name} still has machines of this run`).toEqual([]);
  },
  2 * SWEEP_MS,
);

/** Destroys what machines there are. Returns what prevents that there are none: a line for each. */
async function sweep(vendor: Vendor, destroyed: Set<string>): Promise<string[]> {
  const left: string[] = [];
  try {
    for await (const machine of vendor.list("")) {
      try {
        await vendor.destroy(machine);
        destroyed.add(machine.id);
      } catch (error) {
        left.push(`${machine.id} can't be destroyed: ${messageOf(error)}`);
      }
    }
  } catch (error) {
    left.push(`they can't be listed: ${messageOf(error)}`);
  }
  return left;
}
