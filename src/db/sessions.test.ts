import { env } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { aSessionRow, emptyMirror } from "../testing/rows";
import {
  agentSessions,
  type SessionRow,
  sessionColumns,
  sessionTags,
  sessionTombstones,
  sessionTotals,
} from "./schema";
import {
  newestBySessionId,
  newestOfConversation,
  purgeTombstones,
  putSession,
  removeSession,
} from "./sessions";

const NOW = Date.UTC(2026, 10, 21);
const db = drizzle(env.DB);

beforeEach(() => emptyMirror(env.DB));

/** Returns everything in the index, in a fixed order. */
async function mirror() {
  const [rows, tags, totals, tombstones] = await db.batch([
    db.select(sessionColumns).from(agentSessions).orderBy(agentSessions.id),
    db.select().from(sessionTags).orderBy(sessionTags.id, sessionTags.tag),
    db.select().from(sessionTotals),
    db.select().from(sessionTombstones).orderBy(sessionTombstones.id),
  ]);
  return { rows, tags, totals: byCell(totals), tombstones };
}

type Total = typeof sessionTotals.$inferSelect;

const cellOf = (t: Total) => [t.owner, t.userId, t.day, t.pattern, t.status, t.removed].join();
const byCell = (totals: Total[]) => totals.sort((a, b) => (cellOf(a) < cellOf(b) ? -1 : 1));

/** Returns the expected content of the index with these sessions listed and those removed. */
function expected(listed: SessionRow[], removed: SessionRow[] = []) {
  const totals = new Map<string, Total>();
  const count = (row: SessionRow, removed: number) => {
    const { owner, pattern, status, userId } = row;
    const today = new Date(row.createdAt).toISOString().slice(0, 10);
    const who = [
      { userId: "", owner: "" },
      { userId: "", owner },
      ...(userId === null ? [] : [{ userId, owner }]),
    ];
    for (const one of who)
      for (const day of ["", today]) {
        const key = { ...one, day, pattern, status, removed };
        const none = {
          ...key,
          sessions: 0,
          costNanos: 0,
          tokens: 0,
          ended: 0,
          endedMs: 0,
          messages: 0,
        };
        const cell = totals.get(cellOf(none)) ?? none;
        totals.set(cellOf(cell), {
          ...key,
          sessions: cell.sessions + 1,
          costNanos: cell.costNanos + row.totalCostNanos,
          tokens: cell.tokens + row.totalTokens,
          ended: cell.ended + (row.durationMs === null ? 0 : 1),
          endedMs: cell.endedMs + (row.durationMs ?? 0),
          messages: cell.messages + row.numMessages,
        });
      }
  };
  for (const row of listed) count(row, 0);
  for (const row of removed) count(row, 1);
  const rows = [...listed].sort((a, b) => (a.id < b.id ? -1 : 1));
  const tags = rows.flatMap(({ id, owner, createdAt, tags }) =>
    [...new Set(tags)].sort().map((tag) => ({ id, tag, owner, createdAt })),
  );
  return { rows, tags, totals: byCell([...totals.values()]) };
}

describe("putSession", () => {
  test("a row is read as it was written", async () => {
    const row = aSessionRow({
      error: { type: "api_error", message: "it broke" },
      toolsUsed: ["Bash"],
      tags: ["a", "ü"],
      userId: "user_1",
      maxBudgetNanos: 5_000_000_000,
      usage: {
        "claude-sonnet-5-5": {
          inputTokens: 1,
          outputTokens: 2,
          cacheReadTokens: 3,
          cacheWriteTokens: 4,
          webSearchRequests: 0,
          costNanos: 9_007_199_254_740_991,
        },
      },
    });
    await putSession(env.DB, row);
    expect(await mirror()).toEqual({ ...expected([row]), tombstones: [] });
  });

  test("null is stored as null", async () => {
    await putSession(env.DB, aSessionRow({ error: null }));
    const found = await env.DB.prepare("select error is null as yes from agent_sessions").first();
    expect(found).toEqual({ yes: 1 });
  });

  test("a newer version replaces the row, its tags and its part of the totals", async () => {
    const first = aSessionRow({ tags: ["a", "b"], userId: "u1", totalCostNanos: 5 });
    const second: SessionRow = {
      ...first,
      version: 2,
      status: "terminated",
      tags: ["b", "c"],
      userId: "u2",
      totalCostNanos: 7,
      totalTokens: 70,
      durationMs: 1_000,
    };
    await putSession(env.DB, first);
    await putSession(env.DB, second);
    expect(await mirror()).toMatchObject(expected([second]));
  });

  test.each([1, 2])("an older or equal version changes nothing", async (version) => {
    const row = aSessionRow({ version: 2, tags: ["new"], totalCostNanos: 2 });
    await putSession(env.DB, row);
    await putSession(env.DB, { ...row, version, tags: ["old"], totalCostNanos: 1, status: "idle" });
    expect(await mirror()).toMatchObject(expected([row]));
  });
});

