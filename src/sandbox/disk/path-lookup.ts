import { parentOf } from "../paths";
import type { FileRow, FileTable } from "./file-table";
import { FsError } from "./fs-error";
import { resolveDirectory, resolveLinks } from "./resolve-path";

/** Finds entries by paths that may hold links. Throws an `FsError` that names the operation and the path as given. */
export class PathLookup {
  readonly #files: FileTable;

  constructor(files: FileTable) {
    this.#files = files;
  }

  /** Returns the entry that a path leads to, with every link followed. */
  find(path: string, operation: string): FileRow | undefined {
    return this.#files.find(this.resolve(path, operation));
  }

  /** Like `find`, but throws ENOENT if there is no entry. */
  get(path: string, operation: string): FileRow {
    const row = this.find(path, operation);
    if (!row) throw new FsError("ENOENT", operation, path);
    return row;
  }

  /** Returns the entry at a path; a link at its end is not followed. */
  findLink(path: string, operation: string): FileRow | undefined {
    return this.#files.find(this.locate(path, operation));
  }

  /** Like `findLink`, but throws ENOENT if there is no entry. */
  getLink(path: string, operation: string): FileRow {
    const row = this.findLink(path, operation);
    if (!row) throw new FsError("ENOENT", operation, path);
    return row;
  }

  /** Returns the path with the links in its directories followed, but not one at its end. */
  locate(path: string, operation: string): string {
    return resolveDirectory(path, operation, (entry) => this.#files.find(entry));
  }

  /** Returns the path with every link followed. */
  resolve(path: string, operation: string): string {
    return resolveLinks(path, operation, (entry) => this.#files.find(entry));
  }

  /** Returns the path at which an entry is or can be created. Throws if its directory does not exist. */
  placeFor(path: string, operation: string): string {
    const place = this.locate(path, operation);
    const parent = this.#files.find(parentOf(place));
    if (!parent) throw new FsError("ENOENT", operation, path);
    if (parent.kind !== "directory") throw new FsError("ENOTDIR", operation, path);
    return place;
  }
}
