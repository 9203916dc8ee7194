import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { readSettings } from "../settings";
import { accountObject, newOwner } from "../testing/accounts";
import { aClient, local } from "../testing/api-client";
import { loseObject, until } from "../testing/sessions";
import { limiterFor } from "./rate-limits";

const Key = z.looseObject({ key: z.string() });
const Usage = z.looseObject({
  now: z.looseObject({
    activeSessions: z.number(),
    day: z.looseObject({
      spentUsd: z.number(),
      heldUsd: z.number(),
      maxUsd: z.number().nullable(),
    }),
  }),
  rows: z.array(z.looseObject({ cost: z.number() })),
});

const admin = aClient();

/** Returns a new owner with a client of its own. */
async function anOwner() {
  const owner = newOwner();
  const { body } = await admin.post("/api/keys", { name: "test", owner });
  const client = aClient(local, { Authorization: `Bearer ${Key.parse(body).key}` });
  const limits = `/api/owners/${owner}/limits`;
  const usage = async (query = "") => Usage.parse((await client.get(`/api/usage${query}`)).body);
  return { owner, client, limits, usage };
}

const NONE = {
  maxActiveSessions: null,
  maxRunningMessages: null,
  maxDailyUsd: null,
  maxMonthlyUsd: null,
  maxRequestsPerMinute: null,
  perUser: { maxActiveSessions: null, maxDailyUsd: null },
};

describe("limits of an owner", () => {
  it("are set by admins, and read by the owner and admins", async () => {
    const { client, limits } = await anOwner();
    expect((await client.get(limits)).body).toEqual(NONE);
    expect((await client.put(limits, { maxDailyUsd: 5 })).status).toBe(403);
    expect((await client.get("/api/owners/somebody/limits")).status).toBe(403);
    expect((await client.get("/api/owners")).status).toBe(403);
    const set = await admin.put(limits, {
      maxDailyUsd: 0.29,
      maxActiveSessions: 3,
      perUser: { maxDailyUsd: 1 },
    });
    const expected = {
      ...{ ...NONE, maxDailyUsd: 0.29, maxActiveSessions: 3 },
      perUser: { maxActiveSessions: null, maxDailyUsd: 1 },
    };
    expect(set).toMatchObject({ status: 200, body: expected });
    expect((await client.get(limits)).body).toEqual(expected);
    expect((await admin.put(limits, {})).body).toEqual(NONE);
  });

  it.each([
    { maxDailyUsd: -1 },
    { maxDailyUsd: "5" },
    { maxActiveSessions: 1.5 },
    { perUser: { maxRunningMessages: 1 } },
    { maxSessions: 1 },
    [],
  ])("can't be %j", async (body) => {
    const { limits } = await anOwner();
    expect((await admin.put(limits, body)).status).toBe(400);
  });

  it("refuse a session too many, and a message once the money is used up", async () => {
    const { client, limits } = await anOwner();
    const first = await client.create();
    await client.ask(first.id, { prompt: "hello" });
    await admin.put(limits, { maxActiveSessions: 1, maxDailyUsd: 0 });
    const second = await client.post("/api/sessions", { pattern: "ephemeral" });
    expect(second).toMatchObject({
      status: 429,
      body: { error: { type: "rate_limit_error", reason: "too_many_sessions" } },
    });
    const refused = await client.post(`/api/sessions/${first.id}/message`, { prompt: "more" });
    expect(refused).toMatchObject({
      status: 429,
      body: { error: { reason: "spend_limit", limit: "owner_daily" } },
    });
    const wait = Number(refused.headers.get("Retry-After"));
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(86_400);
    await admin.put(limits, {});
    expect((await client.ask(first.id, { prompt: "again" })).status).toBe("completed");
  });

  it("that are set while a message runs hold for its next call", async () => {
    const { client, limits, usage } = await anOwner();
    const { id } = await client.create();
    const running = client.ask(id, { prompt: '/Bash {"command":"sleep 0.6"}\nnever said' });
    await until(async () => {
      const { body } = await client.get(`/api/sessions/${id}/events`);
      return JSON.stringify(body).includes("tool.started");
    });
    await admin.put(limits, { maxDailyUsd: 0 });
    expect(await running).toMatchObject({
      ...{ status: "completed", stopReason: "budget_limit", limit: "owner_daily" },
    });
    expect((await usage()).now.activeSessions).toBe(1);
    await admin.put(limits, { maxDailyUsd: 5 });
    expect((await client.ask(id, { prompt: "go on" })).status).toBe("completed");
  });

  it("count what was spent before they were set", async () => {
    const { client, limits, usage } = await anOwner();
    const { id } = await client.create();
    await client.ask(id, { prompt: "hello" });
    await until(async () => (await usage()).now.day.spentUsd > 0, 5_000);
    const before = (await usage()).now;
    await admin.put(limits, { maxDailyUsd: before.day.spentUsd, maxMonthlyUsd: 100 });
    expect((await usage()).now).toMatchObject({
      activeSessions: 1,
      day: { spentUsd: before.day.spentUsd, heldUsd: 0, maxUsd: before.day.spentUsd },
    });
    const refused = await client.post(`/api/sessions/${id}/message`, { prompt: "more" });
    expect(refused.status).toBe(429);
  });

  it("hold after a loss of the account's object", async () => {
    const { owner, client, limits } = await anOwner();
    await admin.put(limits, { maxActiveSessions: 1 });
    const first = await client.create();
    await loseObject(await accountObject(owner));
    expect((await client.post("/api/sessions", { pattern: "hybrid" })).status).toBe(429);
    await client.post(`/api/sessions/${first.id}/terminate`);
    await until(
      async () => (await client.post("/api/sessions", { pattern: "hybrid" })).status === 201,
    );
  });
});

