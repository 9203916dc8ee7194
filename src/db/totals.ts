import { and, between, eq, type SQL } from "drizzle-orm";
import { sessionTotals } from "./schema";

/** The sessions that a sum includes; `from` and `to` are UTC dates of creation (YYYY-MM-DD), both inclusive. */
export interface TotalsQuery {
  /** Null sums over all owners. */
  owner: string | null;
  userId?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

/**
 * Returns the condition for the rows of `session_totals` that answer a query. Each session is counted in
 * exactly one of them.
 */
export function totalsOf({ owner, userId, from, to }: TotalsQuery): SQL | undefined {
  const always = from === undefined && to === undefined;
  return and(
    eq(sessionTotals.userId, userId ?? ""),
    // The sums over all owners are over all users only.
    owner === null && userId !== undefined ? undefined : eq(sessionTotals.owner, owner ?? ""),
    always
      ? eq(sessionTotals.day, "")
      : between(sessionTotals.day, from ?? "0000-01-01", to ?? "9999-12-31"),
  );
}
