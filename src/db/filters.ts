import { and, eq, gte, inArray, lt, type SQL, sql } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import { fold, foldingsFor } from "./fold";
import {
  agentSessions,
  PATTERNS,
  type Pattern,
  STATUSES,
  type Status,
  sessionTags,
} from "./schema";

/** Filters of a list of sessions. An absent or empty filter matches every session. */
export interface Filters {
  /** Null means the sessions of all owners. */
  owner: string | null;
  status?: readonly Status[] | undefined;
  pattern?: readonly Pattern[] | undefined;
  userId?: string | undefined;
  conversationId?: number | undefined;
  tags?: readonly string[] | undefined;
  /** Whether a session must have all of the tags (the default) or any one of them. */
  tagsMode?: "all" | "any" | undefined;
  /** From `createdAfter` (inclusive) to `createdBefore` (exclusive), so that adjacent spans share no session. */
  createdAfter?: number | undefined;
  createdBefore?: number | undefined;
  /** A substring of the description, case-insensitive. */
  search?: string | undefined;
}

/** The columns that a list may be sorted by. */
export type SortKey = "createdAt" | "lastActivityAt" | "totalCostNanos";

/** The lead of a query: the filter, or the sort, whose index the query follows. */
export type Lead = "conversationId" | "userId" | "tag" | "anyTag" | "status" | "pattern" | SortKey;

type Column = "id" | "owner" | "conversationId" | "userId" | "status" | "pattern" | SortKey;

/** The columns of each lead's index, in order. */
const INDEXES: Record<Lead, readonly Column[]> = {
  conversationId: ["owner", "conversationId", "createdAt", "id"],
  userId: ["owner", "userId", "createdAt", "id"],
  tag: ["owner", "createdAt", "id"],
  anyTag: [],
  status: ["owner", "status", "createdAt", "id"],
  pattern: ["owner", "pattern", "createdAt", "id"],
  createdAt: ["owner", "createdAt", "id"],
  lastActivityAt: ["owner", "lastActivityAt", "id"],
  totalCostNanos: ["owner", "totalCostNanos", "id"],
};

/** Removes filters that match every session, and repeated values. */
export function simplify<F extends Filters>(filters: F): F {
  return {
    ...filters,
    status: chosen(filters.status, STATUSES),
    pattern: chosen(filters.pattern, PATTERNS),
    tags: chosen(filters.tags),
    userId: filters.userId || undefined,
    search: filters.search || undefined,
  };
}

function chosen<T>(values: readonly T[] | undefined, all?: readonly T[]): readonly T[] | undefined {
  const distinct = [...new Set(values)];
  return distinct.length === 0 || distinct.length === all?.length ? undefined : distinct;
}

/**
 * Chooses the index. A selective filter leads regardless of the sort, because its few sessions can be sorted. A
 * broad filter leads only for a sort by creation, which is the order of its index; for other sorts it is tested
 * on each row.
 */
export function leadOf(filters: Filters, sortKey: SortKey): Lead {
  if (filters.conversationId !== undefined) return "conversationId";
  if (filters.userId !== undefined) return "userId";
  if (filters.tags) return filters.tagsMode === "any" && filters.tags.length > 1 ? "anyTag" : "tag";
  if (sortKey !== "createdAt") return sortKey;
  if (filters.status) return "status";
  return filters.pattern ? "pattern" : "createdAt";
}

/**
 * Returns the SQL of a column. SQLite uses no index for a column with a "+". So this code chooses the index,
 * and not SQLite's planner, which can only guess how many sessions a filter matches.
 */
export function term(column: Column, lead: Lead): SQL {
  const { id, owner, createdAt } = sessionTags;
  const joined: Partial<Record<Column, SQLiteColumn>> =
    lead === "tag" ? { id, owner, createdAt } : {};
  const place = joined[column] ?? agentSessions[column];
  return INDEXES[lead].includes(column) ? sql`${place}` : sql`+${place}`;
}

/** Returns the condition of the filters. For the lead "tag", `session_tags` must be joined. */
export function conditions(filters: Filters, lead: Lead): SQL | undefined {
  const at = (column: Column) => term(column, lead);
  return and(
    when(filters.owner ?? undefined, (value) => eq(at("owner"), value)),
    when(filters.conversationId, (value) => eq(at("conversationId"), value)),
    when(filters.userId, (value) => eq(at("userId"), value)),
    when(filters.status, (values) => inArray(at("status"), [...values])),
    when(filters.pattern, (values) => inArray(at("pattern"), [...values])),
    when(filters.tags, (values) => tagged(values, filters, lead)),
    when(filters.createdAfter, (value) => gte(at("createdAt"), value)),
    when(filters.createdBefore, (value) => lt(at("createdAt"), value)),
    when(filters.search, (value) => contains(agentSessions.description, value)),
  );
}

const when = <T>(value: T | undefined, condition: (value: T) => SQL | undefined) =>
  value === undefined ? undefined : condition(value);

function tagged(tags: readonly string[], filters: Filters, lead: Lead): SQL | undefined {
  if (lead === "anyTag") {
    const owner = when(filters.owner ?? undefined, (value) => eq(sessionTags.owner, value));
    const having = and(owner, sql`${sessionTags.tag} in (select value from ${listOf(tags)})`);
    return sql`${agentSessions.id} in (select ${sessionTags.id} from ${sessionTags} where ${having})`;
  }
  const [first = "", ...others] = tags;
  if (lead === "tag") return and(eq(sessionTags.tag, first), hasAll(others));
  return filters.tagsMode === "any" ? hasAny(tags) : hasAll(tags);
}

// One parameter for the whole list, because D1 allows a hundred.
const listOf = (tags: readonly string[]) => sql`json_each(${JSON.stringify(tags)})`;

const has = (tag: SQL) => sql`exists (
  select 1 from ${sessionTags}
  where ${sessionTags.id} = ${agentSessions.id} and ${sessionTags.tag} = ${tag}
)`;

const hasAny = (tags: readonly string[]) =>
  sql`exists (select 1 from ${listOf(tags)} as wanted where ${has(sql`wanted.value`)})`;

const hasAll = (tags: readonly string[]) =>
  tags.length === 0
    ? undefined
    : sql`not exists (select 1 from ${listOf(tags)} as wanted where not ${has(sql`wanted.value`)})`;

/**
 * Maximum number of letters that are folded for one search: more than any word has, and few enough for D1,
 * which limits terms to a nesting of 100. In a search that needs more, the rarest letters match only as
 * written.
 */
export const FOLDED_AT_MOST = 80;

/**
 * SQLite's lower() supports ASCII only. Other letters are folded one by one, and only those that can affect the
 * match.
 */
function contains(column: SQLiteColumn, text: string): SQL {
  const wanted = fold(text);
  const lowered = sql`lower(${column})`;
  const foldings = foldingsFor(wanted).slice(0, FOLDED_AT_MOST);
  if (foldings.length === 0) return sql`instr(${lowered}, ${wanted}) > 0`;
  const folded = foldings.reduce(
    (all, { from, to }) => sql`replace(${all}, ${char(from)}, ${char(to)})`,
    lowered,
  );
  // ASCII text, which has one byte per character, skips the folding.
  const isAscii = sql`octet_length(${column}) = length(${column})`;
  return sql`instr(case when ${isAscii} then ${lowered} else ${folded} end, ${wanted}) > 0`;
}

// As character codes and not as a parameter, because D1 allows a hundred parameters.
const char = (text: string) =>
  sql.raw(`char(${Array.from(text, (letter) => letter.codePointAt(0)).join(", ")})`);
