import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { HAS_CONTAINERS } from "../../testing/containers";
import { withoutPauses } from "../../testing/faults";
import { aMachineSandbox, answerMachines } from "../../testing/machines";
import { newSessionId } from "../../testing/sessions";
import type { FaultAsked } from "../../testing/vendors/faults";
import { aCommand, testSandbox } from "../contract";
import { deploymentOf } from "../machines/machine-sandbox";
import type { Sandbox, SandboxError } from "../sandbox";
import { appsOf } from "./apps";
import { fly, openFly } from "./fly";
import type { FlyOptions } from "./options";

// Against the stand-in of Fly's API, in which real programs run.

vi.setConfig({ testTimeout: 20_000 });
afterEach(() => vi.restoreAllMocks());

const APPS = ["rigger-one", "rigger-two"];
const DEPLOYMENT = deploymentOf(env.PUBLIC_URL);
const utf8 = new TextEncoder();

/** An account of Fly: the stand-in keeps those of different tokens apart. */
function anAccount() {
  const token = `FlyV1 fm2_${crypto.randomUUID().replaceAll("-", "")}`;
  const vendor = openFly({ token, apps: APPS });
  const control = async (path: string, body = "") => {
    const response = await fetch(`https://api.machines.dev/${path}`, {
      method: "POST",
      body,
      headers: { authorization: `Bearer ${token}` },
    });
    return response.status === 204 ? undefined : response.json<unknown>();
  };
  return {
    token,
    vendor,
    /** Returns a sandbox; the same one again for the same id. */
    open: (
      id: string = newSessionId(),
      more: { machine?: string; config?: FlyOptions } = {},
    ): Sandbox => aMachineSandbox("fly", vendor, { id, ...more }).sandbox,
    fault: (asked: FaultAsked) => control("__faults", JSON.stringify(asked)),
    machines: () => control("__machines") as Promise<{ id: string; app: string; state: string }[]>,
    harm: ({ id }: { id: string }, how: "vanish" | "lose-snapshot") =>
      control(`__machines/${id}/${how}`),
  };
}

/** Shortens the pauses between tries. */
const soon = <T>(work: () => Promise<T>) => withoutPauses(work, 1 / 20);

async function only<T>(all: Promise<T[]>): Promise<T> {
  const [one, ...others] = await all;
  if (!one || others.length > 0) throw new Error("there is not exactly one");
  return one;
}

const fail = (promise: Promise<unknown> | undefined): Promise<SandboxError> =>
  Promise.resolve(promise).then(
    () => {
      throw new Error("it succeeded");
    },
    (error) => error,
  );

const stdoutOf = async (sandbox: Sandbox, command: string) =>
  (await sandbox.run(aCommand(command))).stdout;

