import { and, eq, type SQL, sql } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import {
  agentSessions,
  PATTERNS,
  type Pattern,
  PHASES,
  phaseOf,
  STATUSES,
  type Status,
} from "./schema";
import { contains } from "./search";

/** Filters of a list of sessions. An absent or empty filter matches every session. */
export interface Filters {
  /** Null means the sessions of all owners. */
  owner: string | null;
  /** Owners whose sessions are left out. */
  except?: readonly string[] | undefined;
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

/** A condition of a list's filters. An index meets some of them; the others are tested on each session. */
export type Requirement =
  | "owner"
  | "except"
  | "phase"
  | "status"
  | "pattern"
  | "userId"
  | "conversationId"
  | "created"
  | "search"
  | `tag ${string}`
  | "more tags"
  | "any tag";

/** Removes filters that match every session, and repeated values. */
export function simplify<F extends Filters>(filters: F): F {
  return {
    ...filters,
    status: chosen(filters.status, STATUSES),
    pattern: chosen(filters.pattern, PATTERNS),
    tags: chosen(filters.tags),
    except: chosen(filters.except),
    userId: filters.userId || undefined,
    search: filters.search || undefined,
  };
}

function chosen<T>(values: readonly T[] | undefined, all?: readonly T[]): readonly T[] | undefined {
  const distinct = [...new Set(values)];
  return distinct.length === 0 || distinct.length === all?.length ? undefined : distinct;
}

/** Returns the phases of the statuses that a list has. */
export const phasesOf = ({ status }: Filters): readonly Status[] =>
  status === undefined ? PHASES : [...new Set(status.map(phaseOf))];

/** Returns whether a list has active sessions and none that are initializing. */
export const isWithoutInitializing = ({ status }: Filters): boolean =>
  status?.includes("active") === true && !status.includes("initializing");

/** A query has up to a hundred parameters. So only some of the tags are looked up in their index. */
const MAX_LEADING_TAGS = 5;

/** Returns whether a list has the sessions with any one of several tags. */
export const isAnyOfSeveral = ({ tags, tagsMode }: Filters): boolean =>
  tagsMode === "any" && (tags?.length ?? 0) > 1;

/** Returns the tags of which a session must have each, as far as their index is used. */
export const leadingTagsOf = (filters: Filters): readonly string[] =>
  isAnyOfSeveral(filters) ? [] : (filters.tags ?? []).slice(0, MAX_LEADING_TAGS);

/** Returns everything that simplified filters ask of a session, with the condition that tests it. */
export function requirementsOf(filters: Filters): Map<Requirement, SQL> {
  const { owner, except, status, pattern, userId, conversationId, tags, search } = filters;
  const asked = new Map<Requirement, SQL>();
  const ask = (name: Requirement, condition: SQL | undefined) => {
    if (condition) asked.set(name, condition);
  };
  ask("owner", owner === null ? undefined : eq(agentSessions.owner, owner));
  ask("except", ofOthers(agentSessions.owner, except));
  // An index of phases finds initializing sessions only among all that are active.
  const hidden = status?.includes("initializing") && !status.includes("active");
  ask(hidden ? "status" : "phase", status && sql`${agentSessions.status} in ${listOf(status)}`);
  ask("pattern", pattern && sql`${agentSessions.pattern} in ${listOf(pattern)}`);
  ask("userId", userId === undefined ? undefined : eq(agentSessions.userId, userId));
  ask(
    "conversationId",
    conversationId === undefined ? undefined : eq(agentSessions.conversationId, conversationId),
  );
  if (isAnyOfSeveral(filters)) ask("any tag", hasAny(tags ?? []));
  else {
    for (const tag of leadingTagsOf(filters)) ask(`tag ${tag}`, hasAny([tag]));
    ask("more tags", tags && hasAll(tags.slice(MAX_LEADING_TAGS)));
  }
  ask("created", createdWithin(filters, sql`${agentSessions.createdAt}`));
  ask("search", search === undefined ? undefined : contains(search));
  return asked;
}

/** Returns the condition of the filters by creation, for a column with the time of creation. */
export const createdWithin = (
  { createdAfter, createdBefore }: Filters,
  createdAt: SQL,
): SQL | undefined =>
  and(
    createdAfter === undefined ? undefined : sql`${createdAt} >= ${createdAfter}`,
    createdBefore === undefined ? undefined : sql`${createdAt} < ${createdBefore}`,
  );

/** One parameter for a whole list, because D1 allows a hundred. */
export const listOf = (values: readonly string[]): SQL =>
  sql`(select value from json_each(${JSON.stringify(values)}))`;

/** Returns the condition for all owners but some; undefined if all are meant. */
export const ofOthers = (owner: SQLiteColumn, except: readonly string[] = []): SQL | undefined =>
  except.length === 0 ? undefined : sql`${owner} not in ${listOf(except)}`;

const hasAny = (tags: readonly string[]) =>
  sql`exists (select 1 from json_each(${agentSessions.tags}) where value in ${listOf(tags)})`;

const hasAll = (tags: readonly string[]) =>
  tags.length === 0
    ? undefined
    : sql`not exists (
        select 1 from json_each(${JSON.stringify(tags)}) as wanted
        where wanted.value not in (select value from json_each(${agentSessions.tags}))
      )`;
