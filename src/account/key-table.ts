import { all, json, number, one, parse, type Row, type Sql, text } from "../shared/sql";
import type { StoredKey } from "./keys";
import type { Scope } from "./scopes";

const TABLES = `CREATE TABLE IF NOT EXISTS keys (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  owner TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  previous_hash TEXT,
  previous_until INTEGER,
  scopes TEXT NOT NULL,
  tools TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  last_used_at INTEGER,
  revoked_at INTEGER
);
CREATE INDEX IF NOT EXISTS replaced_secrets ON keys (previous_hash) WHERE previous_hash IS NOT NULL`;

/** When a key was revoked or expires; far in the future if neither. */
const ENDED_AT = "min(ifnull(revoked_at, 9e15), ifnull(expires_at, 9e15))";

interface Positioned {
  n: number;
  key: StoredKey;
}

/** The keys of an account, in the order in which they were created. The table exists once there was a key. */
export class KeyTable {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  exists(): boolean {
    return all(this.#sql, "SELECT 1 FROM sqlite_master WHERE name = 'keys'").length > 0;
  }

  /** Returns the key with a hash, the present or the replaced one. */
  byHash(hash: string): StoredKey | undefined {
    return (
      this.#first("SELECT * FROM keys WHERE hash = ?", hash) ??
      this.#first("SELECT * FROM keys WHERE previous_hash = ?", hash)
    );
  }

  /** Returns a key by its id; undefined if there is none. */
  find(id: string): StoredKey | undefined {
    return this.exists() ? this.#first("SELECT * FROM keys WHERE id = ?", id) : undefined;
  }

  /** Returns the newest keys before a position that have not ended before a time, with their positions. */
  before(position: number | null, limit: number, endedAfter: number): Positioned[] {
    const query = `SELECT * FROM keys WHERE n < ? AND ${ENDED_AT} > ? ORDER BY n DESC LIMIT ?`;
    const from = position ?? Number.MAX_SAFE_INTEGER;
    const rows = all(this.#sql, query, from, endedAfter, limit);
    return rows.map((row) => ({ n: Number(row.n), key: fromRow(row) }));
  }

  /** Returns how many keys have not ended. */
  countUsable(now: number): number {
    return Number(one(this.#sql, `SELECT COUNT(*) AS n FROM keys WHERE ${ENDED_AT} > ?`, now).n);
  }

  /** Removes keys that ended before a time, and the oldest of those that have ended if there are more than `most`. */
  forget(endedBefore: number, now: number, most: number): void {
    this.#sql.exec(`DELETE FROM keys WHERE ${ENDED_AT} <= ?`, endedBefore);
    this.#sql.exec(
      `DELETE FROM keys WHERE n IN
       (SELECT n FROM keys WHERE ${ENDED_AT} <= ? ORDER BY n DESC LIMIT -1 OFFSET ?)`,
      now,
      most,
    );
  }

  makeTables(): void {
    this.#sql.exec(TABLES);
  }

  add(key: StoredKey): void {
    this.#sql.exec(
      `INSERT INTO keys (id, name, owner, hash, scopes, tools, created_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      key.id,
      key.name,
      key.owner,
      key.hash,
      JSON.stringify(key.scopes),
      json(key.tools),
      key.createdAt,
      key.expiresAt,
    );
  }

  /** Writes what can change about a key. */
  update({ id, hash, previousHash, previousUntil, lastUsedAt, revokedAt }: StoredKey): void {
    this.#sql.exec(
      `UPDATE keys SET hash = ?, previous_hash = ?, previous_until = ?, last_used_at = ?, revoked_at = ?
       WHERE id = ?`,
      hash,
      previousHash,
      previousUntil,
      lastUsedAt,
      revokedAt,
      id,
    );
  }

  #first(query: string, value: string): StoredKey | undefined {
    const [row] = all(this.#sql, query, value);
    return row && fromRow(row);
  }
}

const fromRow = (row: Row): StoredKey => ({
  id: String(row.id),
  name: String(row.name),
  owner: String(row.owner),
  hash: String(row.hash),
  previousHash: text(row.previous_hash),
  previousUntil: number(row.previous_until),
  scopes: parse<Scope[]>(row.scopes),
  tools: row.tools === null ? null : parse<string[]>(row.tools),
  createdAt: Number(row.created_at),
  expiresAt: number(row.expires_at),
  lastUsedAt: number(row.last_used_at),
  revokedAt: number(row.revoked_at),
});
