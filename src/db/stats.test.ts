import { env } from "cloudflare:workers";
import { beforeEach, expect, test } from "vitest";
import { aSessionRow, emptyMirror, summarize } from "../testing/rows";
import type { SessionRow } from "./schema";
import { putSession, removeSession } from "./sessions";

const DOLLAR = 1_000_000_000;
const HOUR = 3_600_000;

beforeEach(() => emptyMirror(env.DB));

async function put(...rows: Partial<SessionRow>[]) {
  for (const changes of rows) await putSession(env.DB, aSessionRow(changes));
}

const everything = { owner: null };

test("the summary of nothing is zero everywhere, with every pattern and status in it", async () => {
  const none = { count: 0, failed: 0, avgCost: 0, avgTokens: 0, avgMessages: 0, avgDuration: 0 };
  expect(await summarize(env.DB, everything)).toEqual({
    totalSessions: 0,
    activeSessions: 0,
    completedSessions: 0,
    errorSessions: 0,
    terminatedSessions: 0,
    totalCost: 0,
    totalTokens: 0,
    totalMessages: 0,
    avgSessionDuration: 0,
    byPattern: {
      ephemeral: none,
      "long-running": none,
      hybrid: none,
      "single-container": none,
    },
    byStatus: { initializing: 0, active: 0, idle: 0, completed: 0, error: 0, terminated: 0 },
  });
});

test("it counts by status, sums cost in dollars, tokens and messages, and averages by pattern", async () => {
  await put(
    {
      pattern: "ephemeral",
      status: "completed",
      totalCostNanos: 0.25 * DOLLAR,
      totalTokens: 100,
      numMessages: 1,
      durationMs: HOUR,
    },
    {
      pattern: "ephemeral",
      status: "error",
      totalCostNanos: 0.75 * DOLLAR,
      totalTokens: 300,
      durationMs: 2 * HOUR,
    },
    {
      pattern: "hybrid",
      status: "terminated",
      totalCostNanos: DOLLAR,
      totalTokens: 600,
      numMessages: 5,
      durationMs: 6 * HOUR,
    },
    { pattern: "hybrid", status: "idle", totalCostNanos: 0, totalTokens: 0, numMessages: 1 },
    { pattern: "hybrid", status: "active" },
  );
  expect(await summarize(env.DB, everything)).toMatchObject({
    totalSessions: 5,
    activeSessions: 1,
    completedSessions: 1,
    errorSessions: 1,
    terminatedSessions: 1,
    totalCost: 2,
    totalTokens: 1_000,
    totalMessages: 7,
    avgSessionDuration: 3 * HOUR,
    byPattern: {
      ephemeral: {
        count: 2,
        failed: 1,
        avgCost: 0.5,
        avgTokens: 200,
        avgMessages: 0.5,
        avgDuration: 1.5 * HOUR,
      },
      hybrid: { count: 3, failed: 0, avgTokens: 200, avgMessages: 2, avgDuration: 6 * HOUR },
      "long-running": { count: 0 },
    },
    byStatus: { active: 1, idle: 1, completed: 1, error: 1, terminated: 1, initializing: 0 },
  });
});

test("a removed session is counted with its last state", async () => {
  const row = aSessionRow({ pattern: "ephemeral", totalCostNanos: DOLLAR, numMessages: 1 });
  await putSession(env.DB, row);
  await removeSession(env.DB, { ...row, version: 2, status: "completed", durationMs: HOUR }, 0);
  expect(await summarize(env.DB, everything)).toMatchObject({
    totalSessions: 1,
    activeSessions: 0,
    completedSessions: 1,
    totalCost: 1,
    totalMessages: 1,
    avgSessionDuration: HOUR,
  });
});

test("an owner's summary includes its own sessions only", async () => {
  await put({ owner: "acme", userId: "u1" }, { owner: "other", userId: "u1" });
  const count = async (owner: string | null, userId?: string) =>
    (await summarize(env.DB, { owner, userId })).totalSessions;
  expect(await count("acme")).toBe(1);
  expect(await count("acme", "u1")).toBe(1);
  expect(await count("nobody")).toBe(0);
  expect(await count(null)).toBe(2);
  expect(await count(null, "u1")).toBe(2);
});

