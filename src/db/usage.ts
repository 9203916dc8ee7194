import { type SQL, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { Usage } from "../events/event";
import { listOf } from "./filters";
import type { Pattern, USAGE_KINDS } from "./schema";

/** What usage can be grouped by. Of user and tag, one at most. */
export const USAGE_GROUPS = ["day", "owner", "user", "model", "pattern", "tag"] as const;
export type UsageGroup = (typeof USAGE_GROUPS)[number];

/** The usage to sum; `from` and `to` are UTC dates (YYYY-MM-DD), both inclusive. */
export interface UsageQuery {
  /** Null sums over all owners. */
  owner: string | null;
  /** Owners whose usage is left out of the sums over all owners. */
  except?: readonly string[];
  from: string;
  to: string;
  groupBy: readonly UsageGroup[];
}

/** Usage of a group. It has the fields of what is grouped by. */
export interface UsageRow extends Usage {
  day?: string;
  owner?: string;
  user?: string;
  tag?: string;
  model?: string;
  pattern?: Pattern;
  costNanos: number;
}

/** The most rows that an answer has. */
export const MAX_USAGE_ROWS = 10_000;

const COLUMNS = {
  day: "day",
  owner: "owner",
  user: "name",
  tag: "name",
  model: "model",
  pattern: "pattern",
} satisfies Record<UsageGroup, string>;

const AMOUNTS = {
  costNanos: "cost_nanos",
  inputTokens: "input_tokens",
  outputTokens: "output_tokens",
  cacheReadTokens: "cache_read_tokens",
  cacheWriteTokens: "cache_write_tokens",
  webSearchRequests: "web_search_requests",
} satisfies Record<keyof Usage | "costNanos", string>;

/**
 * Returns sums of usage, ordered by what they are grouped by; one row more than `MAX_USAGE_ROWS` if there are more. Reads
 * the sums of the groups: its cost does not grow with the number of sessions.
 */
export function usageOf(d1: D1Database, query: UsageQuery): Promise<UsageRow[]> {
  const { from, to, groupBy } = query;
  const groups = groupBy.map((group) => sql.raw(`${COLUMNS[group]} as "${group}"`));
  const sums = Object.entries(AMOUNTS).map(
    ([name, column]) => sql`coalesce(sum(${sql.raw(column)} * sign), 0) as ${sql.raw(`"${name}"`)}`,
  );
  const keys = groupBy.map((group) => sql.raw(COLUMNS[group]));
  const grouped = keys.length === 0 ? sql`` : sql`group by ${list(keys)} order by ${list(keys)}`;
  return drizzle(d1).all<UsageRow>(sql`
    select ${list([...groups, ...sums])}
    from (select *, ${signOf(query)} as sign from usage_totals)
    where ${ownersOf(query)} and kind = ${kindOf(groupBy)} and day between ${from} and ${to}
    ${grouped} limit ${MAX_USAGE_ROWS + 1}`);
}

/** Returns the sum of rows of several databases, each with all rows of its own. */
export function mergeUsage(
  parts: readonly UsageRow[][],
  groupBy: readonly UsageGroup[],
): UsageRow[] {
  if (parts.length === 1) return parts[0] ?? [];
  const keyOf = (row: UsageRow) => JSON.stringify(groupBy.map((group) => row[group]));
  const merged = new Map<string, UsageRow>();
  for (const row of parts.flat()) {
    const known = merged.get(keyOf(row));
    if (!known) merged.set(keyOf(row), { ...row });
    else {
      for (const name of Object.keys(AMOUNTS) as (keyof typeof AMOUNTS)[]) known[name] += row[name];
    }
  }
  return [...merged].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

const list = (parts: SQL[]): SQL => sql.join(parts, sql`, `);

const kindOf = (groupBy: readonly UsageGroup[]): (typeof USAGE_KINDS)[number] =>
  groupBy.includes("user") ? "user" : groupBy.includes("tag") ? "tag" : "all";

/** Returns whether the sums over all owners answer a query, less those of the owners that are left out. */
const isOverAll = ({ owner, groupBy }: UsageQuery): boolean =>
  owner === null && !groupBy.includes("owner") && kindOf(groupBy) === "all";

const signOf = (query: UsageQuery): SQL =>
  isOverAll(query) ? sql`case when owner = '' then 1 else -1 end` : sql`1`;

function ownersOf(query: UsageQuery): SQL {
  const { owner, except = [] } = query;
  if (owner !== null) return sql`owner = ${owner}`;
  if (isOverAll(query)) return sql`owner in ${listOf(["", ...except])}`;
  return sql`owner > '' and owner not in ${listOf(except)}`;
}
