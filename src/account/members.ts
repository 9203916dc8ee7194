import { all, number, one, type Row, type Sql, text } from "../shared/sql";
import type { Lease } from "./rpc";
import { type LeaseAmounts, looseOf } from "./spend";

// `user_id` '' stands for all users. A session's own rows are written in the same transaction as the sums over them, so
// that no question reads more than a month of rows.
const TABLES = `CREATE TABLE IF NOT EXISTS members (
  session TEXT PRIMARY KEY,
  n INTEGER NOT NULL,
  user_id TEXT,
  live INTEGER NOT NULL,
  running INTEGER NOT NULL,
  waits_since INTEGER,
  check_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS members_to_check ON members (check_at);
CREATE INDEX IF NOT EXISTS members_waiting ON members (waits_since) WHERE waits_since IS NOT NULL;
CREATE TABLE IF NOT EXISTS leases (
  session TEXT NOT NULL,
  day TEXT NOT NULL,
  user_id TEXT NOT NULL,
  granted INTEGER NOT NULL,
  spent INTEGER NOT NULL,
  kept INTEGER NOT NULL,
  PRIMARY KEY (session, day, user_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS loose_leases ON leases (session) WHERE granted > spent + kept;
CREATE TABLE IF NOT EXISTS spend (
  user_id TEXT NOT NULL,
  day TEXT NOT NULL,
  granted INTEGER NOT NULL DEFAULT 0,
  spent INTEGER NOT NULL DEFAULT 0,
  loose INTEGER NOT NULL DEFAULT 0,
  before INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (user_id, day)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tallies (
  user_id TEXT PRIMARY KEY,
  live INTEGER NOT NULL,
  running INTEGER NOT NULL
) WITHOUT ROWID`;

/** What the account knows of a session: see `SessionReport`. */
export interface Member {
  session: string;
  n: number;
  user: string | null;
  live: boolean;
  /** Whether a message of it is at work, as far as the account lets it. */
  running: boolean;
  /** Since when it waits to be at work, in ms since 1970; null if it does not. */
  waitsSince: number | null;
  /** When it is asked if it has not reported by then. */
  checkAt: number;
}

/** Sums over sessions, in nano-dollars. */
export interface Spend {
  grantedNanos: number;
  spentNanos: number;
  /** The part of what is granted that may be given back. */
  looseNanos: number;
}

/** The sessions of an account, and the sums over them. The tables exist once a session has reported. */
export class MemberTable {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  exists(): boolean {
    return all(this.#sql, "SELECT 1 FROM sqlite_master WHERE name = 'members'").length > 0;
  }

  makeTables(): void {
    if (!this.exists()) this.#sql.exec(TABLES);
  }

  /** Removes all sessions and sums. */
  clear(): void {
    for (const table of ["members", "leases", "spend", "tallies"]) {
      this.#sql.exec(`DROP TABLE IF EXISTS ${table}`);
    }
  }

  get(session: string): Member | undefined {
    const [row] = all(this.#sql, "SELECT * FROM members WHERE session = ?", session);
    return row && memberOf(row);
  }

  /** Writes a session, and counts it as it is now. */
  put(member: Member): void {
    const before = this.get(member.session);
    this.#sql.exec(
      "INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?, ?, ?)",
      member.session,
      member.n,
      member.user,
      member.live ? 1 : 0,
      member.running ? 1 : 0,
      member.waitsSince,
      member.checkAt,
    );
    if (before) this.#tally(before, -1);
    this.#tally(member, 1);
  }

  /** Sets when a session is asked next. */
  postpone(session: string, checkAt: number): void {
    this.#sql.exec("UPDATE members SET check_at = ? WHERE session = ?", checkAt, session);
  }

  /** Removes a session that has ended. What it has spent stays counted. */
  remove(session: string): void {
    this.#sql.exec("DELETE FROM leases WHERE session = ?", session);
    this.#sql.exec("DELETE FROM members WHERE session = ?", session);
  }

