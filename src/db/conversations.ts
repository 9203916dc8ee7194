import { and, eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { ofOthers } from "./filters";
import { conversations } from "./schema";

/** A conversation and the sums over its sessions, removed ones included; instants in ms. */
export interface Conversation {
  id: number;
  createdAt: number;
  lastActivityAt: number;
  sessionCount: number;
  totalCostNanos: number;
  totalTokens: number;
}

/**
 * Reads a conversation; null if no session was ever created with its number. With `owner` null, sums over the
 * conversations of all owners with this number.
 */
export async function readConversation(
  d1: D1Database,
  owner: string | null,
  id: number,
  except: readonly string[] = [],
): Promise<Conversation | null> {
  const { createdAt, lastActivityAt, sessions, costNanos, tokens } = conversations;
  const [found] = await drizzle(d1)
    .select({
      id: conversations.id,
      createdAt: sql<number>`min(${createdAt})`,
      lastActivityAt: sql<number>`max(${lastActivityAt})`,
      sessionCount: sql<number>`sum(${sessions})`,
      totalCostNanos: sql<number>`sum(${costNanos})`,
      totalTokens: sql<number>`sum(${tokens})`,
    })
    .from(conversations)
    .where(
      and(
        eq(conversations.id, id),
        owner === null ? ofOthers(conversations.owner, except) : eq(conversations.owner, owner),
      ),
    )
    .groupBy(conversations.id);
  return found ?? null;
}

/** Returns the sums of the same conversation of several databases. */
export function sumOfConversations([
  first,
  ...others
]: readonly Conversation[]): Conversation | null {
  if (!first) return null;
  return others.reduce(
    (sum, one) => ({
      id: sum.id,
      createdAt: Math.min(sum.createdAt, one.createdAt),
      lastActivityAt: Math.max(sum.lastActivityAt, one.lastActivityAt),
      sessionCount: sum.sessionCount + one.sessionCount,
      totalCostNanos: sum.totalCostNanos + one.totalCostNanos,
      totalTokens: sum.totalTokens + one.totalTokens,
    }),
    first,
  );
}
