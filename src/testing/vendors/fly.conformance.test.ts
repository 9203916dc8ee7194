import Client from "fly-admin/dist/client";
import type { Machine as ApiMachine, ApiMachineConfig } from "fly-admin/dist/lib/types";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { FaultAsked } from "./faults.ts";
import { standInFly } from "./fly.ts";
import {
  errorResponse,
  execResponse,
  type MachineAnswer,
  type MachineConfig,
  machineEvent,
  machine as machineSchema,
  waitMachineResponse,
} from "./fly-schemas.ts";
import { serveHandler } from "./local-machine.ts";

// Fly has no client in JavaScript of its own. Supabase's drives the stand-in here; its types are generated from Fly's
// description of the API. Answers are held against schemas that follow the present description. What that client has not,
// plain requests do.

/** A type of a schema whose optional properties are absent, not undefined, as in the types of the client. */
type Defined<T> = T extends (infer One)[]
  ? Defined<One>[]
  : T extends object
    ? { [K in keyof T]: Defined<Exclude<T[K], undefined>> }
    : T;

const TOKEN = "FlyV1 fm2_conformance";
const APP = "app-a";
let fly: ReturnType<typeof standInFly>;
let served: Awaited<ReturnType<typeof serveHandler>>;
let client: Client;
beforeAll(async () => {
  fly = standInFly({ apps: [APP, "app-b"], allowance: 100, delayMs: 150 });
  served = await serveHandler(fly.handle);
  client = new Client(TOKEN, { apiUrl: served.url });
});
afterAll(() => {
  fly.close();
  served.close();
});

/** A program like the one that Rigger puts into a machine. */
const PROGRAM = `
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { writeFileSync } from "node:fs";
createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://x");
  if (request.headers.authorization !== "Bearer secret") return response.writeHead(401).end();
  const body = [];
  for await (const piece of request) body.push(piece);
  if (pathname === "/files") writeFileSync(searchParams.get("path"), Buffer.concat(body));
  if (pathname !== "/start") return response.end(process.env.FLY_MACHINE_ID);
  const { env, cwd } = JSON.parse(Buffer.concat(body));
  const child = spawn("bash", ["-c", env.RUN], { env: { ...process.env, ...env }, cwd });
  const send = (event) => response.write(JSON.stringify(event) + "\\n");
  child.stdout.on("data", (data) => send({ type: "stdout", data: String(data) }));
  child.on("close", (exitCode) => { send({ type: "complete", exitCode }); response.end(); });
}).listen(process.env.PORT);
`;

const configOf = (more: object = {}) => ({
  image: "node:24-bookworm-slim",
  env: { PORT: "8080" },
  init: { exec: ["node", "/opt/rigger/program.mjs"] },
  files: [
    {
      guest_path: "/opt/rigger/program.mjs",
      raw_value: Buffer.from(PROGRAM).toString("base64"),
    },
  ],
  guest: { cpu_kind: "shared", cpus: 1, memory_mb: 1024 },
  metadata: { rigger_sandbox: "some" },
  services: [
    {
      protocol: "tcp",
      internal_port: 8080,
      autostart: false,
      ports: [{ port: 443, handlers: ["tls", "http"] }],
    },
  ],
  ...more,
});

async function make(more: object = {}, request: object = {}) {
  const config = configOf(more) as never;
  const made = await client.Machine.createMachine({ app_name: APP, config, ...request });
  await client.Machine.waitMachine({ app_name: APP, machine_id: made.id });
  return { ...made, address: { app_name: APP, machine_id: made.id } };
}

const control = (path: string, body: string) =>
  fetch(`${served.url}/${path}`, {
    method: "POST",
    body,
    headers: { authorization: `Bearer ${TOKEN}` },
  });

const api = (path: string, init: RequestInit = {}) =>
  fetch(`${served.url}/v1/apps/${path}`, {
    ...init,
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
  });

