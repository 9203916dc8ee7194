import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { accountOf } from "../account/address";
import { holds, SCOPES, type Scope } from "../account/scopes";
import { readSettings } from "../settings";
import { ACTOR } from "../testing/accounts";
import { aClient, local } from "../testing/api-client";
import { tablesOf } from "../testing/sessions";
import { createApp } from "./app";
import { knownKeys, scopeOf } from "./auth";
import { newSecret, sha256Hex } from "./ids";

const documents = import.meta.glob<string>("../../docs/openapi.json", {
  query: "?raw",
  import: "default",
  eager: true,
});

const Made = z.looseObject({ id: z.string(), owner: z.string(), key: z.string() });
/** What is read of the OpenAPI document: the scopes that each endpoint needs. */
const Document = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({ security: z.array(z.object({ bearer: z.array(z.string()).optional() })) }),
    ),
  ),
});
const admin = aClient();

const holderOf = (secret: string) => aClient(local, { Authorization: `Bearer ${secret}` });

/** Makes a key of a new owner, unless `fields` names one. */
async function aKey(fields: object = {}) {
  const owner = `owner-${crypto.randomUUID()}`;
  const made = await admin.post("/api/keys", { name: "ci", owner, ...fields });
  expect(made.status).toBe(201);
  const key = Made.parse(made.body);
  return { ...key, path: `/api/keys/${key.id}`, client: holderOf(key.key) };
}

const meOf = async (secret: string) => (await holderOf(secret).get("/api/me")).status;

const allOf = async (owner: string) =>
  (await admin.get(`/api/keys?owner=${encodeURIComponent(owner)}`)).body;

