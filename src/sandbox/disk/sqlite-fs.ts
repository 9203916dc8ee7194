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
import { isWithin, join, nameOf, parentOf, resolveFrom } from "../paths";
import { CHUNKS_SCHEMA, FileContents } from "./file-contents";
import { type FileRow, FileTable, type Kind, type NewFile } from "./file-table";
import { type Batch, FileTree, type TreeRange } from "./file-tree";
import { FsError } from "./fs-error";
import { PathLookup } from "./path-lookup";
import { MAX_DISK_BYTES, MAX_FILE_BYTES, Quota, type QuotaLimits } from "./quota";
import { Yielder } from "./yielder";

type Options = Partial<QuotaLimits>;

/** A directory that a change must not leave, and whether it may replace what is there. */
interface Replacement {
  within: string;
  allows(before: Uint8Array | null): boolean;
}

type Encoding = { encoding?: string | null } | string;

/** The files of one sandbox. Each operation is atomic, but for `rm` and `cp` of a tree, which work in batches. */
export class SqliteFs implements IFileSystem {
  readonly #storage: DurableObjectStorage;
  readonly #files: FileTable;
  readonly #paths: PathLookup;
  readonly #tree: FileTree;
  readonly #contents: FileContents;
  readonly #quota: Quota;
  readonly #yielder = new Yielder();

  constructor(storage: DurableObjectStorage, options: Options = {}) {
    this.#storage = storage;
    this.#files = new FileTable(storage.sql);
    this.#paths = new PathLookup(this.#files);
    this.#tree = new FileTree(storage.sql);
    this.#contents = new FileContents(storage.sql);
    const { maxBytes = MAX_DISK_BYTES, maxFileBytes = MAX_FILE_BYTES } = options;
    const usage = {
      bytes: () => storage.sql.databaseSize,
      countEntries: () => this.#files.count(),
    };
    this.#quota = new Quota(usage, { maxBytes, maxFileBytes });
  }

  /** Creates the tables of a disk with the listed entries, parents first. Throws if they exist. */
  static format(sql: SqlStorage, files: readonly NewFile[] = []): void {
    FileTable.create(sql, files);
    sql.exec(CHUNKS_SCHEMA);
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
    const file = this.#paths.get(path, "open");
    if (file.kind === "directory") throw new FsError("EISDIR", "read", path);
    this.#yielder.addBytes(file.size);
    return this.#contents.read(file.id);
  }