  /** Returns the sessions that are to be asked by a time. */
  toCheck(now: number, limit: number): Member[] {
    const query = "SELECT * FROM members WHERE check_at <= ? ORDER BY check_at LIMIT ?";
    return all(this.#sql, query, now, limit).map(memberOf);
  }

  /** Returns when the first session is to be asked; null if there is none. */
  nextCheckAt(): number | null {
    return number(one(this.#sql, "SELECT min(check_at) AS at FROM members").at);
  }

  /** Returns the session that has waited for the longest time to be at work. */
  firstWaiting(): Member | undefined {
    const query = `SELECT * FROM members WHERE waits_since IS NOT NULL ORDER BY waits_since LIMIT 1`;
    const [row] = all(this.#sql, query);
    return row && memberOf(row);
  }

  /** Returns some of the sessions that may give something back, without one of them. */
  holders(except: string, limit: number): string[] {
    const query = `SELECT DISTINCT session FROM leases INDEXED BY loose_leases
      WHERE granted > spent + kept AND session <> ? ORDER BY random() LIMIT ?`;
    return all(this.#sql, query, except, limit).map((row) => String(row.session));
  }

  /** Returns how many sessions are live and at work, of one user or of all. */
  tally(user: string | null): { live: number; running: number } {
    const [row] = all(this.#sql, "SELECT * FROM tallies WHERE user_id = ?", user ?? "");
    return { live: Number(row?.live ?? 0), running: Number(row?.running ?? 0) };
  }

  /** Returns the leases of a session. */
  leasesOf(session: string): Lease[] {
    const query = "SELECT * FROM leases WHERE session = ?";
    return all(this.#sql, query, session).map((row) => ({
      day: String(row.day),
      user: text(row.user_id) || null,
      ...amountsOf(row),
    }));
  }

  /** Returns the amounts of one lease of a session; zeros if there is none. */
  lease(session: string, day: string, user: string | null): LeaseAmounts {
    const query = "SELECT * FROM leases WHERE session = ? AND day = ? AND user_id = ?";
    const [row] = all(this.#sql, query, session, day, user ?? "");
    return row ? amountsOf(row) : { grantedNanos: 0, spentNanos: 0, keptNanos: 0 };
  }

  /** Writes a lease of a session, and adds the difference to the sums. */
  putLease(session: string, lease: Lease): void {
    const { day, user, grantedNanos, spentNanos, keptNanos } = lease;
    const before = this.lease(session, day, user);
    this.#sql.exec(
      "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?, ?)",
      session,
      day,
      user ?? "",
      grantedNanos,
      spentNanos,
      keptNanos,
    );
    for (const key of user === null ? [""] : ["", user]) {
      this.#sql.exec(
        `INSERT INTO spend (user_id, day, granted, spent, loose) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET granted = granted + excluded.granted,
           spent = spent + excluded.spent, loose = loose + excluded.loose`,
        key,
        day,
        grantedNanos - before.grantedNanos,
        spentNanos - before.spentNanos,
        looseOf(lease) - looseOf(before),
      );
    }
  }

  /** Removes leases that end with a day before this one and have nothing to give back. */
  forgetLeases(session: string, before: string): void {
    this.#sql.exec(
      "DELETE FROM leases WHERE session = ? AND day < ? AND granted = spent + kept",
      session,
      before,
    );
  }

  /** Returns the sums from a day up to another one, of one user or of all. */
  spend(user: string | null, from: string, to: string): Spend {
    const query = `SELECT ifnull(sum(granted + before), 0) AS granted, ifnull(sum(spent + before), 0) AS spent,
      ifnull(sum(loose), 0) AS loose FROM spend WHERE user_id = ? AND day BETWEEN ? AND ?`;
    const row = one(this.#sql, query, user ?? "", from, to);
    return {
      grantedNanos: Number(row.granted),
      spentNanos: Number(row.spent),
      looseNanos: Number(row.loose),
    };
  }

  /** Counts what was spent on a day before the sessions had to report, in nano-dollars. */
  setBefore(user: string | null, day: string, nanos: number): void {
    this.#sql.exec(
      `INSERT INTO spend (user_id, day, before) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET before = excluded.before`,
      user ?? "",
      day,
      nanos,
    );
  }

  /** Removes sums of days before one. */
  forgetSpend(before: string): void {
    this.#sql.exec("DELETE FROM spend WHERE day < ?", before);
  }

  #tally({ user, live, running }: Member, sign: 1 | -1): void {
    if (!live && !running) return;
    for (const key of user === null ? [""] : ["", user]) {
      this.#sql.exec(
        `INSERT INTO tallies VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET live = live + excluded.live, running = running + excluded.running`,
        key,
        live ? sign : 0,
        running ? sign : 0,
      );
      this.#sql.exec("DELETE FROM tallies WHERE user_id = ? AND live = 0 AND running = 0", key);
    }
  }
}

const memberOf = (row: Row): Member => ({
  session: String(row.session),
  n: Number(row.n),
  user: text(row.user_id),
  live: row.live === 1,
  running: row.running === 1,
  waitsSince: number(row.waits_since),
  checkAt: Number(row.check_at),
});

const amountsOf = (row: Row): LeaseAmounts => ({
  grantedNanos: Number(row.granted),
  spentNanos: Number(row.spent),
  keptNanos: Number(row.kept),
});
