import { and, eq, inArray, type SQL, sql } from "drizzle-orm";
import { type DrizzleD1Database, drizzle } from "drizzle-orm/d1";
import { type Cursor, type Position, type Sort, type Total, writeCursor } from "./cursor";
import { type Filters, type Requirement, requirementsOf, simplify } from "./filters";
import { agentSessions, type SessionRow, sessionColumns, sessionTotals } from "./schema";
import {
  behind,
  type Ordered,
  positionOf,
  type Source,
  sourcesOf,
  termsOf,
  walksOf,
} from "./sources";
import { sumOf, totalsOf } from "./totals";

/** The filters, the order and the page of a list of sessions. */
export interface ListQuery extends Filters, Pick<Ordered, "sort"> {
  pageSize: number;
  /** Page number, from 1. Ignored if there is a cursor. */
  page?: number | undefined;
  cursor?: Cursor | undefined;
}

/** One page of a list. `total` counts the sessions in the whole list, or is a lower bound. */
export interface SessionList extends Total {
  rows: SessionRow[];
  nextCursor: string | null;
}

/** Bounds of the work for one page. */
export interface Bounds {
  /** The most sessions that are sorted, and the most that are counted. */
  sorted: number;
  /** The most sessions that are tested, in the order of the list. */
  tested: number;
}

const BOUNDS: Bounds = { sorted: 5_000, tested: 1_000 };

/** A page of a list, and the position after which the list goes on; null at its end. */
export interface Page extends Total {
  rows: SessionRow[];
  next: Position | null;
}

/**
 * Lists sessions. A list whose filters no index answers together has a bounded cost: if an index leaves few sessions,
 * those are sorted. If none does, sessions are tested in the order of the list, and a page may end early.
 */
export async function listSessions(
  d1: D1Database,
  asked: ListQuery,
  bounds = BOUNDS,
): Promise<SessionList> {
  return withCursor(asked.sort, await listPage(d1, asked, bounds));
}

/** Returns a page with the cursor for the next one. */
export const withCursor = (sort: Sort, { rows, next, ...total }: Page): SessionList => ({
  rows,
  ...total,
  nextCursor: next && writeCursor(sort, { ...next, ...total }),
});

/** Lists sessions as `listSessions` does. */
export async function listPage(d1: D1Database, asked: ListQuery, bounds = BOUNDS): Promise<Page> {
  const db = drizzle(d1);
  const query = simplify(asked);
  const required = requirementsOf(query);
  const walks = walksOf({ ...query, after: query.cursor });
  const straight = walks.find((walk) => !testsOf(required, walk));
  if (straight) return straightPage(db, query, straight, bounds);
  const few = await narrowest(db, sourcesOf(query), bounds);
  if (few) return sortedPage(db, query, few, testsOf(required, few));
  const [walk] = walks as [Source];
  return testedPage(db, query, walk, testsOf(required, walk), bounds);
}

/** Returns the condition for what the sessions of a source may not meet; undefined if they meet everything. */
const testsOf = (required: Map<Requirement, SQL>, { meets }: Source): SQL | undefined =>
  and(...[...required].filter(([name]) => !meets.includes(name)).map(([, test]) => test));

/** Returns the source with the fewest sessions, if they are few enough to be sorted. */
async function narrowest(
  db: DrizzleD1Database,
  sources: Source[],
  { sorted }: Bounds,
): Promise<Source | undefined> {
  // Each count has a name of its own, because databases merge columns with equal names.
  const counts = sources.map(
    (source, i) => sql`(select count(*) from ${some(source, sorted)}) as ${sql.raw(`n${i}`)}`,
  );
  const [sizes = []] = await db.values<number[]>(sql`select ${sql.join(counts, sql`, `)}`);
  const least = Math.min(...sizes);
  return least > sorted ? undefined : sources[sizes.indexOf(least)];
}

/** A query of the sessions of a source, up to one more than the bound. */
const some = ({ found }: Source, bound: number): SQL =>
  sql`(select 1 from (${found}) limit ${bound + 1})`;

/** Returns a page of a source that has the sessions of the list and no others, in its order. */
async function straightPage(
  db: DrizzleD1Database,
  query: ListQuery,
  source: Source,
  { sorted }: Bounds,
): Promise<Page> {
  const { cursor, pageSize } = query;
  const wanted = skippedBy(query) + pageSize + 1;
  const page = walk(db, query, source, { limit: wanted });
  if (cursor) return cut(query, await page, cursor);
  const inTotals = countedInTotals(query);
  const count = inTotals
    ? totalOf(db, query)
    : db.select({ total: COUNT }).from(some(source, sorted));
  const [rows, [{ total } = { total: 0 }]] = await db.batch([page, count]);
  const totalIsExact = inTotals || total <= sorted;
  return cut(query, rows, { total: totalIsExact ? total : sorted, totalIsExact });
}