  /** Returns a file below a directory, with its content. Throws EACCES if links lead out of the directory. */
  async readFileWithin(
    path: string,
    directory: string,
  ): Promise<{ content: Uint8Array; mode: number; mtimeMs: number }> {
    await this.#yielder.yieldIfDue();
    const file = this.#files.find(this.#placeWithin(path, directory));
    if (!file) throw new FsError("ENOENT", "open", path);
    if (file.kind === "directory") throw new FsError("EISDIR", "read", path);
    this.#yielder.addBytes(file.size);
    return { content: this.#contents.read(file.id), mode: file.mode, mtimeMs: file.mtime };
  }

  async exists(path: string): Promise<boolean> {
    await this.#yielder.yieldIfDue();
    try {
      return this.#paths.find(path, "access") !== undefined;
    } catch (error) {
      if (error instanceof FsError) return false;
      throw error;
    }
  }

  async stat(path: string): Promise<FsStat> {
    await this.#yielder.yieldIfDue();
    return toStat(this.#paths.get(path, "stat"));
  }

  async lstat(path: string): Promise<FsStat> {
    await this.#yielder.yieldIfDue();
    return toStat(this.#paths.getLink(path, "lstat"));
  }

  async readlink(path: string): Promise<string> {
    await this.#yielder.yieldIfDue();
    const { target } = this.#paths.getLink(path, "readlink");
    if (target === null) throw new FsError("EINVAL", "readlink", path);
    return target;
  }

  async realpath(path: string): Promise<string> {
    await this.#yielder.yieldIfDue();
    return this.#paths.get(path, "realpath").path;
  }

  async readdir(path: string): Promise<string[]> {
    return (await this.readdirWithFileTypes(path)).map((entry) => entry.name);
  }

  async readdirWithFileTypes(path: string) {
    await this.#yielder.yieldIfDue();
    const directory = this.#paths.get(path, "scandir");
    if (directory.kind !== "directory") throw new FsError("ENOTDIR", "scandir", path);
    const skip = directory.path === "/" ? 1 : directory.path.length + 1;
    return this.#files
      .children(directory.path)
      .map((entry) => ({ name: entry.path.slice(skip), ...kindFlags(entry.kind) }));
  }

  getAllPaths(): string[] {
    return this.#files.paths();
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
      this.#files.setSize(file.id, bytes.length);
    });
  }

  /**
   * Writes a file below a directory, with the directories above it, if `allows` returns true for its content, null if there
   * is none. Returns whether it was written. Throws EACCES if links lead out of the directory, EINVAL for one that leads
   * nowhere.
   */
  async replaceFile(
    path: string,
    bytes: Uint8Array,
    { within, allows }: Replacement,
  ): Promise<boolean> {
    return this.#atomically(() => {
      const place = this.#placeWithin(path, within);
      const before = this.#files.find(place);
      if (before && before.kind !== "file") throw new FsError("EISDIR", "open", path);
      if (!before && this.#paths.findLink(path, "open")) throw new FsError("EINVAL", "open", path);
      if (!allows(before ? this.#contents.read(before.id) : null)) return false;
      if (!before) this.#makeDirectory(parentOf(place), { recursive: true });
      const file = before ?? this.#insert({ path: place, kind: "file", mode: 0o644 });
      this.#reserveBytes(path, bytes.length, bytes.length);
      this.#contents.replace(file.id, bytes);
      this.#files.setSize(file.id, bytes.length);
      return true;
    });
  }

  /**
   * Removes a file or a link below a directory, if `allows` returns true for the content that is read by its path, null if
   * there is none. Returns whether it was removed. Throws EACCES if links lead out of the directory.
   */
  async removeFile(path: string, { within, allows }: Replacement): Promise<boolean> {
    return this.#atomically(() => {
      const place = join(this.#placeWithin(parentOf(path), within), nameOf(path));
      const entry = this.#files.find(place);
      if (!entry) throw new FsError("ENOENT", "rm", path);
      if (entry.kind === "directory") throw new FsError("EISDIR", "rm", path);
      const target = this.#paths.resolve(path, "open");
      const isInside = isWithin(this.#paths.resolve(within, "open"), target);
      const file = isInside ? this.#files.find(target) : undefined;
      if (!allows(file?.kind === "file" ? this.#contents.read(file.id) : null)) return false;
      this.#remove({ tree: place, first: place, last: place });
      return true;
    });
  }

  async appendFile(path: string, content: FileContent, encoding?: Encoding): Promise<void> {
    const bytes = toBytes(content, encodingOf(encoding));
    await this.#atomically(() => {
      const file = this.#openForWriting(path);
      if (file.kind === "device") return;
      this.#reserveBytes(path, file.size + bytes.length, bytes.length);
      this.#contents.append(file.id, file.size, bytes);
      this.#files.setSize(file.id, file.size + bytes.length);
    });
  }

  async mkdir(path: string, options: MkdirOptions = {}): Promise<void> {
    await this.#atomically(() => this.#makeDirectory(path, options));
  }

  async rm(path: string, options: RmOptions = {}): Promise<void> {
    await this.#yielder.yieldIfDue();
    const file = this.#paths.findLink(path, "rm");
    if (!file && options.force) return;
    if (!file) throw new FsError("ENOENT", "rm", path);
    if (file.path === "/") throw new FsError("EINVAL", "rm", path);
    if (!options.recursive && this.#files.hasChildren(file))
      throw new FsError("ENOTEMPTY", "rm", path);
    const tree = file.path;
    await this.#inBatches(tree, "DESC", ({ first, last }) =>
      this.#remove({ tree, first: last, last: first }),
    );
  }

  async mv(source: string, destination: string): Promise<void> {
    await this.#atomically(() => {
      const from = this.#paths.getLink(source, "mv");
      const to = this.#paths.placeFor(destination, "mv");
      if (to === from.path) return;
      if (isWithin(from.path, to)) throw new FsError("EINVAL", "mv", destination);
      this.#clearForRename(from, to, destination);
      this.#tree.move(from.path, to);
    });
  }

