import { and, asc, count, desc, eq, getTableColumns, inArray, sql } from "drizzle-orm";
import { type DrizzleD1Database, drizzle } from "drizzle-orm/d1";
import type { SelectedFields } from "drizzle-orm/sqlite-core";
import { type Cursor, type Sort, writeCursor } from "./cursor";
import {
  conditions,
  type Filters,
  type Lead,
  leadOf,
  type SortKey,
  simplify,
  term,
} from "./filters";
import { agentSessions, type SessionRow, sessionTags, sessionTotals } from "./schema";
import { totalsOf } from "./totals";

/** The filters, the order and the page of a list of sessions. */
export interface ListQuery extends Filters {
  sort: Sort;
  pageSize: number;
  /** Page number, from 1. Ignored if there is a cursor. */
  page?: number | undefined;
  cursor?: Cursor | undefined;
}

/** One page of a list; `total` is the number of sessions in the whole list. */
export interface SessionList {
  rows: SessionRow[];
  total: number;
  nextCursor: string | null;
}

const KEYS: Record<Sort, SortKey> = {
  createdAt: "createdAt",
  "-createdAt": "createdAt",
  lastActivityAt: "lastActivityAt",
  "-lastActivityAt": "lastActivityAt",
  totalCost: "totalCostNanos",
  "-totalCost": "totalCostNanos",
};

/** Lists sessions in one round trip. With a cursor, every page costs the same. */
export async function listSessions(d1: D1Database, asked: ListQuery): Promise<SessionList> {
  const db = drizzle(d1);
  const query = simplify(asked);
  const { sort, pageSize, cursor } = query;
  const [found, total] = cursor
    ? [await pageOf(db, query), cursor.total]
    : await withTotal(db, query);

  const rows = found.slice(0, pageSize);
  const last = rows.at(-1);
  if (!last || found.length === rows.length) return { rows, total, nextCursor: null };
  const key = { value: last[KEYS[sort]], id: last.id };
  return { rows, total, nextCursor: writeCursor(sort, { ...key, total }) };
}

async function withTotal(db: DrizzleD1Database, query: ListQuery): Promise<[SessionRow[], number]> {
  const [rows, [counted]] = await db.batch([pageOf(db, query), totalOf(db, query)]);
  return [rows, counted?.total ?? 0];
}

/** Queries a page plus one row, which shows whether another page follows. */
function pageOf(db: DrizzleD1Database, query: ListQuery) {
  const lead = leadOf(query, KEYS[query.sort]);
  const { after, order } = keyOf(query, lead);
  const skipped = query.cursor ? 0 : ((query.page ?? 1) - 1) * query.pageSize;
  return branches(query, lead)
    .map((branch) =>
      select(db, getTableColumns(agentSessions), lead).where(and(conditions(branch, lead), after)),
    )
    .reduce((merged, rows) => merged.unionAll(rows))
    .orderBy(...order)
    .limit(query.pageSize + 1)
    .offset(skipped);
}

/**
 * Splits a query with several values of the leading filter into one query for each value; the results are
 * merged in order. There are at most five, the maximum that D1 merges, because all six statuses match every
 * session.
 */
function branches(query: ListQuery, lead: Lead): ListQuery[] {
  const { status, pattern } = query;
  if (lead === "status" && status) return status.map((one) => ({ ...query, status: [one] }));
  if (lead === "pattern" && pattern) return pattern.map((one) => ({ ...query, pattern: [one] }));
  return [query];
}

/** Returns the order of a list, and the condition for rows after its cursor. */
function keyOf({ sort, cursor }: ListQuery, lead: Lead) {
  const value = term(KEYS[sort], lead);
  const id = term("id", lead);
  const [direction, beyond] = sort.startsWith("-") ? [desc, sql`<`] : [asc, sql`>`];
  const after = cursor && sql`(${value}, ${id}) ${beyond} (${cursor.value}, ${cursor.id})`;
  return { after, order: [direction(value), direction(id)] };
}

/** Counts the sessions of a list, from the totals if they can answer. */
function totalOf(db: DrizzleD1Database, query: ListQuery) {
  const { owner, userId, status, pattern, tags, search } = query;
  if (countedInTotals(query)) {
    return db
      .select({ total: sql<number>`coalesce(sum(${sessionTotals.listed}), 0)` })
      .from(sessionTotals)
      .where(
        and(
          totalsOf({ owner, userId }),
          status && inArray(sessionTotals.status, [...status]),
          pattern && inArray(sessionTotals.pattern, [...pattern]),
        ),
      );
  }
  const lead = leadOf(query, "createdAt");
  const where = conditions(query, lead);
  // Counts the tag's rows, so that the sessions of a common tag are not read.
  if (lead === "tag" && tags?.length === 1 && !status && !pattern && !search) {
    return db.select({ total: count() }).from(sessionTags).where(where);
  }
  return select(db, { total: count() }, lead).where(where);
}

const countedInTotals = ({ conversationId, tags, createdAfter, createdBefore, search }: Filters) =>
  [conversationId, tags, createdAfter, createdBefore, search].every((one) => one === undefined);

function select<F extends SelectedFields>(db: DrizzleD1Database, fields: F, lead: Lead) {
  const rows = db.select(fields).from(agentSessions).$dynamic();
  if (lead === "tag") rows.innerJoin(sessionTags, eq(sessionTags.id, agentSessions.id));
  return rows;
}