describe("a key", () => {
  it("is made, shown without its secret, used, rotated and revoked", async () => {
    const made = await aKey({ name: "laptop" });
    expect(made).toMatchObject({
      id: expect.stringMatching(/^key_[0-9a-f]{32}$/),
      key: expect.stringMatching(/^rk_[0-9a-f]{20}_[0-9a-f]{48}$/),
      scopes: ["sessions:write", "usage:read"],
      ...{ tools: null, expiresAt: null, lastUsedAt: null, revokedAt: null },
    });
    expect(await made.client.get("/api/me")).toMatchObject({
      status: 200,
      body: {
        owner: made.owner,
        admin: false,
        scopes: ["sessions:write", "usage:read"],
        key: { id: made.id, name: "laptop" },
        via: "key",
      },
    });
    expect((await made.client.create()).status).toBe("active");
    const { body: shown } = await admin.get(made.path);
    expect(shown).toMatchObject({ id: made.id, lastUsedAt: expect.any(String) });
    expect(JSON.stringify(shown)).not.toContain(made.key.slice(-48));
    expect(await allOf(made.owner)).toEqual({ keys: [shown], nextCursor: null });

    const rotated = Made.parse((await admin.post(`${made.path}/rotate`)).body);
    expect(rotated.id).toBe(made.id);
    expect([await meOf(made.key), await meOf(rotated.key)]).toEqual([401, 200]);

    expect((await admin.delete(made.path)).status).toBe(204);
    expect((await admin.delete(made.path)).status).toBe(204);
    const { body, status } = await holderOf(rotated.key).get("/api/me");
    expect(status).toBe(401);
    expect(body).toMatchObject({ error: { message: "The API key has been revoked." } });
    expect((await admin.get(made.path)).body).toMatchObject({ revokedAt: expect.any(String) });
  });

  it("has two secrets during the grace of a rotation", async () => {
    const made = await aKey();
    const { body } = await admin.post(`${made.path}/rotate`, { graceMs: 60_000 });
    expect([await meOf(made.key), await meOf(Made.parse(body).key)]).toEqual([200, 200]);
    vi.useFakeTimers({ now: Date.now() + 60_000, toFake: ["Date"] });
    expect([await meOf(made.key), await meOf(Made.parse(body).key)]).toEqual([401, 200]);
    vi.useRealTimers();
  });

  it("is refused from its expiry on, although it was used just before", async () => {
    const now = Date.now();
    const { key } = await aKey({ expiresAt: new Date(now + 3_600_000).toISOString() });
    expect(await meOf(key)).toBe(200);
    vi.useFakeTimers({ now: now + 3_600_000, toFake: ["Date"] });
    expect(await meOf(key)).toBe(401);
    vi.useRealTimers();
  });

  it("that another isolate has revoked is refused within 30 s", async () => {
    const { key, id } = await aKey();
    expect(await meOf(key)).toBe(200);
    await env.ACCOUNTS.getByName(id.slice(4, 24)).revokeKey(id, ACTOR);
    expect(await meOf(key)).toBe(200);
    expect((await holderOf(key).post("/api/keys", { name: "x" })).status).toBe(401);
    vi.useFakeTimers({ now: Date.now() + 25_000, toFake: ["Date"] });
    expect(await meOf(key)).toBe(401);
    vi.useRealTimers();
  });

  it("that was replaced neither makes a key that outlives it, nor replaces the new one", async () => {
    const { client, path, owner } = await aKey({ scopes: ["keys:write"] });
    await admin.post(`${path}/rotate`, { graceMs: 60_000 });
    expect((await client.post(`${path}/rotate`)).status).toBe(403);
    const made = await client.post("/api/keys", { name: "x", scopes: ["keys:write"] });
    const { expiresAt } = z.looseObject({ expiresAt: z.string() }).parse(made.body);
    expect(Date.parse(expiresAt)).toBeLessThanOrEqual(Date.now() + 60_000);
    expect(await allOf(owner)).toMatchObject({ keys: [{}, {}] });
  });

  it("of nobody is refused, and leaves nothing behind", async () => {
    const account = await accountOf(crypto.randomUUID());
    expect(await meOf(newSecret(account))).toBe(401);
    expect(await tablesOf(env.ACCOUNTS.getByName(account))).toEqual([]);
  });

  it("works beside API_KEYS, and without", async () => {
    const { key } = await aKey();
    const hash = await sha256Hex("secret");
    const entry = { name: "root", owner: "root", sha256: hash, admin: true };
    for (const API_KEYS of ["[]", JSON.stringify([entry])]) {
      const client = aClient(readSettings({ API_KEYS }), { Authorization: `Bearer ${key}` });
      expect((await client.get("/api/me")).body).toMatchObject({ via: "key" });
    }
    const settings = readSettings({ API_KEYS: JSON.stringify([entry]) });
    const root = aClient(settings, { Authorization: "Bearer secret" });
    expect((await root.get("/api/me")).body).toEqual({
      ...{ owner: "root", admin: true, scopes: SCOPES, key: null, via: "secret" },
    });
  });

  it("is made once for an Idempotency-Key, and its secret is not shown again", async () => {
    const owner = `owner-${crypto.randomUUID()}`;
    const make = () =>
      admin.post("/api/keys", { name: "ci", owner }, { headers: { "Idempotency-Key": "once" } });
    const first = await make();
    expect(first.status).toBe(201);
    expect(await make()).toMatchObject({
      status: 409,
      body: { error: { reason: "idempotency_mismatch", keyId: Made.parse(first.body).id } },
    });
    expect(await allOf(owner)).toMatchObject({ keys: [{ name: "ci" }] });
  });

  it.each([
    [{}, "name"],
    [{ name: "" }, "name"],
    [{ name: "x", scopes: [] }, "scopes"],
    [{ name: "x", scopes: ["all"] }, "scopes.0"],
    [{ name: "x", tools: [] }, "tools"],
    [{ name: "x", tools: ["Nope"] }, "tools.0"],
    [{ name: "x", tools: Array(101).fill("Read") }, "tools"],
    [{ name: "x", tools: Array(50).fill(`Bash(${"x".repeat(190)})`) }, "tools"],
    [{ name: "x", expiresAt: "2001-01-01T00:00:00Z" }, "expiresAt"],
    [{ name: "x", expiresAt: "tomorrow" }, "expiresAt"],
    [{ name: "x", secret: "mine" }, "secret"],
  ])("can't be made of %j", async (fields, path) => {
    expect(await admin.post("/api/keys", fields)).toMatchObject({
      status: 400,
      body: { error: { issues: [{ path }] } },
    });
  });

  it.each([-1, 24 * 3_600_000 + 1, 0.5])("can't have a grace of %d ms", async (graceMs) => {
    const { path } = await aKey();
    expect((await admin.post(`${path}/rotate`, { graceMs })).status).toBe(400);
  });

  it("limits the tools of sessions made with it, and of keys made with it", async () => {
    const scopes = ["sessions:write", "keys:write"];
    const { client, owner } = await aKey({ scopes, tools: ["Read", "Glob"] });
    expect((await client.create()).config).toMatchObject({ allowedTools: ["Read", "Glob"] });
    const refused = {
      status: 400,
      body: { error: { issues: [{ path: "config.allowedTools.0" }] } },
    };
    const config = { allowedTools: ["Bash"] };
    expect(await client.post("/api/sessions", { pattern: "ephemeral", config })).toMatchObject(
      refused,
    );
    const once = { headers: { "Idempotency-Key": crypto.randomUUID() } };
    const body = { pattern: "long-running" };
    expect((await client.post("/api/sessions", body, once)).status).toBe(201);
    const free = Made.parse((await admin.post("/api/keys", { name: "free", owner })).body);
    expect((await holderOf(free.key).post("/api/sessions", body, once)).status).toBe(409);
    const own = await client.post("/api/keys", { name: "own", scopes: ["sessions:write"] });
    expect(own.body).toMatchObject({ tools: ["Read", "Glob"] });
    expect((await client.post("/api/keys", { name: "x", scopes, tools: ["Bash"] })).status).toBe(
      403,
    );
  });
});

