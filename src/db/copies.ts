import { getTableColumns, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { chunksOf } from "./chunks";
import { agentSessions, type CopyPosition, PHASE, PHASES } from "./schema";
import { setLimited } from "./sessions";

// What a move copies and erases. Rows are copied as they are stored. Nothing here is seen while it happens: the copy is
// not the owner's yet, and what is erased is not any more.

const { searchId: _, ...copied } = getTableColumns(agentSessions);
const names = Object.values(copied).map(({ name }) => name);

/** Sums by owner, of which the database also has sums over all owners. */
interface Sums {
  table: string;
  cell: readonly string[];
  amounts: readonly string[];
  /** The cell over all owners that an owner's cell belongs to, and which of them are counted there. */
  ofAll: string;
  counted: string;
}

const TOTALS: Sums = {
  table: "session_totals",
  cell: ["user_id", "owner", "day", "pattern", "status", "removed"],
  amounts: ["sessions", "cost_nanos", "tokens", "ended", "ended_ms", "messages"],
  ofAll: "'', '', day, pattern, status, removed",
  counted: "user_id = ''",
};
const USAGE: Sums = {
  table: "usage_totals",
  cell: ["owner", "kind", "day", "name", "pattern", "model"],
  amounts: [
    ...["cost_nanos", "input_tokens", "output_tokens"],
    ...["cache_read_tokens", "cache_write_tokens", "web_search_requests"],
  ],
  ofAll: "'', kind, day, name, pattern, model",
  counted: "kind = 'all'",
};

const ROWS_AT_ONCE = 500;
const VERSIONS_AT_ONCE = 5_000;
const CELLS_AT_ONCE = 2_000;

type Stored = Record<string, string | number | null>;

const from = (some: readonly string[]) => some.map((name) => `value ->> '${name}'`).join(", ");
const upsert = (some: readonly string[]) =>
  some.map((name) => `${name} = excluded.${name}`).join(", ");

const COPY = `
  insert into agent_sessions (${names.join(", ")}) select ${from(names)} from json_each(?) where true
  on conflict (id) do update set ${upsert(names.filter((name) => name !== "id"))}
  where excluded.version > agent_sessions.version`;

/** Copies the next sessions of an owner. Returns the position of the last one; null if it was the last. */
export async function copySessions(
  source: D1Database,
  target: D1Database,
  owner: string,
  position: CopyPosition | null,
): Promise<CopyPosition | null> {
  const { rows, next } = await nextRows(source, owner, position, {
    columns: names,
    limit: ROWS_AT_ONCE,
  });
  await insert(target, rows);
  return next;
}

/**
 * Copies those of an owner's next sessions that the target does not have in their version. Compares the versions, since
 * a row may have been written long after its session changed. Returns the position of the last one; null if it was the
 * last.
 */
export async function copyMissed(
  source: D1Database,
  target: D1Database,
  owner: string,
  position: CopyPosition | null,
): Promise<CopyPosition | null> {
  const { rows, next } = await nextRows(source, owner, position, {
    columns: ["id", "version", "created_at"],
    limit: VERSIONS_AT_ONCE,
  });
  const { results } = await target.prepare(MISSED).bind(JSON.stringify(rows)).all<{ id: string }>();
  for (let at = 0; at < results.length; at += ROWS_AT_ONCE) {
    const ids = results.slice(at, at + ROWS_AT_ONCE).map(({ id }) => id);
    const missed = await source
      .prepare(
        `select ${names.join(", ")} from agent_sessions where id in (select value from json_each(?))`,
      )
      .bind(JSON.stringify(ids))
      .all<Stored>();
    await insert(target, missed.results);
  }
  return next;
}

const MISSED = `
  select value ->> 'id' as id from json_each(?) where not exists (
    select 1 from agent_sessions
    where agent_sessions.id = value ->> 'id' and agent_sessions.version >= value ->> 'version'
  )`;

/** Returns some columns of an owner's next sessions, and the position of the last one; null if it was the last. */
async function nextRows(
  source: D1Database,
  owner: string,
  position: CopyPosition | null,
  { columns, limit }: { columns: readonly string[]; limit: number },
): Promise<{ rows: Stored[]; next: CopyPosition | null }> {
  const [phase, createdAt, id] = position ?? [0, Number.MIN_SAFE_INTEGER, ""];
  const rows = await drizzle(source).all<Stored>(sql`
    select ${sql.raw(columns.join(", "))} from agent_sessions indexed by owner_created
    where owner = ${owner} and ${PHASE} = ${PHASES[phase] ?? ""} and (created_at, id) > (${createdAt}, ${id})
    order by created_at, id limit ${limit}`);
  const last = rows.at(-1);
  if (last && rows.length === limit)
    return { rows, next: [phase, Number(last.created_at), String(last.id)] };
  const hasMore = phase + 1 < PHASES.length;
  return { rows, next: hasMore ? [phase + 1, Number.MIN_SAFE_INTEGER, ""] : null };
}

async function insert(target: D1Database, rows: readonly Stored[]): Promise<void> {
  for (const chunk of chunksOf(rows)) {
    await target.prepare(COPY).bind(JSON.stringify(chunk)).run();
  }
}

/** Removes from a copy what was removed from its source since an instant. */
export async function copyRemovals(
  source: D1Database,
  target: D1Database,
  owner: string,
  since: number,
): Promise<void> {
  for await (const tombstones of pagesOf(
    source,
    "session_tombstones",
    ["id"],
    ["removed_at >= ?", since],
  )) {
    await target.batch([
      target
        .prepare(
          `insert into session_tombstones (id, version, removed_at)
           select ${from(["id", "version", "removed_at"])} from json_each(?) where true
           on conflict (id) do update set version = excluded.version, removed_at = excluded.removed_at
           where excluded.version > session_tombstones.version`,
        )
        .bind(tombstones),
      target
        .prepare(
          `delete from agent_sessions where owner = ?2 and id in (
             select value ->> 'id' from json_each(?1)
             where value ->> 'version' >= agent_sessions.version
           )`,
        )
        .bind(tombstones, owner),
    ]);
  }
}

/** Replaces a copy's sums over removed sessions by those of its source. */
export async function copyRemovedSums(
  source: D1Database,
  target: D1Database,
  owner: string,
): Promise<void> {
  await eraseSums(target, owner, "removed = 1");
  await copySums(source, target, TOTALS, ["removed = 1 and owner = ?", owner]);
  const key = ["id", "owner", "removed"];
  for await (const some of pagesOf(source, "conversations", key, [
    "removed = 1 and owner = ?",
    owner,
  ])) {
    const columns = [...key, "created_at", "last_activity_at", "sessions", "cost_nanos", "tokens"];
    await target
      .prepare(
        `insert into conversations (${columns.join(", ")}) select ${from(columns)} from json_each(?)`,
      )
      .bind(some)
      .run();
  }
}

/** Replaces a copy's sums of usage, to which the copied sessions have added some, by those of its source. */
export async function copyUsage(
  source: D1Database,
  target: D1Database,
  owner: string,
): Promise<void> {
  await target.batch(erasing(target, USAGE, owner));
  await copySums(source, target, USAGE, ["owner = ?", owner]);
}

/** Copies sums of an owner, and adds them to those over all owners. */
async function copySums(
  source: D1Database,
  target: D1Database,
  sums: Sums,
  which: [condition: string, owner: string],
): Promise<void> {
  const columns = [...sums.cell, ...sums.amounts];
  const all = `select ${from(columns)} from json_each(?)`;
  const insert = `insert into ${sums.table} (${columns.join(", ")}) ${all}`;
  for await (const cells of pagesOf(source, sums.table, sums.cell, which)) {
    await target.batch([addToAll(target, sums, all, cells), target.prepare(insert).bind(cells)]);
  }
}

/** Records that an owner has limits, in a database that is newer than these. */
export async function copyIsLimited(
  source: D1Database,
  target: D1Database,
  owner: string,
): Promise<void> {
  const query = "select 1 from limited_owners where owner = ?";
  const isLimited = (await source.prepare(query).bind(owner).first()) !== null;
  if (isLimited) await setLimited(target, owner, true);
}

/** Erases the next sessions of an owner, or their sums if there are none. Returns whether there is nothing left. */
export async function eraseSessions(d1: D1Database, owner: string): Promise<boolean> {
  const { meta } = await d1
    .prepare(
      `delete from agent_sessions where rowid in (
         select rowid from agent_sessions indexed by owner_created where owner = ? limit ?
       )`,
    )
    .bind(owner, ROWS_AT_ONCE)
    .run();
  if (meta.changes > 0) return false;
  await eraseSums(d1, owner, "true");
  await d1.batch(erasing(d1, USAGE, owner));
  return true;
}

async function eraseSums(d1: D1Database, owner: string, which: string): Promise<void> {
  await d1.batch([
    ...erasing(d1, TOTALS, owner, which),
    d1.prepare(`delete from conversations where owner = ? and ${which}`).bind(owner),
    d1.prepare("delete from session_totals where user_id = '' and owner = '' and sessions = 0"),
  ]);
}

/** Returns the statements that erase sums of an owner, and subtract them from those over all owners. */
function erasing(d1: D1Database, sums: Sums, owner: string, which = "true"): D1PreparedStatement[] {
  const { table, cell, amounts } = sums;
  const negated = amounts.map((name) => `-${name}`).join(", ");
  const own = `select ${cell.join(", ")}, ${negated} from ${table} where owner = ? and ${which}`;
  return [
    addToAll(d1, sums, own, owner),
    d1.prepare(`delete from ${table} where owner = ? and ${which}`).bind(owner),
  ];
}

/** Adds sums of an owner to those over all owners. */
function addToAll(
  d1: D1Database,
  { table, cell, amounts, ofAll, counted }: Sums,
  cells: string,
  parameter: string,
): D1PreparedStatement {
  const columns = [...cell, ...amounts].join(", ");
  return d1
    .prepare(
      `with own (${columns}) as (${cells})
       insert into ${table} (${columns})
       select ${ofAll}, ${amounts.join(", ")} from own where ${counted}
       on conflict do update set
         ${amounts.map((name) => `${name} = ${table}.${name} + excluded.${name}`).join(", ")}`,
    )
    .bind(parameter);
}

/** Yields the rows of a table with a condition, in pages, each as JSON. */
async function* pagesOf(
  d1: D1Database,
  table: string,
  key: readonly string[],
  [condition, parameter]: [condition: string, parameter: string | number],
): AsyncGenerator<string> {
  let after: (string | number)[] | undefined;
  for (;;) {
    const beyond = after ? `and (${key.join(", ")}) > (${key.map(() => "?").join(", ")})` : "";
    const { results } = await d1
      .prepare(
        `select * from ${table} where ${condition} ${beyond} order by ${key.join(", ")} limit ${CELLS_AT_ONCE}`,
      )
      .bind(parameter, ...(after ?? []))
      .all<Record<string, string | number>>();
    if (results.length > 0) yield JSON.stringify(results);
    const last = results.at(-1);
    if (!last || results.length < CELLS_AT_ONCE) return;
    after = key.map((name) => last[name] ?? "");
  }
}
