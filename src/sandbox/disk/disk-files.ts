// The files of the workspace of an embedded sandbox, for callers.

import { createHash } from "node:crypto";
import {
  type Condition,
  type FileEntry,
  type FilePage,
  type FileRefusal,
  type FileWritten,
  holdsFor,
  type PageOfFiles,
  pageOf,
  pathProblem,
  refusals,
} from "../../container/file-facts";
import { concat } from "../../container/path-bytes";
import { type ArchivePosition, type FilePiece, tarPiece } from "../../container/tar-piece";
import { below, type Child, relativeTo, walk } from "../../container/walk";
import type { ArchivePiece } from "../files";
import { isWithin, join } from "../paths";
import { FsError } from "./fs-error";
import type { SqliteFs } from "./sqlite-fs";

/** The size of a piece of an archive. */
const ARCHIVE_PIECE_BYTES = 2 * 1024 ** 2;

/** Reads and writes the workspace on a disk. Each change is one transaction, but for the removal of a directory. */
export class DiskFiles {
  readonly #disk: SqliteFs;
  readonly #workspace: string;

  constructor(disk: SqliteFs, workspace: string) {
    this.#disk = disk;
    this.#workspace = workspace;
  }

  /** Returns entries below a directory. */
  list(path: string, { limit, ...page }: PageOfFiles): Promise<FilePage | FileRefusal> {
    return refusing(path, async () => {
      const directory = await this.#directoryAt(path);
      if (directory === null) return refusals.notADirectory(path);
      const after = page.after === "" ? "" : below(directory, relativeTo(path, page.after));
      const asked = (inside: string) => below(path, relativeTo(directory, inside));
      const entries = walk((at) => this.#childrenOf(at), directory, { ...page, after });
      const found = await pageOf(entries, limit);
      return {
        entries: found.entries.map((entry) => ({ ...entry, path: asked(entry.path) })),
        next: found.next === null ? null : asked(found.next),
      };
    });
  }

  /** Returns a piece of a file. */
  read(
    path: string,
    { from, length }: { from: number; length: number },
  ): Promise<FilePiece | FileRefusal> {
    return refusing(path, async () => {
      const place = join(this.#workspace, path);
      const { content, mode, mtimeMs } = await this.#disk.readFileWithin(place, this.#workspace);
      const facts = { path, type: "file", mode, mtimeMs } as const;
      const stat = { ...facts, size: content.length, etag: etagOf(content) };
      return { stat, bytes: content.slice(from, from + length) };
    });
  }

  /** Returns a piece of an archive of a directory. */
  archive(path: string, position: ArchivePosition | null): Promise<ArchivePiece | FileRefusal> {
    return refusing(path, async () => {
      const directory = await this.#directoryAt(path);
      if (directory === null) return refusals.notADirectory(path);
      const pieces: Uint8Array[] = [];
      const source = {
        entriesAfter: (after: string) => this.#archived(directory, after),
        read: (file: string, piece: { from: number; length: number }) =>
          this.read(below(directory, file), piece),
      };
      const emit = (bytes: Uint8Array) => pieces.push(bytes);
      const next = await tarPiece(source, position, ARCHIVE_PIECE_BYTES, emit);
      return { bytes: concat(pieces), position: next };
    });
  }

  /** Writes a file and its directories if its condition holds. */
  put(path: string, bytes: Uint8Array, condition: Condition): Promise<FileWritten | FileRefusal> {
    return refusing(path, async () => {
      let created = false;
      const written = await this.#disk.replaceFile(join(this.#workspace, path), bytes, {
        within: this.#workspace,
        allows: (before) => {
          created = before === null;
          return holdsFor(condition, before && etagOf(before));
        },
      });
      if (!written) return refusals.preconditionFailed(path);
      return { etag: etagOf(bytes), size: bytes.length, created };
    });
  }

