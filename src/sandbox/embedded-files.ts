import { MAX_FILE_BYTES } from "./disk/quota";
import {
  type ArchivePiece,
  type ArchivePosition,
  type Condition,
  type FilePage,
  type FilePiece,
  type FileRefusal,
  type FileWritten,
  type PageOfFiles,
  piecesOf,
  type WorkspaceFiles,
} from "./files";

/** What the object of an embedded sandbox does for the files of a workspace: see `WorkspaceFiles`. */
export interface FilesRpc {
  list(workspace: string, path: string, page: PageOfFiles): Promise<FilePage | FileRefusal>;
  read(
    workspace: string,
    path: string,
    piece: { from: number; length: number },
  ): Promise<FilePiece | FileRefusal>;
  archive(
    workspace: string,
    path: string,
    position: ArchivePosition | null,
  ): Promise<ArchivePiece | FileRefusal>;
  put(
    workspace: string,
    path: string,
    bytes: Uint8Array,
    condition: Condition,
  ): Promise<FileWritten | FileRefusal>;
  remove(
    workspace: string,
    path: string,
    options: { recursive: boolean; condition: Condition },
  ): Promise<{ type: string } | FileRefusal>;
}

/** Returns the files of the workspace of an embedded sandbox, whose object `call` calls. */
export const embeddedFiles = (
  call: <T>(send: (object: FilesRpc) => Promise<T>) => Promise<T>,
  workspace: string,
): WorkspaceFiles => ({
  list: (...asked) => call((object) => object.list(workspace, ...asked)),
  read: (...asked) => call((object) => object.read(workspace, ...asked)),
  archive: (...asked) => call((object) => object.archive(workspace, ...asked)),
  async put(path, content, condition) {
    // One byte more shows that there is more.
    for await (const bytes of piecesOf(content, MAX_FILE_BYTES + 1)) {
      if (bytes.length > MAX_FILE_BYTES) return TOO_LARGE;
      return call((object) => object.put(workspace, path, bytes, condition));
    }
    throw new Error("a stream has one piece at least");
  },
  remove: (...asked) => call((object) => object.remove(workspace, ...asked)),
});

const TOO_LARGE: FileRefusal = {
  problem: "too_large",
  message: `A file of this sandbox may have ${MAX_FILE_BYTES / 1024 ** 2} MiB.`,
};