describe("removeSession", () => {
  test("a removed session leaves the list, stays counted, and leaves a tombstone", async () => {
    const row = aSessionRow({ tags: ["a"], totalCostNanos: 3 });
    const last: SessionRow = { ...row, version: 2, status: "completed", totalCostNanos: 9 };
    await putSession(env.DB, row);
    await removeSession(env.DB, last, NOW);
    expect(await mirror()).toEqual({
      ...expected([], [last]),
      tombstones: [{ id: row.id, version: 2, removedAt: NOW }],
    });
  });

  test("a session whose row was never written is counted", async () => {
    const row = aSessionRow({ totalCostNanos: 3 });
    await removeSession(env.DB, row, NOW);
    expect(await mirror()).toMatchObject(expected([], [row]));
  });

  test("a repeated removal changes nothing, not even its time", async () => {
    const row = aSessionRow({ version: 2 });
    await removeSession(env.DB, row, NOW);
    const once = await mirror();
    await removeSession(env.DB, row, NOW + 5);
    await removeSession(env.DB, { ...row, version: 1 }, NOW + 6);
    expect(await mirror()).toEqual(once);
  });

  test("a late write does not restore a removed session", async () => {
    const row = aSessionRow({ version: 2 });
    await removeSession(env.DB, row, NOW);
    await putSession(env.DB, row);
    await putSession(env.DB, { ...row, version: 1 });
    expect(await mirror()).toMatchObject(expected([], [row]));
  });

  test("an id that is created again with a higher version is listed and counted again", async () => {
    const first = aSessionRow({ version: 2, totalCostNanos: 3 });
    const second: SessionRow = { ...first, version: 3, createdAt: NOW, totalCostNanos: 4 };
    await removeSession(env.DB, first, NOW);
    await putSession(env.DB, second);
    expect(await mirror()).toMatchObject(expected([second], [first]));
  });

  test("a late removal does not remove a session that was created again", async () => {
    const first = aSessionRow({ version: 2 });
    const second: SessionRow = { ...first, version: 3 };
    await removeSession(env.DB, first, NOW);
    await putSession(env.DB, second);
    await removeSession(env.DB, first, NOW);
    expect(await mirror()).toMatchObject(expected([second], [first]));
  });
});

describe("purgeTombstones", () => {
  test("tombstones before the instant are deleted, the others stay", async () => {
    const [old, young] = [aSessionRow(), aSessionRow()];
    await removeSession(env.DB, old, NOW - 1);
    await removeSession(env.DB, young, NOW);
    expect(await purgeTombstones(env.DB, NOW)).toBe(1);
    expect(await purgeTombstones(env.DB, NOW)).toBe(0);
    expect((await mirror()).tombstones).toMatchObject([{ id: young.id }]);
  });

  test("a thousand are deleted at a time", async () => {
    await env.DB.prepare(
      `insert into session_tombstones
       with recursive n (i) as (select 1 union all select i + 1 from n where i < 1200)
       select 'sess_' || i, 1, 0 from n`,
    ).run();
    expect(await purgeTombstones(env.DB, NOW)).toBe(1_000);
    expect(await purgeTombstones(env.DB, NOW)).toBe(200);
  });
});

