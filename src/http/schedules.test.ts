import { describe, expect, it } from "vitest";
import { z } from "zod";
import { MAX_SCHEDULES } from "../session/transactions/schedules";
import { readSettings } from "../settings";
import { aClient } from "../testing/api-client";
import { sha256Hex } from "./ids";

const client = aClient();
const Schedule = z.looseObject({ id: z.string() });
const Schedules = z.object({ schedules: z.array(Schedule) });

const url = (id: string) => `/api/sessions/${id}/schedules`;
const hourly = { everyMs: 3_600_000, prompt: "tick" };
const NOBODYS = `sched_${"0".repeat(32)}`;

async function add(id: string, body: object = hourly) {
  const { status, body: made } = await client.post(url(id), body);
  expect(status).toBe(201);
  return Schedule.parse(made);
}

describe("POST /api/sessions/:id/schedules", () => {
  it("creates one by cron, in UTC by default", async () => {
    const { id } = await client.create();
    const body = { cron: "0 9 * * mon-fri", timeZone: "Europe/Berlin", prompt: "good morning" };
    expect(await add(id, body)).toEqual({
      id: expect.stringMatching(/^sched_[0-9a-f]{32}$/),
      ...body,
      everyMs: null,
      at: null,
      paused: false,
      nextRunAt: expect.stringMatching(/T0[78]:00:00\.000Z$/),
      lastRunAt: null,
      lastMessageId: null,
      createdAt: expect.any(String),
    });
    expect(
      await add(id, { cron: "0 9 * * *", everyMs: null, prompt: [{ type: "text", text: "hi" }] }),
    ).toMatchObject({ timeZone: "UTC", nextRunAt: expect.stringMatching(/T09:00:00\.000Z$/) });
  });

  it("creates one at an interval that starts now", async () => {
    const { id } = await client.create({ pattern: "hybrid" });
    const made = await add(id);
    expect(made).toMatchObject({ cron: null, timeZone: null, everyMs: 3_600_000 });
    expect(Date.parse(String(made.nextRunAt)) - Date.parse(String(made.createdAt))).toBe(3_600_000);
  });

  it("returns the first one for a repeated Idempotency-Key, and refuses another body", async () => {
    const { id } = await client.create();
    const headers = { "Idempotency-Key": "one" };
    const first = await client.post(url(id), hourly, { headers });
    expect(await client.post(url(id), hourly, { headers })).toMatchObject({
      status: 201,
      body: first.body,
    });
    const other = await client.post(url(id), { ...hourly, prompt: "tock" }, { headers });
    expect(other).toMatchObject({
      status: 409,
      body: {
        error: { reason: "idempotency_mismatch", scheduleId: Schedule.parse(first.body).id },
      },
    });
    expect(Schedules.parse((await client.get(url(id))).body).schedules).toHaveLength(1);
  });

  it.each([
    [{ prompt: "x" }, "cron", /give cron or everyMs/],
    [{ cron: "* * * * *", everyMs: 1_000, prompt: "x" }, "everyMs", /choose one/],
    [{ everyMs: 1_000, timeZone: "UTC", prompt: "x" }, "timeZone", /goes with cron/],
    [
      { cron: "61 * * * *", prompt: "x" },
      "cron",
      /is no cron expression: Invalid value for minute/,
    ],
    [{ cron: "", prompt: "x" }, "cron", /is no cron expression/],
    [{ cron: "0 0 30 2 *", prompt: "x" }, "cron", /never comes/],
    [{ cron: "* * * * *", timeZone: "Mars/Base", prompt: "x" }, "timeZone", /is no time zone/],
    [{ everyMs: 999, prompt: "x" }, "everyMs", />=1000/],
    [{ everyMs: 1_000.5, prompt: "x" }, "everyMs", /int/],
    [{ everyMs: 1e15, prompt: "x" }, "everyMs", /<=/],
    [{ everyMs: 1_000 }, "prompt", /must be text/],
    [{ everyMs: 1_000, prompt: " " }, "prompt", /must be text|empty/],
    [{ everyMs: 1_000, prompt: "x", onBusy: "queue" }, "onBusy", /is not known here/],
  ])("refuses %j and names the field", async (body, path, message) => {
    const { id } = await client.create();
    expect(await client.post(url(id), body)).toMatchObject({
      status: 400,
      body: { error: { issues: [{ path, message: expect.stringMatching(message) }] } },
    });
  });

  it("refuses a prompt that is too large", async () => {
    const { id } = await client.create();
    const large = await client.post(url(id), { ...hourly, prompt: "x".repeat(65_536) });
    expect(large).toMatchObject({ status: 413, body: { error: { type: "request_too_large" } } });
  });

  it("refuses one above the limit", async () => {
    const { id } = await client.create();
    for (let n = 0; n < MAX_SCHEDULES; n++) await add(id);
    expect(await client.post(url(id), hourly)).toMatchObject({
      status: 409,
      body: { error: { reason: "too_many_schedules", message: expect.stringMatching(/20/) } },
    });
  });

  it("refuses one for an ephemeral session and for an ended session", async () => {
    const { id: ephemeral } = await client.create({ pattern: "ephemeral" });
    expect(await client.post(url(ephemeral), hourly)).toMatchObject({
      status: 400,
      body: { error: { message: "An ephemeral session takes one message and no schedules." } },
    });
    const { id } = await client.create();
    const made = await add(id);
    await client.post(`/api/sessions/${id}/terminate`, {});
    for (const { status, body } of [
      await client.post(url(id), hourly),
      await client.patch(`${url(id)}/${made.id}`, { paused: true }),
      await client.delete(`${url(id)}/${made.id}`),
    ]) {
      expect({ status, body }).toMatchObject({
        status: 409,
        body: { error: { reason: "session_ended", terminationReason: "user_requested" } },
      });
    }
  });
});

