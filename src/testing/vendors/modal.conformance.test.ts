import { readFileSync } from "node:fs";
import {
  AlreadyExistsError,
  ModalClient,
  NotFoundError,
  Probe,
  type SandboxCreateParams,
} from "modal";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { FaultAsked } from "./faults.ts";
import { HAS_PYTHON, standInModal } from "./modal.ts";
import type { ModalCloud } from "./modal-cloud.ts";

// Modal's own JavaScript client makes its calls of the stand-in's workspace, which takes the messages of Modal's protocol.
// The endpoint, rigger_modal.py, makes its calls of the same workspace, so that both are held against each other.

vi.setConfig({ testTimeout: 20_000 });

const modal = standInModal();
afterAll(() => modal.close());

const APP = "rigger-machines";
const RUNNER = readFileSync(
  new URL("../../sandbox/machines/generated/runner.bin", import.meta.url),
).toString("base64");

let key = "";
let cloud: ModalCloud;
let count = 0;
beforeEach(() => {
  count += 1;
  key = `wk-${count}`;
  cloud = modal.cloud(key);
});

/** Modal's client, whose calls go to the stand-in. */
function aClient(): ModalClient {
  const cpClient = new Proxy({} as ModalClient["cpClient"], {
    get: (_, method) => (message: object) => cloud.call(String(method), message),
  });
  return new ModalClient({ tokenId: "ak-1", tokenSecret: "as-1", cpClient });
}

/** Asks the endpoint. */
async function ask(method: string, path: string, body?: unknown) {
  const response = await modal.handle(
    new Request(`https://rigger.modal.run${path}`, {
      method,
      headers: { "modal-key": key, "modal-secret": "ws-1" },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    }),
  );
  const text = await response.text();
  return { status: response.status, body: text && JSON.parse(text) };
}

const START = { runner: RUNNER, idleMs: 1_800_000 };
const asked = (more: object = {}) => ({
  deployment: "rigger.example.com:8080",
  sandbox: "session-1",
  options: {},
  hosts: "open",
  ...START,
  ...more,
});
const create = (more: object = {}) => ask("POST", "/machines", asked(more));
const LIST = `/machines?deployment=${encodeURIComponent(asked().deployment)}`;
const list = async (query = "") => (await ask("GET", LIST + query)).body.machines;

interface Shown {
  id: string;
  url: string;
  connectToken: string;
  token: string;
}

/** Sends a request to a machine. */
const reach = ({ url, connectToken, token }: Shown, path: string, init: RequestInit = {}) =>
  modal.handle(
    new Request(url + path, {
      ...init,
      headers: {
        authorization: `Bearer ${connectToken}`,
        "x-rigger-token": token,
        ...init.headers,
      },
    }),
  );

const fail = (on: string, when: "before" | "after", code = "UNAVAILABLE"): void =>
  cloud.faults.add({
    ...{ on: `/${on}$`, when },
    do: { status: 400, body: JSON.stringify({ code, details: `${on} fails` }) },
  } satisfies FaultAsked);

const statesOf = (machines: { state: string }[]) => machines.map(({ state }) => state);

