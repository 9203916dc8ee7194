import { and, asc, eq, gt, lt, or } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { AWAITED, agentSessions, rounds, type SessionRow } from "./schema";

const NAME = "reconcile";

/**
 * Returns the next rows of the round over all sessions that are not at rest for good, leaving out those written
 * since `before`: their objects are at work. Those written beyond `after`, by a clock that has been set
 * back, are not left out. After the last row the round begins anew.
 */
export async function nextReconcileBatch(
  d1: D1Database,
  { before, after: beyond, limit }: { before: number; after: number; limit: number },
): Promise<SessionRow[]> {
  const db = drizzle(d1);
  const [round] = await db.select().from(rounds).where(eq(rounds.name, NAME));
  const rows = await db
    .select()
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