  async cp(source: string, destination: string, options: CpOptions = {}): Promise<void> {
    await this.#yielder.yieldIfDue();
    const [from, to] = this.#storage.transactionSync(() => {
      const from = options.recursive
        ? this.#paths.getLink(source, "cp")
        : this.#paths.get(source, "cp");
      const isTree = from.kind === "directory";
      if (isTree && !options.recursive) throw new FsError("EISDIR", "cp", source);
      const to = this.#paths.placeFor(this.#paths.resolve(destination, "cp"), "cp");
      if (isWithin(from.path, to)) throw new FsError("EINVAL", "cp", destination);
      this.#checkCopy(from.path, to, destination);
      return [from.path, to];
    });
    await this.#inBatches(from, "ASC", ({ first, last }) => {
      this.#tree.copy({ tree: from, first, last }, to);
      this.#quota.recountEntries();
    });
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.#atomically(() => {
      const link = this.#paths.placeFor(path, "symlink");
      if (this.#files.find(link)) throw new FsError("EEXIST", "symlink", path);
      this.#insert({ path: link, kind: "symlink", mode: 0o777, target });
    });
  }

  async link(_existing: string, path: string): Promise<void> {
    throw new FsError("EOPNOTSUPP", "link", path);
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.#atomically(() => {
      const { id } = this.#paths.get(path, "chmod");
      this.#files.setMode(id, mode);
    });
  }

  async utimes(path: string, _atime: Date, mtime: Date): Promise<void> {
    await this.#atomically(() => {
      const { id } = this.#paths.get(path, "utimes");
      this.#files.setMtime(id, mtime.getTime());
    });
  }

  // One operation at a time

  async #atomically<T>(operation: () => T): Promise<T> {
    await this.#yielder.yieldIfDue();
    return this.#storage.transactionSync(operation);
  }

  /** Returns the path with every link followed. Throws EACCES if it is not within a directory. */
  #placeWithin(path: string, directory: string): string {
    const place = this.#paths.resolve(path, "open");
    if (!isWithin(this.#paths.resolve(directory, "open"), place))
      throw new FsError("EACCES", "open", path);
    return place;
  }

  // Content

  /** Returns the file at a path, created empty if there is none. Throws EISDIR for a directory. */
  #openForWriting(path: string): FileRow {
    const place = this.#paths.placeFor(this.#paths.resolve(path, "open"), "open");
    const file =
      this.#files.find(place) ?? this.#insert({ path: place, kind: "file", mode: 0o644 });
    if (file.kind === "directory") throw new FsError("EISDIR", "open", path);
    return file;
  }

  #reserveBytes(path: string, fileBytes: number, newBytes: number): void {
    this.#quota.reserveBytes(path, fileBytes, newBytes);
    this.#yielder.addBytes(newBytes);
  }

  // The tree

  #insert(entry: NewFile): FileRow {
    this.#quota.reserveEntry(entry.path);
    return this.#files.insert(entry);
  }

  #makeDirectory(path: string, options: MkdirOptions): void {
    const place = options.recursive
      ? this.#paths.resolve(path, "mkdir")
      : this.#paths.locate(path, "mkdir");
    const existing = this.#files.find(place);
    if (existing?.kind === "directory" && options.recursive) return;
    if (existing) throw new FsError("EEXIST", "mkdir", path);
    if (options.recursive) this.#makeParents(parentOf(place));
    this.#insertDirectory(this.#paths.placeFor(place, "mkdir"));
  }

  /** Creates a directory and the missing ones above it. The path holds no links. */
  #makeParents(path: string): void {
    const missing: string[] = [];
    let at = path;
    let found = this.#files.find(at);
    for (; !found; found = this.#files.find(at)) {
      missing.push(at);
      at = parentOf(at);
    }
    if (found.kind !== "directory") throw new FsError("EEXIST", "mkdir", at);
    for (const directory of missing.reverse()) this.#insertDirectory(directory);
  }

  #insertDirectory(path: string): void {
    this.#insert({ path, kind: "directory", mode: 0o755 });
  }

  #remove(range: TreeRange): void {
    this.#tree.remove(range);
    this.#quota.recountEntries();
  }

  /** Removes the entry that a rename replaces: a file by a file, an empty directory by a directory. Throws for any other. */
  #clearForRename(from: FileRow, to: string, destination: string): void {
    const existing = this.#files.find(to);
    if (!existing) return;
    if (existing.kind === "directory") {
      if (from.kind !== "directory") throw new FsError("EISDIR", "mv", destination);
      if (this.#files.hasChildren(existing)) throw new FsError("ENOTEMPTY", "mv", destination);
    } else if (from.kind === "directory") {
      throw new FsError("ENOTDIR", "mv", destination);
    }
    this.#remove({ tree: to, first: to, last: to });
  }

  /** Throws if a tree cannot be copied: a directory and a file do not replace each other, and the disk must have room. */
  #checkCopy(from: string, to: string, destination: string): void {
    const clash = this.#tree.findClash(from, to);
    if (clash) throw new FsError(clash === "directory" ? "EISDIR" : "ENOTDIR", "cp", destination);
    const { bytes, entries } = this.#tree.measure(from);
    this.#reserveBytes(destination, 0, bytes);
    this.#quota.reserveEntries(destination, entries);
  }

  /**
   * Calls `act` with one batch of a tree after the other, in the order of paths, each in a transaction of its
   * own. Pauses between batches.
   */
  async #inBatches(
    tree: string,
    order: "ASC" | "DESC",
    act: (batch: Batch) => void,
  ): Promise<void> {
    for (let after: string | undefined; ; ) {
      const batch = this.#tree.nextBatch(tree, order, after);
      if (!batch) return;
      this.#storage.transactionSync(() => act(batch));
      after = batch.last;
      this.#yielder.addEntries(batch.entries);
      this.#yielder.addBytes(batch.bytes);
      if (batch.isLast) return;
      await this.#yielder.yieldIfDue();
    }
  }
}

function toStat(row: FileRow): FsStat {
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

function encodingOf(option: Encoding | undefined): string | undefined {
  return (typeof option === "string" ? option : option?.encoding) ?? undefined;
}
