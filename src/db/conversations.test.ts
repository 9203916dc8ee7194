import { env } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { aSessionRow, emptyMirror, putSessions } from "../testing/rows";
import { readConversation } from "./conversations";
import { conversations, type SessionRow } from "./schema";
import { putSession, removeSession } from "./sessions";

const NOW = Date.UTC(2026, 10, 21);

beforeEach(() => emptyMirror(env.DB));

const read = (id = 7, owner: string | null = "acme") => readConversation(env.DB, owner, id);

test("the first session with its number creates a conversation", async () => {
  expect(await read()).toBeNull();
  await putSession(
    env.DB,
    aSessionRow({
      conversationId: 7,
      createdAt: NOW,
      lastActivityAt: NOW + 5,
      totalCostNanos: 3,
      totalTokens: 30,
    }),
  );
  expect(await read()).toEqual({
    id: 7,
    createdAt: NOW,
    lastActivityAt: NOW + 5,
    sessionCount: 1,
    totalCostNanos: 3,
    totalTokens: 30,
  });
});

test("a session without a number creates no conversation", async () => {
  await putSession(env.DB, aSessionRow());
  expect(await drizzle(env.DB).select().from(conversations)).toEqual([]);
});

test("a conversation begins with its earliest session and was active with its latest", async () => {
  const at = (createdAt: number, lastActivityAt: number) =>
    aSessionRow({ conversationId: 7, createdAt, lastActivityAt });
  await putSessions(env.DB, [at(NOW, NOW + 1), at(NOW - 9, NOW - 8), at(NOW + 2, NOW + 3)]);
  expect(await read()).toMatchObject({
    createdAt: NOW - 9,
    lastActivityAt: NOW + 3,
    sessionCount: 3,
  });
});

test("later changes of a session count in its conversation", async () => {
  const row = aSessionRow({ conversationId: 7, totalCostNanos: 1, totalTokens: 10 });
  await putSession(env.DB, row);
  const later = { ...row, version: 2, lastActivityAt: row.lastActivityAt + 60_000 };
  await putSession(env.DB, { ...later, totalCostNanos: 5, totalTokens: 50 });
  expect(await read()).toMatchObject({
    lastActivityAt: later.lastActivityAt,
    sessionCount: 1,
    totalCostNanos: 5,
    totalTokens: 50,
  });
});

test("a conversation and its cost outlive its sessions", async () => {
  const row = aSessionRow({ conversationId: 7, totalCostNanos: 1 });
  await putSession(env.DB, row);
  await removeSession(env.DB, { ...row, version: 2, totalCostNanos: 4 }, NOW);
  expect(await read()).toMatchObject({ sessionCount: 1, totalCostNanos: 4 });
});

test("owners with the same number have separate conversations; without an owner they are one", async () => {
  await putSessions(env.DB, [
    aSessionRow({ conversationId: 7, totalCostNanos: 1, createdAt: NOW }),
    aSessionRow({ conversationId: 7, totalCostNanos: 2, createdAt: NOW - 1, owner: "other" }),
    aSessionRow({ conversationId: 8, totalCostNanos: 4 }),
  ]);
  expect(await read(7)).toMatchObject({ sessionCount: 1, totalCostNanos: 1, createdAt: NOW });
  expect(await read(7, "other")).toMatchObject({ sessionCount: 1, totalCostNanos: 2 });
  expect(await read(7, "nobody")).toBeNull();
  expect(await read(7, null)).toMatchObject({
    sessionCount: 2,
    totalCostNanos: 3,
    createdAt: NOW - 1,
  });
});

test.each([0, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER])(
  "%d is a valid conversation number",
  async (id) => {
    await putSession(env.DB, aSessionRow({ conversationId: id }));
    expect(await read(id)).toMatchObject({ id, sessionCount: 1 });
  },
);

test("the sums are those of each session's last row, in any order of writes", async () => {
  const write = fc.record({
    session: fc.nat(2),
    version: fc.integer({ min: 1, max: 5 }),
    totalCostNanos: fc.nat(9),
    totalTokens: fc.nat(9),
    idle: fc.nat(9),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 10 }), async (writes) => {
      await emptyMirror(env.DB);
      const sessions = [1, 2, 3].map(() => aSessionRow({ conversationId: 7 }));
      const taken: SessionRow[] = [];
      const newest = new Map<string, SessionRow>();
      for (const { session, idle, ...change } of writes) {
        const first = sessions[session] ?? aSessionRow();
        const row = { ...first, ...change, lastActivityAt: first.createdAt + idle };
        await putSession(env.DB, row);
        if (row.version <= (newest.get(row.id)?.version ?? 0)) continue;
        newest.set(row.id, row);
        taken.push(row);
      }
      const rows = [...newest.values()];
      const sum = (key: "totalCostNanos" | "totalTokens") =>
        rows.reduce((total, row) => total + row[key], 0);
      expect(await read()).toEqual({
        id: 7,
        createdAt: Math.min(...rows.map((row) => row.createdAt)),
        lastActivityAt: Math.max(...taken.map((row) => row.lastActivityAt)),
        sessionCount: rows.length,
        totalCostNanos: sum("totalCostNanos"),
        totalTokens: sum("totalTokens"),
      });
    }),
    { numRuns: 30 },
  );
});