/** A request to a machine by way of the proxy. */
const toMachine = (id: string, path: string, init: RequestInit = {}, app = APP) =>
  fetch(`${served.url}/${app}.fly.dev${path}`, {
    ...init,
    headers: { authorization: "Bearer secret", "fly-force-instance-id": id, ...init.headers },
  });

const run = async (id: string, RUN: string): Promise<string> => {
  const response = await toMachine(id, "/start", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ env: { RUN }, cwd: "/workspace" }),
  });
  const lines = (await response.text()).trim().split("\n");
  return lines.map((line) => JSON.parse(line).data ?? "").join("");
};

describe("a machine", () => {
  it("is made, found, waited for and removed as the client expects", async () => {
    const request = { name: "one", region: "ams" };
    const config = configOf() as never;
    const made = await client.Machine.createMachine({ app_name: APP, config, ...request });
    expect(made).toMatchObject({ ...request, state: "created" });
    const address = { app_name: APP, machine_id: made.id };
    await client.Machine.waitMachine({ ...address, timeout: "5s" });
    const got: MachineAnswer = machineSchema.parse(await client.Machine.getMachine(address));
    got as Defined<MachineAnswer> satisfies Omit<ApiMachine, "checks" | "config" | "image_ref">;
    got.config as Defined<MachineConfig> satisfies Pick<
      ApiMachineConfig,
      "auto_destroy" | "env" | "files" | "guest" | "image" | "init" | "metadata" | "schedule"
    >;
    expect(got).toMatchObject({ id: made.id, state: "started", config: { metadata: {} } });
    const found = await client.Machine.listMachines({ app_name: APP, region: "ams" });
    expect(z.array(machineSchema).parse(found)).toHaveLength(1);
    const events = await client.Machine.listEvents(address);
    expect(
      z
        .array(machineEvent)
        .parse(events)
        .map(({ type }) => type),
    ).toEqual(["start", "launch"]);
    await client.Machine.deleteMachine({ ...address, force: true });
    await api(`${APP}/machines/${made.id}/wait?state=destroyed`);
    // A removed machine is still shown, and no longer listed.
    expect((await client.Machine.getMachine(address)).state).toBe("destroyed");
    expect(await client.Machine.listMachines({ app_name: APP, region: "ams" })).toEqual([]);
  });

  it("is found by its metadata", async () => {
    const { id } = await make({ metadata: { rigger_sandbox: "a", other: "1" } });
    const list = async (query: string) => (await api(`${APP}/machines?${query}`)).json();
    expect(await list("metadata.rigger_sandbox=a&metadata.other=1")).toMatchObject([{ id }]);
    expect(await list("metadata.rigger_sandbox=a&metadata.other=2")).toEqual([]);
    expect(await (await api("app-b/machines")).json()).toEqual([]);
    const key = `${APP}/machines/${id}/metadata/other`;
    expect((await api(key, { method: "POST", body: '{"value":"2"}' })).status).toBe(204);
    expect(await (await api(`${APP}/machines/${id}/metadata`)).json()).toEqual({
      rigger_sandbox: "a",
      other: "2",
    });
  });

  it("has a name of its own while it lives", async () => {
    const { id, address } = await make({}, { name: "unique" });
    await expect(make({}, { name: "unique" })).rejects.toThrow(
      `409: {"error":"already_exists: unique machine name violation, machine ID ${id} already exists with name \\"unique\\""}`,
    );
    await client.Machine.deleteMachine({ ...address, force: true });
    await make({}, { name: "unique" });
  });

  it("loses its files when it stops, unless its configuration keeps them", async () => {
    for (const [rootfs, left] of [
      [{}, ""],
      [{ persist: "always" }, "kept\n"],
    ]) {
      const { id, address, instance_id } = await make({ rootfs });
      await run(id, "echo kept > file");
      await client.Machine.stopMachine(address);
      await client.Machine.waitMachine({ ...address, instance_id, state: "stopped" as never });
      expect((await toMachine(id, "/health")).status).toBe(503);
      await client.Machine.startMachine(address);
      await client.Machine.waitMachine(address);
      expect(await run(id, "cat file 2> /dev/null")).toBe(left);
    }
  });

  it("is suspended and resumed with its memory, or without it if that was lost", async () => {
    const { id } = await make();
    const counting = run(id, "echo kept > file; for n in 1 2 3; do sleep 0.2; echo $n; done");
    const act = async (what: string, method = "POST") =>
      (await api(`${APP}/machines/${id}/${what}`, { method })).json();
    await expect.poll(() => run(id, "cat file")).toBe("kept\n");
    expect(await act("suspend")).toEqual({ ok: true });
    const waited = waitMachineResponse.parse(await act("wait?state=suspended", "GET"));
    expect(waited).toMatchObject({ ok: true, state: "suspended" });
    expect((await toMachine(id, "/health")).status).toBe(503);
    expect(await act("start")).toMatchObject({ previous_state: "suspended" });
    expect(await counting).toBe("1\n2\n3\n");
    await act("suspend");
    await act("wait?state=suspended", "GET");
    await control(`__machines/${id}/lose-snapshot`, "");
    await act("start");
    await act("wait", "GET");
    expect(await run(id, "cat file")).toBe("kept\n");
  });

  it("is not suspended with more memory than Fly allows", async () => {
    const { id } = await make({ guest: { memory_mb: 4096 } });
    const response = await api(`${APP}/machines/${id}/suspend`, { method: "POST" });
    expect(response.status).toBe(400);
    expect(errorResponse.parse(await response.json()).error).toContain("not eligible");
  });

  it("runs its program again, or ends with it, as its configuration says", async () => {
    const again = await make({ restart: { policy: "always" }, rootfs: { persist: "always" } });
    await run(again.id, "kill -9 $PPID").catch(() => "");
    await expect.poll(() => run(again.id, "echo on").catch(() => "")).toBe("on\n");
    const once = await make({ restart: { policy: "no" }, auto_destroy: true });
    await run(once.id, "kill -9 $PPID").catch(() => "");
    await api(`${APP}/machines/${once.id}/wait?state=destroyed`);
    expect((await client.Machine.getMachine(once.address)).state).toBe("destroyed");
  });

  it("runs a command, with all output at the end", async () => {
    const { id } = await make();
    const response = await api(`${APP}/machines/${id}/exec`, {
      method: "POST",
      body: JSON.stringify({ command: ["bash", "-c", "ls /opt/rigger; exit 3"], timeout: 5 }),
    });
    expect(execResponse.parse(await response.json())).toEqual({
      exit_code: 3,
      stdout: "program.mjs\n",
      stderr: "",
    });
  });
});

