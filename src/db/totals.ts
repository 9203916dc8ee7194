import { and, between, eq, type SQL, sql } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import { listOf, ofOthers } from "./filters";
import { sessionTotals } from "./schema";

/** The sessions that a sum includes; `from` and `to` are UTC dates of creation (YYYY-MM-DD), both inclusive. */
export interface TotalsQuery {
  /** Null sums over all owners. */
  owner: string | null;
  /** Owners whose sessions are left out of the sums over all owners. */
  except?: readonly string[] | undefined;
  userId?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

/** Returns the condition for the rows of `session_totals` that answer a query by `sumOf`. */
export function totalsOf({ owner, except, userId, from, to }: TotalsQuery): SQL | undefined {
  const always = from === undefined && to === undefined;
  return and(
    eq(sessionTotals.userId, userId ?? ""),
    owner === null ? ofAll(userId, except) : eq(sessionTotals.owner, owner),
    always
      ? eq(sessionTotals.day, "")
      : between(sessionTotals.day, from ?? "0000-01-01", to ?? "9999-12-31"),
  );
}

/** Returns the sum of a column over the rows of `totalsOf`: what is left out is subtracted from the sums over all owners. */
export function sumOf(column: SQLiteColumn, { owner, userId, except }: TotalsQuery): SQL<number> {
  const isDifference = owner === null && userId === undefined && except !== undefined;
  return isDifference
    ? sql<number>`coalesce(sum(case when ${sessionTotals.owner} = '' then ${column} else -${column} end), 0)`
    : sql<number>`coalesce(sum(${column}), 0)`;
}

// The sums over all owners are over all users only.
function ofAll(userId: string | undefined, except: readonly string[] = []): SQL | undefined {
  if (userId !== undefined) return ofOthers(sessionTotals.owner, except);
  return except.length === 0
    ? eq(sessionTotals.owner, "")
    : sql`${sessionTotals.owner} in ${listOf(["", ...except])}`;
}
