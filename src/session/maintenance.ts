import type { IndexDatabase } from "../db/databases";
import { Moves } from "../db/moves";
import { nextReconcileBatch } from "../db/reconcile-cursor";
import { nextExpiredSessions } from "../db/retention";
import type { SessionRow } from "../db/schema";
import { addUnsearched } from "../db/search";
import type { SessionIndex } from "../db/session-index";
import { purgeTombstones } from "../db/sessions";
import { maintainPool } from "../pool/client";
import { collectGarbage } from "../sandbox/archive";
import { errorText, log } from "../shared/log";
import { isSessionId } from "../shared/session-id";
import { defaultRetentionDays, indexOf } from "./deployment";
import { keepMachines } from "./machine-upkeep";
import { sandboxOptions } from "./machines";
import type { SessionRpc } from "./rpc";
import { removeExpiredSetups } from "./storage/setups";
import { SnapshotBucket } from "./storage/snapshot-bucket";

/** How long the tombstone of a removed session is kept, in ms. It guards against a late write. */
const TOMBSTONE_MS = 7 * 86_400_000;

/**
 * Limits of one run: batches of tombstones, of descriptions and of expired sessions, rows of a batch, and rows at once.
 */
const MAX_PURGES = 10;
const MAX_ADDITIONS = 40;
const DESCRIPTIONS_AT_ONCE = 500;
const MAX_EXPIRIES = 5;
const MAX_ROWS = 100;
const ROWS_AT_ONCE = 10;
/** How long one run moves owners between databases, in ms. */
const MOVING_MS = 30_000;

/** A row that was written within this time, in ms, is skipped: its object may still be writing it. */
const QUIET_MS = 5 * 60_000;

/**
 * Removes expired sessions, tombstones and snapshots, maintains the warm pool, and repairs rows of the index that differ
 * from their objects. Runs every few minutes. Never rejects.
 */
export async function maintain(env: Env, now: number): Promise<void> {
  await attempt("pool", () => maintainPool(env));
  const index = indexOf(env);
  for (const database of index.databases) {
    await attempt("purge", () => purge(database.d1, now));
    await attempt("reconcile", () => reconcile(env, database, now));
    await attempt("search", () => addDescriptions(database.d1));
    await attempt("retention", () => removeExpired(env, database, now));
  }
  if (index.databases.length > 1) await attempt("moves", () => moveOwners(index, now));
  await attempt("snapshots", () => new SnapshotBucket(env.SNAPSHOTS).removeExpired(now));
  await attempt("setups", () => removeExpiredSetups(env.SNAPSHOTS, now));
  await attempt("garbage", () => collectGarbage(env.SNAPSHOTS, now));
  // Last: it asks the session of each machine.
  await attempt("machines", () => keepSessionsMachines(env, now));
}

async function keepSessionsMachines(env: Env, now: number): Promise<void> {
  const { machines } = sandboxOptions;
  if (!machines) return;
  const needOf = async (session: string, machineId: string) =>
    isSessionId(session) ? env.SESSIONS.getByName(session).needsMachine(machineId) : "gone";
  await keepMachines(machines, needOf, now);
}

async function purge(d1: D1Database, now: number): Promise<void> {
  for (let purges = 0; purges < MAX_PURGES; purges++) {
    if ((await purgeTombstones(d1, now - TOMBSTONE_MS)) === 0) return;
  }
}

async function addDescriptions(d1: D1Database): Promise<void> {
  for (let batches = 0; batches < MAX_ADDITIONS; batches++) {
    if ((await addUnsearched(d1, DESCRIPTIONS_AT_ONCE)) === 0) return;
  }
}

async function moveOwners({ databases }: SessionIndex, now: number): Promise<void> {
  const startedAt = Date.now();
  const isOver = () => Date.now() >= startedAt + MOVING_MS;
  for (const move of await new Moves(databases).run(now, isOver)) log("index.moved", { ...move });
}

async function reconcile(env: Env, database: IndexDatabase, now: number): Promise<void> {
  const quiet = { before: now - QUIET_MS, after: now + QUIET_MS };
  const rows = await nextReconcileBatch(database.d1, { ...quiet, limit: MAX_ROWS });
  await reconcileRows(env, await shownRows(env, database, rows), now);
}

/**
 * Deletes ended sessions whose retention is over. An ended session has an alarm for this, but not if it ended before the
 * setting was made or shortened. Each object decides by its own state.
 */
async function removeExpired(env: Env, database: IndexDatabase, now: number): Promise<void> {
  const query = { now, days: defaultRetentionDays(), limit: MAX_ROWS };
  // Rows whose objects can't be reached must not hide those behind them.
  const except: string[] = [];
  for (let batches = 0; batches < MAX_EXPIRIES; batches++) {
    const rows = await nextExpiredSessions(database.d1, { ...query, except });
    except.push(...rows.map(({ id }) => id));
    await reconcileRows(env, await shownRows(env, database, rows), now);
    if (rows.length < MAX_ROWS) return;
  }
}

/** Returns the rows that the index shows, without those of owners who come to a database or have left it. */
async function shownRows(
  env: Env,
  database: IndexDatabase,
  rows: readonly SessionRow[],
): Promise<SessionRow[]> {
  const index = indexOf(env);
  const isShown = await Promise.all(
    rows.map(async ({ owner }) => (await index.locate(owner)) === database),
  );
  return rows.filter((_, i) => isShown[i]);
}

async function reconcileRows(env: Env, rows: SessionRow[], now: number): Promise<void> {
  while (rows.length > 0) {
    const some = rows.splice(0, ROWS_AT_ONCE);
    // An object that cannot be reached must not prevent the others from being reconciled.
    await Promise.all(some.map((row) => attempt("reconcile", () => reconcileRow(env, row, now))));
  }
}

/** Makes the object of a row compare and repair it. Removes a row that has no object. */
async function reconcileRow(env: Env, row: SessionRow, now: number): Promise<void> {
  const session = env.SESSIONS.getByName(row.id) as unknown as Pick<SessionRpc, "reconcile">;
  const verdict = await session.reconcile(row);
  if (verdict === "unknown") await indexOf(env).remove(row, now);
  if (verdict === "wrong" || verdict === "unknown")
    log("index.repaired", { session: row.id, verdict });
}

async function attempt(task: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    log("maintenance.failed", { task, error: errorText(error) });
  }
}