describe("Modal's client", () => {
  beforeAll(() => {
    process.env.MODAL_SANDBOX_V2 = "0";
  });

  it("makes, finds, reaches and ends sandboxes of the stand-in", async () => {
    const client = aClient();
    const app = await client.apps.fromName(APP, { createIfMissing: true });
    const image = client.images.fromRegistry("node:24-bookworm");
    const command = ["bash", "-c", 'sleep 0.2; echo "$WORD" >&2; sleep 60'];
    const params: SandboxCreateParams = { name: "one", command, env: { WORD: "hello" } };
    const sandbox = await client.sandboxes.create(app, image, { ...params, tags: { a: "1" } });
    expect(await sandbox.poll()).toBeNull();
    await expect(client.sandboxes.create(app, image, params)).rejects.toThrow(AlreadyExistsError);
    expect((await client.sandboxes.fromName(APP, "one")).sandboxId).toBe(sandbox.sandboxId);
    expect(await sandbox.getTags()).toEqual({ a: "1" });
    const found = [];
    for await (const { sandboxId } of client.sandboxes.list({ tags: { a: "1" } })) {
      found.push(sandboxId);
    }
    expect(found).toEqual([sandbox.sandboxId]);
    expect(await sandbox.terminate({ wait: true })).toBe(137);
    expect(await sandbox.poll()).toBe(137);
    await expect(client.sandboxes.fromName(APP, "one")).rejects.toThrow(NotFoundError);
    await (await client.sandboxes.create(app, image, params)).terminate();
  });

  it("sees how sandboxes end by themselves, and what they can't be made of", async () => {
    const client = aClient();
    const app = await client.apps.fromName(APP, { createIfMissing: true });
    const image = client.images.fromRegistry("node:24-bookworm");
    const ended = await client.sandboxes.create(app, image, { command: ["bash", "-c", "exit 3"] });
    expect(await ended.wait()).toBe(3);
    const late = await client.sandboxes.create(app, image, {
      ...{ command: ["sleep", "60"], timeoutMs: 1_000 },
    });
    expect(await late.wait()).toBe(124);
    const missing = client.images.fromRegistry("no-such:1");
    await expect(client.sandboxes.create(app, missing)).rejects.toThrow("no-such:1: not found");
    await expect(client.images.delete("im-none")).rejects.toThrow(NotFoundError);
  });

  it.runIf(HAS_PYTHON)("asks for the machine for which the endpoint asks", async () => {
    const hosts = ["example.com", "*.example.org", "192.0.2.1", "[2001:db8::1]"];
    const options = { image: "node:22", region: "eu", cpus: 0.5, memoryMb: 1024 };
    const { body } = await create({ hosts, options });
    const client = aClient();
    const app = await client.apps.fromName(APP, { createIfMissing: true });
    const creations = () =>
      cloud.requests
        .filter(({ call }) => call === "sandboxCreate")
        .map(({ message }) => JSON.parse(JSON.stringify(message)));
    const [ours] = creations();
    const sandbox = await client.sandboxes.create(app, client.images.fromRegistry("node:22"), {
      name: `${body.id}-2`,
      command: ours.definition.entrypointArgs,
      env: {},
      regions: ["eu"],
      ...{ cpu: 0.5, cpuLimit: 0.5, memoryMiB: 1024, memoryLimitMiB: 1024 },
      timeoutMs: 24 * 3_600_000,
      tags: { deployment: "rigger.example.com-8080", sandbox: "session-1" },
      readinessProbe: Probe.withTcp(8080),
      outboundDomainAllowlist: ["example.com", "*.example.org"],
      outboundCidrAllowlist: ["192.0.2.1/32", "2001:db8::1/128"],
    });
    const [, theirs] = creations();
    expect({
      ...theirs,
      definition: {
        ...theirs.definition,
        name: body.id.split(".")[0],
        secretIds: [expect.any(String)],
      },
    }).toMatchObject(ours);
    await sandbox.terminate();
  });
});

