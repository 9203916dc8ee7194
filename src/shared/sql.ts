/** A row of a query's result. */
export type Row = Record<string, SqlStorageValue>;

/** The part of a Durable Object's SQLite API that is used. */
export type Sql = Pick<SqlStorage, "exec">;

/** Wraps SQLite so that `onWrite` receives the number of rows that each statement wrote. */
export const countingWrites = (sql: Sql, onWrite: (rows: number) => void): Sql => ({
  exec(query, ...bindings) {
    const cursor = sql.exec(query, ...bindings);
    if (cursor.rowsWritten > 0) onWrite(cursor.rowsWritten);
    return cursor as never;
  },
});

/** Returns all rows of a query. */
export const all = (sql: Sql, query: string, ...bindings: SqlStorageValue[]): Row[] =>
  sql.exec<Row>(query, ...bindings).toArray();

/** Maximum size of a page in characters: an RPC response is limited to 32 MiB. */
export const MAX_PAGE_CHARACTERS = 8 << 20;

/** Returns the first rows of a query: as many as fit into a page, and at least one. */
export const page = (sql: Sql, query: string, ...bindings: SqlStorageValue[]): Row[] =>
  pageUpTo(MAX_PAGE_CHARACTERS, sql, query, ...bindings);

/** Returns the first rows of a query: as many as have up to `maxCharacters`, and at least one. */
export function pageUpTo(
  maxCharacters: number,
  sql: Sql,
  query: string,
  ...bindings: SqlStorageValue[]
): Row[] {
  const rows: Row[] = [];
  let characters = 0;
  for (const row of sql.exec<Row>(query, ...bindings)) {
    for (const value of Object.values(row)) characters += String(value).length;
    if (rows.length > 0 && characters > maxCharacters) break;
    rows.push(row);
  }
  return rows;
}

/** Returns the single row of a query. Throws if there is no row or more than one. */
export const one = (sql: Sql, query: string, ...bindings: SqlStorageValue[]): Row =>
  sql.exec<Row>(query, ...bindings).one();

/** Returns a column of text that may be null. */
export const text = (value: SqlStorageValue | undefined): string | null =>
  value === null || value === undefined ? null : String(value);

/** Returns a column of numbers that may be null. */
export const number = (value: SqlStorageValue | undefined): number | null =>
  value === null || value === undefined ? null : Number(value);

/** Returns the JSON of a value for a column; null for null or undefined. */
export const json = (value: unknown): string | null =>
  value === null || value === undefined ? null : JSON.stringify(value);

/** Parses a column of JSON. Only the object's own code writes such columns, so their shapes are known. */
export const parse = <T = unknown>(value: SqlStorageValue | undefined): T =>
  JSON.parse(String(value)) as T;
