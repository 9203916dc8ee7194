import { and, asc, eq, gt, lt, or } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { AWAITED, agentSessions, rounds, type SessionRow, sessionColumns } from "./schema";

const NAME = "reconcile";

/**
 * Returns the next rows to reconcile and advances the stored position. Sessions that are final are left out,
 * and so are rows written since `before`, because their objects are active. Rows written after `after`, by a
 * clock that was set back since, are included. After the last row it starts again with the first.
 */
export async function nextReconcileBatch(
  d1: D1Database,
  { before, after: beyond, limit }: { before: number; after: number; limit: number },
): Promise<SessionRow[]> {
  const db = drizzle(d1);
  const [round] = await db.select().from(rounds).where(eq(rounds.name, NAME));
  const rows = await db
    .select(sessionColumns)
    .from(agentSessions)
    .where(
      and(
        gt(agentSessions.id, round?.after ?? ""),
        or(lt(agentSessions.updatedAt, before), gt(agentSessions.updatedAt, beyond)),
        AWAITED,
      ),
    )
    .orderBy(asc(agentSessions.id))
    .limit(limit);
  const after = rows.length < limit ? "" : (rows.at(-1)?.id ?? "");
  await db
    .insert(rounds)
    .values({ name: NAME, after })
    .onConflictDoUpdate({ target: rounds.name, set: { after } });
  return rows;
}
