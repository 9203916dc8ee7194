/** The contents of files are stored in chunks, since a row may hold 2 MB. */
const CHUNK_BYTES = 512 * 1024;

/** An append rewrites the last chunk up to this size and adds one beyond it: a log written line by line stays linear. */
const APPEND_BYTES = 32 * 1024;

/** The table of chunks; `at` is the offset of a chunk in its file. */
export const CHUNKS_SCHEMA = `
  CREATE TABLE chunks (
    file INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (file, at)
  );
`;

/** Reads and writes the contents of files, by the id of the file's row. Sizes are kept in that row by the caller. */
export class FileContents {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Returns the whole content of a file; empty for one without chunks. */
  read(id: number): Uint8Array {
    const chunks = this.#sql
      .exec<{ bytes: ArrayBuffer }>("SELECT bytes FROM chunks WHERE file = ? ORDER BY at", id)
      .toArray()
      .map((chunk) => new Uint8Array(chunk.bytes));
    return chunks.length === 1 && chunks[0] ? chunks[0] : concat(...chunks);
  }

  /** Replaces the content of a file. */
  replace(id: number, bytes: Uint8Array): void {
    this.#sql.exec("DELETE FROM chunks WHERE file = ?", id);
    this.#insert(id, 0, bytes);
  }

  /** Appends bytes to a file of `size` bytes. */
  append(id: number, size: number, bytes: Uint8Array): void {
    const tail = this.#takeShortTail(id, bytes.length);
    this.#insert(id, size - tail.length, tail.length ? concat(tail, bytes) : bytes);
  }

  /** Inserts chunks from the offset `at`, where the content of the file ends. */
  #insert(id: number, at: number, bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; from += CHUNK_BYTES) {
      const chunk = bytes.subarray(from, from + CHUNK_BYTES);
      this.#sql.exec("INSERT INTO chunks (file, at, bytes) VALUES (?, ?, ?)", id, at + from, chunk);
    }
  }

  /** Deletes and returns the last chunk of a file if it and `newBytes` more fit into one short chunk; empty otherwise. */
  #takeShortTail(id: number, newBytes: number): Uint8Array {
    const [tail] = this.#sql
      .exec<{ bytes: ArrayBuffer }>(
        `DELETE FROM chunks
         WHERE file = ?1 AND at = (SELECT max(at) FROM chunks WHERE file = ?1) AND length(bytes) + ?2 <= ?3
         RETURNING bytes`,
        id,
        newBytes,
        APPEND_BYTES,
      )
      .toArray();
    return tail ? new Uint8Array(tail.bytes) : new Uint8Array();
  }
}

function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
