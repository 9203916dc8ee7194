import { env } from "cloudflare:workers";
import { afterAll, describe, expect, it, vi } from "vitest";
import { HAS_CONTAINERS } from "../../testing/containers";
import { withoutPauses } from "../../testing/faults";
import { aMachineSandbox, answerMachines } from "../../testing/machines";
import { newSessionId } from "../../testing/sessions";
import type { FaultAsked } from "../../testing/vendors/faults";
import { aCommand, testSandbox } from "../contract";
import { LEASE_MS, type Machine, type MachineSpec } from "../machines/vendor";
import { modal, openModal } from "./modal";

// Against the endpoint, which runs over a stand-in of Modal, in which the real runner starts real processes
// (src/testing/vendors/modal.ts).

vi.setConfig({ testTimeout: 20_000 });

const ENDPOINT = "https://rigger.modal.run";

/** The endpoint needs Python. */
const CAN_RUN = HAS_CONTAINERS && env.TEST_HAS_PYTHON;

/** A workspace of Modal, with what a test does to it. */
function aWorkspace() {
  const key = `wk-${crypto.randomUUID().replaceAll("-", "")}`;
  const secret = "ws-secret00";
  const ask = async (path: string, body?: string) => {
    const headers = { "modal-key": key, "modal-secret": secret };
    const response = await fetch(ENDPOINT + path, {
      headers,
      ...(body !== undefined && { method: "POST", body }),
    });
    return response.json();
  };
  const vendor = openModal({ endpointUrl: `${ENDPOINT}/`, key, secret });
  const { host: deployment } = new URL(env.PUBLIC_URL);
  return {
    ...{ key, secret, vendor, deployment },
    inject: (fault: FaultAsked) => ask("/__faults", JSON.stringify(fault)),
    vanish: (id: string) => ask(`/__vanish/${id}`, ""),
    left: (): Promise<{ running: string[]; snapshots: string[] }> =>
      ask("/__left") as Promise<{ running: string[]; snapshots: string[] }>,
    async asked(call: string): Promise<(number | null)[]> {
      const all = (await ask("/__requests")) as { call: string; status: number | null }[];
      return all.filter((one) => one.call === call).map(({ status }) => status);
    },
    async machines(): Promise<Machine[]> {
      const all: Machine[] = [];
      for await (const one of vendor.list(deployment)) all.push(one);
      return all;
    },
    /** Returns a sandbox of a session. `machine` is the one that must answer. */
    sandbox(id = newSessionId(), machine?: string, config: Record<string, unknown> = {}) {
      const address = { id, config, ...(machine !== undefined && { machine }) };
      return aMachineSandbox("modal", vendor, address).sandbox;
    },
  };
}

const aSpec = (deployment: string, sandbox: string): MachineSpec => ({
  labels: { deployment, sandbox },
  options: {},
  hosts: "open",
});

const NOTHING = { running: [], snapshots: [] };
const CREATE = "^POST /machines$";
const START = "^POST /start$";

