import { env } from "cloudflare:workers";
import { afterAll, describe, expect, it, vi } from "vitest";
import { HAS_CONTAINERS } from "../../testing/containers";
import { anAccount as anE2bAccount, E2B } from "../../testing/e2b-account";
import { withoutPauses } from "../../testing/faults";
import { aMachineSandbox, answerMachines } from "../../testing/machines";
import { newSessionId } from "../../testing/sessions";
import { aCommand, testSandbox } from "../contract";
import { LEASE_MS, type MachineSpec } from "../machines/vendor";
import { e2b, openE2b } from "./e2b";

// Against the stand-in for E2B, in which the real runner starts real processes (src/testing/vendors/e2b.ts).

vi.setConfig({ testTimeout: 20_000 });

/** An account of E2B, with what a test does to it. */
function anAccount() {
  const account = anE2bAccount();
  const { host: deployment } = new URL(env.PUBLIC_URL);
  return {
    ...account,
    deployment,
    /** Returns a sandbox of a session. `machine` is the one that must answer. */
    sandbox(id = newSessionId(), machine?: string) {
      const network = { allow: ["example.com", "*.example.org"] };
      const address = { id, config: { network }, ...(machine !== undefined && { machine }) };
      return aMachineSandbox("e2b", account.vendor, address).sandbox;
    },
  };
}

const aSpec = (deployment: string, sandbox: string): MachineSpec => ({
  labels: { deployment, sandbox },
  options: {},
  hosts: "open",
});

const CREATE = "^POST /v2/sandboxes$";
const START = "/process.Process/Start$";

