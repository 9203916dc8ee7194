import { all, one, page, type Row, type Sql, text } from "../../shared/sql";
import type { ArtifactPageRequest, ArtifactRow } from "../rpc";
import { agentOf, columnOf } from "./agents";

/** An artifact, with what clients do not see. */
export interface StoredArtifact extends Omit<ArtifactRow, "sessionId"> {
  /** The time of change and the size of its file: with the same, it is not looked at again. */
  stamp: string;
}

/** The table exists once the session has published something. The bytes are in the bucket: see artifact-bucket.ts. */
const TABLE = `CREATE TABLE IF NOT EXISTS artifacts (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  message_id TEXT NOT NULL,
  tool_use_id TEXT,
  agent TEXT NOT NULL,
  path TEXT NOT NULL,
  description TEXT,
  content_type TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  stamp TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS artifacts_of_path ON artifacts (path, n)`;

/** The artifacts of the session, in the order in which they were published. None is ever changed or removed. */
export class ArtifactTable {
  readonly #sql: Sql;
  #exists: boolean | undefined;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  add(artifact: Omit<StoredArtifact, "position">): void {
    this.#sql.exec(TABLE);
    this.#exists = true;
    this.#sql.exec(
      `INSERT INTO artifacts (id, message_id, tool_use_id, agent, path, description, content_type, size_bytes,
         sha256, stamp, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      artifact.id,
      artifact.messageId,
      artifact.toolUseId,
      columnOf(artifact.agent),
      artifact.path,
      artifact.description,
      artifact.contentType,
      artifact.sizeBytes,
      artifact.sha256,
      artifact.stamp,
      artifact.createdAt,
    );
  }

  get(id: string): StoredArtifact | undefined {
    return this.#all("WHERE id = ?", id)[0];
  }

  /** Returns the newest artifact of a path; undefined if there is none. */
  newestOf(path: string): StoredArtifact | undefined {
    return this.#all("WHERE path = ? ORDER BY n DESC LIMIT 1", path)[0];
  }

  /** Returns up to `limit` artifacts before a position, newest first: all, or those of a path or a message. */
  rowsBefore({ before, limit, path, messageId }: ArtifactPageRequest): StoredArtifact[] {
    if (!this.#hasTable()) return [];
    const where = `WHERE n < coalesce(?1, n + 1) AND path = coalesce(?2, path)
      AND message_id = coalesce(?3, message_id)`;
    const query = `SELECT * FROM artifacts ${where} ORDER BY n DESC LIMIT ?4`;
    return page(this.#sql, query, before, path, messageId, limit).map(decode);
  }

  /** Returns how many artifacts there are, and their bytes together. */
  total(): { count: number; sizeBytes: number } {
    if (!this.#hasTable()) return { count: 0, sizeBytes: 0 };
    const query = "SELECT count(*) AS count, coalesce(sum(size_bytes), 0) AS bytes FROM artifacts";
    const { count, bytes } = one(this.#sql, query);
    return { count: Number(count), sizeBytes: Number(bytes) };
  }

  /** Clears the caches. Call it when the rows may have changed. */
  forget(): void {
    this.#exists = undefined;
  }

  #all(where: string, ...bound: string[]): StoredArtifact[] {
    if (!this.#hasTable()) return [];
    return all(this.#sql, `SELECT * FROM artifacts ${where}`, ...bound).map(decode);
  }

  #hasTable(): boolean {
    const query = "SELECT 1 FROM sqlite_master WHERE name = 'artifacts'";
    this.#exists ??= all(this.#sql, query).length > 0;
    return this.#exists;
  }
}

const decode = (row: Row): StoredArtifact => ({
  position: Number(row.n),
  id: String(row.id),
  messageId: String(row.message_id),
  toolUseId: text(row.tool_use_id),
  agent: agentOf(row.agent),
  path: String(row.path),
  description: text(row.description),
  contentType: String(row.content_type),
  sizeBytes: Number(row.size_bytes),
  sha256: String(row.sha256),
  stamp: String(row.stamp),
  createdAt: Number(row.created_at),
});
