import { drizzle } from "drizzle-orm/d1";
import { dollars } from "../shared/money";
import { PATTERNS, type Pattern, STATUSES, type Status, sessionTotals } from "./schema";
import { sumOf, type TotalsQuery, totalsOf } from "./totals";

/** Sums and averages over every session ever created; money in dollars, durations in ms. */
export interface Summary {
  totalSessions: number;
  activeSessions: number;
  completedSessions: number;
  errorSessions: number;
  terminatedSessions: number;
  totalCost: number;
  totalTokens: number;
  avgSessionDuration: number;
  byPattern: Record<
    Pattern,
    { count: number; avgCost: number; avgTokens: number; avgDuration: number }
  >;
  byStatus: Record<Status, number>;
}

interface Sums {
  sessions: number;
  costNanos: number;
  tokens: number;
  ended: number;
  endedMs: number;
}

export interface Cell extends Sums {
  pattern: Pattern;
  status: Status;
}

/**
 * Returns the sums of a query by pattern and status, over removed sessions too. The cost does not grow with the number of
 * sessions.
 */
export function cellsOf(d1: D1Database, query: TotalsQuery): Promise<Cell[]> {
  const { pattern, status, sessions, costNanos, tokens, ended, endedMs } = sessionTotals;
  return drizzle(d1)
    .select({
      pattern,
      status,
      sessions: sumOf(sessions, query),
      costNanos: sumOf(costNanos, query),
      tokens: sumOf(tokens, query),
      ended: sumOf(ended, query),
      endedMs: sumOf(endedMs, query),
    })
    .from(sessionTotals)
    .where(totalsOf(query))
    .groupBy(pattern, status);
}

/** Returns the summary of sums; there may be several of a pattern and status. */
export function summary(cells: readonly Cell[]): Summary {
  const all = sum(cells);
  const byStatus = record(STATUSES, (s) => sum(cells.filter((cell) => cell.status === s)).sessions);
  return {
    totalSessions: all.sessions,
    activeSessions: byStatus.active,
    completedSessions: byStatus.completed,
    errorSessions: byStatus.error,
    terminatedSessions: byStatus.terminated,
    totalCost: dollars(all.costNanos),
    totalTokens: all.tokens,
    avgSessionDuration: averageDuration(all),
    byPattern: record(PATTERNS, (p) => averages(sum(cells.filter((cell) => cell.pattern === p)))),
    byStatus,
  };
}

function averages(sums: Sums) {
  return {
    count: sums.sessions,
    avgCost: dollars(average(sums.costNanos, sums.sessions)),
    avgTokens: average(sums.tokens, sums.sessions),
    avgDuration: averageDuration(sums),
  };
}

function sum(cells: readonly Cell[]): Sums {
  const total = { sessions: 0, costNanos: 0, tokens: 0, ended: 0, endedMs: 0 };
  for (const cell of cells) {
    total.sessions += cell.sessions;
    total.costNanos += cell.costNanos;
    total.tokens += cell.tokens;
    total.ended += cell.ended;
    total.endedMs += cell.endedMs;
  }
  return total;
}

const average = (amount: number, count: number) => (count === 0 ? 0 : amount / count);
const averageDuration = ({ endedMs, ended }: Sums) => Math.round(average(endedMs, ended));

function record<K extends string, V>(keys: readonly K[], value: (key: K) => V): Record<K, V> {
  return Object.fromEntries(keys.map((key) => [key, value(key)])) as Record<K, V>;
}
