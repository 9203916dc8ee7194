import { and, type SQL, sql } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import type { Position, Sort } from "./cursor";
import {
  createdWithin,
  type Filters,
  isAnyOfSeveral,
  isWithoutInitializing,
  leadingTagsOf,
  listOf,
  phasesOf,
  type Requirement,
} from "./filters";
import { agentSessions, PHASE, type SessionRow } from "./schema";
import { searched } from "./search";

// The names of the indexes are in the queries: this code chooses, because it counts what an index has for a list, and
// SQLite's planner can only guess.

/** Sessions that an index finds. */
export interface Source {
  /** What all of them meet. */
  meets: readonly Requirement[];
  /** A query for their keys: `key`. If it has an order, also their positions: `first`, `second`, `third`. */
  found: SQL;
  /** The column of the session's row that the keys are of. */
  key: SQL;
}

/** The filters and the order of a list, and the position after which it begins. */
export interface Ordered extends Filters {
  sort: Sort;
  after?: Position | undefined;
}

/** The columns that lists are sorted by, and the endings of their indexes' names. */
const ORDERS = {
  createdAt: [agentSessions.createdAt, "created"],
  lastActivityAt: [agentSessions.lastActivityAt, "activity"],
  totalCost: [agentSessions.totalCostNanos, "cost"],
} as const;

type Columns = [first: SQLiteColumn | SQL, second: SQLiteColumn | SQL, third: SQLiteColumn | SQL];

const nameOf = (sort: Sort) => sort.replace("-", "") as keyof typeof ORDERS;
const orderOf = (sort: Sort) => ORDERS[nameOf(sort)];

/** Returns the position of a session in a list. */
export function positionOf(sort: Sort, row: SessionRow): Position {
  const { createdAt, lastActivityAt, totalCostNanos, id } = row;
  const values = { createdAt, lastActivityAt, totalCost: totalCostNanos };
  return { value: values[nameOf(sort)], createdAt, id };
}

/** Returns the terms of a list's order: of a session's row, or of positions that a query has found. */
export function termsOf(sort: Sort, columns: Columns = columnsOf(sort)): SQL {
  const direction = sql.raw(sort.startsWith("-") ? "desc" : "asc");
  return sql.join(
    columns.map((column) => sql`${column} ${direction}`),
    sql`, `,
  );
}

/** Returns the condition for sessions after a position. */
export function behind({ sort, after }: Ordered, columns = columnsOf(sort)): SQL | undefined {
  if (!after) return undefined;
  const beyond = sql.raw(sort.startsWith("-") ? "<" : ">");
  return sql`(${sql.join(columns, sql`, `)}) ${beyond} (${after.value}, ${after.createdAt}, ${after.id})`;
}

const columnsOf = (sort: Sort): Columns => [
  orderOf(sort)[0],
  agentSessions.createdAt,
  agentSessions.id,
];

/** Returns the sources of a list without regard to its order: each index that one of its filters can use. */
export function sourcesOf(filters: Filters): Source[] {
  const { owner, tags = [], search } = filters;
  const sources = [phases(filters), ...lookupsOf(filters).map((lookup) => found(filters, lookup))];
  if (isAnyOfSeveral(filters)) {
    const having = and(sql`tag in ${listOf(tags)}`, within(filters));
    const any = sql`select distinct id as key from session_tags where ${having}`;
    sources.push({ meets: meetsOf(owner, "any tag"), found: any, key: KEYS.id });
  }
  const candidates = search === undefined ? undefined : searched(search);
  if (candidates) sources.push({ meets: [], found: candidates, key: KEYS.rowid });
  return sources;
}

/** Returns the sources that have the order of a list; the first has the fewest sessions that the list does not have. */
export function walksOf(query: Ordered): Source[] {
  // For admins the indexes of filters are in the order of the owners.
  const isOrdered = query.owner !== null && orderOf(query.sort) === ORDERS.createdAt;
  const lookups = isOrdered ? lookupsOf(query).filter(({ isOne }) => isOne) : [];
  return [...lookups.map((lookup) => found(query, lookup, query)), phasesInOrder(query)];
}

/** An index that begins with the column of a filter and goes on with the owner and the time of creation. */
interface Lookup {
  meets: Requirement;
  from: SQL;
  having: SQL;
  key: keyof typeof KEYS;
  /** Whether one value is looked up: only then the sessions of an owner are in the order of their creation. */
  isOne: boolean;
}