describe.runIf(CAN_RUN)("machines of Modal", () => {
  const shared = aWorkspace();
  testSandbox("modal", () => aMachineSandbox("modal", shared.vendor), { hasRunner: true });
  const answering = answerMachines();
  afterAll(async () => {
    answering.stop();
    for (const machine of await shared.machines()) await shared.vendor.destroy(machine);
    expect(await shared.left()).toEqual(NOTHING);
  });

  it("continue with the files that they had when they were suspended, without their processes", async () => {
    const { sandbox, machines, left } = aWorkspace();
    const id = newSessionId();
    const mine = sandbox(id);
    const machine = await mine.start?.();
    const noted = aCommand("echo kept > file; ln -s file link; (sleep 60; echo late > late) &");
    const result = await mine.run(noted);
    await mine.suspend?.();
    await mine.suspend?.();
    expect((await machines()).map(({ state }) => state)).toEqual(["suspended"]);
    expect(await left()).toMatchObject({ running: [], snapshots: [expect.any(String)] });
    const woken = sandbox(id);
    expect(await woken.start?.()).toBe(machine);
    expect(await woken.run(aCommand("cat link; ls -A"))).toMatchObject({
      stdout: "kept\nfile\nlink\n",
    });
    // What it has run it does not run again.
    expect(await woken.run(noted)).toEqual(result);
    // Whoever finds it suspended resumes it.
    await woken.suspend?.();
    expect(await sandbox(id, machine).run(aCommand("cat file"))).toMatchObject({
      stdout: "kept\n",
    });
    await mine.destroy();
    await mine.destroy();
    expect(await left()).toEqual(NOTHING);
  });

  it("that vanish are lost, also in mid-command", async () => {
    const { sandbox, machines, vanish, left } = aWorkspace();
    const id = newSessionId();
    const mine = sandbox(id);
    const machine = await mine.start?.();
    await mine.suspend?.();
    expect(await mine.start?.()).toBe(machine);
    const running = mine.run(aCommand("sleep 60"));
    await scheduler.wait(300);
    await vanish((await machines())[0]?.id ?? "");
    const lost = { lost: true, message: expect.stringContaining("gone, and every file in it") };
    await expect(running).rejects.toMatchObject(lost);
    await expect(sandbox(id, machine).readFile("/workspace/file")).rejects.toMatchObject(lost);
    // Its earlier files are not taken for its last ones.
    expect(await left()).toEqual(NOTHING);
    expect(await mine.start?.()).not.toBe(machine);
    await expect(sandbox(id, machine).readFile("/workspace/file")).rejects.toMatchObject(lost);
    await mine.destroy();
  });

  it("are kept by every request for the lease, and found by their labels", async () => {
    const { vendor, deployment, machines } = aWorkspace();
    const odd = "a session & = % ü/+";
    const one = await vendor.create(aSpec(deployment, odd));
    const other = await vendor.create(aSpec("other.example.com", odd));
    await vendor.extend?.(one);
    expect(await vendor.find({ deployment, sandbox: odd })).toMatchObject([{ id: one.id }]);
    expect(await machines()).toMatchObject([{ id: one.id, sandbox: odd }]);
    await vendor.suspend?.(one);
    await expect(vendor.extend?.(one)).rejects.toMatchObject({ transient: false });
    for (const machine of [one, other]) await vendor.destroy(machine);
    await vendor.destroy(one);
    await vendor.suspend?.(one);
    expect(await vendor.get(one.id)).toBeNull();
    await expect(vendor.resume(one)).rejects.toMatchObject({ lost: true });
  });

  it("are listed page by page", async () => {
    const { vendor, deployment, machines, inject } = aWorkspace();
    const real = await vendor.create(aSpec(deployment, "one"));
    const shown = { id: "rigger-0", sandbox: "zero", state: "suspended", createdAt: 1 };
    const page = JSON.stringify({ machines: [shown], next: "rigger-0" });
    await inject({ on: "^GET /machines$", do: { status: 200, body: page } });
    expect((await machines()).map(({ id }) => id)).toEqual(["rigger-0", real.id]);
    await vendor.destroy(real);
  });
});

