import { env } from "cloudflare:workers";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import type { VendorName } from "../../sandbox/providers";
import { bashIn } from "../../testing/container-sessions";
import { HAS_CONTAINERS } from "../../testing/containers";
import { isSaved } from "../../testing/losses";
import {
  DEPLOYMENT,
  eventually,
  machineSessions,
  VENDORS_HERE,
} from "../../testing/machine-sessions";
import { answerMachines } from "../../testing/machines";
import {
  ALICE,
  aMessage,
  ask,
  bash,
  createSession,
  eventsOf,
  lose,
  newSessionId,
  sessionOf,
  value,
} from "../../testing/sessions";
import { maintain } from "../maintenance";

// Sessions in machines of vendors, whose stand-ins run real processes.

vi.setConfig({ testTimeout: 30_000 });

const MINUTE = 60_000;
const answering = answerMachines();
afterAll(() => answering.stop());
afterEach(() => vi.restoreAllMocks());

describe.runIf(HAS_CONTAINERS).each<VendorName>(VENDORS_HERE)(
  "a session in a machine of %s",
  (provider) => {
    const { vendor, create, sleep, machinesOf, machineOf } = machineSessions(provider);

    it("sleeps and wakes in its machine with all that is there, and the next one goes on with its files", async () => {
      const id = await create();
      const make = "mkdir -p a/b; echo kept > a/b/file; echo too > /home/agent/elsewhere";
      expect(await bashIn(id, `pwd; ${make}`)).toContain("/workspace");
      const { id: before } = await machineOf(id);
      await sleep(id);
      expect(await bashIn(id, "cat a/b/file /home/agent/elsewhere")).toContain("kept\ntoo");
      expect(await machineOf(id)).toMatchObject({ id: before, state: "running" });
      await sleep(id);
      value(await sessionOf(id).terminate(ALICE, "enough"));
      await eventually(async () => (await machinesOf(id)).length === 0);
      const fork = { resumeSessionId: id, forkSession: true };
      const [there, here] = await Promise.all([
        create({ config: fork }),
        createSession({ config: { ...fork, sandbox: { provider: "embedded" } } }),
      ]);
      for (const next of [there, here])
        expect(await bashIn(next, "cat a/b/file")).toContain("kept");
      value(await sessionOf(there).remove(ALICE));
      await eventually(async () => (await machinesOf(there)).length === 0);
    });

    it("wakes in another machine, with its workspace, if the suspended one is gone", async () => {
      const id = await create();
      await bashIn(id, "echo kept > file; echo too > /home/agent/elsewhere");
      await sleep(id);
      const before = await machineOf(id);
      await vendor.destroy(before);
      const files = await bashIn(id, "cat file; ls /home/agent");
      expect([files.includes("kept"), files.includes("elsewhere")]).toEqual([true, false]);
      expect((await machineOf(id)).createdAt).toBeGreaterThan(before.createdAt);
      value(await sessionOf(id).terminate(ALICE, "enough"));
      await eventually(async () => (await machinesOf(id)).length === 0);
    });
  },
);

describe.runIf(HAS_CONTAINERS)("a session in a vendor's machine", () => {
  const provider = "e2b";
  const { vendor, create, machinesOf, machineOf } = machineSessions(provider);

  it("goes on after its machine vanished in the middle of a command", async () => {
    const id = await create();
    await bashIn(id, "echo saved > file");
    await eventually(() => isSaved(id), 250);
    const asked = ask(id, `${bash("echo begun; sleep 60")}\n${bash("cat file")}`);
    const isRunning = async () =>
      (await eventsOf(id)).some(
        ({ type, ...event }) =>
          type === "tool.started" && JSON.stringify(event).includes("sleep 60"),
      );
    await eventually(isRunning);
    await scheduler.wait(500);
    const before = await machineOf(id);
    await vendor.destroy(before);
    const { status, result } = await asked;
    expect([status, result]).toEqual(["completed", expect.stringContaining("saved")]);
    const types = (await eventsOf(id)).map(({ type }) => type);
    expect(types).toContain("sandbox.lost");
    expect((await machineOf(id)).createdAt).toBeGreaterThan(before.createdAt);
    value(await sessionOf(id).remove(ALICE));
  });

  it("keeps its command when its object is lost, and nothing runs twice", async () => {
    const id = await create();
    await bashIn(id, "true");
    const message = aMessage(bash("echo x >> ran; sleep 2; wc -l < ran"));
    value(await sessionOf(id).send(ALICE, message));
    await eventually(async () => (await eventsOf(id)).some(({ type }) => type === "tool.started"));
    await scheduler.wait(500);
    await lose(id);
    await eventually(
      async () => value(await sessionOf(id).message(ALICE, message.id)).endedAt !== null,
    );
    const { result } = value(await sessionOf(id).message(ALICE, message.id));
    expect(result).toMatch(/returned: 1$/);
    value(await sessionOf(id).remove(ALICE));
  });

  it("has its machine extended while it needs it; what no session needs is destroyed", async () => {
    const id = await create();
    await bashIn(id, "true");
    const orphan = await vendor.create({
      labels: { deployment: DEPLOYMENT, sandbox: newSessionId() },
      options: {},
      hosts: "open",
    });
    const extended = vi.spyOn(vendor, "extend");
    await maintain(env, Date.now() + 4 * MINUTE);
    expect(await vendor.get(orphan.id)).not.toBeNull();
    await maintain(env, Date.now() + 6 * MINUTE);
    expect(await vendor.get(orphan.id)).toBeNull();
    const mine = await machineOf(id);
    expect(extended.mock.calls.map(([machine]) => machine.id)).toContain(mine.id);
    value(await sessionOf(id).remove(ALICE));
    await eventually(async () => (await machinesOf(id)).length === 0);
  });

  it("uses secrets through its proxy, and never sees them", async () => {
    const secret = "s3cret-value-of-mine";
    const id = await create({
      config: {
        sandbox: { network: "open" },
        env: { TOKEN: { secret, hosts: ["echo.example.com"] } },
      },
    });
    const send = (host: string) =>
      `node -e 'fetch(process.env.RIGGER_PROXY + "/${host}/x", { headers: { authorization: "Bearer " + process.env.TOKEN, "x-rigger-token": process.env.RIGGER_TOKEN } }).then(async (r) => console.log(r.status, await r.text()))'`;
    const said = await bashIn(id, `${send("echo.example.com")}; env | grep TOKEN=`);
    expect(said).toContain("200");
    // The answer echoes the header, which is what the host got.
    expect(said.split(secret)).toHaveLength(2);
    expect(said).toMatch(/\nTOKEN=rigger_secret_/);
    const token = said.match(/^RIGGER_TOKEN=(\w+)$/m)?.[1] ?? "";
    const other = await create({ config: { sandbox: { network: "open" } } });
    expect(await sessionOf(other).ownsMachine(token)).toBe(false);
    expect(await sessionOf(id).ownsMachine(token)).toBe(true);
    value(await sessionOf(id).remove(ALICE));
    value(await sessionOf(other).remove(ALICE));
    expect(await sessionOf(id).ownsMachine(token)).toBe(false);
  });
});
