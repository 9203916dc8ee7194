import { all, number, one, parse, type Row, type Sql } from "../shared/sql";

/** What is recorded of those who act. */
export const AUDITED = [
  "key.created",
  "key.rotated",
  "key.revoked",
  "limits.changed",
  "webhook.created",
  "webhook.deleted",
  "automation.created",
  "automation.deleted",
  "share.created",
  "share.revoked",
  "session.terminated",
  "session.deleted",
] as const;

/** Who acts, and from where. */
export interface Actor {
  owner: string;
  via: string;
  /** The key that was used, if the API has made it. */
  keyId: string | null;
  address: string | null;
  requestId: string;
}

/** Something that was done to what belongs to an owner. It has no secrets. */
export interface AuditEntry {
  id: string;
  /** In ms since 1970. */
  at: number;
  action: (typeof AUDITED)[number];
  owner: string;
  /** The id of the key, webhook, automation, share link or session; null for limits. */
  target: string | null;
  details: Record<string, unknown>;
  by: Actor;
}

/** A page of entries, newest first. `next` continues after it; null at the end. */
export interface AuditPage {
  entries: AuditEntry[];
  next: number | null;
}

/** Entries to read: those of one action if it is given, from before a position. */
export interface AuditQuery {
  action: AuditEntry["action"] | null;
  before: number | null;
  limit: number;
}

/** The name of the account that has the entries of all owners. No owner's account has it. */
export const EVERYONE = "everyone";

/** How long entries are kept, in ms. */
export const AUDIT_KEPT_MS = 90 * 24 * 60 * 60_000;

const TABLES = `CREATE TABLE IF NOT EXISTS audit (
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  at INTEGER NOT NULL,
  action TEXT NOT NULL,
  entry TEXT NOT NULL,
  forwarded INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS audit_by_time ON audit (at);
CREATE INDEX IF NOT EXISTS audit_by_action ON audit (action, n);
CREATE INDEX IF NOT EXISTS audit_to_forward ON audit (n) WHERE forwarded = 0`;

/** The entries of an account, in the order in which it learned of them. The table exists once there was one. */
export class AuditTable {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  exists(): boolean {
    return all(this.#sql, "SELECT 1 FROM sqlite_master WHERE name = 'audit'").length > 0;
  }

  /** Adds an entry. Does nothing if it is there. */
  add(entry: AuditEntry): void {
    this.#sql.exec(TABLES);
    this.#sql.exec(
      "INSERT INTO audit (id, at, action, entry) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
      entry.id,
      entry.at,
      entry.action,
      JSON.stringify(entry),
    );
  }

  /** Returns a page of the entries since a time. */
  page({ action, before, limit }: AuditQuery, since: number): AuditPage {
    const ofAction = action === null ? "? IS NULL" : "action = ?";
    const query = `SELECT n, entry FROM audit WHERE ${ofAction} AND n < ? AND at >= ? ORDER BY n DESC LIMIT ?`;
    const from = before ?? Number.MAX_SAFE_INTEGER;
    const rows = all(this.#sql, query, action, from, since, limit + 1);
    const page = rows.slice(0, limit);
    return {
      entries: page.map(entryOf),
      next: rows.length > limit ? Number(page.at(-1)?.n) : null,
    };
  }

  /** Returns the first entries that were not forwarded. */
  toForward(limit: number): AuditEntry[] {
    const query = "SELECT entry FROM audit WHERE forwarded = 0 ORDER BY n LIMIT ?";
    return all(this.#sql, query, limit).map(entryOf);
  }

  markForwarded(entries: readonly AuditEntry[]): void {
    const ids = JSON.stringify(entries.map(({ id }) => id));
    this.#sql.exec(
      "UPDATE audit SET forwarded = 1 WHERE id IN (SELECT value FROM json_each(?))",
      ids,
    );
  }

  /** Removes entries from before a time. */
  forget(before: number): void {
    this.#sql.exec("DELETE FROM audit WHERE at < ?", before);
  }

  /** Returns the time of the oldest entry; null if there is none. */
  oldestAt(): number | null {
    return number(one(this.#sql, "SELECT min(at) AS at FROM audit").at);
  }
}

const entryOf = ({ entry }: Row): AuditEntry => parse<AuditEntry>(entry);
