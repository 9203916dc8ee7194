import { and, eq, notInArray, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { ASKING, agentSessions, REQUESTING } from "./schema";

/** The conditions for sessions with tool calls that wait for somebody, by what they wait for. */
const WAITING = { decision: ASKING, result: REQUESTING };

/** Sessions with tool calls that wait for something: those after one, in the order of owners and ids. */
export interface WaitingQuery {
  for: keyof typeof WAITING;
  owner: string | null;
  after: WaitingSession;
  limit: number;
  except?: readonly string[];
}

export interface WaitingSession {
  owner: string;
  id: string;
}

/** Returns the next sessions with tool calls that wait for a decision, or for a result of the caller. */
export function waitingSessions(
  d1: D1Database,
  { for: awaited, owner, after, limit, except = [] }: WaitingQuery,
): Promise<WaitingSession[]> {
  const { owner: ownerColumn, id } = agentSessions;
  return drizzle(d1)
    .select({ owner: ownerColumn, id })
    .from(agentSessions)
    .where(
      and(
        WAITING[awaited],
        owner === null ? undefined : eq(ownerColumn, owner),
        sql`(${ownerColumn}, ${id}) > (${after.owner}, ${after.id})`,
        except.length === 0 ? undefined : notInArray(ownerColumn, [...except]),
      ),
    )
    .orderBy(ownerColumn, id)
    .limit(limit);
}
