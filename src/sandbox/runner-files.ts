// The files of a workspace in a container or machine, through its runner.

import { concat } from "../container/path-bytes";
import type { Ask, Frame } from "../container/protocol";
import { fromBase64, toBase64 } from "../shared/bytes";
import {
  type ArchivePosition,
  type FilePage,
  type FileRefusal,
  type FileStat,
  type FileWritten,
  isRefusal,
  piecesOf,
  type WorkspaceFiles,
} from "./files";
import { MAX_INLINE_BYTES, type RunnerClient, withRetries } from "./runner-client";
import { SandboxError } from "./sandbox-error";

/** The size of the pieces in which a file is uploaded. */
const UPLOAD_BYTES = 4 * 1024 ** 2;

/** Returns the files of the workspace of a runner. */
export function runnerFiles(runner: RunnerClient, workspace: string): WorkspaceFiles {
  /** Sends a request and returns its answer. */
  async function answerTo<T extends object>(
    ask: Ask,
    onFrame?: (frame: Frame) => void,
  ): Promise<T | FileRefusal> {
    const answer = await runner.requestOnce<T | FileRefusal | null>(ask, onFrame);
    if (answer === null) throw new SandboxError(OLD, { transient: false });
    return answer;
  }

  /** Sends a request whose answer comes with bytes. */
  const answerWithBytes = <T extends object>(ask: Ask) =>
    withRetries(async () => {
      const pieces: Uint8Array[] = [];
      const answer = await answerTo<T>(ask, (frame) => {
        if ("base64" in frame) pieces.push(fromBase64(frame.base64));
      });
      return { answer, bytes: () => concat(pieces) };
    });

  return {
    list: (path, page) =>
      withRetries(() => answerTo<FilePage>({ do: "list", workspace, path, ...page })),

    async read(path, { from, length }) {
      const ask = { do: "piece", workspace, path, from, length } as const;
      const { answer, bytes } = await answerWithBytes<FileStat>(ask);
      return isRefusal(answer) ? answer : { stat: answer, bytes: bytes() };
    },

    async archive(path, position) {
      const ask = { do: "archive", workspace, path, position } as const;
      const { answer, bytes } = await answerWithBytes<{ position: ArchivePosition | null }>(ask);
      return isRefusal(answer) ? answer : { bytes: bytes(), position: answer.position };
    },

    async put(path, content, condition) {
      const put = { do: "put", id: crypto.randomUUID(), workspace, path, condition } as const;
      const files: string[] = [];
      try {
        let last: Uint8Array<ArrayBuffer> | undefined;
        for await (const piece of piecesOf(content, UPLOAD_BYTES)) {
          if (last) files.push(await upload(last));
          last = piece;
        }
        const isSmall = files.length === 0 && last && last.length < MAX_INLINE_BYTES;
        if (!isSmall && last) files.push(await upload(last));
        const asked = isSmall && last ? { base64: toBase64(last) } : { files };
        return await withRetries(() => answerTo<FileWritten>({ ...put, content: asked }));
      } catch (error) {
        // If this fails, they are removed after a day.
        if (files.length > 0) runner.requestOnce({ do: "drop", files }).catch(() => {});
        throw error;
      }
    },

    remove(path, options) {
      const ask = { do: "remove", id: crypto.randomUUID(), workspace, path, ...options } as const;
      return withRetries(() => answerTo<{ type: string }>(ask));
    },
  };

  function upload(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    return withRetries(() => runner.upload(new Blob([bytes]).stream()));
  }
}

const OLD =
  "its machine is of an earlier version, which can't do that; the next one can, once the session has slept";