describe.runIf(CAN_RUN)("when Modal fails", () => {
  it("with a limit, the time that it says is waited", async () => {
    const { sandbox, inject, asked, left } = aWorkspace();
    const limit = { status: 429, headers: { "Retry-After": "1" }, body: '{"message":"slowly"}' };
    await inject({ on: CREATE, do: limit });
    const mine = sandbox();
    const began = Date.now();
    await mine.start?.();
    expect(Date.now() - began).toBeGreaterThan(950);
    expect(await asked("POST /machines")).toEqual([429, 200]);
    await mine.destroy();
    expect(await left()).toEqual(NOTHING);
  });

  it("after a machine was made, it is the session's", async () => {
    for (const fault of ["hang", { status: 500 }, { cut: 30 }] as const) {
      const { sandbox, inject, left } = aWorkspace();
      await inject({ on: CREATE, when: "after", times: 5, do: fault });
      const mine = sandbox();
      await withoutPauses(async () => {
        await expect(mine.start?.()).rejects.toMatchObject({ transient: true });
      }, 1 / 60);
      expect((await left()).running).toHaveLength(1);
      await mine.start?.();
      expect(await mine.run(aCommand("echo works"))).toMatchObject({ stdout: "works\n" });
      expect((await left()).running).toHaveLength(1);
      await mine.destroy();
      expect(await left()).toEqual(NOTHING);
    }
  });

  it("with streams that break or never begin, commands run once, and all output is heard once", async () => {
    const { sandbox, inject } = aWorkspace();
    const mine = sandbox();
    await mine.start?.();
    const script = "for n in 1 2 3 4 5; do echo $n; echo $n >> ran; sleep 0.1; done";
    for (const bytes of [0, 150]) {
      await inject({ on: START, do: { cut: bytes } });
      let heard = "";
      const command = aCommand(`rm -f ran; ${script}; cat ran | wc -l`);
      const hear = (_: string, text: string) => {
        heard += text;
      };
      const result = await withoutPauses(() => mine.run(command, hear), 1 / 20);
      expect(result.stdout.trim()).toBe("1\n2\n3\n4\n5\n5");
      expect(heard).toBe(result.stdout);
    }
    await inject({ on: START, do: { status: 500, body: "oops" } });
    await inject({ on: START, skip: 1, when: "after", do: "hang" });
    const once = aCommand("echo x >> once; wc -l < once");
    const result = await withoutPauses(() => mine.run(once), 1 / 30);
    expect(result.stdout.trim()).toBe("1");
    await mine.destroy();
  });

  it("with an answer that is lost, machines are suspended, resumed, found and ended nevertheless", async () => {
    const { vendor, inject, machines, left, deployment } = aWorkspace();
    const machine = await vendor.create(aSpec(deployment, "one"));
    const lose = async (on: string) => {
      await inject({ on, when: "after", do: { status: 500 } });
      await inject({ on, do: { cut: 10 } });
    };
    await withoutPauses(async () => {
      await inject({ on: "/suspend$", when: "after", do: { status: 500 } });
      await vendor.suspend?.(machine);
      await lose("^GET /machines$");
      expect((await machines()).map(({ state }) => state)).toEqual(["suspended"]);
      await lose("/resume$");
      expect(await vendor.resume(machine)).toMatchObject({ state: "running" });
      expect((await left()).running).toHaveLength(1);
      await inject({ on: "^DELETE ", when: "after", do: { status: 500 } });
      await vendor.destroy(machine);
    }, 1 / 20);
    expect(await left()).toEqual(NOTHING);
  });

  it("says what Modal said, with the request's id and without the secrets", async () => {
    const { vendor, inject, key, secret, deployment, left } = aWorkspace();
    const spec = aSpec(deployment, "one");
    const missing = { ...spec, options: { image: "no-such:1" } };
    await expect(vendor.create(missing)).rejects.toMatchObject({
      transient: false,
      message: expect.stringMatching(
        /^Modal answered 422: Image build for .*not found \(request fc-.*\)$/s,
      ),
    });
    const body = JSON.stringify({ message: `${key} and ${secret} are odd` });
    const headers = { "modal-function-call-id": "fc-1" };
    await inject({ on: CREATE, do: { status: 400, body, headers } });
    await expect(vendor.create(spec)).rejects.toMatchObject({
      transient: false,
      message: "Modal answered 400: [redacted] and [redacted] are odd (request fc-1)",
    });
    const wrong = openModal({ endpointUrl: ENDPOINT, key: "nobody", secret });
    await expect(wrong.get("one")).rejects.toThrow("Modal answered 401: modal-http: invalid");
    expect(await left()).toEqual(NOTHING);
  });
});

describe("options", () => {
  it("name an image, a region and a size", () => {
    const all = { image: "node:24", region: "eu", cpus: 0.5, memoryMb: 1024 };
    expect(modal.options.parse(all)).toEqual(all);
    expect(modal.options.parse({})).toEqual({});
    for (const wrong of [{ template: "x" }, { cpus: 0 }, { memoryMb: 64 }, { image: "" }]) {
      expect(modal.options.safeParse(wrong).success).toBe(false);
    }
    expect(LEASE_MS).toBeGreaterThan(0);
  });
});