  /** Removes a file or a link, or with `recursive` a directory. */
  remove(
    path: string,
    { recursive, condition }: { recursive: boolean; condition: Condition },
  ): Promise<{ type: string } | FileRefusal> {
    return refusing(path, async () => {
      const place = join(this.#workspace, path);
      const { isDirectory, isSymbolicLink } = await this.#disk.lstat(place);
      if (isDirectory) {
        const real = await this.#insideOf(path);
        if (!recursive) return refusals.notAFile(path, "a directory");
        if (!holdsFor(condition, null)) return refusals.preconditionFailed(path);
        await this.#disk.rm(join(this.#workspace, real), { recursive });
        return { type: "directory" };
      }
      const removed = await this.#disk.removeFile(place, {
        within: this.#workspace,
        allows: (before) => holdsFor(condition, before && etagOf(before)),
      });
      if (!removed) return refusals.preconditionFailed(path);
      return { type: isSymbolicLink ? "symlink" : "file" };
    });
  }

  async *#archived(directory: string, after: string): AsyncGenerator<FileEntry> {
    const options = { recursive: true, after: after === "" ? "" : below(directory, after) };
    for await (const entry of walk((at) => this.#childrenOf(at), directory, options)) {
      yield { ...entry, path: relativeTo(directory, entry.path) };
    }
  }

  async *#childrenOf(path: string): AsyncGenerator<Child> {
    const names = await this.#disk.readdir(join(this.#workspace, path)).catch(noneIfGone);
    for (const name of names) {
      yield { name, stat: () => this.#entryAt(below(path, name)).catch(undefinedIfGone) };
    }
  }

  async #entryAt(path: string): Promise<FileEntry> {
    const place = join(this.#workspace, path);
    const { mode, mtime, size, isDirectory, isFile, isSymbolicLink } =
      await this.#disk.lstat(place);
    const facts = { path, mode, mtimeMs: mtime.getTime() };
    if (isSymbolicLink) {
      return { ...facts, type: "symlink", size, target: await this.#disk.readlink(place) };
    }
    if (isDirectory) return { ...facts, type: "directory", size: 0 };
    return { ...facts, type: isFile ? "file" : "other", size };
  }

  /** Returns where a path is below the workspace, links followed. Throws an `FsError` if it is outside or missing. */
  async #insideOf(path: string): Promise<string> {
    const root = await this.#disk.realpath(this.#workspace);
    const real = await this.#disk.realpath(join(this.#workspace, path));
    if (!isWithin(root, real)) throw new FsError("EACCES", "open", path);
    return real === root ? "" : real.slice(root === "/" ? 1 : root.length + 1);
  }

  /** Returns where a directory is, links followed; null if it is none. */
  async #directoryAt(path: string): Promise<string | null> {
    const real = await this.#insideOf(path);
    const { isDirectory } = await this.#disk.stat(join(this.#workspace, real));
    return isDirectory ? real : null;
  }
}

/** Returns the ETag of a content. Two writes may have the same time. */
const etagOf = (bytes: Uint8Array): string =>
  `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 27)}"`;

/** Returns the result of an access, or why a path can't be accessed. */
async function refusing<T>(path: string, access: () => Promise<T>): Promise<T | FileRefusal> {
  if (path !== "" && pathProblem(path) !== null) return refusals.outside(path);
  try {
    return await access();
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    switch (error.code) {
      case "ENOENT":
      case "ELOOP":
        return refusals.notFound(path);
      case "EACCES":
        return refusals.outside(path);
      case "EINVAL":
        return refusals.notAFile(path, "a link to nowhere");
      case "ENOTDIR":
      case "EEXIST":
        return refusals.notAFile(path, "below something that is no directory");
      case "EISDIR":
        return refusals.notAFile(path, "a directory");
      default:
        return { problem: "too_large", message: `It can't be written: ${error.message}.` };
    }
  }
}

function noneIfGone(error: unknown): string[] {
  if (error instanceof FsError) return [];
  throw error;
}

function undefinedIfGone(error: unknown): undefined {
  if (error instanceof FsError) return undefined;
  throw error;
}