describe("/api/sessions/:id/schedules", () => {
  it("lists, pauses, resumes and deletes", async () => {
    const { id } = await client.create();
    expect((await client.get(url(id))).body).toEqual({ schedules: [] });
    const made = await add(id);
    const other = await add(id, { cron: "@daily", prompt: "tock" });
    expect((await client.get(url(id))).body).toEqual({ schedules: [made, other] });

    const one = `${url(id)}/${made.id}`;
    const paused = await client.patch(one, { paused: true });
    expect(paused).toMatchObject({ status: 200, body: { ...made, paused: true, nextRunAt: null } });
    expect((await client.get(url(id))).body).toEqual({ schedules: [paused.body, other] });
    expect(await client.patch(one, { paused: false })).toMatchObject({ status: 200, body: made });

    expect(await client.delete(one)).toMatchObject({ status: 204, body: null });
    expect((await client.get(url(id))).body).toEqual({ schedules: [other] });
    expect((await client.delete(one)).status).toBe(404);
  });

  it.each([{}, { paused: "yes" }, { paused: null }, { paused: true, prompt: "x" }])(
    "refuses the patch %j",
    async (patch) => {
      const { id } = await client.create();
      const { id: scheduleId } = await add(id);
      const { status } = await client.patch(`${url(id)}/${scheduleId}`, patch);
      expect(status).toBe(400);
    },
  );

  it("answers 404 for unknown sessions and schedules", async () => {
    const { id } = await client.create();
    const { id: elsewhere } = await client.create();
    const { id: scheduleId } = await add(elsewhere);
    const unknown = `sess_${"0".repeat(32)}`;
    for (const { status, body } of [
      await client.post(url(unknown), hourly),
      await client.get(url(unknown)),
      await client.get(url("nonsense")),
      await client.patch(`${url(unknown)}/${scheduleId}`, { paused: true }),
      await client.patch(`${url(id)}/${scheduleId}`, { paused: true }),
      await client.patch(`${url(id)}/${NOBODYS}`, { paused: true }),
      await client.patch(`${url(id)}/nonsense`, { paused: true }),
      await client.delete(`${url(id)}/${scheduleId}`),
      await client.delete(`${url(id)}/nonsense`),
    ]) {
      expect({ status, body }).toMatchObject({
        status: 404,
        body: { error: { type: "not_found_error" } },
      });
    }
    const wrong = await client.get(`${url(id)}/${NOBODYS}`);
    expect([wrong.status, wrong.headers.get("Allow")]).toEqual([405, "DELETE, PATCH"]);
  });

  it("never shows the schedules of another owner", async () => {
    const keys = await Promise.all(
      ["alice", "bob"].map(async (owner) => ({
        name: owner,
        owner,
        sha256: await sha256Hex(owner),
      })),
    );
    const settings = readSettings({ API_KEYS: JSON.stringify(keys) });
    const alice = aClient(settings, { Authorization: "Bearer alice" });
    const bob = aClient(settings, { Authorization: "Bearer bob" });
    const { id } = await alice.create();
    const made = Schedule.parse((await alice.post(url(id), hourly)).body);
    for (const { status } of [
      await bob.get(url(id)),
      await bob.post(url(id), hourly),
      await bob.patch(`${url(id)}/${made.id}`, { paused: true }),
      await bob.delete(`${url(id)}/${made.id}`),
    ]) {
      expect(status).toBe(404);
    }
    expect((await alice.get(url(id))).body).toEqual({ schedules: [made] });
    expect((await aClient(settings).get(url(id))).status).toBe(401);
  });
});
