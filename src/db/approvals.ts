import { and, eq, notInArray, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { ASKING, agentSessions } from "./schema";

/** Sessions with tool calls that wait for a decision: those after one, in the order of owners and ids. */
export interface AskingQuery {
  owner: string | null;
  after: AskingSession;
  limit: number;
  except?: readonly string[];
}

export interface AskingSession {
  owner: string;
  id: string;
}

/** Returns the next sessions with tool calls that wait for a decision. */
export function sessionsAsking(
  d1: D1Database,
  { owner, after, limit, except = [] }: AskingQuery,
): Promise<AskingSession[]> {
  const { owner: ownerColumn, id } = agentSessions;
  return drizzle(d1)
    .select({ owner: ownerColumn, id })
    .from(agentSessions)
    .where(
      and(
        ASKING,
        owner === null ? undefined : eq(ownerColumn, owner),
        sql`(${ownerColumn}, ${id}) > (${after.owner}, ${after.id})`,
        except.length === 0 ? undefined : notInArray(ownerColumn, [...except]),
      ),
    )
    .orderBy(ownerColumn, id)
    .limit(limit);
}