describe("the newest session", () => {
  const history = { sessionId: "sdk_sess_shared", conversationId: 7 };
  const queries = [
    [
      "of a history",
      (owner: string | null) => newestBySessionId(env.DB, { owner }, "sdk_sess_shared"),
    ],
    ["of a conversation", (owner: string | null) => newestOfConversation(env.DB, { owner }, 7)],
  ] as const;

  test.each(queries)("%s is the one created last, ended or not", async (_, newest) => {
    await putSession(env.DB, aSessionRow({ ...history, id: "a", createdAt: NOW - 1 }));
    await putSession(
      env.DB,
      aSessionRow({ ...history, id: "b", createdAt: NOW, status: "terminated" }),
    );
    await putSession(env.DB, aSessionRow({ ...history, id: "c", createdAt: NOW - 2 }));
    expect(await newest("acme")).toMatchObject({ id: "b" });
  });

  test.each(queries)(
    "%s, if several were created in the same instant, is the one with the last id",
    async (_, newest) => {
      for (const id of ["b", "c", "a"]) {
        await putSession(env.DB, aSessionRow({ ...history, id, createdAt: NOW }));
      }
      expect(await newest("acme")).toMatchObject({ id: "c" });
    },
  );

  test.each(queries)("%s belongs to the owner; without an owner, to any", async (_, newest) => {
    await putSession(env.DB, aSessionRow({ ...history, id: "mine", createdAt: NOW - 1 }));
    await putSession(
      env.DB,
      aSessionRow({ ...history, id: "theirs", createdAt: NOW, owner: "other" }),
    );
    expect(await newest("acme")).toMatchObject({ id: "mine" });
    expect(await newest(null)).toMatchObject({ id: "theirs" });
  });

  test.each(queries)("%s is one that can be resumed", async (_, newest) => {
    await putSession(env.DB, aSessionRow({ ...history, id: "a", createdAt: NOW }));
    const ephemeral = { pattern: "ephemeral", id: "b", createdAt: NOW + 1 } as const;
    await putSession(env.DB, aSessionRow({ ...history, ...ephemeral }));
    expect(await newest("acme")).toMatchObject({ id: "a" });
  });

  test("of a history is one that can't be resumed if there is no other", async () => {
    await putSession(env.DB, aSessionRow({ ...history, id: "b", pattern: "ephemeral" }));
    expect(await newestBySessionId(env.DB, { owner: "acme" }, "sdk_sess_shared")).toMatchObject({
      id: "b",
    });
    expect(await newestOfConversation(env.DB, { owner: "acme" }, 7)).toBeNull();
  });

  test.each(queries)("%s is null if there is none, or it was removed", async (_, newest) => {
    expect(await newest("acme")).toBeNull();
    const row = aSessionRow(history);
    await putSession(env.DB, row);
    await removeSession(env.DB, row, NOW);
    expect(await newest("acme")).toBeNull();
    expect(await newest(null)).toBeNull();
  });
});

describe("in any order", () => {
  const change = fc.record({
    status: fc.constantFrom("active", "idle", "terminated"),
    totalCostNanos: fc.nat(9),
    totalTokens: fc.nat(9),
    numMessages: fc.nat(9),
    durationMs: fc.option(fc.nat(9)),
    userId: fc.constantFrom(null, "u1", "u2"),
    tags: fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 3 }),
  });

  test("the index has a session's last write, in any order of arrival", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(4), { maxLength: 6 }),
        fc.array(fc.nat(4), { maxLength: 3 }),
        fc.boolean(),
        async (changes, before, after, isRemoved) => {
          await emptyMirror(env.DB);
          const first = aSessionRow();
          const versions = changes.map((c, i): SessionRow => ({ ...first, ...c, version: i + 1 }));
          const last = versions.at(-1) ?? first;
          const write = (row: SessionRow) =>
            isRemoved && row === last ? removeSession(env.DB, row, NOW) : putSession(env.DB, row);

          const late = (i: number) => versions[i % versions.length] ?? first;
          for (const row of [...before.map(late), last, ...after.map(late)]) await write(row);

          expect(await mirror()).toMatchObject(isRemoved ? expected([], [last]) : expected([last]));
        },
      ),
      { numRuns: 30 },
    );
  });

  test("the totals and tags always agree with the accepted rows", async () => {
    const write = fc.record({
      session: fc.nat(1),
      version: fc.integer({ min: 1, max: 6 }),
      removes: fc.boolean(),
      change,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 12 }), async (writes) => {
        await emptyMirror(env.DB);
        const sessions = [aSessionRow(), aSessionRow()];
        const listed = new Map<string, SessionRow>();
        const removed: SessionRow[] = [];
        const buried = new Map<string, number>();

        for (const { session, version, removes, change } of writes) {
          const row: SessionRow = { ...(sessions[session] ?? aSessionRow()), ...change, version };
          if (removes) await removeSession(env.DB, row, NOW);
          else await putSession(env.DB, row);

          const known = listed.get(row.id)?.version ?? buried.get(row.id) ?? 0;
          if (version > known) listed.set(row.id, row);
          if (!removes) continue;
          buried.set(row.id, Math.max(version, buried.get(row.id) ?? 0));
          const left = listed.get(row.id);
          if (left && left.version <= version && listed.delete(row.id)) removed.push(left);
        }

        const { tombstones, ...rest } = await mirror();
        expect(rest).toEqual(expected([...listed.values()], removed));
        expect(new Map(tombstones.map(({ id, version }) => [id, version]))).toEqual(buried);
      }),
      { numRuns: 30 },
    );
  });
});