describe("usage", () => {
  it("is summed by day, user, model, pattern and tag, as JSON and CSV", async () => {
    const { client, usage, owner } = await anOwner();
    const [one, two] = [
      await client.create({ userId: "eve", tags: ["a", "=b"] }),
      await client.create({ userId: "adam", tags: ["a"], pattern: "hybrid" }),
    ];
    for (const { id } of [one, two]) await client.ask(id, { prompt: "hello" });
    await until(async () => (await usage("?groupBy=user")).rows.length === 2, 5_000);
    const each = (await usage("?groupBy=user")).rows;
    const [{ cost = 0 } = {}] = each;
    expect(each.map(({ userId }) => userId)).toEqual(["adam", "eve"]);
    const today = new Date().toISOString().slice(0, 10);
    expect((await usage()).rows).toMatchObject([{ day: today, cost: 2 * cost }]);
    expect((await usage("?groupBy=tag,pattern")).rows).toMatchObject([
      { tag: "=b", pattern: "long-running", cost },
      { tag: "a", pattern: "hybrid", cost },
      { tag: "a", pattern: "long-running", cost },
    ]);
    expect((await usage(`?groupBy=model&from=${today}&to=${today}`)).rows).toMatchObject([
      { model: "claude-sonnet-5-5", cost: 2 * cost },
    ]);
    expect((await usage("?from=2020-01-01&to=2020-01-31")).rows).toEqual([]);
    const csv = await client.raw("GET", "/api/usage?groupBy=tag", {
      headers: { Accept: "text/csv" },
    });
    expect(csv.headers.get("Content-Type")).toBe("text/csv; charset=utf-8");
    const lines = (await csv.text()).split("\r\n");
    expect(lines[0]).toMatch(/^tag,cost,tokens,inputTokens,/);
    expect(lines[1]).toMatch(/^'=b,0\.\d+,/);
    const all = Usage.parse((await admin.get("/api/usage?groupBy=owner")).body);
    expect(all.rows).toContainEqual(expect.objectContaining({ owner, cost: 2 * cost }));
    const ofOwner = await admin.get(`/api/usage?owner=${owner}&groupBy=pattern`);
    expect(Usage.parse(ofOwner.body).rows).toHaveLength(2);
  });

  it.each(["?groupBy=user,tag", "?groupBy=week", "?from=yesterday", "?limit=1"])(
    "can't be asked for by %s",
    async (query) => {
      expect((await admin.get(`/api/usage${query}`)).status).toBe(400);
    },
  );

  it("of other owners is not shown", async () => {
    const { client } = await anOwner();
    expect((await client.get("/api/usage?owner=somebody")).status).toBe(403);
    expect(Usage.parse((await client.get("/api/usage?groupBy=owner")).body).rows).toEqual([]);
  });
});

it("owners are listed page by page, with their usage", async () => {
  const { client, owner } = await anOwner();
  const { id } = await client.create();
  await client.ask(id, { prompt: "hello" });
  const Page = z.object({
    owners: z.array(z.looseObject({ owner: z.string(), monthCost: z.number() })),
    nextCursor: z.string().nullable(),
  });
  const walk = async () => {
    const found: z.infer<typeof Page>["owners"] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const path: string = `/api/owners?limit=2&cursor=${encodeURIComponent(cursor)}`;
      const page = Page.parse((await admin.get(path)).body);
      found.push(...page.owners);
      cursor = page.nextCursor;
    }
    return found;
  };
  await until(
    async () => (await walk()).some((one) => one.owner === owner && one.monthCost > 0),
    5_000,
  );
  const names = (await walk()).map((one) => one.owner);
  expect(names).toEqual([...new Set(names)].sort());
});