describe("the owner of a key", () => {
  it("manages the owner's keys, and sees no others", async () => {
    const mine = await aKey({ scopes: ["keys:write"] });
    const other = await aKey();
    const before = await allOf(other.owner);
    const { client } = mine;
    for (const answer of [
      await client.get(other.path),
      await client.delete(other.path),
      await client.post(`${other.path}/rotate`),
      await client.get("/api/keys/key_1"),
    ]) {
      expect(answer).toMatchObject({ status: 404, body: { error: { type: "not_found_error" } } });
    }
    const named = { name: "x", owner: other.owner, scopes: ["keys:write"] };
    expect((await client.post("/api/keys", named)).status).toBe(403);
    expect((await client.get(`/api/keys?owner=${other.owner}`)).status).toBe(403);
    expect(await allOf(other.owner)).toEqual(before);
    expect((await client.get("/api/keys")).body).toMatchObject({ keys: [{ id: mine.id }] });
  });

  it("grants no scope that the key does not have, by a new key or by a rotation", async () => {
    const { client, owner } = await aKey({ scopes: ["keys:write", "sessions:read"] });
    const strong = await aKey({ owner, scopes: ["admin"] });
    expect((await client.get("/api/me")).status).toBe(200);
    const before = await allOf(owner);
    for (const scope of ["admin", "sessions:write", "usage:read"]) {
      const answer = await client.post("/api/keys", { name: "x", scopes: [scope] });
      expect(answer).toMatchObject({ status: 403, body: { error: { type: "permission_error" } } });
    }
    expect((await client.post(`${strong.path}/rotate`)).status).toBe(403);
    expect(await allOf(owner)).toEqual(before);
    const weak = await client.post("/api/keys", { name: "x", scopes: ["sessions:read"] });
    expect(weak.status).toBe(201);
  });

  it("is an admin with the scope admin, over the sessions of every owner", async () => {
    const other = await (await aKey()).client.create();
    const { client } = await aKey({ scopes: ["admin"] });
    expect((await client.get(`/api/sessions/${other.id}`)).status).toBe(200);
    expect((await client.get("/api/me")).body).toMatchObject({ admin: true });
  });
});

describe("every route", () => {
  const app = createApp(local);
  const routes = app.routes.filter(({ method, path }) => method !== "ALL" && path !== "/health");
  const ID = "0".repeat(32);
  const pathOf = (path: string) =>
    path
      .replace("/api/conversations/:id", "/api/conversations/1")
      .replace(":id", `sess_${ID}`)
      .replace(":messageId", `msg_${ID}`)
      .replace(":scheduleId", `sched_${ID}`)
      .replace(":keyId", `key_${ID}`)
      .replace(":owner", "somebody");
  const api = routes.filter(({ path }) => path.startsWith("/api/"));

  it("has its scope in the OpenAPI document, which has no others", () => {
    const [text = ""] = Object.values(documents);
    const documented = Object.entries(Document.parse(JSON.parse(text)).paths)
      .filter(([path]) => path.startsWith("/api/"))
      .flatMap(([path, operations]) =>
        Object.entries(operations).map(([method, { security }]) => {
          const [{ bearer = [] } = {}] = security;
          return [method.toUpperCase(), path.replaceAll(/\{(\w+)\}/g, ":$1"), ...bearer];
        }),
      );
    const known = api.map(({ method, path }) => {
      const scope = scopeOf(method, pathOf(path));
      return [
        method,
        path.replace(/\/$/, "").replace("*", ":path"),
        ...(scope === null ? [] : [scope]),
      ];
    });
    const sorted = (table: unknown[][]) => table.map((row) => row.join(" ")).sort();
    expect(sorted(documented)).toEqual(sorted(known));
  });

  it.each(SCOPES)("is open to the scope %s exactly if it says so", async (scope: Scope) => {
    const { client, owner } = await aKey({ scopes: [scope] });
    for (const { method, path } of api) {
      const needed = scopeOf(method, pathOf(path));
      const own = pathOf(path.replace(":owner", owner));
      const { status } = await client.raw(method, own);
      const isOpen = needed === null || holds([scope], needed);
      expect([401, 403].includes(status), `${method} ${path}: ${status}`).toBe(!isOpen);
      expect(status, `${method} ${path}`).toBeLessThan(500);
    }
  });

  it("is closed to an expired, a revoked and an unknown key", async () => {
    const expired = await aKey({ expiresAt: new Date(Date.now() + 1_000).toISOString() });
    const revoked = await aKey();
    await admin.delete(revoked.path);
    const unknown = holderOf(newSecret(await accountOf("nobody")));
    await vi.waitFor(
      () => expect(expired.client.get("/api/me")).resolves.toMatchObject({ status: 401 }),
      3_000,
    );
    for (const client of [expired.client, revoked.client, unknown]) {
      for (const { method, path } of api) {
        const { status } = await client.raw(method, pathOf(path));
        expect(status, `${method} ${path}`).toBe(401);
      }
    }
  });
});

it("a key is asked for once by an isolate, not with each request", async () => {
  const { key, id, client } = await aKey();
  knownKeys.forget(id);
  const asked = vi.spyOn(env.ACCOUNTS, "getByName");
  for (let n = 0; n < 3; n++) await client.get("/api/me");
  const own = asked.mock.calls.filter(([name]) => key.includes(name));
  asked.mockRestore();
  expect(own).toHaveLength(1);
});