test("a user, and inclusive UTC dates, restrict the summary", async () => {
  const at = (text: string) => Date.parse(text);
  await put(
    { userId: "u1", createdAt: at("2026-11-01T00:00:00.000Z") },
    { userId: "u1", createdAt: at("2026-11-02T23:59:59.999Z") },
    { userId: "u2", createdAt: at("2026-11-02T12:00:00.000Z") },
    { userId: null, createdAt: at("2026-11-03T00:00:00.000Z") },
  );
  const count = async (filters: { userId?: string; from?: string; to?: string }) =>
    (await summarize(env.DB, { owner: "acme", ...filters })).totalSessions;
  expect(await count({})).toBe(4);
  expect(await count({ userId: "u1" })).toBe(2);
  expect(await count({ userId: "u3" })).toBe(0);
  expect(await count({ from: "2026-11-02" })).toBe(3);
  expect(await count({ to: "2026-11-02" })).toBe(3);
  expect(await count({ from: "2026-11-02", to: "2026-11-02" })).toBe(2);
  expect(await count({ userId: "u1", from: "2026-11-02", to: "2026-11-03" })).toBe(1);
});

test("a message counts when its session's row has it, whatever else has changed", async () => {
  const row = aSessionRow({ userId: "u1" });
  await putSession(env.DB, row);
  const messages = async () => (await summarize(env.DB, { owner: "acme" })).totalMessages;
  await putSession(env.DB, { ...row, version: 2, numMessages: 1 });
  expect(await messages()).toBe(1);
  const changed = { ...row, numMessages: 3, userId: "u2", status: "idle" } as const;
  await putSession(env.DB, { ...changed, version: 3 });
  expect(await messages()).toBe(3);
  await putSession(env.DB, { ...changed, version: 2, numMessages: 2 });
  expect(await messages()).toBe(3);
  expect((await summarize(env.DB, { owner: "acme", userId: "u1" })).totalMessages).toBe(0);
  expect((await summarize(env.DB, { owner: null, userId: "u2" })).totalMessages).toBe(3);
});

test("the cost of a session whose user changes moves to the new user", async () => {
  const row = aSessionRow({ userId: "u1", totalCostNanos: DOLLAR });
  await putSession(env.DB, row);
  await putSession(env.DB, { ...row, version: 2, userId: "u2" });
  expect((await summarize(env.DB, { owner: "acme", userId: "u1" })).totalCost).toBe(0);
  expect((await summarize(env.DB, { owner: "acme", userId: "u2" })).totalCost).toBe(1);
  expect((await summarize(env.DB, everything)).totalCost).toBe(1);
});

test("by day, sessions count on the day of their creation, with days without any left out", async () => {
  const at = (text: string) => Date.parse(text);
  const gone = aSessionRow({
    createdAt: at("2026-11-03T12:00:00Z"),
    totalCostNanos: 3 * DOLLAR,
    numMessages: 4,
  });
  await put(
    {
      createdAt: at("2026-11-03T23:59:59.999Z"),
      status: "error",
      totalCostNanos: 0.5 * DOLLAR,
      totalTokens: 10,
      numMessages: 2,
      durationMs: HOUR,
    },
    { createdAt: at("2026-11-01T00:00:00Z"), status: "terminated", durationMs: 3 * HOUR },
    { createdAt: at("2026-11-01T00:00:00Z"), status: "idle" },
    { createdAt: at("2026-11-01T00:00:00Z"), owner: "other", totalTokens: 7, numMessages: 1 },
    gone,
  );
  await removeSession(
    env.DB,
    { ...gone, version: 2, status: "completed", durationMs: 2 * HOUR },
    0,
  );
  const first = { day: "2026-11-01", failed: 0, terminated: 1, cost: 0, avgDuration: 3 * HOUR };
  const last = {
    ...{ day: "2026-11-03", sessions: 2, failed: 1, terminated: 0 },
    ...{ cost: 3.5, tokens: 10, messages: 6, avgDuration: 1.5 * HOUR },
  };
  const byDay = { groupBy: "day" } as const;
  const all = await summarize(env.DB, { owner: "acme", ...byDay });
  expect(all.byDay).toEqual([{ ...first, sessions: 2, tokens: 0, messages: 0 }, last]);
  const { byDay: _, ...sums } = all;
  expect(await summarize(env.DB, { owner: "acme" })).toEqual(sums);
  expect((await summarize(env.DB, { ...everything, ...byDay })).byDay).toEqual([
    { ...first, sessions: 3, tokens: 7, messages: 1 },
    last,
  ]);
  const until = await summarize(env.DB, { owner: "acme", to: "2026-11-02", ...byDay });
  expect(until.byDay).toEqual([{ ...first, sessions: 2, tokens: 0, messages: 0 }]);
});

test("a day on which only those had sessions who are left out is left out", async () => {
  await put({ owner: "moving", createdAt: Date.parse("2026-11-01T00:00:00Z") });
  const query = { ...everything, except: ["moving"], groupBy: "day" } as const;
  expect((await summarize(env.DB, query)).byDay).toEqual([]);
});
