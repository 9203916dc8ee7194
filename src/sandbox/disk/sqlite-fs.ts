// The embedded sandbox's disk: just-bash's file system interface over a Durable Object's SQLite.
// It follows POSIX where just-bash's own file systems are looser: nothing is written below a directory
// that is not there, symbolic links are followed everywhere, and a rename never merges directories.
// Users, permissions and hard links do not exist here.

import type {
  CpOptions,
  FileContent,
  FsStat,
  IFileSystem,
  MkdirOptions,
  RmOptions,
} from "just-bash/browser";
import { type ByteString, toByteString, toBytes, toText } from "../bytes";
import { isWithin, parentOf, resolveFrom } from "../paths";
import { CHUNKS_SCHEMA, FileContents } from "./file-contents";
import { FsError } from "./fs-error";
import { MAX_DISK_BYTES, MAX_FILE_BYTES, Quota, type QuotaLimits } from "./quota";
import { resolveDirectory, resolveLinks } from "./resolve-path";
import { Yielder } from "./yielder";

/** How much of a tree is copied or removed at once. */
const BATCH_ENTRIES = 200;
const BATCH_BYTES = 8 * 1024 ** 2;

// `path` is normal and holds no link but its last part. A device reads as empty and swallows writes.
const SCHEMA = `
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

type Kind = "file" | "directory" | "symlink" | "device";

type Row = {
  id: number;
  path: string;
  kind: Kind;
  mode: number;
  mtime: number;
  size: number;
  target: string | null;
};

/** An entry of a new disk; a file begins empty. */
export type NewFile = { path: string; kind: Kind; mode: number; target?: string };

type Options = Partial<QuotaLimits>;

type Encoding = { encoding?: string | null } | string;

/** The files of one sandbox. Each operation happens as a whole or not at all. */
export class SqliteFs implements IFileSystem {
  readonly #sql: SqlStorage;
  readonly #storage: DurableObjectStorage;
  readonly #contents: FileContents;
  readonly #quota: Quota;
  readonly #yielder = new Yielder();

  constructor(storage: DurableObjectStorage, options: Options = {}) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#contents = new FileContents(storage.sql);
    const { maxBytes = MAX_DISK_BYTES, maxFileBytes = MAX_FILE_BYTES } = options;
    const usage = {
      bytes: () => this.#sql.databaseSize,
      countEntries: () => this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM files").one().n,
    };
    this.#quota = new Quota(usage, { maxBytes, maxFileBytes });
  }

  /** Makes an empty disk, and on it what `files` lists, parents first. */
  static format(sql: SqlStorage, files: readonly NewFile[] = []): void {
    const all: NewFile[] = [{ path: "/", kind: "directory", mode: 0o755 }, ...files];
    sql.exec(SCHEMA);
    sql.exec(CHUNKS_SCHEMA);
    sql.exec(
      `INSERT INTO files (path, parent, kind, mode, mtime, target)
       SELECT value ->> 'path', value ->> 'parent', value ->> 'kind', value ->> 'mode', ?, value ->> 'target'
       FROM json_each(?)`,
      Date.now(),
      JSON.stringify(all.map((file) => ({ ...file, parent: rowParent(file.path) }))),
    );
  }

  // Reading

  async readFile(path: string, encoding?: Encoding): Promise<string> {
    return toText(await this.readFileBuffer(path), encodingOf(encoding));
  }

  async readFileBytes(path: string): Promise<ByteString> {
    return toByteString(await this.readFileBuffer(path));
  }

  async readFileBuffer(path: string): Promise<Uint8Array> {
    await this.#yielder.yieldIfDue();
    const file = this.#get(path, "open");
    if (file.kind === "directory") throw new FsError("EISDIR", "read", path);
    this.#yielder.addBytes(file.size);
    return this.#contents.read(file.id);
  }

  async exists(path: string): Promise<boolean> {
    await this.#yielder.yieldIfDue();
    try {
      return this.#find(path, "access") !== undefined;
    } catch (error) {
      if (error instanceof FsError) return false;
      throw error;
    }
  }

  async stat(path: string): Promise<FsStat> {
    await this.#yielder.yieldIfDue();
    return toStat(this.#get(path, "stat"));
  }

  async lstat(path: string): Promise<FsStat> {
    await this.#yielder.yieldIfDue();
    return toStat(this.#getLink(path, "lstat"));
  }

  async readlink(path: string): Promise<string> {
    await this.#yielder.yieldIfDue();
    const { target } = this.#getLink(path, "readlink");
    if (target === null) throw new FsError("EINVAL", "readlink", path);
    return target;
  }

  async realpath(path: string): Promise<string> {
    await this.#yielder.yieldIfDue();
    return this.#get(path, "realpath").path;
  }

  async readdir(path: string): Promise<string[]> {
    return (await this.readdirWithFileTypes(path)).map((entry) => entry.name);
  }

  async readdirWithFileTypes(path: string) {
    await this.#yielder.yieldIfDue();
    const directory = this.#get(path, "scandir");
    if (directory.kind !== "directory") throw new FsError("ENOTDIR", "scandir", path);
    const skip = directory.path === "/" ? 1 : directory.path.length + 1;
    return this.#sql
      .exec<{ path: string; kind: Kind }>(
        "SELECT path, kind FROM files WHERE parent = ? ORDER BY path",
        directory.path,
      )
      .toArray()
      .map((entry) => ({ name: entry.path.slice(skip), ...kindFlags(entry.kind) }));
  }

  getAllPaths(): string[] {
    const rows = this.#sql.exec<{ path: string }>("SELECT path FROM files ORDER BY path");
    return rows.toArray().map((row) => row.path);
  }

  resolvePath(base: string, path: string): string {
    return resolveFrom(base, path);
  }

  // Writing

  async writeFile(path: string, content: FileContent, encoding?: Encoding): Promise<void> {
    const bytes = toBytes(content, encodingOf(encoding));
    await this.#atomically(() => {
      const file = this.#openForWriting(path);
      if (file.kind === "device") return;
      this.#reserveBytes(path, bytes.length, bytes.length);
      this.#contents.replace(file.id, bytes);
      this.#setSize(file.id, bytes.length);
    });
  }

  async appendFile(path: string, content: FileContent, encoding?: Encoding): Promise<void> {
    const bytes = toBytes(content, encodingOf(encoding));
    await this.#atomically(() => {
      const file = this.#openForWriting(path);
      if (file.kind === "device") return;
      this.#reserveBytes(path, file.size + bytes.length, bytes.length);
      this.#contents.append(file.id, file.size, bytes);
      this.#setSize(file.id, file.size + bytes.length);
    });
  }

  async mkdir(path: string, options: MkdirOptions = {}): Promise<void> {
    await this.#atomically(() => this.#makeDirectory(path, options));
  }

  async rm(path: string, options: RmOptions = {}): Promise<void> {
    await this.#yielder.yieldIfDue();
    const file = this.#findLink(path, "rm");
    if (!file && options.force) return;
    if (!file) throw new FsError("ENOENT", "rm", path);
    if (file.path === "/") throw new FsError("EINVAL", "rm", path);
    if (!options.recursive && this.#hasEntries(file)) throw new FsError("ENOTEMPTY", "rm", path);
    await this.#inBatches(file.path, "DESC", (last, first) => this.#remove(file.path, first, last));
  }

  async mv(source: string, destination: string): Promise<void> {
    await this.#atomically(() => {
      const from = this.#getLink(source, "mv");
      const to = this.#placeFor(destination, "mv");
      if (to === from.path) return;
      if (isWithin(from.path, to)) throw new FsError("EINVAL", "mv", destination);
      this.#clearForRename(from, to, destination);
      this.#sql.exec(
        `UPDATE files SET
           parent = CASE WHEN path = ?1 THEN ?3 ELSE ?2 || substr(parent, length(?1) + 1) END,
           path = ?2 || substr(path, length(?1) + 1)
         WHERE path = ?1 OR (path > ?4 AND path < ?5)`,
        from.path,
        to,
        parentOf(to),
        ...rangeBelow(from.path),
      );
    });
  }

  async cp(source: string, destination: string, options: CpOptions = {}): Promise<void> {
    await this.#yielder.yieldIfDue();
    const [from, to] = this.#storage.transactionSync(() => {
      const from = options.recursive ? this.#getLink(source, "cp") : this.#get(source, "cp");
      const isTree = from.kind === "directory";
      if (isTree && !options.recursive) throw new FsError("EISDIR", "cp", source);
      const to = this.#placeFor(this.#resolve(destination, "cp"), "cp");
      if (isWithin(from.path, to)) throw new FsError("EINVAL", "cp", destination);
      this.#checkCopy(from.path, to, destination);
      return [from.path, to];
    });
    await this.#inBatches(from, "ASC", (first, last) => this.#copy(from, to, first, last));
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.#atomically(() => {
      const link = this.#placeFor(path, "symlink");
      if (this.#row(link)) throw new FsError("EEXIST", "symlink", path);
      this.#insert(link, "symlink", 0o777, target);
    });
  }

  async link(_existing: string, path: string): Promise<void> {
    throw new FsError("EOPNOTSUPP", "link", path);
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.#atomically(() => {
      const { id } = this.#get(path, "chmod");
      this.#sql.exec("UPDATE files SET mode = ? WHERE id = ?", mode & 0o7777, id);
    });
  }

  async utimes(path: string, _atime: Date, mtime: Date): Promise<void> {
    await this.#atomically(() => {
      const { id } = this.#get(path, "utimes");
      this.#sql.exec("UPDATE files SET mtime = ? WHERE id = ?", mtime.getTime(), id);
    });
  }

  // One operation at a time

  async #atomically(operation: () => void): Promise<void> {
    await this.#yielder.yieldIfDue();
    this.#storage.transactionSync(operation);
  }

  // Looking up

  #row(path: string): Row | undefined {
    return this.#sql
      .exec<Row>("SELECT id, path, kind, mode, mtime, size, target FROM files WHERE path = ?", path)
      .toArray()[0];
  }

  /** Returns what a path means, links followed to the end. */
  #find(path: string, operation: string): Row | undefined {
    return this.#row(this.#resolve(path, operation));
  }

  #get(path: string, operation: string): Row {
    const row = this.#find(path, operation);
    if (!row) throw new FsError("ENOENT", operation, path);
    return row;
  }

  /** Returns what a path names: a link at its end is itself what is meant. */
  #findLink(path: string, operation: string): Row | undefined {
    return this.#row(this.#locate(path, operation));
  }

  #getLink(path: string, operation: string): Row {
    const row = this.#findLink(path, operation);
    if (!row) throw new FsError("ENOENT", operation, path);
    return row;
  }

  #locate(path: string, operation: string): string {
    return resolveDirectory(path, operation, (entry) => this.#row(entry));
  }

  #resolve(path: string, operation: string): string {
    return resolveLinks(path, operation, (entry) => this.#row(entry));
  }

  /** Returns where an entry of that path is or can be made: its directory must be there. */
  #placeFor(path: string, operation: string): string {
    const place = this.#locate(path, operation);
    const parent = this.#row(parentOf(place));
    if (!parent) throw new FsError("ENOENT", operation, path);
    if (parent.kind !== "directory") throw new FsError("ENOTDIR", operation, path);
    return place;
  }

  #hasEntries(file: Row): boolean {
    const entries = this.#sql.exec("SELECT 1 FROM files WHERE parent = ? LIMIT 1", file.path);
    return file.kind === "directory" && entries.toArray().length > 0;
  }

  // Content

  #openForWriting(path: string): Row {
    const place = this.#placeFor(this.#resolve(path, "open"), "open");
    const file = this.#row(place) ?? this.#insert(place, "file", 0o644);
    if (file.kind === "directory") throw new FsError("EISDIR", "open", path);
    return file;
  }

  #reserveBytes(path: string, fileBytes: number, newBytes: number): void {
    this.#quota.reserveBytes(path, fileBytes, newBytes);
    this.#yielder.addBytes(newBytes);
  }

  #setSize(id: number, size: number): void {
    this.#sql.exec("UPDATE files SET size = ?, mtime = ? WHERE id = ?", size, Date.now(), id);
  }

  // The tree

  #insert(path: string, kind: Kind, mode: number, target: string | null = null): Row {
    this.#quota.reserveEntry(path);
    return this.#sql
      .exec<Row>(
        `INSERT INTO files (path, parent, kind, mode, mtime, target) VALUES (?, ?, ?, ?, ?, ?)
         RETURNING id, path, kind, mode, mtime, size, target`,
        path,
        rowParent(path),
        kind,
        mode,
        Date.now(),
        target,
      )
      .one();
  }

  #makeDirectory(path: string, options: MkdirOptions): void {
    const place = options.recursive ? this.#resolve(path, "mkdir") : this.#locate(path, "mkdir");
    const existing = this.#row(place);
    if (existing?.kind === "directory" && options.recursive) return;
    if (existing) throw new FsError("EEXIST", "mkdir", path);
    if (options.recursive) this.#makeParents(parentOf(place));
    this.#insert(this.#placeFor(place, "mkdir"), "directory", 0o755);
  }

  /** Makes a directory and those above it, from the top; the path holds no links. */
  #makeParents(path: string): void {
    const missing: string[] = [];
    let at = path;
    let found = this.#row(at);
    for (; !found; found = this.#row(at)) {
      missing.push(at);
      at = parentOf(at);
    }
    if (found.kind !== "directory") throw new FsError("EEXIST", "mkdir", at);
    for (const directory of missing.reverse()) this.#insert(directory, "directory", 0o755);
  }

  /** Removes the entries of a tree from one path to another, both included. */
  #remove(tree: string, first = tree, last = `${tree}0`): void {
    this.#sql.exec(
      `DELETE FROM files WHERE path >= ?4 AND path <= ?5 AND (path = ?1 OR (path > ?2 AND path < ?3))`,
      tree,
      ...rangeBelow(tree),
      first,
      last,
    );
    this.#quota.recountEntries();
  }

  /** Takes away what a rename replaces: a file for a file, an empty directory for a directory. */
  #clearForRename(from: Row, to: string, destination: string): void {
    const existing = this.#row(to);
    if (!existing) return;
    if (existing.kind === "directory") {
      if (from.kind !== "directory") throw new FsError("EISDIR", "mv", destination);
      if (this.#hasEntries(existing)) throw new FsError("ENOTEMPTY", "mv", destination);
    } else if (from.kind === "directory") {
      throw new FsError("ENOTDIR", "mv", destination);
    }
    this.#remove(to);
  }

  /** Refuses a copy of a tree: a directory and a file don't replace each other, and the disk must have room. */
  #checkCopy(from: string, to: string, destination: string): void {
    const clash = this.#sql
      .exec<{ kind: Kind }>(
        `SELECT taken.kind FROM files AS source
           JOIN files AS taken ON taken.path = ?2 || substr(source.path, length(?1) + 1)
         WHERE (source.path = ?1 OR (source.path > ?3 AND source.path < ?4))
           AND (source.kind = 'directory') <> (taken.kind = 'directory') LIMIT 1`,
        from,
        to,
        ...rangeBelow(from),
      )
      .toArray()[0];
    if (clash) {
      throw new FsError(clash.kind === "directory" ? "EISDIR" : "ENOTDIR", "cp", destination);
    }
    const { bytes, entries } = this.#sql
      .exec<{ bytes: number; entries: number }>(
        `SELECT coalesce(sum(size), 0) AS bytes, count(*) AS entries FROM files
         WHERE path = ? OR (path > ? AND path < ?)`,
        from,
        ...rangeBelow(from),
      )
      .one();
    this.#reserveBytes(destination, 0, bytes);
    this.#quota.reserveEntries(destination, entries);
  }

  /** Copies the entries of a tree from one path to another, both included: directories merge, files replace files. */
  #copy(from: string, to: string, first: string, last: string): void {
    const part = [from, to, ...rangeBelow(from), first, last];
    const IS_MEANT = `source.path >= ?5 AND source.path <= ?6
      AND (source.path = ?1 OR (source.path > ?3 AND source.path < ?4))`;
    this.#sql.exec(
      `DELETE FROM files WHERE kind <> 'directory' AND path IN (
         SELECT ?2 || substr(path, length(?1) + 1) FROM files AS source WHERE ${IS_MEANT})`,
      ...part,
    );
    this.#sql.exec(
      `INSERT OR IGNORE INTO files (path, parent, kind, mode, mtime, size, target)
       SELECT ?2 || substr(path, length(?1) + 1),
         CASE WHEN path = ?1 THEN ?7 ELSE ?2 || substr(parent, length(?1) + 1) END,
         kind, mode, ?8, size, target
       FROM files AS source WHERE ${IS_MEANT}`,
      ...part,
      parentOf(to),
      Date.now(),
    );
    this.#sql.exec(
      `INSERT INTO chunks (file, at, bytes)
       SELECT copy.id, chunks.at, chunks.bytes
       FROM files AS source JOIN chunks ON chunks.file = source.id
         JOIN files AS copy ON copy.path = ?2 || substr(source.path, length(?1) + 1)
       WHERE ${IS_MEANT}`,
      ...part,
    );
    this.#quota.recountEntries();
  }

  /**
   * Goes through a tree in the order of its paths, in batches that are small enough to happen at once, and
   * pauses between them. `act` gets the first and the last path of each batch.
   */
  async #inBatches(
    tree: string,
    order: "ASC" | "DESC",
    act: (first: string, last: string) => void,
  ): Promise<void> {
    const beyond = order === "ASC" ? ">" : "<";
    for (let after: string | undefined; ; ) {
      const rows: { path: string; size: number }[] = this.#sql
        .exec<{ path: string; size: number }>(
          `SELECT path, size FROM files WHERE (path = ?1 OR (path > ?2 AND path < ?3))
           ${after === undefined ? "" : `AND path ${beyond} ?4`} ORDER BY path ${order} LIMIT ${BATCH_ENTRIES}`,
          tree,
          ...rangeBelow(tree),
          ...(after === undefined ? [] : [after]),
        )
        .toArray();
      let bytes = 0;
      const taken = rows.filter(({ size }, index) => {
        bytes += size;
        return index === 0 || bytes <= BATCH_BYTES;
      });
      const first = taken[0];
      const last = taken.at(-1);
      if (!first || !last) return;
      this.#storage.transactionSync(() => act(first.path, last.path));
      after = last.path;
      this.#yielder.addEntries(taken.length);
      this.#yielder.addBytes(bytes);
      if (rows.length < BATCH_ENTRIES && taken.length === rows.length) return;
      await this.#yielder.yieldIfDue();
    }
  }
}

function toStat(row: Row): FsStat {
  return {
    ...kindFlags(row.kind),
    mode: row.mode,
    size: row.target === null ? row.size : toBytes(row.target).length,
    mtime: new Date(row.mtime),
    identity: String(row.id),
  };
}

function kindFlags(kind: Kind) {
  return {
    isFile: kind === "file" || kind === "device",
    isDirectory: kind === "directory",
    isSymbolicLink: kind === "symlink",
  };
}

/** Returns the bounds, both left out, between which the paths below a directory sort. "0" comes right after "/". */
function rangeBelow(path: string): [string, string] {
  return path === "/" ? ["/", "0"] : [`${path}/`, `${path}0`];
}

/** The root is no entry of itself. */
function rowParent(path: string): string {
  return path === "/" ? "" : parentOf(path);
}

function encodingOf(option: Encoding | undefined): string | undefined {
  return (typeof option === "string" ? option : option?.encoding) ?? undefined;
}
