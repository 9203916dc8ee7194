// The files of a workspace, for callers. They are read in pieces, which the reader asks for one by one: so one piece is in
// memory however large a file is, no transport has to slow down, and a reader can go on where the last piece ended although
// the workspace was moved from its container into a bucket meanwhile.

import {
  type Condition,
  type FilePage,
  type FileRefusal,
  type FileStat,
  type FileWritten,
  isRefusal,
  isSameFile,
  type PageOfFiles,
  refusals,
} from "../container/file-facts";
import { TAR_END } from "../container/tar-format";
import type { ArchivePosition, FilePiece } from "../container/tar-piece";
import { SandboxError } from "./sandbox-error";

export {
  type Condition,
  etagOf,
  type FileEntry,
  type FilePage,
  type FileRefusal,
  type FileStat,
  type FileWritten,
  isRefusal,
  type PageOfFiles,
  pathProblem,
} from "../container/file-facts";
export type { ArchivePosition, FilePiece } from "../container/tar-piece";

/** The most bytes of a piece of a file. A provider may return less. */
export const PIECE_BYTES = 2 * 1024 ** 2;

/** A piece of an archive. `position` is where the next one begins; null at the end. */
export interface ArchivePiece {
  bytes: Uint8Array;
  position: ArchivePosition | null;
}

/**
 * Reads the files of a workspace. Paths are relative to it, without `.`, `..` and empty names; the empty path is the
 * workspace. Links are followed, and what leads out of the workspace is refused.
 */
export interface WorkspaceReader {
  /** Returns entries below a directory. Links are not followed below it. */
  list(path: string, page: PageOfFiles): Promise<FilePage | FileRefusal>;
  /** Returns at most `length` bytes of a file, and at least one if there is one after `from` and `length` is not 0. */
  read(path: string, piece: { from: number; length: number }): Promise<FilePiece | FileRefusal>;
  /** Returns a piece of a tar archive of a directory; the first one for null. */
  archive(path: string, position: ArchivePosition | null): Promise<ArchivePiece | FileRefusal>;
}

/** Reads and writes the files of a workspace. A condition is checked in the same step as the change that it allows. */
export interface WorkspaceFiles extends WorkspaceReader {
  /** Writes a file and its directories. Until it is complete, nothing of it can be seen. */
  put(
    path: string,
    content: ReadableStream<Uint8Array>,
    condition: Condition,
  ): Promise<FileWritten | FileRefusal>;
  /** Removes a file or a link, or with `recursive` a directory. */
  remove(
    path: string,
    options: { recursive: boolean; condition: Condition },
  ): Promise<{ type: string } | FileRefusal>;
}

/** The files of an empty workspace. */
export const NO_FILES: WorkspaceReader = {
  list: async (path) => (path === "" ? { entries: [], next: null } : refusals.notFound(path)),
  read: async (path) => refusals.notFound(path),
  archive: async (path) =>
    path === "" ? { bytes: TAR_END.slice(), position: null } : refusals.notFound(path),
};

/** Returns the content of a file from `from` to `end`. It fails if the file is replaced or shortened meanwhile. */
export function contentOf(
  files: WorkspaceReader,
  path: string,
  { stat, from, end, first }: { stat: FileStat; from: number; end: number; first?: Uint8Array },
): ReadableStream<Uint8Array> {
  let at = from;
  return pulled(async () => {
    if (at >= end) return null;
    const length = Math.min(PIECE_BYTES, end - at);
    const given = at === from ? first : undefined;
    const piece = given ? { stat, bytes: given } : await files.read(path, { from: at, length });
    if (isRefusal(piece) || !isSameFile(stat, piece.stat, end) || piece.bytes.length === 0) {
      throw new SandboxError(`${path} has changed while it was read`, { transient: false });
    }
    const bytes = piece.bytes.subarray(0, end - at);
    at += bytes.length;
    return bytes;
  });
}

/** Returns an archive, of which the first piece was read. */
export function archiveOf(
  files: WorkspaceReader,
  path: string,
  first: ArchivePiece,
): ReadableStream<Uint8Array> {
  let next: ArchivePiece | null = first;
  let position: ArchivePosition | null = first.position;
  return pulled(async () => {
    if (next === null && position === null) return null;
    const piece: ArchivePiece | FileRefusal = next ?? (await files.archive(path, position));
    if (isRefusal(piece)) {
      throw new SandboxError(`the archive broke off: ${piece.message}`, { transient: false });
    }
    next = null;
    position = piece.position;
    return piece.bytes;
  });
}

/** Returns a stream of the pieces that a function returns one after the other, each when it is needed; null ends it. */
function pulled(pull: () => Promise<Uint8Array | null>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      const bytes = await pull();
      if (bytes && bytes.length > 0) return controller.enqueue(bytes);
      if (bytes) return this.pull?.(controller);
      controller.close();
      controller.byobRequest?.respond(0);
    },
  });
}

/** Yields the bytes of a stream in pieces of a size; the last one may be shorter, and the only one empty. */
export async function* piecesOf(
  stream: ReadableStream<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let piece = new Uint8Array(0);
  let filled = 0;
  let isFirst = true;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; ) {
      if (filled === piece.length) {
        if (filled === size) {
          yield piece;
          isFirst = false;
          // Whoever got it keeps it.
          piece = new Uint8Array(0);
          filled = 0;
        }
        // A small file needs no more memory than it has bytes, about.
        const room = Math.min(size, Math.max(2 * filled, chunk.length - at, 16 * 1024));
        const larger = new Uint8Array(room);
        larger.set(piece.subarray(0, filled));
        piece = larger;
      }
      const length = Math.min(chunk.length - at, piece.length - filled);
      piece.set(chunk.subarray(at, at + length), filled);
      filled += length;
      at += length;
    }
  }
  if (filled > 0 || isFirst) yield piece.subarray(0, filled);
}
