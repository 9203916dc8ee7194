import { all, type Row, type Sql, text } from "../../shared/sql";
import type { ShareRow } from "../rpc";

export interface StoredShare extends ShareRow {
  /** The SHA-256 of its token, as hex. */
  hash: string;
}

/** The share links of a session that were not revoked, in the order in which they were made. */
export class ShareTable {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  every(): StoredShare[] {
    return all(this.#sql, "SELECT * FROM shares ORDER BY created_at, id").map(fromRow);
  }

  get(id: string): StoredShare | undefined {
    const [row] = all(this.#sql, "SELECT * FROM shares WHERE id = ?", id);
    return row && fromRow(row);
  }

  /** Returns the link with the hash of a token. Looks at all: there are few. */
  byHash(hash: string): StoredShare | undefined {
    const [row] = all(this.#sql, "SELECT * FROM shares WHERE hash = ?", hash);
    return row && fromRow(row);
  }

  add({ id, hash, access, description, createdAt, expiresAt }: StoredShare): void {
    this.#sql.exec(
      `INSERT INTO shares (id, hash, access, description, created_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?)`,
      ...[id, hash, access, description, createdAt, expiresAt],
    );
  }

  remove(id: string): void {
    this.#sql.exec("DELETE FROM shares WHERE id = ?", id);
  }
}

const fromRow = (row: Row): StoredShare => ({
  id: String(row.id),
  hash: String(row.hash),
  access: row.access === "write" ? "write" : "read",
  description: text(row.description),
  createdAt: Number(row.created_at),
  expiresAt: Number(row.expires_at),
});