describe.runIf(HAS_CONTAINERS)("machines of Fly", () => {
  const account = anAccount();
  let answering: { stop(): void };
  beforeAll(() => {
    answering = answerMachines();
  });
  afterAll(() => answering.stop());
  testSandbox("fly", () => aMachineSandbox("fly", account.vendor), { hasRunner: true });

  describe("asleep", () => {
    it.each([
      ["with its memory", {}, "suspended"],
      ["with its files only, if it has much memory", { memoryMb: 4096 }, "stopped"],
    ] as const)(
      "a machine is kept %s, and goes on with the same name",
      async (_, config, state) => {
        const { open, machines, vendor } = anAccount();
        const sandbox = open("s", { config });
        const machine = await sandbox.start?.();
        await sandbox.run(aCommand("echo kept > file"));
        await sandbox.suspend?.();
        expect(await only(machines())).toMatchObject({ state });
        expect(await only(vendor.find({ deployment: DEPLOYMENT, sandbox: "s" }))).toMatchObject({
          state: "suspended",
        });
        await sandbox.suspend?.();
        const later = open("s", { config });
        expect(await later.start?.()).toBe(machine);
        expect(await stdoutOf(later, "cat file")).toBe("kept\n");
        expect(await machines()).toHaveLength(1);
      },
    );

    it("a machine that loses its memory keeps its files, and its name", async () => {
      const { open, machines, harm } = anAccount();
      const sandbox = open("s");
      const machine = await sandbox.start?.();
      await sandbox.run(aCommand("echo kept > file"));
      await sandbox.suspend?.();
      await harm(await only(machines()), "lose-snapshot");
      expect(await sandbox.start?.()).toBe(machine);
      expect(await stdoutOf(sandbox, "cat file")).toBe("kept\n");
    });

    it("a machine is woken by a call", async () => {
      const { open, machines } = anAccount();
      const machine = (await open("s").start?.()) ?? "";
      await open("s").suspend?.();
      expect(await stdoutOf(open("s", { machine }), "echo on")).toBe("on\n");
      expect(await only(machines())).toMatchObject({ state: "started" });
    });

    it("a machine is ended like any other", async () => {
      const { open, machines } = anAccount();
      const sandbox = open();
      await sandbox.start?.();
      await sandbox.suspend?.();
      await sandbox.destroy();
      expect(await machines()).toEqual([]);
      await sandbox.destroy();
    });
  });

  describe("a machine that vanishes", () => {
    it("is lost, also in the middle of a command", async () => {
      const { open, machines, harm } = anAccount();
      const machine = (await open("s").start?.()) ?? "";
      const sandbox = open("s", { machine });
      const running = fail(sandbox.run(aCommand("echo begun > begun; sleep 30")));
      await expect.poll(() => sandbox.readFile("/workspace/begun")).not.toBeNull();
      await harm(await only(machines()), "vanish");
      expect(await running).toMatchObject({ lost: true });
      expect(await fail(sandbox.run(aCommand("echo on")))).toMatchObject({ lost: true });
      const again = await open("s").start?.();
      expect(again).not.toBe(machine);
      expect(await machines()).toHaveLength(1);
    });
  });

  describe("a fault of the API", () => {
    const CREATE = "^POST /v1/apps/[^/]+/machines$";
    const LIST = "^GET /v1/apps/[^/]+/machines$";
    const SHOW = "^GET /v1/apps/[^/]+/machines/\\w+$";
    const busy = { status: 429, headers: { "retry-after": "0" }, body: '{"error":"slow down"}' };
    const broken = { status: 500, body: '{"error":"internal"}' };

    it.each<[string, FaultAsked]>([
      ["too many creations", { on: CREATE, times: 3, do: busy }],
      ["too many lists", { on: LIST, times: 3, do: busy }],
      ["an error at a list", { on: LIST, do: broken }],
      ["half an answer at a list", { on: LIST, do: { cut: 1 } }],
      ["an error while it starts", { on: SHOW, do: broken }],
      ["half an answer while it starts", { on: SHOW, do: { cut: 20 } }],
      ["a proxy that does not know it yet", { on: "/health$", times: 2, do: { status: 503 } }],
    ])("is waited out: %s", async (_, fault) => {
      const { open, machines, fault: inject } = anAccount();
      await inject(fault);
      const sandbox = open();
      await soon(async () => sandbox.start?.());
      expect(await stdoutOf(sandbox, "echo on")).toBe("on\n");
      expect(await machines()).toHaveLength(1);
    });

    it("is waited out as long as Fly asks", async () => {
      const { open, fault } = anAccount();
      await fault({ on: CREATE, do: { ...busy, headers: { "retry-after": "1" } } });
      const began = Date.now();
      await open().start?.();
      expect(Date.now() - began).toBeGreaterThan(1_000);
    });

    it.each<[string, FaultAsked, number]>([
      ["before the machine was made", { on: CREATE, do: broken }, 0],
      ["after the machine was made", { on: CREATE, when: "after", do: broken }, 1],
      ["in the middle of the answer", { on: CREATE, do: { cut: 10 } }, 1],
      ["with no answer", { on: CREATE, when: "after", do: "hang" }, 1],
    ])("%s leaves one machine at most, which the next start takes", async (_, fault, left) => {
      const { open, machines, fault: inject } = anAccount();
      const timeout = AbortSignal.timeout;
      vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => timeout(Math.min(ms, 500)));
      await inject(fault);
      const sandbox = open();
      expect(await fail(sandbox.start?.())).toMatchObject({ transient: true, lost: false });
      const before = await machines();
      expect(before).toHaveLength(left);
      await sandbox.start?.();
      const after = await only(machines());
      if (before[0]) expect(after.id).toBe(before[0].id);
      expect(await stdoutOf(sandbox, "echo on")).toBe("on\n");
      await sandbox.destroy();
      expect(await machines()).toEqual([]);
    });

    it("at a change of state counts only if the state has not changed", async () => {
      const { open, machines, fault } = anAccount();
      const sandbox = open();
      await sandbox.start?.();
      for (const [path, act, state] of [
        ["suspend", () => sandbox.suspend?.(), "suspended"],
        ["start", () => sandbox.start?.(), "started"],
      ] as const) {
        await fault({ on: `/${path}$`, when: "after", do: broken });
        await soon(async () => act());
        expect(await only(machines())).toMatchObject({ state });
      }
      await fault({ on: "/suspend$", do: { status: 400, body: '{"error":"not today"}' } });
      expect((await fail(sandbox.suspend?.())).message).toContain("Fly answered 400: not today");
      await fault({ on: "^DELETE", when: "after", do: { status: 412, body: "" } });
      await sandbox.destroy();
      expect(await machines()).toEqual([]);
    });

    it("does not run anything twice", async () => {
      const { open, fault } = anAccount();
      const machine = (await open("s").start?.()) ?? "";
      const sandbox = open("s", { machine });
      const START = "POST /start$";
      for (const [times, trouble] of [
        { on: START, do: { cut: 30 } },
        { on: START, when: "after", do: { status: 502 } },
        { on: START, do: { status: 503 } },
      ].entries()) {
        await fault(trouble as FaultAsked);
        const command = aCommand("echo x >> count; sleep 0.1; cat count");
        const result = await soon(() => sandbox.run(command));
        expect(result.stdout).toBe("x\n".repeat(times + 1));
      }
    });

    it("is told in Fly's words, with its id of the request and without the token", async () => {
      const { open, token, fault } = anAccount();
      const said = `no room for ${token}`;
      const headers = { "fly-request-id": "01FLY-iad" };
      await fault({
        on: CREATE,
        do: { status: 422, headers, body: JSON.stringify({ error: said }) },
      });
      const error = await fail(open().start?.());
      expect(error.message).toBe("Fly answered 422: no room for [redacted] (request 01FLY-iad)");
      expect(error.transient).toBe(false);
    });
  });

  it("are made once, however many ask for one at the same time", async () => {
    const { open, machines } = anAccount();
    const starts = await Promise.allSettled([1, 2, 3].map(() => open("s").start?.()));
    expect(starts.map(({ status }) => status)).toContain("fulfilled");
    expect(await machines()).toHaveLength(1);
    await open("s").start?.();
    expect(await machines()).toHaveLength(1);
  });

  it("that end when they start are removed, and say what they need", async () => {
    const { open, machines } = anAccount();
    const error = await fail(open("s", { config: { image: "alpine:3" } }).start?.());
    expect(error).toMatchObject({ transient: false });
    expect(error.message).toContain("its image needs node");
    await expect.poll(machines).toEqual([]);
  });

  it("are spread over the apps, and are found by deployment and by id", async () => {
    const { open, vendor, machines } = anAccount();
    const ids = Array.from({ length: 5 }, (_, n) => `sandbox-${n}`);
    await Promise.all(ids.map((id) => open(id).start?.()));
    expect(new Set((await machines()).map(({ app }) => app)).size).toBeGreaterThan(1);
    const found: Awaited<ReturnType<typeof vendor.find>> = [];
    for await (const machine of vendor.list(DEPLOYMENT)) found.push(machine);
    expect(found.map(({ sandbox }) => sandbox).sort()).toEqual(ids);
    for (const machine of found) expect(await vendor.get(machine.id)).toEqual(machine);
    for await (const other of vendor.list("another.example")) expect(other).toBeNull();
    await Promise.all(found.map((machine) => vendor.destroy(machine)));
    expect(await vendor.get(found[0]?.id ?? "")).toBeNull();
    expect(await machines()).toEqual([]);
  });

  it("answer nobody without their token, and are not woken by strangers", async () => {
    const { open, machines } = anAccount();
    const sandbox = open();
    await sandbox.start?.();
    const { id, app } = await only(machines());
    const ask = (headers: object) =>
      fetch(`https://${app}.fly.dev/start`, {
        method: "POST",
        body: '{"env":{}}',
        headers: { "fly-force-instance-id": id, ...headers },
      });
    expect((await ask({})).status).toBe(401);
    expect((await ask({ authorization: "Bearer guess" })).status).toBe(401);
    await sandbox.suspend?.();
    expect((await ask({})).status).toBe(503);
    expect(await only(machines())).toMatchObject({ state: "suspended" });
  });

  it("write files of any size and any bytes", async () => {
    const sandbox = anAccount().open();
    await sandbox.start?.();
    await sandbox.writeFile("/workspace/ünï/code", utf8.encode("x".repeat(700_000)));
    expect(await stdoutOf(sandbox, "wc -c < ünï/code")).toBe("700000\n");
  });
});

