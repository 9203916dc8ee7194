import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { aSessionRow, emptyMirror, putSessions, recording } from "../testing/rows";
import { readCursor, SORTS } from "./cursor";
import { type Bounds, type ListQuery, listSessions } from "./list";
import { PATTERNS, type SessionRow, STATUSES } from "./schema";
import { putSession, removeSession } from "./sessions";

const DAY = 86_400_000;
const START = Date.UTC(2026, 10, 1);

const ids = (rows: SessionRow[]) => rows.map((row) => row.id);
const of = (filters: Partial<ListQuery>): ListQuery => ({
  owner: "acme",
  sort: "createdAt",
  pageSize: 100,
  ...filters,
});

async function put(...rows: Partial<SessionRow>[]) {
  const made = rows.map((row) => aSessionRow(row));
  await putSessions(env.DB, made);
  return ids(made);
}

async function listed(filters: Partial<ListQuery>) {
  const { rows, total, totalIsExact } = await listSessions(env.DB, of(filters));
  expect({ total, totalIsExact }).toEqual({ total: rows.length, totalIsExact: true });
  return ids(rows);
}

describe("filters", () => {
  beforeEach(() => emptyMirror(env.DB));

  test("an owner sees only its own sessions with every filter, and null sees all", async () => {
    const same: Partial<SessionRow> = {
      userId: "u1",
      conversationId: 1,
      tags: ["a", "b"],
      description: "text",
    };
    const [mine = "", theirs = ""] = await put(
      { ...same, owner: "acme" },
      { ...same, owner: "evil" },
    );
    for (const filter of [
      {},
      { status: ["active"] },
      { pattern: ["long-running"] },
      { userId: "u1" },
      { conversationId: 1 },
      { tags: ["a"] },
      { tags: ["a", "b"] },
      { tags: ["a", "b"], tagsMode: "any" },
      { search: "text" },
      { createdAfter: 0 },
      { sort: "totalCost" },
      { sort: "lastActivityAt" },
    ] satisfies Partial<ListQuery>[]) {
      expect(await listed(filter)).toEqual([mine]);
      expect(await listed({ ...filter, owner: null })).toEqual([mine, theirs]);
      expect(await listed({ ...filter, owner: "nobody" })).toEqual([]);
    }
  });

  test("status and pattern accept several values; all of them, or none, match everything", async () => {
    const [a = "", b = "", c = ""] = await put(
      { status: "active", pattern: "hybrid" },
      { status: "idle", pattern: "ephemeral" },
      { status: "error", pattern: "hybrid" },
    );
    expect(await listed({ status: ["idle", "active", "active"] })).toEqual([a, b]);
    expect(await listed({ status: STATUSES.slice(1) })).toEqual([a, b, c]);
    expect(await listed({ pattern: ["hybrid"] })).toEqual([a, c]);
    expect(await listed({ pattern: ["hybrid", "ephemeral"], status: ["error"] })).toEqual([c]);
    expect(await listed({ status: STATUSES, pattern: PATTERNS })).toEqual([a, b, c]);
    expect(await listed({ status: [], pattern: [], tags: [], userId: "", search: "" })).toEqual([
      a,
      b,
      c,
    ]);
  });

  test("a session must have all tags, or any one; it is listed once", async () => {
    const [a = "", b = "", ab = ""] = await put(
      { tags: ["a"] },
      { tags: ["b"] },
      { tags: ["a", "b"] },
    );
    expect(await listed({ tags: ["a", "b"] })).toEqual([ab]);
    expect(await listed({ tags: ["a"] })).toEqual([a, ab]);
    expect(await listed({ tags: ["a", "b"], tagsMode: "any" })).toEqual([a, b, ab]);
    expect(await listed({ tags: ["a"], tagsMode: "any" })).toEqual([a, ab]);
    expect(await listed({ tags: ["%"] })).toEqual([]);
  });

  test("a span includes its first instant and excludes its last", async () => {
    const [, b = "", c = ""] = await put({ createdAt: 10 }, { createdAt: 20 }, { createdAt: 30 });
    expect(await listed({ createdAfter: 20 })).toEqual([b, c]);
    expect(await listed({ createdAfter: 20, createdBefore: 30 })).toEqual([b]);
  });

  test.each([
    ["a part in any case", "Fix the LOGIN page", "login", true],
    ["letters beyond ASCII in any case", "École d'été à Łódź", "ÉCOLE D'ÉTÉ À łódź", true],
    ["a percent sign as itself", "done", "%", false],
    ["an underscore as itself", "done", "d_ne", false],
    ["text of any length", `${"long ".repeat(30)}end`, `${"LONG ".repeat(30)}END`, true],
    [
      "text in many letters",
      "Ω".repeat(3),
      "ωψχφυτσρποξνμλκιθηζεδγβαяюэьыъщшчцхфутсрпонмлкйизжедгвба",
      false,
    ],
    ["nothing in no description", null, "null", false],
  ])("search finds %s", async (_, description, search, found) => {
    const [id = ""] = await put({ description });
    expect(await listed({ search })).toEqual(found ? [id] : []);
  });

  test("a search with many letters works with every other filter", async () => {
    const text = "съешь ещё этих мягких французских булок, да выпей же чаю";
    const [id = ""] = await put({ description: text.toUpperCase(), status: "idle" });
    expect(await listed({ search: text, status: STATUSES.slice(1) })).toEqual([id]);
    expect(await listed({ search: text, createdAfter: 0, sort: "totalCost" })).toEqual([id]);
  });

  test("a query may have more tags than D1 allows parameters, with every other filter", async () => {
    const tags = Array.from({ length: 150 }, (_, i) => `t${i}`);
    const others = {
      status: ["initializing", "idle", "completed", "error", "terminated"],
      pattern: ["hybrid", "ephemeral", "long-running"],
      userId: "u1",
      conversationId: 7,
      createdAfter: 1,
      createdBefore: 3,
      search: "съешь ещё этих мягких французских булок, да выпей же чаю",
    } as const;
    const [id = ""] = await put({
      tags,
      status: "idle",
      userId: "u1",
      conversationId: 7,
      createdAt: 2,
      description: others.search,
    });
    await put({ tags: tags.slice(1) });
    for (const sort of ["createdAt", "-totalCost"] as const) {
      for (const bounds of [undefined, { sorted: 0, tested: 100 }]) {
        const query = of({ ...others, tags, sort });
        expect(ids((await listSessions(env.DB, query, bounds)).rows)).toEqual([id]);
      }
    }
    expect(await listed({ tags })).toEqual([id]);
    expect(await listed({ tags, userId: "u2" })).toEqual([]);
    expect(
      await listed({ tags: tags.slice(0, 100), tagsMode: "any", sort: "totalCost" }),
    ).toHaveLength(2);
  });

  test("a row is listed as it was written, with any filter", async () => {
    const row = aSessionRow({
      error: { type: "api_error", message: "it broke" },
      toolsUsed: ["Bash"],
      tags: ["a", "b"],
      userId: "u1",
    });
    await putSession(env.DB, row);
    for (const filters of [
      {},
      { status: ["idle", "active"] },
      { userId: "u1" },
      { tags: ["a"] },
      { tags: ["a", "b"], tagsMode: "any" },
    ] satisfies Partial<ListQuery>[]) {
      expect((await listSessions(env.DB, of(filters))).rows).toEqual([row]);
    }
  });

  test("a removed session is neither listed nor in the total", async () => {
    const row = aSessionRow();
    await putSession(env.DB, row);
    await removeSession(env.DB, row, START);
    expect(await listed({})).toEqual([]);
  });
});

