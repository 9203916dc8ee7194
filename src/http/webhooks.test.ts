import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { indexOf } from "../session/deployment";
import { readSettings } from "../settings";
import { accountFor, limit } from "../testing/accounts";
import { aClient, local } from "../testing/api-client";
import { lose, objectOf, tablesOf, until } from "../testing/sessions";
import { sending, WebhookEndpoint } from "../webhooks/endpoint";

const Made = z.looseObject({ id: z.string(), secret: z.string() });
const Body = z.object({
  type: z.string(),
  timestamp: z.string(),
  data: z.object({
    event: z.looseObject({ seq: z.number(), type: z.string() }),
    session: z.looseObject({ id: z.string() }),
  }),
});
const admin = aClient();

interface Received {
  url: string;
  body: string;
  headers: Record<string, string>;
}
let received: Received[] = [];
let answer: () => Response = () => new Response("ok");

beforeEach(() => {
  received = [];
  answer = () => new Response("ok");
  vi.spyOn(sending, "fetch").mockImplementation(async (input, init) => {
    const headers = Object.fromEntries(new Headers(init?.headers));
    const response = answer();
    if (response.ok) received.push({ url: String(input), body: String(init?.body), headers });
    return response;
  });
  sending.lookup = undefined;
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Makes a key of a new owner, and returns a client that has it. */
async function anOwner(scopes = ["sessions:write", "webhooks:write", "approvals:write"]) {
  const owner = `owner-${crypto.randomUUID()}`;
  const { body } = await admin.post("/api/keys", { name: "ci", owner, scopes });
  const { key } = z.looseObject({ key: z.string() }).parse(body);
  return { owner, client: aClient(local, { Authorization: `Bearer ${key}` }) };
}

async function aWebhook(client: typeof admin, fields: object = {}) {
  const url = `https://hooks.example.com/${crypto.randomUUID()}`;
  const made = await client.post("/api/webhooks", { url, events: ["*"], ...fields });
  expect(made.status).toBe(201);
  return { ...Made.parse(made.body), url, path: `/api/webhooks/${Made.parse(made.body).id}` };
}

const bodiesAt = (url: string) =>
  received.filter((one) => one.url === url).map(({ body }) => Body.parse(JSON.parse(body)));
const typesAt = (url: string) => bodiesAt(url).map(({ type }) => type);

describe("a webhook", () => {
  it("is sent the events of the owner's sessions, signed and in order", async () => {
    const { client } = await anOwner();
    const { url, secret, path } = await aWebhook(client);
    const { id } = await client.create({ tags: ["a"], userId: "u1" });
    await client.ask(id, { prompt: '/Bash {"command":"echo hello"}' });
    await until(() => typesAt(url).includes("message.completed"), 5_000);
    const bodies = bodiesAt(url);
    const { body } = await client.get(`/api/sessions/${id}/events`);
    const { events } = z
      .object({ events: z.array(z.looseObject({ type: z.string() })) })
      .parse(body);
    expect(bodies.map(({ data }) => data.event)).toEqual(events);
    expect(bodies.at(-1)).toMatchObject({
      timestamp: events.at(-1)?.at,
      data: { session: { id, pattern: "long-running", tags: ["a"], userId: "u1", numTurns: 2 } },
    });
    for (const one of received.filter((one) => one.url === url)) {
      expect(new Webhook(secret).verify(one.body, one.headers)).toMatchObject({
        type: expect.any(String),
      });
    }
    expect((await client.get(path)).body).toMatchObject({ pending: 0, enabled: true });
    const list = await client.get("/api/webhooks");
    expect(list.body).toMatchObject({ webhooks: [{ url, lastSuccessAt: expect.any(String) }] });
    expect(JSON.stringify(list.body)).not.toContain("whsec_");
  });

  it("is sent the types that it names, of the session that it names, and of no other owner", async () => {
    const [mine, other] = [await anOwner(), await anOwner()];
    const foreign = await aWebhook(other.client);
    const [one, two] = [await mine.client.create(), await mine.client.create()];
    const ends = await aWebhook(mine.client, { events: ["message.*ed", "limit.warned"] });
    const ofOne = await aWebhook(mine.client, { events: ["message.completed"], sessionId: one.id });
    await mine.client.ask(one.id, { prompt: "hi" });
    await mine.client.ask(two.id, { prompt: "hi" });
    await until(() => typesAt(ends.url).length === 6, 8_000);
    expect(new Set(typesAt(ends.url))).toEqual(
      new Set(["message.received", "message.started", "message.completed"]),
    );
    await until(() => typesAt(ofOne.url).length === 1, 5_000);
    expect(bodiesAt(ofOne.url)[0]?.data.session.id).toBe(one.id);
    expect(bodiesAt(foreign.url)).toEqual([]);
  });

  it("made while a session lives is sent what happens from then on, also after losses", async () => {
    const { client } = await anOwner();
    const { id } = await client.create();
    await client.ask(id, { prompt: "before" });
    const { url } = await aWebhook(client, { events: ["message.received"] });
    await client.ask(id, { prompt: "after" });
    await lose(id);
    await until(() => bodiesAt(url).length > 0, 8_000);
    expect(bodiesAt(url).map(({ data }) => data.event.prompt)).toEqual(["after"]);
  });

  it("is sent the end of a session that is deleted, before it is erased", async () => {
    const { client } = await anOwner();
    const { url } = await aWebhook(client, { events: ["session.terminated"] });
    const { id } = await client.create();
    expect((await client.delete(`/api/sessions/${id}`)).status).toBe(204);
    await until(() => bodiesAt(url).length === 1, 5_000);
    expect(bodiesAt(url)[0]?.data.event).toMatchObject({ reason: "deleted" });
  });

  it("is told when parts of the owner's money for the day are used up, and the session's budget", async () => {
    const { client, owner } = await anOwner();
    await limit(owner, { maxDailyNanos: 1_000_000_000 });
    const { url } = await aWebhook(client, { events: ["*limit*warned"] });
    const { id } = await client.create({ maxBudgetUsd: 0.5, config: { warnAt: [0.5] } });
    const prompt = Array(10).fill("/tokens 15000\n/Nope {}").join("\n");
    await client.ask(id, { prompt });
    const second = await client.create();
    await client.ask(second.id, { prompt });
    const ownerEvents = () =>
      received
        .filter((one) => one.url === url)
        .map(({ body }) => JSON.parse(body))
        .filter(({ type }) => type === "owner.limit_warned")
        .map(({ data }) => data.event);
    await until(() => ownerEvents().some(({ part }) => part === 1), 8_000);
    expect(ownerEvents().map(({ part }) => part)).toEqual([0.5, 0.8, 1]);
    expect(ownerEvents()[0]).toMatchObject({ owner, limit: "owner_daily", max: 1 });
    const own = received.filter(
      ({ url: one, body }) => one === url && body.includes('"limit.warned"'),
    );
    expect(own.map(({ body }) => JSON.parse(body).data.event)).toMatchObject([
      { limit: "budget", part: 0.5, max: 0.5 },
    ]);
  });

  it("that is disabled is sent nothing, and misses what happens meanwhile", async () => {
    const { client } = await anOwner();
    const { url, path } = await aWebhook(client, { events: ["message.received"] });
    const { id } = await client.create();
    await client.ask(id, { prompt: "one" });
    await until(() => bodiesAt(url).length === 1, 5_000);
    expect(await client.patch(path, { enabled: false })).toMatchObject({
      ...{ status: 200, body: { enabled: false, disabledBecause: null } },
    });
    await client.ask(id, { prompt: "two" });
    await scheduler.wait(50);
    expect((await client.patch(path, { enabled: true, description: "back" })).body).toMatchObject({
      ...{ enabled: true, description: "back" },
    });
    await client.ask(id, { prompt: "three" });
    await until(() => bodiesAt(url).length === 2, 8_000);
    expect(bodiesAt(url).map(({ data }) => data.event.prompt)).toEqual(["one", "three"]);
  });

  it("is sent events again when it is enabled, also if that has to be repeated", async () => {
    const { client } = await anOwner();
    const { url, path } = await aWebhook(client, { events: ["message.received"] });
    const { id } = await client.create();
    answer = () => new Response(null, { status: 410 });
    await client.ask(id, { prompt: "one" });
    await until(async () => JSON.stringify((await client.get(path)).body).includes("410"), 5_000);
    await client.ask(id, { prompt: "two" });
    await scheduler.wait(200);
    answer = () => new Response();
    const spy = vi.spyOn(indexOf(env), "setWebhooks").mockRejectedValueOnce(new Error("down"));
    expect((await client.patch(path, { enabled: true })).status).toBe(503);
    expect((await client.patch(path, { enabled: true })).status).toBe(200);
    spy.mockRestore();
    await client.ask(id, { prompt: "three" });
    await until(() => bodiesAt(url).some(({ data }) => data.event.prompt === "three"), 8_000);
  });

  it("is not listed again by a change that was under way when it was deleted", async () => {
    const { client, owner } = await anOwner();
    const { path } = await aWebhook(client);
    await Promise.all([client.patch(path, { description: "x" }), client.delete(path)]);
    expect((await (await accountFor(owner)).webhooks()).filters).toEqual([]);
  });

  it("is given up when it can't be reached, so that a session is erased", async () => {
    const { client } = await anOwner();
    await aWebhook(client);
    const { id } = await client.create();
    await client.ask(id, { prompt: "hi" });
    await scheduler.wait(200);
    const spy = vi.spyOn(WebhookEndpoint.prototype, "enqueue").mockRejectedValue(new Error("full"));
    expect((await client.delete(`/api/sessions/${id}`)).status).toBe(204);
    const { now } = Date;
    let offset = 0;
    const clock = vi.spyOn(Date, "now").mockImplementation(() => now() + offset);
    for (let n = 0; n < 20; n++) {
      offset += 400_000;
      await runDurableObjectAlarm(objectOf(id));
    }
    expect(await tablesOf(objectOf(id))).toEqual([]);
    clock.mockRestore();
    spy.mockRestore();
  });

  it("shows its deliveries with their attempts, and repeats one", async () => {
    const { client } = await anOwner();
    const { url, path } = await aWebhook(client, { events: ["session.created"] });
    answer = () => new Response("no room", { status: 503 });
    await client.create();
    const deliveries = async () => {
      const { body } = await client.get(`${path}/deliveries`);
      return z.object({ deliveries: z.array(z.looseObject({ id: z.string() })) }).parse(body)
        .deliveries;
    };
    await until(async () => JSON.stringify(await deliveries()).includes("503"), 5_000);
    const [delivery] = await deliveries();
    expect(delivery).toMatchObject({
      ...{ type: "session.created", status: "pending", nextAttemptAt: expect.any(String) },
      attempts: [{ status: 503, response: "no room", error: "The receiver answered 503." }],
    });
    answer = () => new Response();
    const repeat = `${path}/deliveries/${delivery?.id}/redeliver`;
    expect((await client.post(repeat)).status).toBe(202);
    await until(() => bodiesAt(url).length === 1);
    expect(await client.post(`${path}/test`)).toMatchObject({
      ...{ status: 200, body: { status: 200, error: null, durationMs: expect.any(Number) } },
    });
    expect((await client.post(`${path}/deliveries/nothing/redeliver`)).status).toBe(404);
  });

  it("gets another secret, which both sign during the grace", async () => {
    const { client } = await anOwner();
    const { url, path, secret } = await aWebhook(client, { events: ["session.created"] });
    const rotated = await client.post(`${path}/rotate-secret`, { graceMs: 60_000 });
    const { secret: other } = Made.parse(rotated.body);
    expect(other).not.toBe(secret);
    await client.create();
    await until(() => bodiesAt(url).length === 1, 5_000);
    const [{ body, headers } = { body: "", headers: {} }] = received.filter(
      (one) => one.url === url,
    );
    for (const one of [secret, other]) new Webhook(one).verify(body, headers);
  });

  it("is deleted with all that waits, and its id is not found any more", async () => {
    const { client } = await anOwner();
    const { path } = await aWebhook(client);
    expect((await client.delete(path)).status).toBe(204);
    expect((await client.delete(path)).status).toBe(204);
    expect((await client.get(path)).status).toBe(404);
    expect((await client.get("/api/webhooks")).body).toEqual({ webhooks: [] });
  });

  it("is made once with one Idempotency-Key, and its secret is not shown again", async () => {
    const { client } = await anOwner();
    const request = { url: "https://example.com/", events: ["*"] };
    const headers = { "Idempotency-Key": "one" };
    const made = await client.post("/api/webhooks", request, { headers });
    const again = await client.post("/api/webhooks", request, { headers });
    expect(again).toMatchObject({
      status: 409,
      body: { error: { webhookId: Made.parse(made.body).id } },
    });
  });

  it("is one of twenty at most", async () => {
    const { client } = await anOwner();
    for (let n = 0; n < 20; n++) await aWebhook(client);
    const answer = await client.post("/api/webhooks", { url: "https://a.example/", events: ["*"] });
    expect(answer).toMatchObject({ status: 409, body: { error: { reason: "too_many_webhooks" } } });
  });

  it.each([
    [{ url: "nothing" }, "url"],
    [{ url: "http://example.com/" }, "url"],
    [{ url: "https://user:pass@example.com/" }, "url"],
    [{ url: "https://10.0.0.1/" }, "url"],
    [{ url: "https://[fd00::1]/" }, "url"],
    [{ url: "https://[::ffff:7f00:1]/" }, "url"],
    [{ events: [] }, "events"],
    [{ events: ["message.finished"] }, "events.0"],
    [{ events: ["assistant.delta"] }, "events.0"],
    [{ secret: "mine" }, "secret"],
  ])("is refused with %j", async (fields, path) => {
    const { client } = await anOwner();
    const request = { url: "https://example.com/", events: ["*"], ...fields };
    const answer = await client.post("/api/webhooks", request);
    expect(answer).toMatchObject({ status: 400, body: { error: { issues: [{ path }] } } });
  });

  it("may be on a private host if the deployment says so", async () => {
    const settings = readSettings({ ALLOW_ANONYMOUS: "true", WEBHOOK_ALLOW_PRIVATE_HOSTS: "true" });
    const url = "http://localhost:8080/hook";
    const made = await aClient(settings).post("/api/webhooks", { url, events: ["limit.warned"] });
    expect(made.status).toBe(201);
    expect((await admin.delete(`/api/webhooks/${Made.parse(made.body).id}`)).status).toBe(204);
  });

  it("belongs to its owner: others, and keys without the scope, have no way to it", async () => {
    const [mine, other] = [await anOwner(), await anOwner()];
    const app = await anOwner(["sessions:write"]);
    const { path } = await aWebhook(mine.client);
    for (const answer of [
      await other.client.get(path),
      await other.client.patch(path, { enabled: false }),
      await other.client.post(`${path}/test`),
      await other.client.get(`${path}/deliveries`),
    ]) {
      expect(answer.status).toBe(404);
    }
    expect((await app.client.get("/api/webhooks")).status).toBe(403);
    const { id } = await other.client.create();
    const request = { url: "https://example.com/", events: ["*"], sessionId: id };
    expect((await mine.client.post("/api/webhooks", request)).status).toBe(404);
  });

  it("that the index could not be told of does not exist, and its key can be used again", async () => {
    const { client } = await anOwner();
    const spy = vi.spyOn(indexOf(env), "setWebhooks").mockRejectedValue(new Error("down"));
    const headers = { "Idempotency-Key": "one" };
    const request = { url: "https://example.com/", events: ["*"] };
    expect((await client.post("/api/webhooks", request, { headers })).status).toBe(503);
    spy.mockRestore();
    expect((await client.post("/api/webhooks", request, { headers })).status).toBe(201);
  });
});
