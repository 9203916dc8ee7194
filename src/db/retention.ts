import { and, asc, lte, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import {
  agentSessions,
  KEPT,
  KEPT_BY_SETTING,
  KEPT_FROM,
  type SessionRow,
  sessionColumns,
} from "./schema";

const DAY_MS = 86_400_000;

/**
 * Returns up to `limit` ended sessions whose retention is over, those that have been due longest first. `days` is the
 * retention of sessions that name none; null keeps them. Leaves out those with an id in `except`.
 */
export async function nextExpiredSessions(
  d1: D1Database,
  {
    now,
    days,
    limit,
    except = [],
  }: { now: number; days: number | null; limit: number; except?: readonly string[] },
): Promise<SessionRow[]> {
  const own = await due(d1, 0, now, limit, except);
  if (days === null || own.length === limit) return own;
  return [...own, ...(await due(d1, 1, now - days * DAY_MS, limit - own.length, except))];
}

const due = (
  d1: D1Database,
  bySetting: 0 | 1,
  before: number,
  limit: number,
  except: readonly string[],
) =>
  drizzle(d1)
    .select(sessionColumns)
    .from(agentSessions)
    .where(
      and(
        sql`(${KEPT_BY_SETTING}) = ${bySetting}`,
        lte(KEPT_FROM, before),
        KEPT,
        except.length === 0
          ? undefined
          : sql`${agentSessions.id} not in (select value from json_each(${JSON.stringify(except)}))`,
      ),
    )
    .orderBy(asc(KEPT_FROM))
    .limit(limit);
