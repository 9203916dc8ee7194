import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aSessionRow, emptyMirror, putSessions, recording } from "../../testing/rows";
import { readConversation } from "../conversations";
import { type ListQuery, listSessions } from "../list";
import { PATTERNS, STATUSES } from "../schema";
import { newestBySessionId, newestOfConversation } from "../sessions";
import { summarize } from "../stats";
import type { TotalsQuery } from "../totals";

const DAY = 86_400_000;
const START = Date.UTC(2026, 10, 1);

const of = (filters: Partial<ListQuery>): ListQuery => ({
  owner: "acme",
  sort: "createdAt",
  pageSize: 2,
  ...filters,
});

// A sort, or a scan of the whole table.
const UNORDERED = /TEMP B-TREE|SCAN agent_sessions$/m;

/** Returns what SQLite does for queries: the plan, the indexes in it, and the rows read. */
async function explained(queries: { sql: string; params: unknown[] }[]) {
  const bound = (sql: string, params: unknown[]) => env.DB.prepare(sql).bind(...params);
  const plans = await env.DB.batch<{ detail: string }>(
    queries.map(({ sql, params }) => bound(`explain query plan ${sql}`, params)),
  );
  const runs = await env.DB.batch(queries.map(({ sql, params }) => bound(sql, params)));
  return plans.map(({ results }, i) => {
    const plan = results.map((step) => step.detail).join("\n");
    const indexes = [...plan.matchAll(/INDEX ([a-z]\w+)/g)].map(([, name]) => name);
    return { plan, indexes: [...new Set(indexes)], read: runs[i]?.meta.rows_read };
  });
}

async function explainedList(query: ListQuery) {
  const { queries, database } = recording(env.DB);
  const { rows } = await listSessions(database, query);
  const [page, total] = await explained(queries);
  if (!page) throw new Error("a list asks at least one query");
  return { rows, page, total };
}

async function explainedSummary(query: TotalsQuery) {
  const { queries, database } = recording(env.DB);
  await summarize(database, query);
  return await explained(queries);
}

type Filter = [name: string, filters: Partial<ListQuery>, index: string];

const NARROW: Filter[] = [
  ["user", { userId: "u1", status: ["active", "idle"] }, "user"],
  ["conversation", { conversationId: 1, userId: "u1", tags: ["a"] }, "conversation"],
  ["tag", { tags: ["a"], pattern: ["hybrid"] }, "tags_created"],
  ["several tags", { tags: ["a", "b"] }, "tags_created"],
];

const BROAD: Filter[] = [
  ["nothing", {}, "created"],
  ["status", { status: ["active"] }, "status"],
  ["several statuses", { status: ["active", "idle", "error"] }, "status"],
  ["pattern", { pattern: ["hybrid"] }, "pattern"],
  ["several patterns", { pattern: ["hybrid", "ephemeral", "long-running"] }, "pattern"],
  ["status and pattern", { status: ["active", "idle"], pattern: ["hybrid"] }, "status"],
  ["a span", { createdAfter: START, createdBefore: START + DAY }, "created"],
  ["search", { search: "text" }, "created"],
];

describe.each([
  ["an owner", "acme", "owner_"],
  ["every owner", null, "sessions_"],
])("the list of %s", (_, owner, prefix) => {
  const named = (index: string) => {
    if (index !== "tags_created") return prefix + index;
    return owner === null ? index : `owner_${index}`;
  };

  test.each([...NARROW, ...BROAD])(
    "by %s uses an index in its order",
    async (_, filters, index) => {
      for (const sort of ["createdAt", "-createdAt"] as const) {
        const { page } = await explainedList(of({ owner, ...filters, sort }));
        expect(page.indexes).toContain(named(index));
        expect(page.plan).not.toMatch(UNORDERED);
      }
    },
  );

  test.each(BROAD)("by %s in another order uses the index of that order", async (_, filters) => {
    for (const [sort, index] of [
      ["lastActivityAt", "activity"],
      ["-totalCost", "cost"],
    ] as const) {
      const { page } = await explainedList(of({ owner, ...filters, sort }));
      expect(page.indexes).toEqual([prefix + index]);
      expect(page.plan).not.toMatch(UNORDERED);
    }
  });

  test.each(NARROW)(
    "by %s in another order sorts the rows that match",
    async (_, filters, index) => {
      const { page } = await explainedList(of({ owner, ...filters, sort: "totalCost" }));
      expect(page.indexes).toContain(named(index));
    },
  );

  test("by one tag counts without reading the sessions", async () => {
    const { total } = await explainedList(of({ owner, tags: ["a"] }));
    expect(total?.indexes).toEqual([named("tags_created")]);
  });

  test("by any of several tags reads only the sessions that have one", async () => {
    const { page } = await explainedList(of({ owner, tags: ["a", "b"], tagsMode: "any" }));
    expect(page.indexes).toEqual(["sqlite_autoindex_agent_sessions_1", named("tags_created")]);
  });
});

