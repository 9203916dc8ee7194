import { getTableColumns } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import { agentSessions, type SessionRow } from "./schema";

// One delete stays far below D1's bound on the time of a query.
const PURGE_AT_MOST = 1_000;

// The text of the write is made once. It is on the way of every create, and a query builder takes
// longer to put it together than the database takes to run it.
const columns: Record<keyof SessionRow, SQLiteColumn> = getTableColumns(agentSessions);
const keys = Object.keys(columns) as (keyof SessionRow)[];
const names = keys.map((key) => columns[key].name);
const PUT = `
  insert into agent_sessions (${names.join(", ")}) values (${names.map(() => "?").join(", ")})
  on conflict (id) do update set ${names.map((name) => `${name} = excluded.${name}`).join(", ")}
  where excluded.version > agent_sessions.version`;

const BURY = `
  insert into session_tombstones (id, version, removed_at) values (?, ?, ?)
  on conflict (id) do update set version = excluded.version, removed_at = excluded.removed_at
  where excluded.version > session_tombstones.version`;

const PURGE = `
  delete from session_tombstones where id in (
    select id from session_tombstones where removed_at < ? order by removed_at limit ?
  )`;

const REMOVE = "delete from agent_sessions where id = ? and version <= ?";

/** Writes a session's row. One no newer than what is there, or than its tombstone, changes nothing. */
export async function putSession(d1: D1Database, row: SessionRow): Promise<void> {
  await put(d1, row).run();
}

/**
 * Takes a session off the list and leaves a tombstone. Its last row is written first, so that a
 * session whose row never arrived is counted too. A row newer than this one stays.
 */
export async function removeSession(d1: D1Database, row: SessionRow, now: number): Promise<void> {
  await d1.batch([
    put(d1, row),
    d1.prepare(BURY).bind(row.id, row.version, now),
    d1.prepare(REMOVE).bind(row.id, row.version),
  ]);
}

/** Forgets tombstones left before an instant, a bounded number at a time; answers how many. */
export async function purgeTombstones(d1: D1Database, before: number): Promise<number> {
  const purged = await d1.prepare(PURGE).bind(before, PURGE_AT_MOST).run();
  return purged.meta.changes;
}

/**
 * Returns the newest listed session of a conversation history; with an owner, that owner's newest. One that can't be
 * resumed is so only where there is no other.
 */
export async function newestBySessionId(
  d1: D1Database,
  owner: string | null,
  sessionId: string,
): Promise<{ id: string } | null> {
  // With the "+" no index of the owner's sessions is walked: those of one history are few.
  const of = (belongs: string) => newest(d1, [belongs, "+owner = ?"], owner, sessionId);
  return (await of("session_id = ? and +pattern <> 'ephemeral'")) ?? (await of("session_id = ?"));
}

/** Returns the newest listed session of a conversation that can be resumed; with an owner, of that owner's conversation. */
export function newestOfConversation(
  d1: D1Database,
  owner: string | null,
  conversationId: number,
): Promise<{ id: string } | null> {
  return newest(
    d1,
    ["conversation_id = ? and pattern <> 'ephemeral'", "owner = ?"],
    owner,
    conversationId,
  );
}

function newest(
  d1: D1Database,
  [belongs, owned]: [belongs: string, owned: string],
  owner: string | null,
  value: string | number,
): Promise<{ id: string } | null> {
  const having = owner === null ? belongs : `${belongs} and ${owned}`;
  const query = `select id from agent_sessions where ${having} order by created_at desc, id desc limit 1`;
  return d1
    .prepare(query)
    .bind(...(owner === null ? [value] : [value, owner]))
    .first<{ id: string }>();
}

function put(d1: D1Database, row: SessionRow): D1PreparedStatement {
  const values = keys.map((key) =>
    row[key] === null ? null : columns[key].mapToDriverValue(row[key]),
  );
  return d1.prepare(PUT).bind(...values);
}