describe.runIf(HAS_PYTHON)("the endpoint", () => {
  it("lets nobody in without a proxy auth token", async () => {
    key = "someone";
    const response = await modal.handle(new Request("https://rigger.modal.run/machines"));
    expect(response.status).toBe(401);
  });

  it("makes one machine for a sandbox, which only its two tokens reach", async () => {
    const { status, body } = await create();
    expect(status).toBe(200);
    expect(body).toEqual({
      id: expect.stringMatching(/^rigger-[0-9a-f]{40}\.\d{13}$/),
      sandbox: "session-1",
      state: "running",
      createdAt: expect.any(Number),
      url: expect.stringMatching(/^https:\/\//),
      connectToken: expect.any(String),
      token: expect.stringMatching(/^[\w-]{43}$/),
    });
    expect(Math.abs(Date.now() - body.createdAt)).toBeLessThan(10_000);
    const status2 = async (machine: Shown) => (await reach(machine, "/alive")).status;
    expect(await status2(body)).toBe(204);
    expect(await status2({ ...body, token: "wrong" })).toBe(401);
    expect(await status2({ ...body, connectToken: "wrong" })).toBe(401);
    const again = await Promise.all([create(), create({ sandbox: "session-2" }), create()]);
    expect(again.map((one) => one.body.token === body.token)).toEqual([true, false, true]);
    expect(cloud.running).toHaveLength(2);
  });

  it("makes one machine where two ask at once", async () => {
    const both = await Promise.all([create(), create()]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    expect(new Set(both.map(({ body }) => body.token)).size).toBe(1);
    expect(cloud.running).toHaveLength(1);
  });

  it("finds machines by their labels, and lists those of a deployment page by page", async () => {
    const made = [];
    for (const sandbox of ["a", "b & c"]) made.push((await create({ sandbox })).body);
    await create({ deployment: "other.example.com" });
    const found = await ask("GET", `${LIST}&sandbox=${encodeURIComponent("b & c")}`);
    expect(found.body).toMatchObject({ machines: [{ id: made[1]?.id }], next: null });
    expect(await list("&sandbox=nobody")).toEqual([]);
    const ids = made.map(({ id }) => id).sort();
    expect((await list()).map(({ id }: Shown) => id)).toEqual(ids);
    expect((await list(`&after=${ids[0]}`)).map(({ id }: Shown) => id)).toEqual([ids[1]]);
    // Those that could not be started yet are listed too.
    for (let n = 0; n < 51; n++) {
      fail("sandboxCreate", "before");
      await create({ sandbox: `many-${n}` });
    }
    const { body: first } = await ask("GET", LIST);
    const { body: second } = await ask("GET", `${LIST}&after=${first.next}`);
    expect([first.machines.length, second.machines.length, second.next]).toEqual([50, 3, null]);
  });

  it("keeps the files of a suspended machine, and starts it with the present runner", async () => {
    const { body: first } = await create();
    const write = (machine: Shown, name: string) =>
      reach(machine, `/files?path=/var/lib/rigger/${name}`, { method: "PUT", body: name });
    expect((await write(first, "kept")).status).toBe(204);
    expect(await ask("POST", `/machines/${first.id}/suspend`)).toEqual({ status: 204, body: "" });
    expect(await ask("POST", `/machines/${first.id}/suspend`)).toEqual({ status: 204, body: "" });
    expect([cloud.running.length, cloud.snapshots.length]).toEqual([0, 1]);
    const { id, sandbox, createdAt } = first;
    expect((await ask("GET", `/machines/${id}`)).body).toEqual({
      ...{ id, sandbox, createdAt, state: "suspended" },
    });
    const resume = () => ask("POST", `/machines/${id}/resume`, START);
    const { body: second } = await resume();
    expect(second).toMatchObject({ id, createdAt, state: "running", token: first.token });
    expect((await resume()).body).toMatchObject({ url: second.url });
    const [running] = cloud.running;
    expect(readFileSync(`${running?.disk.root}/var/lib/rigger/kept`, "utf8")).toBe("kept");
    expect((await ask("DELETE", `/machines/${id}`)).status).toBe(204);
    expect((await ask("DELETE", `/machines/${id}`)).status).toBe(404);
    expect([cloud.running, cloud.snapshots, await list()]).toEqual([[], [], []]);
  });

  it("knows no machine whose files Modal has not kept", async () => {
    const { body } = await create();
    await ask("POST", `/machines/${body.id}/suspend`);
    const kept = cloud.requests.find(({ call }) => call === "taskSnapshotFilesystem");
    expect(kept?.message).toMatchObject({ ttlSeconds: 30 * 86_400 });
    await cloud.imageDelete({ imageId: cloud.snapshots[0] ?? "" });
    const gone = { status: 404, body: { message: "the files of the machine are gone" } };
    expect(await ask("POST", `/machines/${body.id}/resume`, START)).toEqual(gone);
    expect(await list()).toEqual([]);
  });

  it("knows no machine that has ended, nor its files", async () => {
    const { body } = await create();
    await ask("POST", `/machines/${body.id}/suspend`);
    await ask("POST", `/machines/${body.id}/resume`, START);
    cloud.vanish(body.id);
    const gone = { status: 404, body: { message: "there is no such machine" } };
    expect(await ask("GET", `/machines/${body.id}`)).toEqual(gone);
    expect(await ask("POST", `/machines/${body.id}/resume`, START)).toEqual(gone);
    expect(await ask("POST", `/machines/${body.id}/suspend`)).toEqual(gone);
    expect(cloud.snapshots).toEqual([]);
    const { body: anew } = await create();
    expect(anew.token).not.toBe(body.token);
    cloud.vanish(body.id);
    expect((await create()).body.token).not.toBe(anew.token);
    await ask("DELETE", `/machines/${body.id}`);
  });

  it.each(["sandboxCreate", "sandboxWaitUntilReady", "sandboxCreateConnectToken"])(
    "goes on where a request has ended half-way: %s",
    async (call) => {
      fail(call, "after");
      expect(await create()).toMatchObject({ status: 502, body: { message: `${call} fails` } });
      // What was made is found.
      expect(await list()).toHaveLength(1);
      const { body: machine } = await create();
      expect(cloud.running).toHaveLength(1);
      expect((await reach(machine, "/alive")).status).toBe(204);
      const { id } = machine;
      fail("taskSnapshotFilesystem", "before");
      expect((await ask("POST", `/machines/${id}/suspend`)).status).toBe(502);
      fail("sandboxTerminate", "before");
      expect((await ask("POST", `/machines/${id}/suspend`)).status).toBe(502);
      // Its files are kept, so that it is suspended; the old sandbox is not taken for the new one.
      expect(statesOf(await list())).toEqual(["suspended"]);
      const [old] = cloud.running;
      await ask("POST", `/machines/${id}/resume`, START);
      expect(cloud.running.map((one) => one.id)).not.toEqual([old?.id]);
      expect(cloud.running).toHaveLength(1);
      fail("sandboxTerminate", "before");
      await ask("POST", `/machines/${id}/suspend`);
      expect((await ask("POST", `/machines/${id}/suspend`)).status).toBe(204);
      expect(cloud.running).toEqual([]);
      fail("sandboxCreate", "after");
      await ask("POST", `/machines/${id}/resume`, START);
      expect((await ask("POST", `/machines/${id}/resume`, START)).status).toBe(200);
      fail("imageDelete", "after");
      expect((await ask("DELETE", `/machines/${id}`)).status).toBe(502);
      // Whoever looks at it ends the rest.
      expect(await list()).toEqual([]);
      expect((await ask("DELETE", `/machines/${id}`)).status).toBe(404);
      expect([cloud.running, cloud.snapshots]).toEqual([[], []]);
    },
  );

  it("says what Modal says, by a status that tells whether to try again", async () => {
    const statuses = {
      RESOURCE_EXHAUSTED: 429,
      UNAUTHENTICATED: 403,
      INVALID_ARGUMENT: 422,
      INTERNAL: 502,
    };
    for (const [code, status] of Object.entries(statuses)) {
      fail("sandboxCreate", "before", code);
      expect(await create()).toEqual({ status, body: { message: "sandboxCreate fails" } });
    }
    await ask("DELETE", `/machines/${(await list())[0]?.id}`);
    const missing = await create({ options: { image: "no-such:1" } });
    expect(missing.status).toBe(422);
    expect(missing.body.message).toContain("FROM no-such:1: not found");
    const bare = await create({ options: { image: "bare:1" } });
    expect(bare.status).toBe(422);
    expect(bare.body.message).toMatch(
      /^the machine's image needs node, perl, bash, base64 and tar: it ended with 127: .*command not found$/,
    );
    // Nothing is left of what can never run.
    expect([await list(), cloud.running]).toEqual([[], []]);
  });

  it("refuses what it does not understand", async () => {
    for (const [method, path, body, status, message] of [
      ["POST", "/machines", "{", 400, "the request is no JSON"],
      ["POST", "/machines", asked({ sandbox: 1 }), 400, "the request needs sandbox"],
      ["POST", "/machines", [], 400, "the request needs deployment"],
      ["GET", "/machines", undefined, 400, "the request needs deployment"],
      ["POST", "/machines/one/resume", {}, 400, "the request needs runner"],
      ["POST", "/machines/one/resume", START, 404, "there is no such machine"],
      ["POST", "/machines/one/other", {}, 404, "there is no such path"],
      ["POST", "/machines", "x".repeat(1_100_000), 413, "the request is too long"],
    ] as const) {
      expect(await ask(method, path, body)).toEqual({ status, body: { message } });
    }
  });

  it("reads its records once a day, so that Modal keeps them", async () => {
    await create();
    await ask("POST", "/__week");
    await ask("POST", "/__scheduled");
    await ask("POST", "/__week");
    expect(await list()).toHaveLength(1);
    await ask("POST", "/__week");
    expect(await list()).toEqual([]);
  });

  it("takes no later machine of a sandbox for an earlier one", async () => {
    const { body: first } = await create();
    await ask("DELETE", `/machines/${first.id}`);
    const { body: second } = await create();
    for (const [method, path] of [
      ["GET", ""],
      ["DELETE", ""],
      ["POST", "/suspend"],
    ] as const) {
      expect((await ask(method, `/machines/${first.id}${path}`)).status).toBe(404);
    }
    expect((await reach(second, "/alive")).status).toBe(204);
  });
});
