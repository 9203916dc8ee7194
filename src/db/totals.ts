import { and, between, eq, type SQL } from "drizzle-orm";
import { sessionTotals } from "./schema";

/** Whose sessions are summed up, and the UTC dates (YYYY-MM-DD) between which they were created. */
export interface TotalsQuery {
  /** Null sums over every owner. */
  owner: string | null;
  userId?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

/** Returns the rows of `session_totals` that answer a question, each session being in exactly one of them. */
export function totalsOf({ owner, userId, from, to }: TotalsQuery): SQL | undefined {
  const always = from === undefined && to === undefined;
  return and(
    owner === null ? undefined : eq(sessionTotals.owner, owner),
    eq(sessionTotals.userId, userId ?? ""),
    always
      ? eq(sessionTotals.day, "")
      : between(sessionTotals.day, from ?? "0000-01-01", to ?? "9999-12-31"),
  );
}