describe("pages", () => {
  // Few different values, so that equal keys are common.
  const some = <T>(values: readonly [T, ...T[]], i: number) =>
    values[i % values.length] ?? values[0];
  const rows = Array.from({ length: 48 }, (_, i) =>
    aSessionRow({
      owner: some(["acme", "acme", "other"], i),
      status: some(STATUSES, i * 5),
      pattern: some(PATTERNS, i * 3),
      userId: some([null, "u1", "u2"], i >> 1),
      conversationId: some([null, 1, 2], i >> 2),
      tags: some([[], ["a"], ["b"], ["a", "b"], ["a", "b", "c"]], i),
      description: some([null, "Alpha", "alphabet", "beta"], i),
      createdAt: START + (i % 5) * DAY,
      lastActivityAt: START + (i % 7) * DAY,
      totalCostNanos: (i % 3) * 1_000_000_000,
    }),
  );

  beforeAll(async () => {
    await emptyMirror(env.DB);
    await putSessions(env.DB, rows);
  });

  const KEY = {
    createdAt: "createdAt",
    lastActivityAt: "lastActivityAt",
    totalCost: "totalCostNanos",
  } as const;

  /** Returns the expected list, computed from all rows. */
  function plainly(q: ListQuery): string[] {
    const key = KEY[q.sort.replace("-", "") as keyof typeof KEY];
    const sign = q.sort.startsWith("-") ? -1 : 1;
    const has = (row: SessionRow) => (tag: string) => row.tags.includes(tag);
    const matching = rows
      .filter((r) => q.owner === null || r.owner === q.owner)
      .filter((r) => !q.status?.length || q.status.includes(r.status))
      .filter((r) => !q.pattern?.length || q.pattern.includes(r.pattern))
      .filter((r) => q.userId === undefined || r.userId === q.userId)
      .filter((r) => q.conversationId === undefined || r.conversationId === q.conversationId)
      .filter(
        (r) =>
          !q.tags?.length || (q.tagsMode === "any" ? q.tags.some(has(r)) : q.tags.every(has(r))),
      )
      .filter((r) => r.createdAt >= (q.createdAfter ?? 0))
      .filter((r) => r.createdAt < (q.createdBefore ?? Number.POSITIVE_INFINITY))
      .filter((r) => !q.search || r.description?.toLowerCase().includes(q.search.toLowerCase()));
    const ascending = (a: SessionRow, b: SessionRow) =>
      a[key] - b[key] || a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1);
    return ids(matching.sort((a, b) => sign * ascending(a, b)));
  }

  async function walk(query: ListQuery, bounds?: Bounds): Promise<string[]> {
    const found: string[] = [];
    let cursor: ListQuery["cursor"];
    for (;;) {
      const { rows, nextCursor } = await listSessions(env.DB, { ...query, cursor }, bounds);
      found.push(...ids(rows));
      if (nextCursor === null) return found;
      cursor = readCursor(nextCursor, query.sort) ?? undefined;
      if (!cursor) throw new Error("a cursor of the list itself must be readable");
    }
  }

  const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const query: fc.Arbitrary<ListQuery> = fc.record({
    owner: fc.constantFrom("acme", "other", null),
    status: maybe(fc.subarray([...STATUSES])),
    pattern: maybe(fc.subarray([...PATTERNS])),
    userId: maybe(fc.constantFrom("u1", "u2", "u3")),
    conversationId: maybe(fc.constantFrom(1, 2, 3)),
    tags: maybe(fc.subarray(["a", "b", "c"])),
    tagsMode: maybe(fc.constantFrom("all", "any")),
    createdAfter: maybe(fc.constant(START + DAY)),
    createdBefore: maybe(fc.constant(START + 4 * DAY)),
    search: maybe(fc.constantFrom("ALPHA", "beta")),
    sort: fc.constantFrom(...SORTS),
    pageSize: fc.integer({ min: 1, max: 20 }),
  });

  test("paging by cursor returns every session once, in order", async () => {
    await fc.assert(
      fc.asyncProperty(query, async (q) => {
        expect(await walk(q)).toEqual(plainly(q));
      }),
      { numRuns: 60 },
    );
  });

  const bounds = fc.record({
    sorted: fc.constantFrom(0, 5, 5_000),
    tested: fc.constantFrom(1, 4, 20, 3_000),
  });

  test("so it does however few sessions a page may examine, and a total that is not exact is a bound", async () => {
    await fc.assert(
      fc.asyncProperty(query, bounds, async (q, within) => {
        const whole = plainly(q);
        expect(await walk(q, within)).toEqual(whole);
        const { rows, total, totalIsExact } = await listSessions(env.DB, q, within);
        expect(ids(rows)).toEqual(whole.slice(0, rows.length));
        if (totalIsExact) expect(total).toBe(whole.length);
        else expect(total).toBeLessThanOrEqual(whole.length);
      }),
      { numRuns: 50 },
    );
  }, 20_000);

  test.each(SORTS)(
    "paging sorted by %s has no gaps and no duplicates for equal keys",
    async (sort) => {
      const q = of({ sort, pageSize: 5, owner: null });
      expect(await walk(q)).toEqual(plainly(q));
    },
  );

  test("each page is its part of the complete list, and the total counts the complete list", async () => {
    await fc.assert(
      fc.asyncProperty(query, fc.integer({ min: 1, max: 4 }), async (q, page) => {
        const whole = plainly(q);
        const { rows, total, nextCursor } = await listSessions(env.DB, { ...q, page });
        const end = page * q.pageSize;
        expect(ids(rows)).toEqual(whole.slice(end - q.pageSize, end));
        expect(total).toBe(whole.length);
        expect(nextCursor === null).toBe(end >= whole.length);
      }),
      { numRuns: 60 },
    );
  });

  test("the total stays that of the first page", async () => {
    const first = await listSessions(env.DB, of({ pageSize: 2 }));
    const cursor = readCursor(first.nextCursor ?? "", "createdAt") ?? undefined;
    expect(cursor?.total).toBe(first.total);
    expect((await listSessions(env.DB, of({ pageSize: 2, cursor }))).total).toBe(first.total);
  });

  test("one round trip returns page and total", async () => {
    let trips = 0;
    const counted = {
      ...recording(env.DB).database,
      batch: (statements: D1PreparedStatement[]) => {
        trips += 1;
        return env.DB.batch(statements);
      },
    };
    await listSessions(counted as D1Database, of({}));
    expect(trips).toBe(1);
  });
});
