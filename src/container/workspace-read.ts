import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from "node:fs";
import {
  etagOf,
  type FileEntry,
  type FilePage,
  type FileRefusal,
  type FileStat,
  isRefusal,
  pageOf,
  refusals,
} from "./file-facts.ts";
import { entryOf, inDirectory, nameOfKind, openedDirectory, withOpened } from "./inside.ts";
import { textOfPath } from "./paths.ts";
import type { ArchiveAsk, ListAsk, PieceAsk, Tell } from "./protocol.ts";
import { codeOf, Refusal } from "./state.ts";
import { type ArchivePosition, ChangedError, type FilePiece, tarPiece } from "./tar-piece.ts";
import { below, type Child, relativeTo, walk } from "./walk.ts";

// Reads the workspace for callers, in pieces: one piece for each request, so that only one is in memory.

/** The size of a frame, before base64, and of a piece of an archive. */
const FRAME_BYTES = 96 * 1024;
const ARCHIVE_PIECE_BYTES = 2 * 1024 ** 2;

/** Returns a page of what is in a directory. */
export async function list(ask: ListAsk): Promise<FilePage | FileRefusal> {
  const { workspace, path, recursive, after, limit } = ask;
  const directory = directoryAt(workspace, path);
  if (isRefusal(directory)) return directory;
  const asked = (entry: FileEntry) => ({
    ...entry,
    path: below(path, relativeTo(directory.real, entry.path)),
  });
  const from = after === "" ? "" : below(directory.real, relativeTo(path, after));
  const entries = walk((at) => childrenOf(workspace, at), directory.real, {
    recursive,
    after: from,
  });
  const page = await pageOf(entries, limit);
  return {
    entries: page.entries.map(asked),
    next: page.next === null ? null : below(path, relativeTo(directory.real, page.next)),
  };
}

/** Sends a piece of a file, and returns the state that the file had before. */
export function piece(ask: PieceAsk, tell: Tell): FileStat | FileRefusal {
  const found = read(ask.workspace, ask.path, ask);
  if (isRefusal(found)) return found;
  send(found.bytes, tell);
  return found.stat;
}

/** Sends a piece of an archive of a directory, and returns how far it has come. */
export async function archive(
  ask: ArchiveAsk,
  tell: Tell,
): Promise<{ position: ArchivePosition | null } | FileRefusal> {
  const { workspace, path, position } = ask;
  const directory = directoryAt(workspace, path);
  if (isRefusal(directory)) return directory;
  const root = directory.real;
  const source = {
    async *entriesAfter(after: string) {
      const from = after === "" ? "" : below(root, after);
      const options = { recursive: true, after: from };
      for await (const entry of walk((at) => childrenOf(workspace, at), root, options)) {
        yield { ...entry, path: relativeTo(root, entry.path) };
      }
    },
    read: (file: string, range: { from: number; length: number }) =>
      read(workspace, below(root, file), range),
  };
  try {
    const emit = (bytes: Uint8Array) => send(bytes, tell);
    return { position: await tarPiece(source, position, ARCHIVE_PIECE_BYTES, emit) };
  } catch (error) {
    if (error instanceof ChangedError) throw new Refusal(error.message);
    throw error;
  }
}

/** Returns where a directory is, links followed. */
function directoryAt(workspace: string, path: string): { real: string } | FileRefusal {
  return withOpened<{ real: string } | FileRefusal>(workspace, path, ({ real, stat }) =>
    stat.isDirectory() ? { real } : refusals.notADirectory(path),
  );
}

function read(
  workspace: string,
  path: string,
  { from, length }: { from: number; length: number },
): FilePiece | FileRefusal {
  return withOpened<FilePiece | FileRefusal>(workspace, path, ({ place, stat: found }) => {
    if (!found.isFile()) return refusals.notAFile(path, nameOfKind(found));
    const file = openSync(place, constants.O_RDONLY);
    try {
      const stat = fstatSync(file, { bigint: true });
      const entry = entryOf(path, stat);
      const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, entry.size - from)));
      let filled = 0;
      while (filled < bytes.length) {
        const more = readSync(file, bytes, filled, bytes.length - filled, from + filled);
        if (more === 0) break;
        filled += more;
      }
      const facts = { ...entry, etag: etagOf(entry), id: `${stat.dev}:${stat.ino}` };
      return { stat: facts, bytes: bytes.subarray(0, filled) };
    } finally {
      closeSync(file);
    }
  });
}

/** Yields what is in a directory, by name. */
function* childrenOf(workspace: string, path: string): Generator<Child> {
  for (const { place } of openedDirectory(workspace, path)) {
    const names = readdirSync(place, { encoding: "buffer" }).sort(Buffer.compare).map(textOfPath);
    for (const name of names) yield { name, stat: () => childIn(place, path, name) };
  }
}

/** Returns what an entry of an open directory is; undefined if it is gone. */
function childIn(place: string, path: string, name: string): FileEntry | undefined {
  const at = inDirectory(place, name);
  try {
    const entry = entryOf(below(path, name), lstatSync(at, { bigint: true }));
    if (entry.type !== "symlink") return entry;
    return { ...entry, target: textOfPath(readlinkSync(at, { encoding: "buffer" })) };
  } catch (error) {
    // EINVAL: it is no link any more.
    if (["ENOENT", "ENOTDIR", "EINVAL"].includes(codeOf(error) ?? "")) return undefined;
    throw error;
  }
}

function send(bytes: Uint8Array, tell: Tell): void {
  for (let at = 0; at < bytes.length; at += FRAME_BYTES) {
    tell({ base64: Buffer.from(bytes.subarray(at, at + FRAME_BYTES)).toString("base64") });
  }
}
