import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import { expect, test } from "vitest";
import { NO_USAGE } from "../agent/pricing/usage";
import { dayOf } from "../shared/days";
import { aSessionRow, emptyMirror, putSessions, summarize } from "../testing/rows";
import { listSessions } from "./list";
import {
  conversations,
  type SessionRow,
  sessionColumns,
  sessionTags,
  sessionTotals,
  usageTotals,
} from "./schema";
import { addUnsearched } from "./search";
import { putSession, removeSession } from "./sessions";

const { TEST_MIGRATIONS, EMPTY_DB } = env;
const LAST_FORMER = "0004";
/** Number of sessions that are still listed when the index is migrated. */
const KEPT = 30;

/** Writes a row as versions before 0005 did. */
function putFormer(row: SessionRow): D1PreparedStatement {
  const added: (keyof SessionRow)[] = [
    ...(["usageDays", "onLimit", "pausedBecause", "pendingApprovals", "numMessages"] as const),
    "pendingToolRequests",
  ];
  const keys = (Object.keys(row) as (keyof SessionRow)[]).filter((key) => !added.includes(key));
  const names = keys.map((key) => sessionColumns[key].name);
  const values = keys.map((key) =>
    row[key] === null ? null : sessionColumns[key].mapToDriverValue(row[key]),
  );
  return EMPTY_DB.prepare(
    `insert into agent_sessions (${names}) values (${names.map(() => "?")})`,
  ).bind(...values);
}

const content = async (d1: D1Database) => {
  const db = drizzle(d1);
  const { userId, owner, day, pattern, status, removed } = sessionTotals;
  return {
    tags: await db.select().from(sessionTags).orderBy(sessionTags.tag, sessionTags.id),
    totals: await db
      .select()
      .from(sessionTotals)
      .orderBy(userId, owner, day, pattern, status, removed),
    conversations: await db
      .select()
      .from(conversations)
      .orderBy(conversations.id, conversations.owner, conversations.removed),
    usage: (await db.select().from(usageTotals)).map((row) => JSON.stringify(row)).toSorted(),
  };
};

test("the migrations keep rows, tags, sums and conversations, removed sessions in them too", async () => {
  const rows = Array.from({ length: 40 }, (_, i) =>
    aSessionRow({
      owner: i % 3 ? "acme" : "other",
      userId: i % 2 ? `u${i % 4}` : null,
      conversationId: i % 5 ? i % 7 : null,
      tags: ["all", ...(i % 4 ? ["some"] : [])],
      status: i % 6 ? "completed" : "active",
      durationMs: i % 6 ? i : null,
      totalCostNanos: i * 10,
      totalTokens: i,
      createdAt: Date.UTC(2026, 10, 1 + (i % 3)),
      description: i % 2 ? `Straße no. ${i}` : null,
      usage:
        i < KEPT ? { [`model ${i % 2}`]: { ...NO_USAGE, inputTokens: i, costNanos: i * 10 } } : {},
    }),
  );
  const [kept, removed] = [rows.slice(0, KEPT), rows.slice(KEPT)];
  await applyD1Migrations(
    EMPTY_DB,
    TEST_MIGRATIONS.filter(({ name }) => name.slice(0, 4) <= LAST_FORMER),
  );
  await EMPTY_DB.batch([
    ...rows.map(putFormer),
    ...removed.map(({ id }) =>
      EMPTY_DB.prepare("delete from agent_sessions where id = ?").bind(id),
    ),
  ]);
  await applyD1Migrations(EMPTY_DB, TEST_MIGRATIONS);

  await emptyMirror(env.DB);
  // Former usage counts for the day on which the session was created.
  await putSessions(
    env.DB,
    rows.map((row) => ({ ...row, usageDays: { [dayOf(row.createdAt)]: row.usage } })),
  );
  for (const row of removed) await removeSession(env.DB, row, 0);
  const migrated = await content(EMPTY_DB);
  const written = await content(env.DB);
  const exactly = (c: typeof migrated) => ({
    ...c,
    // The former sums had no times of their removed sessions.
    conversations: c.conversations.map(({ createdAt: _, lastActivityAt: __, ...sums }) => sums),
  });
  expect(exactly(migrated)).toEqual(exactly(written));

  const list = { owner: null, sort: "createdAt", pageSize: 100 } as const;
  const byId = (some: SessionRow[]) => some.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  expect(byId((await listSessions(EMPTY_DB, list)).rows)).toEqual(byId(kept));
});

test("descriptions from before the full-text index are found, and added to it in batches", async () => {
  const search = async (text: string) => {
    const query = { owner: null, sort: "createdAt", pageSize: 100, search: text } as const;
    return (await listSessions(EMPTY_DB, query)).total;
  };
  expect(await search("NO. 1")).toBe(6);
  expect(await addUnsearched(EMPTY_DB, 10)).toBe(10);
  expect(await search("NO. 1")).toBe(6);
  expect(await addUnsearched(EMPTY_DB, 10)).toBe(5);
  expect(await addUnsearched(EMPTY_DB, 10)).toBe(0);
  expect(await search("NO. 1")).toBe(6);
  expect(await search("strasse")).toBe(15);
});

test("messages from before they were counted are counted with the next write of their session's row", async () => {
  const everything = { owner: null, sort: "createdAt", pageSize: 100 } as const;
  const [listed, removed] = (await listSessions(EMPTY_DB, everything)).rows;
  if (!listed || !removed) throw new Error("there are listed sessions");
  const messages = async () => (await summarize(EMPTY_DB, { owner: null })).totalMessages;
  expect([listed.numMessages, await messages()]).toEqual([0, 0]);
  await putSession(EMPTY_DB, { ...listed, version: listed.version + 1, numMessages: 3 });
  expect(await messages()).toBe(3);
  const last = { ...removed, version: removed.version + 1, numMessages: 2 };
  await putSession(EMPTY_DB, last);
  const all = await summarize(EMPTY_DB, { owner: null });
  await removeSession(EMPTY_DB, last, 0);
  expect(await summarize(EMPTY_DB, { owner: null })).toEqual({ ...all, totalMessages: 5 });
});
