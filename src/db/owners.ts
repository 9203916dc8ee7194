import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { listOf } from "./filters";

/** An owner with the sums over its sessions. Money is in nano-dollars. */
export interface OwnerRow {
  owner: string;
  sessions: number;
  /** Sessions that have not ended. */
  liveSessions: number;
  costNanos: number;
  tokens: number;
  /** The cost of this month. */
  monthNanos: number;
}

/** Owners to list: those after one, in their order, without some. */
export interface OwnersQuery {
  after: string;
  limit: number;
  /** The first and the last day of this month. */
  month: { from: string; to: string };
  except?: readonly string[];
}

/** Returns the next owners that have had sessions. */
export function listOwners(
  d1: D1Database,
  { after, limit, month, except = [] }: OwnersQuery,
): Promise<OwnerRow[]> {
  // Looks up the next owner again and again, because an owner has many rows of sums.
  return drizzle(d1).all<OwnerRow>(sql`
    with recursive owners (owner) as (
      select (select min(owner) from session_totals where user_id = '' and owner > ${after})
      union all
      select (select min(owner) from session_totals where user_id = '' and owner > owners.owner)
      from owners where owners.owner is not null
    ), page as (
      select owner from owners
      where owner is not null and owner not in ${listOf(except)} limit ${limit}
    )
    select page.owner,
      sum(t.sessions) as sessions,
      sum(case when t.removed = 0 and t.status in ('initializing', 'active', 'idle') then t.sessions else 0 end)
        as "liveSessions",
      sum(t.cost_nanos) as "costNanos",
      sum(t.tokens) as tokens,
      (select coalesce(sum(u.cost_nanos), 0) from usage_totals as u
        where u.owner = page.owner and u.kind = 'all' and u.day between ${month.from} and ${month.to})
        as "monthNanos"
    from page join session_totals as t on t.user_id = '' and t.owner = page.owner and t.day = ''
    group by page.owner order by page.owner`);
}