type Lookup = [
  name: string,
  owner: string | null,
  look: (d1: D1Database, owner: string | null) => Promise<unknown>,
  index: string,
];

const byHistory: Lookup[2] = (d1, owner) => newestBySessionId(d1, owner, "sdk_sess_1");
const byConversation: Lookup[2] = (d1, owner) => newestOfConversation(d1, owner, 1);
const conversation: Lookup[2] = (d1, owner) => readConversation(d1, owner, 1);

test.each<Lookup>([
  ["the newest session of a history", "acme", byHistory, "sessions_history"],
  ["the newest session of anybody's history", null, byHistory, "sessions_history"],
  ["the newest session of a conversation", "acme", byConversation, "owner_conversation"],
  ["the newest session of anybody's conversation", null, byConversation, "sessions_conversation"],
  ["a conversation", "acme", conversation, "sqlite_autoindex_conversations_1"],
  ["anybody's conversation", null, conversation, "sqlite_autoindex_conversations_1"],
])("%s is looked up in an index", async (_, owner, look, index) => {
  const { queries, database } = recording(env.DB);
  await look(database, owner);
  const [found] = await explained(queries);
  expect(found?.indexes).toEqual([index]);
  expect(found?.plan).not.toMatch(UNORDERED);
});

describe("with 5,000 sessions as with 100", () => {
  // A third of the sessions belongs to "acme"; each of those has the next status, pattern and user.
  const sessions = Array.from({ length: 5_000 }, (_, i) =>
    aSessionRow({
      owner: ["acme", "other", "more"][i % 3] ?? "",
      createdAt: START + i,
      lastActivityAt: START + i,
      totalCostNanos: i,
      status: STATUSES[Math.floor(i / 3) % 6] ?? "active",
      pattern: PATTERNS[Math.floor(i / 3) % 4] ?? "hybrid",
      userId: `u${Math.floor(i / 3) % 2}`,
      conversationId: i % 2,
      tags: i % 5 ? ["a"] : ["b"],
    }),
  );
  const inTotals: Partial<ListQuery>[] = [
    {},
    { sort: "-createdAt" },
    { sort: "-lastActivityAt" },
    { sort: "totalCost" },
    { status: ["active"] },
    { status: ["active", "idle", "error"] },
    { pattern: ["hybrid"] },
    { userId: "u1" },
  ];
  const counted: Partial<ListQuery>[] = [
    { conversationId: 1 },
    { tags: ["a"] },
    { createdAfter: START + 5 },
  ];
  const everyOwner = (filters: Partial<ListQuery>) => [
    of(filters),
    of({ ...filters, owner: null }),
  ];

  async function reads() {
    const pages: unknown[] = [];
    const totals: unknown[] = [];
    const summaries: unknown[] = [];
    for (const query of [...inTotals, ...counted].flatMap(everyOwner)) {
      pages.push((await explainedList(query)).page.read);
    }
    for (const query of inTotals.flatMap(everyOwner)) {
      totals.push((await explainedList(query)).total?.read);
    }
    for (const filters of [{}, { userId: "u1" }, { from: "2026-11-01", to: "2026-11-30" }]) {
      for (const owner of ["acme", null]) {
        const [summary] = await explainedSummary({ owner, ...filters });
        summaries.push(summary?.read);
        expect(summary?.plan).not.toMatch(/SCAN/);
      }
    }
    return { pages, totals, summaries };
  }

  beforeAll(() => emptyMirror(env.DB));
  // All tests share the index, and a reconciliation over so many rows would not reach theirs.
  afterAll(() => emptyMirror(env.DB));

  test("pages, totals and summaries read as many rows", async () => {
    await putSessions(env.DB, sessions.slice(0, 100));
    const among100 = await reads();
    for (let i = 100; i < 5_000; i += 700) {
      await putSessions(env.DB, sessions.slice(i, i + 700));
    }
    expect(await reads()).toEqual(among100);
  }, 30_000);

  test("a page deep in a list reads as many rows as an early one", async () => {
    const [first, late] = [sessions[0], sessions[3_999]].map((row) => row ?? aSessionRow());
    const behind = (row = first) => ({
      value: row?.totalCostNanos ?? 0,
      id: row?.id ?? "",
      total: 0,
    });
    for (const owner of ["acme", null]) {
      const query = of({ owner, sort: "totalCost", pageSize: 20 });
      const early = await explainedList({ ...query, cursor: behind(first) });
      const deep = await explainedList({ ...query, cursor: behind(late) });
      expect(deep.rows).toHaveLength(20);
      expect(deep.page.read).toBe(early.page.read);
    }
  });
});