describe.runIf(HAS_CONTAINERS)("machines of E2B", () => {
  const shared = anAccount();
  testSandbox("e2b", () => aMachineSandbox("e2b", shared.vendor), { hasRunner: true });
  const answering = answerMachines();
  afterAll(async () => {
    answering.stop();
    for (const machine of await shared.machines()) await shared.vendor.destroy(machine);
  });

  it("are made with what the session asks for, and nobody reaches their ports", async () => {
    const { sandbox, machines, asked, deployment } = anAccount();
    const id = newSessionId();
    const mine = sandbox(id);
    expect(await mine.start?.()).toMatch(/^i[0-9a-f]{20}\//);
    expect((await asked("POST /v2/sandboxes"))[0]?.body).toEqual({
      templateID: "base",
      timeout: LEASE_MS / 1_000,
      autoPause: true,
      metadata: {
        "rigger-deployment": deployment,
        "rigger-sandbox": id,
        "rigger-created": expect.stringMatching(/^\d+$/),
      },
      network: {
        allowPublicTraffic: false,
        allowOut: ["example.com", "*.example.org", new URL(env.PUBLIC_URL).hostname],
        denyOut: ["0.0.0.0/0"],
      },
    });
    await mine.destroy();
    await mine.destroy();
    expect(await machines()).toEqual([]);
  });

  it("continue where they were after they were suspended, files and processes", async () => {
    const { sandbox, machines } = anAccount();
    const id = newSessionId();
    const mine = sandbox(id);
    const machine = await mine.start?.();
    await mine.run(aCommand("echo kept > file; (sleep 1; echo late > late) > /dev/null 2>&1 &"));
    await mine.suspend?.();
    await mine.suspend?.();
    expect((await machines()).map((one) => one.state)).toEqual(["suspended"]);
    const woken = sandbox(id);
    expect(await woken.start?.()).toBe(machine);
    const command = "until [ -e late ]; do sleep 0.05; done; cat file late";
    expect(await woken.run(aCommand(command))).toMatchObject({ stdout: "kept\nlate\n" });
    // Whoever finds it suspended resumes it, and a command that was under way ends.
    const under = sandbox(id, machine);
    const running = under.run(aCommand("sleep 1; echo done"));
    await scheduler.wait(500);
    await under.suspend?.();
    expect(await running).toMatchObject({ exitCode: 0, stdout: "done\n" });
    await mine.destroy();
  });

  it("that vanish are lost, also in mid-command", async () => {
    const { sandbox, machines, vanish } = anAccount();
    const id = newSessionId();
    const mine = sandbox(id);
    const machine = await mine.start?.();
    const running = mine.run(aCommand("sleep 60"));
    await scheduler.wait(300);
    await vanish((await machines())[0]?.id ?? "");
    const lost = { lost: true, message: expect.stringContaining("gone, and every file in it") };
    await expect(running).rejects.toMatchObject(lost);
    await expect(sandbox(id, machine).readFile("/workspace/file")).rejects.toMatchObject(lost);
    await expect(
      sandbox(id, machine).writeFile("/workspace/file", new Uint8Array(300_000)),
    ).rejects.toMatchObject(lost);
    expect(await mine.start?.()).not.toBe(machine);
    await mine.destroy();
  });

  it("are extended while they are used, and resumed if E2B has suspended them", async () => {
    const { vendor, asked, deployment } = anAccount();
    const machine = await vendor.create(aSpec(deployment, "one"));
    await vendor.extend?.(machine);
    const extended = await asked(`POST /sandboxes/${machine.id}/timeout`);
    expect(extended).toMatchObject([{ body: { timeout: LEASE_MS / 1_000 }, status: 204 }]);
    await vendor.suspend?.(machine);
    await expect(vendor.extend?.(machine)).rejects.toThrow(`Sandbox "${machine.id}" doesn't exist`);
    expect(await vendor.resume(machine)).toMatchObject({ id: machine.id, state: "running" });
    await vendor.destroy(machine);
    await expect(vendor.resume(machine)).rejects.toMatchObject({ lost: true });
    await vendor.destroy(machine);
    expect(await vendor.get(machine.id)).toBeNull();
  });

  it("are found by their labels, whatever they are called, page by page, the oldest first", async () => {
    const { vendor, deployment, machines } = anAccount();
    const make = (name: string) => vendor.create(aSpec(deployment, name));
    const odd = "a session & = % ü/+";
    const first = await make(odd);
    await make("another");
    const second = await make(odd);
    await vendor.create(aSpec("another.example.com", odd));
    await vendor.suspend?.(first);
    await vendor.resume(first);
    const found = await vendor.find({ deployment, sandbox: odd });
    expect(found.map(({ id, sandbox }) => [id, sandbox])).toEqual([
      [first.id, odd],
      [second.id, odd],
    ]);
    for (let n = 0; n < 100; n += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, m) => suspended(`many-${n + m}`)));
    }
    expect(new Set((await machines()).map(({ id }) => id)).size).toBe(103);

    async function suspended(name: string): Promise<void> {
      await vendor.suspend?.(await make(name));
    }
  });
});