describe("the proxy", () => {
  it("reaches the machine that is named, and streams both ways", async () => {
    const [one, other] = [await make(), await make()];
    for (const { id } of [one, other]) {
      expect(await (await toMachine(id, "/health")).text()).toBe(id);
    }
    const body = "x".repeat(3_000_000);
    await toMachine(one.id, "/files?path=/workspace/big", { method: "PUT", body });
    expect(await run(one.id, "wc -c < /workspace/big; pwd")).toBe("3000000\n/workspace\n");
    const response = await toMachine(one.id, "/start", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ env: { RUN: "echo first; sleep 5" } }),
    });
    const began = Date.now();
    const { value } = (await response.body?.getReader().read()) ?? {};
    expect(new TextDecoder().decode(value)).toBe('{"type":"stdout","data":"first\\n"}\n');
    expect(Date.now() - began).toBeLessThan(2_000);
    expect(response.headers.get("fly-request-id")).toMatch(/^01/);
  });

  it("starts a machine only if its service says so", async () => {
    const services = configOf().services.map((one) => ({ ...one, autostart: true }));
    const { id } = await make({ services });
    await api(`${APP}/machines/${id}/suspend`, { method: "POST" });
    await api(`${APP}/machines/${id}/wait?state=suspended`);
    expect(await (await toMachine(id, "/health")).text()).toBe(id);
  });

  it("reaches no machine of another app, none that is gone, and none without a service", async () => {
    const { id } = await make();
    const closed = await make({ services: [] });
    for (const [machine, app] of [
      [id, "app-b"],
      ["0000", APP],
      [closed.id, APP],
    ] as const) {
      expect((await toMachine(machine, "/health", {}, app)).status).toBe(503);
    }
  });
});

