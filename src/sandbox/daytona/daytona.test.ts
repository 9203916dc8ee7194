import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { aMachineSandbox, answerMachines } from "../../testing/machines";
import type { FaultAsked } from "../../testing/vendors/faults";
import { aCommand, testSandbox } from "../contract";
import { deploymentOf } from "../machines/machine-sandbox";
import type { Sandbox, SandboxError } from "../sandbox";
import { daytona, openDaytona } from "./daytona";

// Each call starts a process or two.
vi.setConfig({ testTimeout: 20_000 });

const apiUrl = "https://app.daytona.io/api";

let answering: { stop(): void };
beforeAll(() => {
  answering = answerMachines();
});
afterAll(() => answering.stop());

/** Returns an organization of its own at the stand-in. */
function anOrganization(options: { callMs?: number } = {}) {
  const key = `dtn_${crypto.randomUUID().replaceAll("-", "")}`;
  const vendor = openDaytona({ apiKey: key, apiUrl, ...options });
  const control = (path: string, body?: string) =>
    fetch(`https://app.daytona.io/__${path}`, {
      headers: { Authorization: `Bearer ${key}` },
      ...(body !== undefined && { method: "POST", body }),
    });
  const api = (path: string, method = "POST") =>
    fetch(apiUrl + path, { method, headers: { Authorization: `Bearer ${key}` } });
  return {
    key,
    vendor,
    api,
    inject: (fault: FaultAsked) => control("faults", JSON.stringify(fault)),
    vanish: (id: string) => control("vanish", id),
    cutLogs: () => control("cut", ""),
    requests: async (): Promise<{ call: string; body?: { command?: string } }[]> =>
      (await control("requests")).json(),
    /** Returns the sandboxes that exist. */
    existing: async (): Promise<Record<string, unknown>[]> => (await control("sandboxes")).json(),
  };
}

/** Returns a new organization and a sandbox that has started there. */
async function started(options: Parameters<typeof anOrganization>[0] = {}) {
  const organization = anOrganization(options);
  const made = aMachineSandbox("daytona", organization.vendor);
  const machine = (await made.sandbox.start?.()) ?? "";
  const [daytonaId = ""] = machine.split("/");
  /** Returns the sessions of the sandbox's toolbox. */
  const sessions = async (): Promise<unknown[]> => {
    const headers = { Authorization: `Bearer ${organization.key}` };
    const url = `https://app.daytona.io/toolbox/${daytonaId}/process/session`;
    return (await fetch(url, { headers })).json();
  };
  return { ...organization, ...made, machine, daytonaId, sessions };
}

const run = async (sandbox: Sandbox, command: string) =>
  (await sandbox.run(aCommand(command))).stdout;

const failureOf = (promise: Promise<unknown> | undefined): Promise<SandboxError> =>
  Promise.resolve(promise).then(
    () => expect.fail("it did not fail"),
    (error) => error,
  );

testSandbox("daytona", () => aMachineSandbox("daytona", anOrganization().vendor), {
  hasRunner: true,
});

