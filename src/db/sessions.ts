import { eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import {
  agentSessions,
  limitedOwners,
  ownerWebhooks,
  PHASE,
  type SessionRow,
  sessionColumns,
} from "./schema";
import { searchTextOf } from "./search";

// One delete of this size stays far below D1's time limit for a query.
const PURGE_AT_MOST = 1_000;

// The SQL is built once. Every create uses it, and a query builder needs more time to build it than the
// database needs to run it.
const columns: Record<keyof SessionRow, SQLiteColumn> = sessionColumns;
const keys = Object.keys(columns) as (keyof SessionRow)[];
const names = [...keys.map((key) => columns[key].name), agentSessions.searchText.name];
const place = (name: string) => `?${names.indexOf(name) + 1}`;
const placesOf = (some: string[]) => some.map(place).join(", ");

/** Columns of indexes and triggers that most changes leave alone. */
const settled = (
  [
    ...(["owner", "sessionId", "pattern", "status", "conversationId", "createdAt"] as const),
    ...(["completedAt", "terminatedAt", "retentionDays"] as const),
    ...(["tags", "description", "searchText", "userId"] as const),
  ] as const
).map((key) => agentSessions[key].name);
const mutable = names.filter((name) => name !== agentSessions.id.name);
const changing = mutable.filter((name) => !settled.includes(name));

// SQLite writes every index of a column that a statement sets, even to the same value. So a change of one of the settled
// columns has a statement of its own, which comes first and often does nothing; if it does, the other one does nothing.
const REPLACE = `
  update agent_sessions set ${mutable.map((name) => `${name} = ${place(name)}`).join(", ")}
  where id = ${place("id")} and version < ${place("version")}
    and (${settled.join(", ")}) is not (${placesOf(settled)})`;

const PUT = `
  insert into agent_sessions (${names.join(", ")}) values (${placesOf(names)})
  on conflict (id) do update set ${changing.map((name) => `${name} = excluded.${name}`).join(", ")}
  where excluded.version > agent_sessions.version`;

const BURY = `
  insert into session_tombstones (id, version, removed_at) values (?, ?, ?)
  on conflict (id) do update set version = excluded.version, removed_at = excluded.removed_at
  where excluded.version > session_tombstones.version`;

const PURGE = `
  delete from session_tombstones where id in (
    select id from session_tombstones where removed_at < ? order by removed_at limit ?
  )`;

const OWNER_FACTS = `
  select (select 1 from limited_owners where owner = ?1) as limited,
    (select version from owner_webhooks where owner = ?1) as webhooks`;

/** What the index knows of an owner that concerns its sessions. */
export interface OwnerFacts {
  /** Whether the owner has limits over many sessions. */
  isLimited: boolean;
  /** The version of the owner's list of webhooks; null if there was never one. */
  webhooks: number | null;
}

const ownerFacts = (result: D1Result | undefined): OwnerFacts => {
  const [row] = (result?.results ?? []) as { limited: number | null; webhooks: number | null }[];
  return { isLimited: row?.limited === 1, webhooks: row?.webhooks ?? null };
};

const REMOVE = "delete from agent_sessions where id = ? and version <= ?";

/** Values of a config with more characters of JSON than this are left out of the index. */
const MAX_CONFIG_VALUE = 300;

/**
 * Returns a row as the index stores it: null stands for a large value of the config, such as a system prompt. Only the
 * session's object has those.
 */
export function indexedForm(row: SessionRow): SessionRow {
  const entries = Object.entries(row.config);
  const isLarge = (value: unknown) => JSON.stringify(value)?.length > MAX_CONFIG_VALUE;
  if (!entries.some(([, value]) => isLarge(value))) return row;
  const config = entries.map(([name, value]) => [name, isLarge(value) ? null : value]);
  return { ...row, config: Object.fromEntries(config) };
}

/**
 * Writes a session's row. Does nothing if the stored row, or the session's tombstone, is at least as new. Returns what
 * concerns the owner's sessions: either those who change it find the row, or its session learns of it here.
 */
export async function putSession(d1: D1Database, row: SessionRow): Promise<OwnerFacts> {
  const results = await d1.batch([...put(d1, row), d1.prepare(OWNER_FACTS).bind(row.owner)]);
  return ownerFacts(results.at(-1));
}

/** Records that an owner has webhooks, and the version of their list. An older version changes nothing. */
export async function setWebhooks(d1: D1Database, owner: string, version: number): Promise<void> {
  const newest = sql`max(${ownerWebhooks.version}, excluded.version)`;
  await drizzle(d1)
    .insert(ownerWebhooks)
    .values({ owner, version })
    .onConflictDoUpdate({ target: ownerWebhooks.owner, set: { version: newest } });
}

/** Records whether an owner has limits that concern sessions. */
export async function setLimited(d1: D1Database, owner: string, isLimited: boolean): Promise<void> {
  const db = drizzle(d1);
  if (isLimited) await db.insert(limitedOwners).values({ owner }).onConflictDoNothing();
  else await db.delete(limitedOwners).where(eq(limitedOwners.owner, owner));
}

/**
 * Removes a session from the index and leaves a tombstone. Writes the session's last row first, so that a
 * session whose row was never written is counted too. A newer row stays.
 */
export async function removeSession(
  d1: D1Database,
  row: SessionRow,
  now: number,
): Promise<OwnerFacts> {
  const results = await d1.batch([
    ...put(d1, row),
    d1.prepare(BURY).bind(row.id, row.version, now),
    d1.prepare(REMOVE).bind(row.id, row.version),
    d1.prepare(OWNER_FACTS).bind(row.owner),
  ]);
  return ownerFacts(results.at(-1));
}

/** Returns the ids of an owner's sessions that have not ended: active ones first, and of these the newest first. */
export async function liveSessions(
  d1: D1Database,
  owner: string,
  limit: number,
): Promise<string[]> {
  const results = await drizzle(d1).all<{ id: string }>(sql`
    select id from agent_sessions indexed by owner_activity
    where owner = ${owner} and ${PHASE} in ('active', 'idle')
    order by ${PHASE}, last_activity_at desc limit ${limit}`);
  return results.map(({ id }) => id);
}

/** Deletes tombstones that are older than an instant, at most 1,000 at a time. Returns the number deleted. */
export async function purgeTombstones(d1: D1Database, before: number): Promise<number> {
  const purged = await d1.prepare(PURGE).bind(before, PURGE_AT_MOST).run();
  return purged.meta.changes;
}

/** A session that others can start from. */
export interface Newest {
  id: string;
  createdAt: number;
  /** Whether it can be resumed. */
  isResumable: boolean;
}

/** The owner whose sessions are looked up; null for all but those that are left out. */
export interface Owners {
  owner: string | null;
  except?: readonly string[];
}

/**
 * Returns the newest listed session with a `sessionId`; with an owner, that owner's newest. Returns a session
 * that cannot be resumed only if there is no other.
 */
export async function newestBySessionId(
  d1: D1Database,
  owners: Owners,
  sessionId: string,
): Promise<Newest | null> {
  const of = (belongs: string) => newest(d1, belongs, owners, sessionId);
  return (await of("session_id = ?1 and +pattern <> 'ephemeral'")) ?? (await of("session_id = ?1"));
}

/**
 * Returns the newest listed session of a conversation that can be resumed; with an owner, of that owner's
 * conversation.
 */
export const newestOfConversation = (
  d1: D1Database,
  owners: Owners,
  conversationId: number,
): Promise<Newest | null> =>
  newest(d1, "conversation_id = ?1 and +pattern <> 'ephemeral'", owners, conversationId);

async function newest(
  d1: D1Database,
  belongs: string,
  { owner, except = [] }: Owners,
  value: string | number,
): Promise<Newest | null> {
  const others = except.length === 0 ? "?2 = ?2" : "owner not in (select value from json_each(?2))";
  // The "+" keeps SQLite from an index of the owner: one history or conversation has few sessions.
  const owned = owner === null ? others : "+owner = ?2";
  const query = `
    select id, created_at, pattern from agent_sessions where ${belongs} and ${owned}
    order by created_at desc, id desc limit 1`;
  const found = await d1
    .prepare(query)
    .bind(value, owner ?? JSON.stringify(except))
    .first<{ id: string; created_at: number; pattern: string }>();
  return (
    found && {
      id: found.id,
      createdAt: found.created_at,
      isResumable: found.pattern !== "ephemeral",
    }
  );
}

function put(d1: D1Database, full: SessionRow): D1PreparedStatement[] {
  const row = indexedForm(full);
  const values = keys.map((key) =>
    row[key] === null ? null : columns[key].mapToDriverValue(row[key]),
  );
  values.push(row.description === null ? null : searchTextOf(row.description));
  return [d1.prepare(REPLACE).bind(...values), d1.prepare(PUT).bind(...values)];
}