describe("a request that cannot be met", () => {
  it("of a stranger is answered as Fly does", async () => {
    const other = new Client("guess", { apiUrl: served.url });
    await expect(other.Machine.listMachines(APP)).rejects.toThrow(
      '401: {"error":"Authenticate: token validation error"}',
    );
  });

  it.each([
    ["for an app that is not there", "app-c/machines", {}, 404],
    ["for a machine that never was", "app-a/machines/0000", {}, 404],
    ["without an image", "app-a/machines", { method: "POST", body: '{"config":{}}' }, 400],
    ["with a name that is not Fly's", "app-a/machines", { method: "POST", body: '{"x":1}' }, 400],
  ])("%s is answered with its status, an error and an id", async (_, path, init, status) => {
    const known = { authorization: `Bearer ${TOKEN}` };
    const response = await fetch(`${served.url}/v1/apps/${path}`, { headers: known, ...init });
    expect(response.status).toBe(status);
    expect(errorResponse.parse(await response.json()).error).toEqual(expect.any(String));
    expect(response.headers.get("fly-request-id")).toMatch(/^01/);
  });

  it("because of the machine's state says so", async () => {
    const config = configOf() as never;
    const { id } = await client.Machine.createMachine({ app_name: APP, config });
    const address = { app_name: APP, machine_id: id };
    await expect(client.Machine.startMachine(address)).rejects.toThrow(
      '412: {"error":"failed_precondition: unable to start machine from current state: \'created\'"}',
    );
    await client.Machine.waitMachine(address);
    await expect(client.Machine.deleteMachine(address)).rejects.toThrow(
      '412: {"error":"failed_precondition: unable to destroy machine, not currently stopped"}',
    );
    const late = await api(`${APP}/machines/${id}/wait?state=suspended&timeout=1`);
    expect(late.status).toBe(408);
  });

  it("because there were too many is answered with 429", async () => {
    const slow = standInFly({ apps: [APP] });
    const headers = { authorization: `Bearer ${TOKEN}` };
    const ask = async () =>
      (
        await slow.handle(
          new Request(`https://api.machines.dev/v1/apps/${APP}/machines`, { headers }),
        )
      ).status;
    expect([await ask(), await ask(), await ask(), await ask()]).toEqual([200, 200, 200, 429]);
    await new Promise((done) => setTimeout(done, 1_050));
    expect([await ask(), await ask()]).toEqual([200, 429]);
  });
});

describe("a fault that a test asks for", () => {
  const fault = (asked: FaultAsked) => control("__faults", JSON.stringify(asked));
  const create = (name: string, signal?: AbortSignal) =>
    api(`${APP}/machines`, {
      method: "POST",
      body: JSON.stringify({ name, config: configOf() }),
      ...(signal && { signal }),
    });
  const made = async (name: string) => {
    const all = z.array(machineSchema).parse(await (await api(`${APP}/machines`)).json());
    return all.filter((one) => one.name === name).length;
  };
  const on = "^POST /v1/apps/app-a/machines$";

  it("comes before the effect of a request, or after it", async () => {
    const broken = { status: 500, body: '{"error":"internal"}' };
    await fault({ on, do: broken });
    expect((await create("before")).status).toBe(500);
    expect(await made("before")).toBe(0);
    await fault({ on, when: "after", do: broken });
    expect((await create("after")).status).toBe(500);
    expect(await made("after")).toBe(1);
  });

  it("can be no answer, or a part of one", async () => {
    await fault({ on, when: "after", do: "hang" });
    await expect(create("none", AbortSignal.timeout(200))).rejects.toThrow();
    await expect.poll(() => made("none")).toBe(1);
    await fault({ on, do: { cut: 20 } });
    await expect(create("part").then((response) => response.json())).rejects.toThrow();
    expect(await made("part")).toBe(1);
  });
});
