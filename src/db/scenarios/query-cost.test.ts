import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aSessionRow, emptyMirror, putSessions, recording, summarize } from "../../testing/rows";
import { readConversation } from "../conversations";
import { SORTS } from "../cursor";
import { type Bounds, type ListQuery, listSessions } from "../list";
import { PATTERNS, STATUSES } from "../schema";
import { newestBySessionId, newestOfConversation } from "../sessions";
import type { SummaryQuery } from "../stats";
import { type WaitingQuery, waitingSessions } from "../waiting";

const DAY = 86_400_000;
const START = Date.UTC(2026, 10, 1);

const of = (filters: Partial<ListQuery>): ListQuery => ({
  owner: "acme",
  sort: "createdAt",
  pageSize: 2,
  ...filters,
});

// A sort of everything that was found, or a scan of the whole table. Sessions with equal values may be sorted.
const UNORDERED = /TEMP B-TREE FOR ORDER BY|SCAN agent_sessions$/m;

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
    return { plan, indexes: [...new Set(indexes)], read: runs[i]?.meta.rows_read ?? 0 };
  });
}

async function explainedList(query: ListQuery, bounds?: Bounds) {
  const { queries, database } = recording(env.DB);
  const list = await listSessions(database, query, bounds);
  const [page, total] = await explained(queries);
  if (!page) throw new Error("a list asks at least one query");
  return { ...list, page, total };
}

async function explainedSummary(query: SummaryQuery) {
  const { queries, database } = recording(env.DB);
  await summarize(database, query);
  return await explained(queries);
}

type Filter = [name: string, filters: Partial<ListQuery>];

/** Filters that one index answers, in every order. */
const IN_ORDER: Filter[] = [
  ["nothing", {}],
  ["status", { status: ["active"] }],
  ["several statuses", { status: ["active", "idle", "error"] }],
];
/** Filters that one index answers in the order of creation. */
const BY_CREATION: Filter[] = [
  ["a span", { createdAfter: START, createdBefore: START + DAY }],
  ["status and span", { status: ["idle"], createdAfter: START }],
];
/** Those of them that do so for an owner only. */
const OF_OWNER: Filter[] = [
  ["user", { userId: "u1" }],
  ["conversation", { conversationId: 1 }],
  ["tag", { tags: ["a"] }],
  ["pattern", { pattern: ["hybrid"] }],
  ["user and span", { userId: "u1", createdBefore: START + DAY }],
];

const OWNERS = ["acme", null];
const CREATION = ["createdAt", "-createdAt"] as const;

test.each([
  ...IN_ORDER.map(([name, filters]) => ({ name, filters, owners: OWNERS, sorts: SORTS })),
  ...BY_CREATION.map(([name, filters]) => ({ name, filters, owners: OWNERS, sorts: CREATION })),
  ...OF_OWNER.map(([name, filters]) => ({ name, filters, owners: ["acme"], sorts: CREATION })),
])("a list by $name follows an index, without a sort", async ({ filters, owners, sorts }) => {
  for (const owner of owners) {
    for (const sort of sorts) {
      const { page, total } = await explainedList(of({ owner, ...filters, sort }));
      expect(page.plan).not.toMatch(UNORDERED);
      expect(total?.plan).not.toMatch(/SCAN agent_sessions$/m);
    }
  }
});

type Lookup = [
  name: string,
  owner: string | null,
  look: (d1: D1Database, owner: string | null) => Promise<unknown>,
  index: string | null,
];

const byHistory: Lookup[2] = (d1, owner) => newestBySessionId(d1, { owner }, "sdk_sess_1");
const byConversation: Lookup[2] = (d1, owner) => newestOfConversation(d1, { owner }, 1);
const waiting =
  (awaited: WaitingQuery["for"]): Lookup[2] =>
  (d1, owner) =>
    waitingSessions(d1, { for: awaited, owner, after: { owner: "", id: "" }, limit: 20 });
