import {
  type FileEntry,
  type FileRefusal,
  type FileStat,
  isRefusal,
  isSameFile,
} from "./file-facts.ts";
import { paddingOf, TAR_END, tarHeader } from "./tar-format.ts";

/**
 * How far an archive has come: up to an entry, by its path below the root of the archive. With `file`, that file is
 * written up to `file.at` only.
 */
export interface ArchivePosition {
  path: string;
  file?: { at: number; size: number } & Pick<FileStat, "etag" | "id">;
}

/** A piece of a file. */
export interface FilePiece {
  stat: FileStat;
  bytes: Uint8Array;
}

/** What an archive is made of. */
export interface ArchiveSource {
  /** Yields the entries after a path, with paths below the root, in the order of `walk`; all after the empty one. */
  entriesAfter(path: string): AsyncIterable<FileEntry>;
  /** Returns at most `length` bytes of a file, and at least one if there is one. */
  read(
    path: string,
    piece: { from: number; length: number },
  ): FilePiece | FileRefusal | Promise<FilePiece | FileRefusal>;
}

/** Thrown if a file is not what it was when its first piece was read. */
export class ChangedError extends Error {}

/**
 * Emits the next piece of an archive, of about `maxBytes`. Returns how far it has come; null at its end. A file that grows
 * is written up to the size that it had at first. Throws a `ChangedError` for one that was replaced or shortened.
 */
export async function tarPiece(
  source: ArchiveSource,
  position: ArchivePosition | null,
  maxBytes: number,
  emit: (bytes: Uint8Array) => void,
): Promise<ArchivePosition | null> {
  let sent = 0;
  const send = (bytes: Uint8Array) => {
    sent += bytes.length;
    if (bytes.length > 0) emit(bytes);
  };

  /** Writes the rest of a file. Returns where it is cut off; undefined if it is complete. */
  async function finish(
    path: string,
    file: NonNullable<ArchivePosition["file"]>,
  ): Promise<ArchivePosition | undefined> {
    let { at } = file;
    while (at < file.size) {
      if (sent >= maxBytes) return { path, file: { ...file, at } };
      const length = Math.min(file.size - at, maxBytes - sent);
      const piece = await source.read(path, { from: at, length });
      const isSame = !isRefusal(piece) && isSameFile(file, piece.stat, file.size);
      if (!isSame || piece.bytes.length === 0) {
        throw new ChangedError(`${path} has changed while it was read`);
      }
      send(piece.bytes);
      at += piece.bytes.length;
    }
    send(new Uint8Array(paddingOf(file.size)));
    return undefined;
  }

  if (position?.file) {
    const cutOff = await finish(position.path, position.file);
    if (cutOff) return cutOff;
  }
  let path = position?.path ?? "";
  for await (const entry of source.entriesAfter(path)) {
    if (sent >= maxBytes) return { path };
    path = entry.path;
    const { type } = entry;
    if (type === "other") continue;
    if (type !== "file") {
      send(tarHeader({ ...entry, type, size: 0 }));
      continue;
    }
    const first = await source.read(path, { from: 0, length: Math.max(1, maxBytes - sent) });
    // It is gone, or no file any more.
    if (isRefusal(first)) continue;
    const { size, mode, mtimeMs, etag, id } = first.stat;
    send(tarHeader({ path, type, size, mode, mtimeMs }));
    const bytes = first.bytes.subarray(0, size);
    send(bytes);
    const file = { at: bytes.length, size, etag, ...(id !== undefined && { id }) };
    const cutOff = await finish(path, file);
    if (cutOff) return cutOff;
  }
  send(TAR_END);
  return null;
}
