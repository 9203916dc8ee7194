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

/** Which sessions to list, in which order, and which part of them. */
export interface ListQuery extends Filters {
  sort: Sort;
  pageSize: number;
  /** From 1. A cursor takes its place. */
  page?: number | undefined;
  cursor?: Cursor | undefined;
}

/** A part of a list; `total` counts all of it. */
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

/** Lists sessions, in one round trip. With a cursor, a page costs the same however deep it lies. */
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

/** Returns a page and one row more, which tells whether another page follows. */
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
 * Several values of the filter that leads are walked side by side and merged, each in order. They are
 * five at most, as many as D1 merges: all six statuses filter nothing.
 */
function branches(query: ListQuery, lead: Lead): ListQuery[] {
  const { status, pattern } = query;
  if (lead === "status" && status) return status.map((one) => ({ ...query, status: [one] }));
  if (lead === "pattern" && pattern) return pattern.map((one) => ({ ...query, pattern: [one] }));
  return [query];
}

/** Returns the order of a list, and the condition that holds for what comes after its cursor. */
function keyOf({ sort, cursor }: ListQuery, lead: Lead) {
  const value = term(KEYS[sort], lead);
  const id = term("id", lead);
  const [direction, beyond] = sort.startsWith("-") ? [desc, sql`<`] : [asc, sql`>`];
  const after = cursor && sql`(${value}, ${id}) ${beyond} (${cursor.value}, ${cursor.id})`;
  return { after, order: [direction(value), direction(id)] };
}

/** Returns how many sessions the list has: from the totals, where they can tell. */
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
  // The sessions of a tag that many have are not read to be counted.
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