/** Returns a page of the sessions of a source that pass the tests. Reads all of them. */
async function sortedPage(
  db: DrizzleD1Database,
  query: ListQuery,
  source: Source,
  tests: SQL | undefined,
): Promise<Page> {
  const passed = and(sql`${source.key} = found.key`, tests);
  const page = rowsOf(db, source.found)
    .where(and(passed, behind({ ...query, after: query.cursor })))
    .orderBy(termsOf(query.sort))
    .limit(query.pageSize + 1)
    .offset(skippedBy(query));
  if (query.cursor) return cut(query, await page, query.cursor);
  const count = db
    .select({ total: COUNT })
    .from(sql`(${source.found}) as found`)
    .crossJoin(agentSessions)
    .where(passed);
  const [rows, [counted]] = await db.batch([page, count]);
  return cut(query, rows, { total: counted?.total ?? 0, totalIsExact: true });
}

/** Returns a page of the sessions of a source, in its order, that pass the tests. Tests a bounded number of them. */
async function testedPage(
  db: DrizzleD1Database,
  query: ListQuery,
  source: Source,
  tests: SQL | undefined,
  { tested }: Bounds,
): Promise<Page> {
  const page = walk(db, query, source, { limit: tested, tests });
  const count = !query.cursor && countedInTotals(query) && totalOf(db, query);
  const [rows, counted] = count ? await db.batch([page, count]) : [await page];
  const isFull = rows.length > query.pageSize;
  const end = isFull ? null : await positionAt(db, source, tested);
  const skipped = skippedBy(query);
  const seen = {
    total: rows.length === 0 ? 0 : skipped + rows.length,
    totalIsExact: !isFull && end === null && (skipped === 0 || rows.length > 0),
  };
  const known = counted?.[0] && { ...counted[0], totalIsExact: true };
  return cut(query, rows, query.cursor ?? known ?? seen, end);
}

/** Queries one row more than a page has, which shows that the list goes on. */
const walk = (
  db: DrizzleD1Database,
  query: ListQuery,
  source: Source,
  { limit, tests }: { limit: number; tests?: SQL | undefined },
) =>
  // SQLite reads a query with a limit row by row, in its order, and stops when the page is full.
  rowsOf(db, sql`${source.found} limit ${limit}`)
    .where(and(sql`${source.key} = found.key`, tests))
    .limit(query.pageSize + 1)
    .offset(skippedBy(query));

/** Selects the rows of the sessions that a query has found, in that order. */
const rowsOf = (db: DrizzleD1Database, found: SQL) =>
  db.select(sessionColumns).from(sql`(${found}) as found`).crossJoin(agentSessions);

/** Returns the position of the session that has this number in a source; null if there are fewer. */
async function positionAt(
  db: DrizzleD1Database,
  { found }: Source,
  number: number,
): Promise<Position | null> {
  const [last] = await db.values<[number, number, string]>(
    sql`select first, second, third from (${found} limit ${number}) limit 1 offset ${number - 1}`,
  );
  return last ? { value: last[0], createdAt: last[1], id: last[2] } : null;
}

const COUNT = sql<number>`count(*)`;

/** Counts the sessions of a list that the totals count. */
const totalOf = (db: DrizzleD1Database, { owner, except, userId, status, pattern }: Filters) =>
  db
    .select({ total: sumOf(sessionTotals.sessions, { owner, except, userId }) })
    .from(sessionTotals)
    .where(
      and(
        totalsOf({ owner, except, userId }),
        eq(sessionTotals.removed, 0),
        status && inArray(sessionTotals.status, [...status]),
        pattern && inArray(sessionTotals.pattern, [...pattern]),
      ),
    );

const countedInTotals = ({ conversationId, tags, createdAfter, createdBefore, search }: Filters) =>
  [conversationId, tags, createdAfter, createdBefore, search].every((one) => one === undefined);

export const skippedBy = ({ cursor, page = 1, pageSize }: ListQuery): number =>
  cursor ? 0 : (page - 1) * pageSize;

/** Makes a page of the rows that were found; `end` is the last examined session if there may be more. */
function cut(
  { sort, pageSize }: ListQuery,
  found: SessionRow[],
  { total, totalIsExact }: Total,
  end: Position | null = null,
): Page {
  const rows = found.slice(0, pageSize);
  const last = rows.at(-1);
  const next = last && found.length > pageSize ? positionOf(sort, last) : end;
  return { rows, total, totalIsExact, next };
}
