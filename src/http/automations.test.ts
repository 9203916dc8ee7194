import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { AutomationObject } from "../automations/automation";
import { Session } from "../session/session";
import { accountFor, limit } from "../testing/accounts";
import { aClient, local } from "../testing/api-client";
import { moveClock } from "../testing/faults";
import { alarmOf, lose, loseObject, tablesOf, until } from "../testing/sessions";

const DAY = 86_400_000;
const Made = z.looseObject({ id: z.string(), fireToken: z.string(), fireUrl: z.string() });
const Run = z.looseObject({
  id: z.string(),
  sessionId: z.string().nullable(),
  messageId: z.string().nullable(),
  status: z.string(),
});
const Fired = z.looseObject({ runId: z.string(), sessionId: z.string(), messageId: z.string() });
const admin = aClient();
const bearer = (token: string) => aClient(local, { Authorization: `Bearer ${token}` });
const objectOf = (id: string) => env.AUTOMATIONS.getByName(id);

afterEach(() => {
  vi.restoreAllMocks();
});

async function anOwner(fields: object = {}) {
  const owner = `owner-${crypto.randomUUID()}`;
  const scopes = ["sessions:write", "automations:write"];
  const { body } = await admin.post("/api/keys", { name: "ci", owner, scopes, ...fields });
  return { owner, client: bearer(z.looseObject({ key: z.string() }).parse(body).key) };
}

const request = (fields: object = {}) => ({
  ...{ name: "digest", prompt: "Write the digest.", session: { pattern: "long-running" } },
  ...fields,
});

async function anAutomation(client: typeof admin, fields: object = {}) {
  const made = await client.post("/api/automations", request(fields));
  expect(made.status).toBe(201);
  const automation = Made.parse(made.body);
  return { ...automation, path: `/api/automations/${automation.id}` };
}

async function runsOf(client: typeof admin, path: string) {
  const { body } = await client.get(`${path}/runs`);
  return z.object({ runs: z.array(Run), nextCursor: z.string().nullable() }).parse(body).runs;
}

