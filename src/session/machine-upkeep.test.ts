import { describe, expect, it } from "vitest";
import type { Machine, Vendor } from "../sandbox/machines/vendor";
import { newSessionId } from "../testing/sessions";
import { keepMachines } from "./machine-upkeep";
import type { MachineNeed } from "./rpc";

const HOUR_MS = 3_600_000;
const NOW = 10 * HOUR_MS;

type Kept = Machine & { need: MachineNeed | Error };

/** Returns a machine whose session needs it like this. */
const aMachine = (need: Kept["need"], parts: Partial<Machine> = {}): Kept => {
  const machine: Machine = {
    id: `m-${crypto.randomUUID()}`,
    sandbox: newSessionId(),
    state: "running",
    createdAt: 0,
  };
  return { ...machine, ...parts, need };
};

/** Keeps machines of vendors, and returns what was done, in order. */
async function keep(vendors: Record<string, Kept[] | Error>) {
  const done: string[] = [];
  const act =
    (what: string) =>
    async ({ id }: Machine) => {
      done.push(`${what} ${id}`);
    };
  const vendorOf = (machines: Kept[] | Error): Vendor => ({
    async *list(deployment) {
      if (machines instanceof Error) throw machines;
      done.push(`list ${deployment}`);
      yield* machines;
    },
    extend: act("extend"),
    suspend: act("suspend"),
    destroy: act("destroy"),
    ...({} as Pick<Vendor, "create" | "find" | "get" | "resume" | "link" | "reach">),
  });
  const all = Object.values(vendors).flatMap((one) => (one instanceof Error ? [] : one));
  const needOf = async (session: string, id: string) => {
    const found = all.find((one) => one.id === id && one.sandbox === session);
    if (!found || found.need instanceof Error) throw found?.need ?? new Error("unknown");
    return found.need;
  };
  const clients = Object.entries(vendors).map(([name, machines]) => [name, vendorOf(machines)]);
  const machines = {
    publicUrl: "https://rigger.test:81/x",
    vendors: Object.fromEntries(clients),
    defaults: {},
  };
  const failure = await keepMachines(machines, needOf, NOW).catch((error: unknown) => error);
  return { done, failure };
}

describe("the upkeep of machines", () => {
  it("extends what its session needs, and leaves what is suspended alone", async () => {
    const [needed, asleep] = [aMachine("running"), aMachine("suspended", { state: "suspended" })];
    const { done, failure } = await keep({ modal: [needed, asleep] });
    expect(done).toEqual(["list rigger.test:81", `extend ${needed.id}`]);
    expect(failure).toBeUndefined();
  });

  it("destroys what no session knows, running or suspended, but nothing that was made just now", async () => {
    const orphans = [aMachine("gone"), aMachine("gone", { state: "suspended" })];
    const young = aMachine("gone", { createdAt: NOW - 60_000 });
    const { done } = await keep({ modal: [...orphans, young] });
    expect(done.slice(1)).toEqual(orphans.map(({ id }) => `destroy ${id}`));
  });

  it("leaves what should be suspended to its session: it may just have woken", async () => {
    expect((await keep({ modal: [aMachine("suspended")] })).done.slice(1)).toEqual([]);
  });

  it("does not destroy the machine of a session that can't be asked, and goes on with the others", async () => {
    const [silent, orphan] = [aMachine(new Error("overloaded")), aMachine("gone")];
    const { done, failure } = await keep({ modal: [silent, orphan] });
    expect([done.slice(1), failure]).toEqual([[`destroy ${orphan.id}`], undefined]);
  });

  it("goes on with the other vendors if one can't be asked, and reports it", async () => {
    const down = new Error("down");
    const orphans = Array.from({ length: 25 }, () => aMachine("gone"));
    const { done, failure } = await keep({ e2b: down, modal: orphans });
    expect(done.slice(1).sort()).toEqual(orphans.map(({ id }) => `destroy ${id}`).sort());
    expect(failure).toBe(down);
  });
});
