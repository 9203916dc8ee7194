import { all, type Row, type Sql } from "../../shared/sql";
import type { PreviewRow } from "../rpc";

export interface StoredPreview extends PreviewRow {
  /** The SHA-256 of its token, as hex. */
  hash: string;
}

/** The previews of a session that were not removed, in the order in which they were made. */
export class PreviewTable {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  every(): StoredPreview[] {
    return all(this.#sql, "SELECT * FROM previews ORDER BY created_at, id").map(fromRow);
  }

  get(id: string): StoredPreview | undefined {
    const [row] = all(this.#sql, "SELECT * FROM previews WHERE id = ?", id);
    return row && fromRow(row);
  }

  /** Returns the preview with the hash of a token. Looks at all: there are few. */
  byHash(hash: string): StoredPreview | undefined {
    const [row] = all(this.#sql, "SELECT * FROM previews WHERE hash = ?", hash);
    return row && fromRow(row);
  }

  add({ id, hash, port, createdAt, expiresAt }: StoredPreview): void {
    this.#sql.exec(
      "INSERT INTO previews (id, hash, port, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
      ...[id, hash, port, createdAt, expiresAt],
    );
  }

  remove(id: string): void {
    this.#sql.exec("DELETE FROM previews WHERE id = ?", id);
  }
}

const fromRow = (row: Row): StoredPreview => ({
  id: String(row.id),
  hash: String(row.hash),
  port: Number(row.port),
  createdAt: Number(row.created_at),
  expiresAt: Number(row.expires_at),
});