describe("an automation that is fired", () => {
  it("starts a session with its prompt and the input, with its token alone", async () => {
    const { client } = await anOwner();
    const { fireToken, fireUrl, path, id } = await anAutomation(client, {
      session: { pattern: "ephemeral", config: { env: { TOKEN: "hidden" } }, tags: ["digest"] },
    });
    expect(fireUrl).toMatch(new RegExp(`^http.*/api/automations/${id}/fire$`));
    const fired = await bearer(fireToken).post(new URL(fireUrl).pathname, { input: "of today" });
    expect(fired.status).toBe(202);
    const { sessionId, messageId, runId } = Fired.parse(fired.body);
    const session = await client.get(`/api/sessions/${sessionId}`);
    expect(session.body).toMatchObject({ pattern: "ephemeral", tags: ["digest"] });
    await until(async () => (await runsOf(client, path))[0]?.status === "completed", 5_000);
    expect(
      (await client.get(`/api/sessions/${sessionId}/messages/${messageId}`)).body,
    ).toMatchObject({
      prompt: "Write the digest.\n\nof today",
    });
    const [run] = await runsOf(client, path);
    expect(run).toMatchObject({ id: runId, sessionId, by: "fire", reason: null });
    expect(run?.cost).toBeGreaterThan(0);
    const shown = await client.get(path);
    expect(JSON.stringify(shown.body)).not.toMatch(/hidden|rf_/);
    expect(shown.body).toMatchObject({ lastRunAt: expect.any(String), cron: null, everyMs: null });
  });

  it("starts one session for requests with one Idempotency-Key", async () => {
    const { client } = await anOwner();
    const { path } = await anAutomation(client);
    const headers = { "Idempotency-Key": "today" };
    const [one, two] = await Promise.all([
      client.post(`${path}/fire`, {}, { headers }),
      client.post(`${path}/fire`, {}, { headers }),
    ]);
    expect(Fired.parse(one.body)).toMatchObject({ sessionId: Fired.parse(two.body).sessionId });
    expect(await runsOf(client, path)).toHaveLength(1);
  });

  it("is refused above its bound of runs at once, until one of them has ended", async () => {
    const { client } = await anOwner();
    const prompt = "/delay 400\nhello";
    const { path } = await anAutomation(client, { maxConcurrentRuns: 1, prompt });
    expect((await client.post(`${path}/fire`)).status).toBe(202);
    expect(await client.post(`${path}/fire`)).toMatchObject({
      ...{ status: 429, body: { error: { reason: "too_many_runs" } } },
    });
    // It is asked how its run is, without anybody reading the list.
    await until(async () => (await client.post(`${path}/fire`)).status === 202, 5_000);
  });

  it("pauses when the owner's limits refuse a run, and says why", async () => {
    const { owner, client } = await anOwner();
    const { path } = await anAutomation(client, { everyMs: 60_000 });
    await limit(owner, { maxActiveSessions: 0 });
    const fired = await client.post(`${path}/fire`);
    expect(fired).toMatchObject({ status: 429, body: { error: { reason: "too_many_sessions" } } });
    expect((await client.get(path)).body).toMatchObject({
      ...{ enabled: false, nextRunAt: null },
      pausedBecause: expect.stringContaining("too_many_sessions"),
    });
    expect(await runsOf(client, path)).toMatchObject([
      { status: "refused", reason: "too_many_sessions" },
    ]);
    expect(await client.post(`${path}/fire`)).toMatchObject({
      ...{ status: 409, body: { error: { reason: "automation_paused" } } },
    });
    await limit(owner, {});
    expect((await client.patch(path, { enabled: true })).body).toMatchObject({
      ...{ enabled: true, pausedBecause: null, nextRunAt: expect.any(String) },
    });
    expect((await client.post(`${path}/fire`)).status).toBe(202);
  });

  it("goes on with a run after a loss of its object, of the session, or of both", async () => {
    const { client } = await anOwner();
    const { path, id } = await anAutomation(client, { prompt: "/delay 300\nhello" });
    const fired = Fired.parse((await client.post(`${path}/fire`)).body);
    await loseObject(objectOf(id));
    await lose(fired.sessionId);
    await until(async () => (await runsOf(client, path))[0]?.status === "completed", 8_000);
    expect(await runsOf(client, path)).toHaveLength(1);
  });

  it("starts a run once, whenever its object is lost meanwhile", async () => {
    const { client } = await anOwner();
    const { path, id } = await anAutomation(client);
    const move = moveClock();
    for (let n = 0; n < 4; n++) {
      const fired = client.post(`${path}/fire`, {}, { headers: { "Idempotency-Key": `k${n}` } });
      await scheduler.wait(n * 2);
      await loseObject(objectOf(id));
      await fired.catch(() => {});
    }
    move(60_000);
    await runDurableObjectAlarm(objectOf(id));
    await until(async () => {
      const runs = await runsOf(client, path);
      return runs.every(({ status }) => status === "completed");
    }, 5_000);
    const runs = await runsOf(client, path);
    const { body } = await client.get("/api/sessions?pageSize=100");
    const { sessions } = z
      .object({ sessions: z.array(z.looseObject({ id: z.string() })) })
      .parse(body);
    expect(sessions.map((one) => one.id).toSorted()).toEqual(
      runs.map(({ sessionId }) => sessionId ?? "").toSorted(),
    );
  });
});

describe("an automation by cron or interval", () => {
  it("runs when it is due, and missed runs are one", async () => {
    const { client } = await anOwner();
    const { path, id } = await anAutomation(client, {
      cron: "0 8 * * *",
      timeZone: "Europe/Berlin",
    });
    const { body } = await client.get(path);
    const { nextRunAt } = z.looseObject({ nextRunAt: z.string() }).parse(body);
    expect(await alarmOf(objectOf(id))).toBe(Date.parse(nextRunAt));
    const move = moveClock();
    move(5 * DAY);
    await loseObject(objectOf(id));
    await runDurableObjectAlarm(objectOf(id));
    await until(async () => (await runsOf(client, path))[0]?.status === "completed", 5_000);
    expect(await runsOf(client, path)).toMatchObject([{ by: "schedule" }]);
    const after = z.looseObject({ nextRunAt: z.string() }).parse((await client.get(path)).body);
    expect(Date.parse(after.nextRunAt)).toBeGreaterThan(Date.now());
    expect(Date.parse(after.nextRunAt)).toBeLessThanOrEqual(Date.now() + DAY);
  });

  it("skips a run while as many as it may have are at work, and says so", async () => {
    const { client } = await anOwner();
    const fields = { everyMs: 60_000, maxConcurrentRuns: 1, prompt: "/delay 1000\nhello" };
    const { path, id } = await anAutomation(client, fields);
    const move = moveClock();
    for (let n = 0; n < 2; n++) {
      move(61_000);
      await runDurableObjectAlarm(objectOf(id));
    }
    expect(await runsOf(client, path)).toMatchObject([
      { status: "skipped", reason: "too_many_runs", sessionId: null },
      { by: "schedule" },
    ]);
  });

  it("runs on time again after the clock was set back", async () => {
    const { client } = await anOwner();
    const move = moveClock();
    move(DAY);
    const { path, id } = await anAutomation(client, { everyMs: 3_600_000 });
    move(-DAY);
    await runDurableObjectAlarm(objectOf(id));
    const { nextRunAt } = z
      .looseObject({ nextRunAt: z.string() })
      .parse((await client.get(path)).body);
    expect(Date.parse(nextRunAt)).toBeLessThanOrEqual(Date.now() + 3_600_000);
  });

  it("does not run while it is disabled, and sets no alarm", async () => {
    const { client } = await anOwner();
    const { path, id } = await anAutomation(client, { everyMs: 60_000, enabled: false });
    expect(await alarmOf(objectOf(id))).toBeNull();
    const enabled = await client.patch(path, { enabled: true });
    expect(enabled.body).toMatchObject({ nextRunAt: expect.any(String) });
    expect((await client.patch(path, { enabled: false })).body).toMatchObject({ nextRunAt: null });
    expect(await alarmOf(objectOf(id))).toBeNull();
    const other = await client.patch(path, { enabled: true, cron: "*/5 * * * *", name: "other" });
    expect(other.body).toMatchObject({ name: "other", cron: "*/5 * * * *", everyMs: null });
    const none = await client.patch(path, { cron: null });
    expect(none.body).toMatchObject({ cron: null, nextRunAt: null, enabled: true });
  });
});