describe("requests a minute", () => {
  it.each([
    [0, undefined, 0],
    [1, 1, 1],
    [9, 1, 9],
    [250, 100, 2],
    [1_000, 1_000, 1],
    [123_456, 10_000, 12],
    [1_000_000_000, 10_000, 100],
  ])("%d are %s times %d at most", (perMinute, size, names) => {
    const limiter = limiterFor(perMinute);
    expect(limiter?.perMinute).toBe(size);
    expect(limiter?.names ?? 0).toBe(names);
  });

  it("are limited by owner, as an admin has set it, before any session is touched", async () => {
    const { client, limits } = await anOwner();
    await admin.put(limits, { maxRequestsPerMinute: 3 });
    const asked = vi.spyOn(env.SESSIONS, "getByName");
    const statuses = [];
    for (let n = 0; n < 12; n++) {
      const { status } = await client.get(`/api/sessions/sess_${"0".repeat(32)}`);
      statuses.push(status);
    }
    const touched = asked.mock.calls.length;
    asked.mockRestore();
    expect(statuses.at(-1)).toBe(429);
    expect(touched).toBe(statuses.filter((status) => status === 404).length);
    const refused = await client.get("/api/me");
    expect(refused).toMatchObject({
      status: 429,
      body: { error: { type: "rate_limit_error", reason: "too_many_requests" } },
    });
    expect(refused.headers.get("Retry-After")).toBe("60");
  });

  it("are limited by address for those whose key is not known, before any account is touched", async () => {
    const settings = readSettings({ MAX_REQUESTS_PER_MINUTE: "2" });
    const address = `192.0.2.${Math.floor(Math.random() * 250)}-${Date.now()}`;
    const asked = vi.spyOn(env.ACCOUNTS, "getByName");
    const statuses = [];
    for (let n = 0; n < 4; n++) {
      const secret = `rk_${n.toString(16).padStart(20, "0")}_${"0".repeat(48)}`;
      const headers = { Authorization: `Bearer ${secret}`, "CF-Connecting-IP": address };
      statuses.push((await aClient(settings, headers).get("/api/me")).status);
    }
    const touched = asked.mock.calls.length;
    asked.mockRestore();
    expect(statuses).toEqual([401, 401, 429, 429]);
    expect(touched).toBe(2);
  });
});

it("a session whose owner has no limits asks no account", async () => {
  const { client } = await anOwner();
  const { id } = await client.create();
  const asked = vi.spyOn(env.ACCOUNTS, "getByName");
  await client.ask(id, { prompt: "hello" });
  expect(asked).not.toHaveBeenCalled();
  asked.mockRestore();
});