const KEYS = { rowid: sql`agent_sessions.rowid`, id: sql`agent_sessions.id` };

function lookupsOf(filters: Filters): Lookup[] {
  const { conversationId, userId, pattern } = filters;
  const lookup = (meets: Requirement, index: string, having: SQL, isOne = true): Lookup => ({
    meets,
    from: from(index),
    having,
    key: "rowid",
    isOne,
  });
  const lookups: Lookup[] = [];
  if (conversationId !== undefined) {
    const having = sql`conversation_id = ${conversationId}`;
    lookups.push(lookup("conversationId", "sessions_conversation", having));
  }
  if (userId !== undefined)
    lookups.push(lookup("userId", "sessions_user", sql`user_id = ${userId}`));
  for (const tag of leadingTagsOf(filters)) {
    const having = sql`tag = ${tag}`;
    lookups.push({ meets: `tag ${tag}`, from: sql`session_tags`, having, key: "id", isOne: true });
  }
  if (pattern) {
    const [one, ...others] = pattern;
    const having = others.length === 0 ? sql`pattern = ${one}` : sql`pattern in ${listOf(pattern)}`;
    lookups.push(lookup("pattern", "sessions_pattern", having, others.length === 0));
  }
  return lookups;
}

/** Returns what an index finds; if it is `ordered`, in the order of the creation and from a position on. */
function found(
  filters: Filters,
  { meets, from: index, having, key }: Lookup,
  ordered?: Ordered,
): Source {
  const after = ordered && behind(ordered, [MADE, MADE, sql`id`]);
  const keys = sql`from ${index} where ${and(having, within(filters), after)}`;
  const name = sql.raw(key);
  return {
    meets: meetsOf(filters.owner, meets),
    found: ordered
      ? inOrder(ordered, sql`select ${name} as key, ${position(MADE)} ${keys}`)
      : sql`select ${name} as key ${keys}`,
    key: KEYS[key],
  };
}

/** Returns the sessions of a list's phases and its span. */
const phases = (filters: Filters): Source => ({
  meets: ["owner", "created", ...(isWithoutInitializing(filters) ? [] : (["phase"] as const))],
  found: sql`select rowid as key from ${from(indexOf(filters, "created"))} where ${and(
    ofOwner(filters.owner),
    sql`${PHASE} in ${listOf(phasesOf(filters))}`,
    createdWithin(filters, MADE),
  )}`,
  key: KEYS.rowid,
});

/** Merges the sessions of each phase, which an index has in the order of the list. */
function phasesInOrder(query: Ordered): Source {
  const [column, ending] = orderOf(query.sort);
  const isByCreation = ending === "created";
  const first = sql.raw(column.name);
  const index = from(indexOf(query, ending));
  const arms = phasesOf(query).map((phase) => {
    const having = and(
      ofOwner(query.owner),
      sql`${PHASE} = ${phase}`,
      phase === "active" && isWithoutInitializing(query) ? sql`status = ${phase}` : undefined,
      isByCreation ? createdWithin(query, MADE) : undefined,
      behind(query, [first, MADE, sql`id`]),
    );
    return sql`select rowid as key, ${position(first)} from ${index} where ${having}`;
  });
  return {
    meets: ["owner", "phase", ...(isByCreation ? (["created"] as const) : [])],
    found: inOrder(query, sql.join(arms, sql` union all `)),
    key: KEYS.rowid,
  };
}

const MADE = sql`created_at`;

const ofOwner = (owner: string | null) => (owner === null ? undefined : sql`owner = ${owner}`);

// Without an owner, the time of creation does not bound what is read of an index of a filter.
const within = (filters: Filters): SQL | undefined =>
  filters.owner === null ? undefined : and(ofOwner(filters.owner), createdWithin(filters, MADE));

const meetsOf = (owner: string | null, name: Requirement): readonly Requirement[] =>
  owner === null ? [name] : ["owner", "created", name];

const indexOf = ({ owner }: Filters, ending: string) =>
  `${owner === null ? "sessions" : "owner"}_${ending}`;

const from = (index: string): SQL => sql`agent_sessions indexed by ${sql.raw(index)}`;

const position = (first: SQL): SQL => sql`${first} as first, created_at as second, id as third`;

const inOrder = (query: Ordered, keys: SQL): SQL =>
  sql`${keys} order by ${termsOf(query.sort, [sql`first`, sql`second`, sql`third`])}`;