describe("an automation", () => {
  it("is listed and deleted; its sessions stay", async () => {
    const { client, owner } = await anOwner();
    const one = await anAutomation(client);
    const two = await anAutomation(client, { name: "other" });
    const { sessionId } = Fired.parse((await client.post(`${one.path}/fire`)).body);
    const first = await client.get("/api/automations?limit=1");
    expect(first.body).toMatchObject({ automations: [{ id: one.id }], nextCursor: "1" });
    const second = await client.get("/api/automations?limit=1&cursor=1");
    expect(second.body).toMatchObject({ automations: [{ id: two.id }], nextCursor: null });
    expect((await client.delete(one.path)).status).toBe(204);
    expect((await client.delete(one.path)).status).toBe(204);
    expect((await client.get(one.path)).status).toBe(404);
    expect((await client.get(`/api/sessions/${sessionId}`)).status).toBe(200);
    expect(await tablesOf(objectOf(one.id))).toEqual([]);
    expect(await (await accountFor(owner)).automations()).toEqual([two.id]);
  });

  it("that was listed and not created runs nothing, and can be created again", async () => {
    const { client } = await anOwner();
    const spy = vi.spyOn(AutomationObject.prototype, "create").mockRejectedValue(new Error("lost"));
    const headers = { "Idempotency-Key": "one" };
    const body = request({ everyMs: 60_000 });
    expect((await client.post("/api/automations", body, { headers })).status).toBe(500);
    spy.mockRestore();
    expect((await client.get("/api/automations")).body).toMatchObject({ automations: [] });
    expect((await client.post("/api/automations", body, { headers })).status).toBe(201);
    expect((await client.post("/api/automations", body, { headers })).status).toBe(409);
  });

  it("with a run that waits for long sets no alarm but for the next look", async () => {
    const { client } = await anOwner();
    const session = { pattern: "hybrid", maxLifetimeMs: null, config: { askTools: ["Bash"] } };
    const prompt = '/Bash {"command":"echo hello"}';
    const { path, id } = await anAutomation(client, { session, prompt });
    expect((await client.post(`${path}/fire`)).status).toBe(202);
    await until(async () => (await runsOf(client, path))[0]?.status === "waiting");
    const move = moveClock();
    for (let n = 0; n < 3; n++) {
      move(20 * DAY);
      await runDurableObjectAlarm(objectOf(id));
      expect(Number(await alarmOf(objectOf(id))) - Date.now()).toBeGreaterThan(5_000);
    }
    expect(await runsOf(client, path)).toMatchObject([{ status: "waiting" }]);
  });

  it("gives up a run that can't be started for a day", async () => {
    const { client } = await anOwner();
    const { path, id } = await anAutomation(client);
    const spy = vi.spyOn(Session.prototype, "create").mockRejectedValue(new Error("lost"));
    expect((await client.post(`${path}/fire`)).body).toMatchObject({ status: "starting" });
    const move = moveClock();
    move(DAY + 1_000);
    await runDurableObjectAlarm(objectOf(id));
    spy.mockRestore();
    expect(await runsOf(client, path)).toMatchObject([
      { status: "refused", reason: "unavailable" },
    ]);
  });

  it("notices that a session was deleted", async () => {
    const { client } = await anOwner();
    const { path } = await anAutomation(client, { prompt: "/delay 60000\nhello" });
    const { sessionId } = Fired.parse((await client.post(`${path}/fire`)).body);
    expect((await client.delete(`/api/sessions/${sessionId}`)).status).toBe(204);
    expect(await runsOf(client, path)).toMatchObject([{ status: "gone" }]);
  });

  it("is not fired or changed by a key of fewer tools than its sessions have", async () => {
    const { client, owner } = await anOwner();
    const { path } = await anAutomation(client);
    const scopes = ["automations:write"];
    const made = await admin.post("/api/keys", { name: "x", owner, scopes, tools: ["Read"] });
    const narrow = bearer(z.looseObject({ key: z.string() }).parse(made.body).key);
    expect((await narrow.post(`${path}/fire`)).status).toBe(403);
    expect((await narrow.patch(path, { prompt: "other" })).status).toBe(403);
  });

  it("is made once with one Idempotency-Key, and its token is not shown again", async () => {
    const { client } = await anOwner();
    const headers = { "Idempotency-Key": "one" };
    const made = await client.post("/api/automations", request(), { headers });
    const again = await client.post("/api/automations", request(), { headers });
    expect(again).toMatchObject({
      ...{ status: 409, body: { error: { automationId: Made.parse(made.body).id } } },
    });
  });

  it("has a token that fires it, and does nothing else", async () => {
    const { client } = await anOwner();
    const [one, two] = [await anAutomation(client), await anAutomation(client)];
    const holder = bearer(one.fireToken);
    for (const answer of [
      await holder.get(one.path),
      await holder.get(`${one.path}/runs`),
      await holder.delete(one.path),
      await holder.post(`${two.path}/fire`),
      await holder.get("/api/sessions"),
      await holder.post("/api/sessions", { pattern: "hybrid" }),
    ]) {
      expect(answer.status).toBe(403);
    }
    const rotated = Made.parse((await client.post(`${one.path}/rotate-token`)).body);
    expect((await holder.post(`${one.path}/fire`)).status).toBe(401);
    expect((await bearer(rotated.fireToken).post(`${one.path}/fire`)).status).toBe(202);
    const unknown = one.fireToken.replace(/^rf_.{32}/, `rf_${"0".repeat(32)}`);
    expect((await bearer(unknown).post(`${one.path}/fire`)).status).toBe(401);
  });

  it("belongs to its owner: others, and keys without the scope, have no way to it", async () => {
    const [mine, other] = [await anOwner(), await anOwner()];
    const app = await anOwner({ scopes: ["sessions:write"] });
    const { path } = await anAutomation(mine.client);
    expect((await other.client.get(path)).status).toBe(404);
    expect((await other.client.post(`${path}/fire`)).status).toBe(404);
    expect((await app.client.get("/api/automations")).status).toBe(403);
  });

  it("made with a key of some tools starts sessions with those tools", async () => {
    const { client } = await anOwner({ tools: ["Read"] });
    const { path } = await anAutomation(client);
    const { sessionId } = Fired.parse((await client.post(`${path}/fire`)).body);
    const { body } = await client.get(`/api/sessions/${sessionId}`);
    expect(body).toMatchObject({ config: { allowedTools: ["Read"] } });
    const session = { pattern: "hybrid", config: { allowedTools: ["Bash"] } };
    expect((await client.post("/api/automations", request({ session }))).status).toBe(400);
    expect((await client.patch(path, { session })).status).toBe(400);
  });

  it.each([
    [{ name: "" }, "name"],
    [{ session: {} }, "session.pattern"],
    [{ session: { pattern: "hybrid", config: { model: "none" } } }, "session.config.model"],
    [{ session: { pattern: "hybrid", budget: 1 } }, "session.budget"],
    [{ prompt: " " }, "prompt"],
    [{ cron: "never" }, "cron"],
    [{ cron: "0 8 * * *", everyMs: 60_000 }, "everyMs"],
    [{ timeZone: "UTC" }, "timeZone"],
    [{ everyMs: 1_000 }, "everyMs"],
    [{ maxConcurrentRuns: 0 }, "maxConcurrentRuns"],
    [{ cost: 1 }, "cost"],
  ])("is refused with %j", async (fields, path) => {
    const { client } = await anOwner();
    const answer = await client.post("/api/automations", request(fields));
    expect(answer).toMatchObject({ status: 400, body: { error: { issues: [{ path }] } } });
  });
});