describe("the apps of a sandbox", () => {
  it("still have its machine when another app is appended", () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/), { minLength: 1 });
    fc.assert(
      fc.property(fc.string(), names, (sandbox, apps) => {
        for (let length = 1; length <= apps.length; length++) {
          const home = appsOf(sandbox, apps.slice(0, length)).at(-1);
          expect(appsOf(sandbox, apps)).toContain(home);
        }
      }),
    );
  });

  it("each have their share of the sandboxes", () => {
    const apps = Array.from({ length: 5 }, (_, n) => `app-${n}`);
    const counts = new Map<string, number>();
    for (let n = 0; n < 5_000; n++) {
      const home = appsOf(`session-${n}`, apps).at(-1) ?? "";
      counts.set(home, (counts.get(home) ?? 0) + 1);
    }
    for (const app of apps) expect(counts.get(app)).toBeGreaterThan(850);
  });
});

describe("the options of a machine of Fly", () => {
  it.each<[FlyOptions, string | null]>([
    [{}, null],
    [{ region: "fra", size: "performance-2x", memoryMb: 8192, image: "node:24" }, null],
    [{ region: "Frankfurt" }, "must be the three letters of a region"],
    [{ size: "shared-cpu-1x", memoryMb: 4096 }, "must be a multiple of 256, from 256 to 2048"],
    [{ size: "performance-1x", memoryMb: 3072 }, "must be a multiple of 2048, from 2048 to 8192"],
  ])("%j are checked", (options, problem) => {
    const { error } = fly.options.safeParse(options);
    if (problem === null) expect(error).toBeUndefined();
    else expect(error?.issues[0]?.message).toContain(problem);
  });

  it("have no network but an open one", () => {
    expect(fly.networkProblem("open")).toBeNull();
    for (const network of ["none", { allow: ["default"] }] as const) {
      expect(fly.networkProblem(network)).toContain('only "open" is possible');
    }
  });
});
