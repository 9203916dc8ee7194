import { parentOf } from "../paths";

// `path` is normal, and none of its directories is a link. A device reads as empty and ignores writes.
const FILES_SCHEMA = `
  CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    parent TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('file', 'directory', 'symlink', 'device')),
    mode INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    size INTEGER NOT NULL DEFAULT 0,
    target TEXT
  );
  CREATE INDEX files_by_parent ON files (parent, path);
`;

export type Kind = "file" | "directory" | "symlink" | "device";

/** One entry of the disk; `mtime` is in ms since 1970, `target` is that of a symbolic link. */
export type FileRow = {
  id: number;
  path: string;
  kind: Kind;
  mode: number;
  mtime: number;
  size: number;
  target: string | null;
};

/** An entry to create; a file begins empty. */
export type NewFile = { path: string; kind: Kind; mode: number; target?: string };

/** Stores files, directories, links and devices as rows, by path. It checks no rules: the caller does. */
export class FileTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Creates the table with a root directory and the listed entries, parents first. Throws if the table exists. */
  static create(sql: SqlStorage, files: readonly NewFile[]): void {
    const all: NewFile[] = [{ path: "/", kind: "directory", mode: 0o755 }, ...files];
    sql.exec(FILES_SCHEMA);
    sql.exec(
      `INSERT INTO files (path, parent, kind, mode, mtime, target)
       SELECT value ->> 'path', value ->> 'parent', value ->> 'kind', value ->> 'mode', ?, value ->> 'target'
       FROM json_each(?)`,
      Date.now(),
      JSON.stringify(all.map((file) => ({ ...file, parent: parentColumn(file.path) }))),
    );
  }

  /** Returns the entry that is stored at a path; no link is followed. */
  find(path: string): FileRow | undefined {
    return this.#sql
      .exec<FileRow>(
        "SELECT id, path, kind, mode, mtime, size, target FROM files WHERE path = ?",
        path,
      )
      .toArray()[0];
  }

  /** Returns the entries right in a directory, in the order of their names. */
  children(directory: string): { path: string; kind: Kind }[] {
    return this.#sql
      .exec<{ path: string; kind: Kind }>(
        "SELECT path, kind FROM files WHERE parent = ? ORDER BY path",
        directory,
      )
      .toArray();
  }

  /** Returns whether an entry is a directory with something in it. */
  hasChildren({ kind, path }: FileRow): boolean {
    const entries = this.#sql.exec("SELECT 1 FROM files WHERE parent = ? LIMIT 1", path);
    return kind === "directory" && entries.toArray().length > 0;
  }

  /** Returns the paths of all entries, in order. */
  paths(): string[] {
    const rows = this.#sql.exec<{ path: string }>("SELECT path FROM files ORDER BY path");
    return rows.toArray().map((row) => row.path);
  }

  /** Returns the number of all entries, the root included. */
  count(): number {
    return this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM files").one().n;
  }

  /** Inserts an entry and returns its row. Throws if the path is taken. */
  insert({ path, kind, mode, target }: NewFile): FileRow {
    return this.#sql
      .exec<FileRow>(
        `INSERT INTO files (path, parent, kind, mode, mtime, target) VALUES (?, ?, ?, ?, ?, ?)
         RETURNING id, path, kind, mode, mtime, size, target`,
        path,
        parentColumn(path),
        kind,
        mode,
        Date.now(),
        target ?? null,
      )
      .one();
  }

  /** Stores a file's size in bytes after a write, and the time of it. */
  setSize(id: number, size: number): void {
    this.#sql.exec("UPDATE files SET size = ?, mtime = ? WHERE id = ?", size, Date.now(), id);
  }

  /** Stores the permission bits of an entry. */
  setMode(id: number, mode: number): void {
    this.#sql.exec("UPDATE files SET mode = ? WHERE id = ?", mode & 0o7777, id);
  }

  /** Stores the time of an entry's last change, in ms since 1970. */
  setMtime(id: number, mtime: number): void {
    this.#sql.exec("UPDATE files SET mtime = ? WHERE id = ?", mtime, id);
  }
}

/** Returns the value of the column `parent`: empty for the root, which must not be a child of itself. */
function parentColumn(path: string): string {
  return path === "/" ? "" : parentOf(path);
}