describe.runIf(HAS_CONTAINERS)("when E2B fails", () => {
  const refusal = '{"code":429,"message":"Rate limit exceeded"}';

  it("with a limit, the time that it says is waited, and nothing is done twice", async () => {
    const { sandbox, inject, machines, asked } = anAccount();
    const limit = { status: 429, headers: { "Retry-After": "1" }, body: refusal };
    await inject({ on: CREATE, do: limit });
    await inject({ on: START, times: 2, do: limit });
    const mine = sandbox();
    const began = Date.now();
    await mine.start?.();
    expect(Date.now() - began).toBeGreaterThan(950);
    expect((await asked("POST /v2/sandboxes")).map(({ status }) => status)).toEqual([429, 201]);
    expect(await machines()).toHaveLength(1);
    await mine.destroy();
  });

  it("after a machine was made, one machine is left, which is the session's", async () => {
    const { sandbox, inject, machines } = anAccount();
    const id = newSessionId();
    for (const fault of ["hang", { status: 500 }, { cut: 30 }] as const) {
      await inject({ on: CREATE, when: "after", do: fault });
      const mine = sandbox(id);
      await withoutPauses(async () => {
        await expect(mine.start?.()).rejects.toMatchObject({ transient: true });
      }, 1 / 100);
      await mine.start?.();
      expect(await mine.run(aCommand("echo works"))).toMatchObject({ stdout: "works\n" });
      expect(await machines()).toHaveLength(1);
      await mine.destroy();
      expect(await machines()).toEqual([]);
    }
  });

  it("with streams that break or never begin, commands run once, and all output is heard once", async () => {
    const { sandbox, inject } = anAccount();
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
    await inject({ on: START, do: { status: 502, body: "{}" } });
    await inject({ on: START, skip: 2, when: "after", do: "hang" });
    const once = aCommand("echo x >> once; wc -l < once");
    const result = await withoutPauses(() => mine.run(once), 1 / 30);
    expect(result.stdout.trim()).toBe("1");
    await mine.destroy();
  });

  it("in the middle of a file, the whole file is there in the end", async () => {
    const { sandbox, inject } = anAccount();
    const mine = sandbox();
    await mine.start?.();
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    const large = new Uint8Array(600_000);
    for (let at = 0; at < large.length; at += bytes.length) large.set(bytes, at);
    await inject({ on: "^POST /files$", do: { status: 500 } });
    await inject({ on: "^POST /files$", when: "after", do: { status: 503 } });
    await mine.writeFile("/workspace/large", large);
    expect(await mine.readFile("/workspace/large")).toEqual(large);
    await mine.destroy();
  });

  it("with an answer that is lost, machines are suspended, resumed, found and ended nevertheless", async () => {
    const { vendor, inject, machines, deployment } = anAccount();
    const machine = await vendor.create(aSpec(deployment, "one"));
    const lose = async (on: string) => {
      await inject({ on, when: "after", do: { status: 500 } });
      await inject({ on, do: { cut: 10 } });
    };
    await withoutPauses(async () => {
      await inject({ on: "/pause$", when: "after", do: { status: 500 } });
      await vendor.suspend?.(machine);
      await lose("^GET /v2/sandboxes$");
      expect((await machines()).map(({ state }) => state)).toEqual(["suspended"]);
      await lose("/connect$");
      expect(await vendor.resume(machine)).toMatchObject({ state: "running" });
      await inject({ on: "/pause$", do: { status: 500, body: "not now" } });
      await expect(vendor.suspend?.(machine)).rejects.toThrow("E2B answered 500: not now");
      await lose("/timeout$");
      await vendor.extend?.(machine);
      await lose("^DELETE ");
      await vendor.destroy(machine);
    }, 1 / 20);
    expect(await machines()).toEqual([]);
  });

  it("says what E2B said, with the request's id and without the key", async () => {
    const { vendor, inject, apiKey, deployment } = anAccount();
    const spec = aSpec(deployment, "one");
    const missing = { ...spec, options: { template: "no-such" } };
    await expect(vendor.create(missing)).rejects.toThrow(
      /^E2B answered 404: template 'no-such' not found \(request [0-9a-f]{32}\)$/,
    );
    const body = JSON.stringify({ code: 400, message: `the key ${apiKey} is odd` });
    await inject({ on: CREATE, do: { status: 400, body, headers: { "X-E2B-Trace-ID": "t1" } } });
    await expect(vendor.create(spec)).rejects.toMatchObject({
      transient: false,
      message: "E2B answered 400: the key [redacted] is odd (request t1)",
    });
    const wrong = openE2b({ apiKey: "e2b_not-a-key", ...E2B });
    await expect(wrong.get("one")).rejects.toThrow("E2B answered 401: Invalid API key");
  });
});

it("E2B's API may be at another address", async () => {
  const other = openE2b({ ...E2B, apiKey: "e2b_00", apiUrl: "https://api.e2b.example.com" });
  await withoutPauses(async () => {
    const reached = "a test tried to reach https://api.e2b.example.com/sandboxes/one";
    await expect(other.get("one")).rejects.toThrow(reached);
  });
});

describe("options", () => {
  it("name a template, and nothing else", () => {
    expect(e2b.options.parse({})).toEqual({ template: "base" });
    expect(e2b.options.parse({ template: "team/mine:v2" })).toEqual({ template: "team/mine:v2" });
    expect(e2b.options.safeParse({ region: "eu" }).success).toBe(false);
    expect(e2b.options.safeParse({ template: "a b" }).success).toBe(false);
  });
});
