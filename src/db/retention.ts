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
 * retention of sessions that name none; null keeps them.
 */
export async function nextExpiredSessions(
  d1: D1Database,
  { now, days, limit }: { now: number; days: number | null; limit: number },
): Promise<SessionRow[]> {
  const own = await due(d1, 0, now, limit);
  if (days === null || own.length === limit) return own;
  return [...own, ...(await due(d1, 1, now - days * DAY_MS, limit - own.length))];
}

const due = (d1: D1Database, bySetting: 0 | 1, before: number, limit: number) =>
  drizzle(d1)
    .select(sessionColumns)
    .from(agentSessions)
    .where(and(sql`(${KEPT_BY_SETTING}) = ${bySetting}`, lte(KEPT_FROM, before), KEPT))
    .orderBy(asc(KEPT_FROM))
    .limit(limit);