describe("a sandbox of Daytona", () => {
  it("has the labels, options and network of its session", async () => {
    const { vendor, existing, id } = { ...anOrganization(), id: "sess_labels" };
    const config = { region: "eu", snapshot: "vm" };
    const hosts = ["*.example.com", "example.org", "192.0.2.1"];
    const labels = { deployment: "rigger.example", sandbox: id };
    await vendor.create({ labels, options: config, hosts });
    expect(await existing()).toMatchObject([
      {
        name: "rigger-sess_labels",
        labels: { "rigger-deployment": "rigger.example", "rigger-sandbox": id },
        target: "eu",
        snapshot: "vm",
        domainAllowList: "*.example.com,example.org",
        networkAllowList: "192.0.2.1/32",
        autoStopInterval: 30,
      },
    ]);
  });

  it("is found by its session and deployment only, and listed with all of the deployment", async () => {
    const { vendor } = anOrganization();
    const labelsOf = (sandbox: string, deployment = "one") => ({ sandbox, deployment });
    const create = (labels: ReturnType<typeof labelsOf>) =>
      vendor.create({ labels, options: {}, hosts: "open" });
    const [a, b] = await Promise.all([create(labelsOf("a")), create(labelsOf("b"))]);
    await create(labelsOf("c", "other"));
    expect(await vendor.find(labelsOf("a"))).toEqual([a]);
    expect(await vendor.find(labelsOf("a", "other"))).toEqual([]);
    const listed = [];
    for await (const one of vendor.list("one")) listed.push(one);
    expect(listed.sort((x, y) => x.sandbox.localeCompare(y.sandbox))).toEqual([a, b]);
    expect(await vendor.get(b.id)).toEqual(b);
    await vendor.destroy(b);
    await vendor.destroy(b);
    expect(await vendor.get(b.id)).toBeNull();
  });

  it.each([
    ["open", null],
    ["none", null],
    [{ allow: ["example.com", "*.example.org", "192.0.2.1"] }, null],
    [{ allow: ["default"] }, /"default" stands for more/],
    [{ allow: Array.from({ length: 10 }, (_, n) => `${n}.example.com`) }, /9 hosts at most/],
    [{ allow: ["2001:db8::1"] }, /can't allow the host "2001:db8::1"/],
  ])("can have the network %j: %s", (network, problem) => {
    const said = daytona.networkProblem(network as never);
    if (problem === null) expect(said).toBeNull();
    else expect(said).toMatch(problem);
  });
});

describe("a sandbox of Daytona that sleeps", () => {
  it("is stopped, and keeps its files and its name", async () => {
    const { sandbox, machine, existing } = await started();
    await run(sandbox, "echo kept > file; echo elsewhere > /opt/rigger/elsewhere");
    await sandbox.suspend?.();
    expect(await existing()).toMatchObject([{ state: "stopped" }]);
    await sandbox.suspend?.();
    expect(await sandbox.start?.()).toBe(machine);
    expect(await run(sandbox, "cat file /opt/rigger/elsewhere")).toBe("kept\nelsewhere\n");
  });

  it("that Daytona has stopped or archived goes on with the next command", async () => {
    const { sandbox, machine, vendor, api, daytonaId, id } = await started();
    await run(sandbox, "echo kept > file");
    await api(`/sandbox/${daytonaId}/stop`);
    expect(await run(sandbox, "cat file")).toBe("kept\n");
    await sandbox.suspend?.();
    await api(`/sandbox/${daytonaId}/archive`);
    const again = aMachineSandbox("daytona", vendor, { id, machine });
    expect(await run(again.sandbox, "cat file")).toBe("kept\n");
  });

  it("is destroyed in its sleep", async () => {
    const { sandbox, existing } = await started();
    await sandbox.suspend?.();
    await sandbox.destroy();
    expect(await existing()).toEqual([]);
  });
});

describe("a sandbox of Daytona that has gone", () => {
  it("is lost to a command, also one that runs", async () => {
    const { sandbox, vanish, daytonaId } = await started();
    const running = failureOf(sandbox.run(aCommand("echo begun; sleep 60")));
    await run(sandbox, "true");
    await vanish(daytonaId);
    expect(await running).toMatchObject({ lost: true });
    expect(await failureOf(sandbox.run(aCommand("true")))).toMatchObject({ lost: true });
  });

  it("is replaced at the next start by one with another name", async () => {
    const { sandbox, vanish, daytonaId, machine, existing } = await started();
    await vanish(daytonaId);
    expect(await sandbox.start?.()).not.toBe(machine);
    expect(await run(sandbox, "ls")).toBe("");
    expect(await existing()).toHaveLength(1);
  });
});

describe("the creation of a sandbox of Daytona", () => {
  const CREATE = "^POST /api/sandbox$";

  it.each<[string, FaultAsked["do"]]>([
    ["answers 500", { status: 500, body: '{"message":"An unexpected error occurred."}' }],
    ["answers half", { cut: 20 }],
    ["does not answer", "hang"],
  ])("that %s after the sandbox was made leaves one", async (_, what) => {
    const { vendor, inject, existing } = anOrganization({ callMs: 300 });
    await inject({ on: CREATE, when: "after", do: what });
    const { sandbox } = aMachineSandbox("daytona", vendor);
    await sandbox.start?.();
    expect(await run(sandbox, "echo on")).toBe("on\n");
    expect(await existing()).toHaveLength(1);
    await sandbox.destroy();
    expect(await existing()).toEqual([]);
  });

  it("that fails before leaves none, and says why in Daytona's words and without the key", async () => {
    const { vendor, inject, existing, key } = anOrganization();
    const message = `Total CPU limit exceeded for ${key}. Maximum allowed: 10.`;
    await inject({
      on: CREATE,
      do: { status: 403, body: JSON.stringify({ statusCode: 403, message }) },
    });
    const { sandbox } = aMachineSandbox("daytona", vendor);
    const failure = await failureOf(sandbox.start?.());
    expect(failure.message).toBe(
      "Daytona answered 403: Total CPU limit exceeded for [redacted]. Maximum allowed: 10.",
    );
    expect(failure.transient).toBe(false);
    expect(await existing()).toEqual([]);
  });

  it("waits as long as Daytona asks", async () => {
    const { vendor, inject, existing } = anOrganization();
    await inject({
      on: CREATE,
      do: { status: 429, headers: { "Retry-After-sandbox-create": "1" } },
    });
    const began = Date.now();
    const labels = { deployment: "one", sandbox: "sess" };
    await vendor.create({ labels, options: {}, hosts: "open" });
    expect(Date.now() - began).toBeGreaterThan(950);
    expect(await existing()).toHaveLength(1);
  });

  it("of an unknown snapshot is refused in Daytona's words", async () => {
    const { vendor } = anOrganization();
    const config = { snapshot: "no-such" };
    const { sandbox } = aMachineSandbox("daytona", vendor, { config });
    const failure = await failureOf(sandbox.start?.());
    expect(failure).toMatchObject({ transient: false });
    expect(failure.message).toContain("Snapshot no-such not found");
  });

  it("of two callers at once makes one", async () => {
    const { vendor, existing } = anOrganization();
    const { sandbox, id } = aMachineSandbox("daytona", vendor);
    const other = aMachineSandbox("daytona", vendor, { id });
    const [one, two] = await Promise.all([sandbox.start?.(), other.sandbox.start?.()]);
    expect(one).toBe(two);
    expect(await existing()).toHaveLength(1);
  });
});

describe("a command in a sandbox of Daytona", () => {
  it.each<[string, FaultAsked]>([
    ["its start is not answered", { on: "/exec$", when: "after", do: { cut: 0 } }],
    ["its session can't be made", { on: "POST /toolbox/.*/session$", do: { status: 502 } }],
    ["its log can't be opened", { on: "/logs$", do: { status: 500, body: "{}" } }],
    ["a short request is answered in half", { on: "/process/execute$", do: { cut: 25 } }],
    ["its request can't be stored", { on: "/upload-v2$", do: { status: 500 } }],
  ])("runs once where %s", async (_, fault) => {
    const { sandbox, inject } = await started();
    await inject(fault);
    expect(await run(sandbox, "echo x >> once; cat once")).toBe("x\n");
    const once = await sandbox.readFile("/workspace/once");
    expect(new TextDecoder().decode(once ?? undefined)).toBe("x\n");
  });

  it("is heard to its end, once, although its log is cut", async () => {
    const { sandbox, cutLogs } = await started();
    let heard = "";
    const script =
      "echo one; until [ -e go ]; do sleep 0.05; done; echo x >> once; echo two; cat once";
    const running = sandbox.run(aCommand(script), (_, text) => {
      heard += text;
    });
    await expect.poll(() => heard, { timeout: 4_000 }).toBe("one\n");
    await cutLogs();
    await sandbox.writeFile("/workspace/go", new Uint8Array());
    expect(await running).toMatchObject({ exitCode: 0, stdout: "one\ntwo\nx\n" });
    expect(heard).toBe("one\ntwo\nx\n");
  });

  it("reads large files, piece by piece", async () => {
    const { sandbox } = await started();
    await run(sandbox, "head -c 12000000 /dev/zero | tr '\\0' 'x' > large");
    const bytes = await sandbox.readFile("/workspace/large");
    expect(bytes?.length).toBe(12_000_000);
    expect(bytes?.every((byte) => byte === 120)).toBe(true);
  });

  it("waits as long as Daytona asks", async () => {
    const { sandbox, inject } = await started();
    const began = Date.now();
    await inject({
      on: "/exec$",
      do: { status: 429, headers: { "Retry-After-authenticated": "1" } },
    });
    expect(await run(sandbox, "echo on")).toBe("on\n");
    expect(Date.now() - began).toBeGreaterThan(950);
  });

  it("is not shown to Daytona in a command line, and leaves no session", async () => {
    const { sandbox, requests, sessions } = await started();
    const command = aCommand("test $SECRET = hidden-value", { env: { SECRET: "hidden-value" } });
    expect((await sandbox.run(command)).exitCode).toBe(0);
    await sandbox.writeFile("/workspace/file", new TextEncoder().encode("hidden-value"));
    const commands = (await requests()).map(({ body }) => body?.command ?? "");
    expect(commands.some((text) => text.includes("rigger-run"))).toBe(true);
    expect(commands.join()).not.toContain("hidden-value");
    await expect.poll(sessions, { timeout: 4_000 }).toEqual([]);
  });

  it("leaves what runs in its background, although its session ends", async () => {
    const { sandbox, requests } = await started();
    const ends = async () =>
      (await requests()).filter(({ call }) => /^DELETE .*\/session\//.test(call)).length;
    await run(sandbox, "(sleep 2; echo on > file) > /dev/null 2>&1 &");
    await expect.poll(ends, { timeout: 4_000 }).toBe(1);
    await expect.poll(() => run(sandbox, "cat file"), { timeout: 6_000 }).toBe("on\n");
  });

  it("keeps its sandbox from being stopped as idle", async () => {
    const { vendor, daytonaId, requests, id } = await started();
    const [machine] = await vendor.find({ deployment: deploymentOf(env.PUBLIC_URL), sandbox: id });
    if (machine) await vendor.extend?.(machine);
    const calls = (await requests()).map(({ call }) => call);
    expect(calls).toContain(`POST /api/sandbox/${daytonaId}/last-activity`);
  });
});

describe("a program in a sandbox of Daytona", () => {
  it("goes on without its listener, whose session ends", async () => {
    const { sandbox, sessions } = await started();
    const { programs } = sandbox;
    if (!programs) return expect.fail("it has no programs");
    await programs.begin({ id: "p", command: "while read -r line; do echo heard $line; done" });
    const hear = async (after: number) => {
      const hangUp = new AbortController();
      for await (const { line, end } of programs.listen("p", after, hangUp.signal)) {
        hangUp.abort();
        return { line, end };
      }
      return expect.fail("it has ended");
    };
    await programs.tell("p", 1, "one");
    const one = await hear(0);
    expect(one.line).toBe("heard one");
    await programs.tell("p", 2, "two");
    expect((await hear(one.end)).line).toBe("heard two");
    // Only the session of the program is left.
    await expect.poll(sessions, { timeout: 4_000 }).toHaveLength(1);
    await sandbox.kill("p");
  });
});