const conversation: Lookup[2] = (d1, owner) => readConversation(d1, owner, 1);

test.each<Lookup>([
  ["the newest session of a history", "acme", byHistory, "sessions_history"],
  ["the newest session of anybody's history", null, byHistory, "sessions_history"],
  ["the newest session of a conversation", "acme", byConversation, "sessions_conversation"],
  ["the newest session of anybody's conversation", null, byConversation, "sessions_conversation"],
  ["what waits for a decision", "acme", waiting("decision"), "sessions_asking"],
  ["what waits for anybody's decision", null, waiting("decision"), "sessions_asking"],
  ["what waits for a result", "acme", waiting("result"), "sessions_requesting"],
  ["what waits for anybody's result", null, waiting("result"), "sessions_requesting"],
  ["a conversation", "acme", conversation, null],
  ["anybody's conversation", null, conversation, null],
])("%s is looked up in an index", async (_, owner, look, index) => {
  const { queries, database } = recording(env.DB);
  await look(database, owner);
  const [found] = await explained(queries);
  expect(found?.indexes).toEqual(index === null ? [] : [index]);
  expect(found?.plan).toMatch(/SEARCH/);
  expect(found?.plan).not.toMatch(/SCAN/);
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
      description: `session of ${i}`,
    }),
  );
  const inTotals: Partial<ListQuery>[] = [
    {},
    { sort: "-createdAt" },
    { sort: "-lastActivityAt" },
    { sort: "totalCost" },
    { status: ["active"] },
    { status: ["active", "idle", "error"] },
  ];
  const counted: Partial<ListQuery>[] = [{ createdAfter: START + 5 }];
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
    const november = { from: "2026-11-01", to: "2026-11-30" };
    const summed = [{}, { userId: "u1" }, november, { ...november, groupBy: "day" as const }];
    for (const filters of summed) {
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
      createdAt: row?.createdAt ?? 0,
      id: row?.id ?? "",
      total: 0,
      totalIsExact: true,
    });
    for (const owner of ["acme", null]) {
      const query = of({ owner, sort: "totalCost", pageSize: 20 });
      const early = await explainedList({ ...query, cursor: behind(first) });
      const deep = await explainedList({ ...query, cursor: behind(late) });
      expect(deep.rows).toHaveLength(20);
      expect(deep.page.read).toBe(early.page.read);
    }
  });

  const FILTERS = {
    status: { status: ["idle"] },
    pattern: { pattern: ["hybrid", "ephemeral"] },
    user: { userId: "u1" },
    conversation: { conversationId: 1 },
    tag: { tags: ["a"] },
    "two tags": { tags: ["a", "b"] },
    "any of two tags": { tags: ["a", "b"], tagsMode: "any" },
    span: { createdAfter: START + 5, createdBefore: START + 4_000 },
    search: { search: "ssion" },
    "short search": { search: "n" },
    "search for nothing": { search: "sess of" },
  } satisfies Record<string, Partial<ListQuery>>;
  const pairs = Object.values(FILTERS).flatMap((one, i, all) =>
    all.slice(i).map((other) => ({ ...one, ...other })),
  );

  test("every filter and every pair, in every order, reads a bounded number of rows", async () => {
    const bounds = { sorted: 40, tested: 40 };
    const much: unknown[] = [];
    for (const filters of pairs) {
      for (const [i, sort] of SORTS.entries()) {
        const query = of({ owner: i % 2 ? "acme" : null, ...filters, sort });
        const { queries, database } = recording(env.DB);
        await listSessions(database, query, bounds);
        const runs = await env.DB.batch(
          queries.map(({ sql, params }) => env.DB.prepare(sql).bind(...params)),
        );
        const read = runs.reduce((sum, { meta }) => sum + meta.rows_read, 0);
        if (read > 800) much.push({ query, read });
      }
    }
    expect(much).toEqual([]);
  }, 30_000);
});
