import { sql } from "drizzle-orm";
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
  totalMessages: number;
  avgSessionDuration: number;
  byPattern: Record<
    Pattern,
    {
      count: number;
      failed: number;
      avgCost: number;
      avgTokens: number;
      avgMessages: number;
      avgDuration: number;
    }
  >;
  byStatus: Record<Status, number>;
  /** The sessions by the UTC day of their creation, oldest first, of days with any; only if it was asked for. */
  byDay?: DaySummary[];
}

/** The sessions that were created on a day. */
interface DaySummary {
  day: string;
  sessions: number;
  failed: number;
  terminated: number;
  cost: number;
  tokens: number;
  messages: number;
  avgDuration: number;
}

export interface SummaryQuery extends TotalsQuery {
  groupBy?: "day" | undefined;
}

interface Sums {
  sessions: number;
  costNanos: number;
  tokens: number;
  ended: number;
  endedMs: number;
  messages: number;
}

export interface Cell extends Sums {
  pattern: Pattern;
  status: Status;
  /** Empty if the sums are not by day. */
  day: string;
}

// Before every session.
const FIRST_DAY = "0000-01-01";

/**
 * Returns the sums of a query by pattern and status, and by day if asked, over removed sessions too. The cost does not grow
 * with the number of sessions.
 */
export function cellsOf(d1: D1Database, { groupBy, ...query }: SummaryQuery): Promise<Cell[]> {
  const isByDay = groupBy === "day";
  // Without dates there are sums over all days, which are in no day.
  const from = query.from ?? (isByDay ? FIRST_DAY : undefined);
  const { pattern, status, sessions, costNanos, tokens, ended, endedMs, messages } = sessionTotals;
  return drizzle(d1)
    .select({
      pattern,
      status,
      day: isByDay ? sessionTotals.day : sql<string>`''`,
      sessions: sumOf(sessions, query),
      costNanos: sumOf(costNanos, query),
      tokens: sumOf(tokens, query),
      ended: sumOf(ended, query),
      endedMs: sumOf(endedMs, query),
      messages: sumOf(messages, query),
    })
    .from(sessionTotals)
    .where(totalsOf({ ...query, from }))
    .groupBy(pattern, status, ...(isByDay ? [sessionTotals.day] : []));
}

/** Returns the summary of sums; there may be several of a pattern, status and day. */
export function summary(cells: readonly Cell[], groupBy?: "day"): Summary {
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
    totalMessages: all.messages,
    avgSessionDuration: averageDuration(all),
    byPattern: record(PATTERNS, (p) => averages(cells.filter((cell) => cell.pattern === p))),
    byStatus,
    ...(groupBy === "day" && { byDay: byDay(cells) }),
  };
}

function byDay(cells: readonly Cell[]): DaySummary[] {
  const days = Map.groupBy(cells, (cell) => cell.day);
  return [...days.keys()].sort().flatMap((day) => {
    const all = days.get(day) ?? [];
    const sums = sum(all);
    // The sums over all owners have days on which only those had sessions who are left out.
    if (sums.sessions === 0) return [];
    const count = (status: Status) => sum(all.filter((cell) => cell.status === status)).sessions;
    return {
      day,
      sessions: sums.sessions,
      failed: count("error"),
      terminated: count("terminated"),
      cost: dollars(sums.costNanos),
      tokens: sums.tokens,
      messages: sums.messages,
      avgDuration: averageDuration(sums),
    };
  });
}

function averages(cells: readonly Cell[]) {
  const sums = sum(cells);
  return {
    count: sums.sessions,
    failed: sum(cells.filter(({ status }) => status === "error")).sessions,
    avgCost: dollars(average(sums.costNanos, sums.sessions)),
    avgTokens: average(sums.tokens, sums.sessions),
    avgMessages: average(sums.messages, sums.sessions),
    avgDuration: averageDuration(sums),
  };
}

function sum(cells: readonly Cell[]): Sums {
  const total = { sessions: 0, costNanos: 0, tokens: 0, ended: 0, endedMs: 0, messages: 0 };
  for (const cell of cells) {
    total.sessions += cell.sessions;
    total.costNanos += cell.costNanos;
    total.tokens += cell.tokens;
    total.ended += cell.ended;
    total.endedMs += cell.endedMs;
    total.messages += cell.messages;
  }
  return total;
}

const average = (amount: number, count: number) => (count === 0 ? 0 : amount / count);
const averageDuration = ({ endedMs, ended }: Sums) => Math.round(average(endedMs, ended));

function record<K extends string, V>(keys: readonly K[], value: (key: K) => V): Record<K, V> {
  return Object.fromEntries(keys.map((key) => [key, value(key)])) as Record<K, V>;
}
