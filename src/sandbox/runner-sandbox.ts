// The sandbox of a container or machine in which the runner of src/container is installed: everything but its start and
// end, which are its provider's.

import { concat } from "../container/path-bytes";
import type { Frame } from "../container/protocol";
import { fromBase64, toBase64 } from "../shared/bytes";
import {
  abandonSave,
  asSaved,
  type Bucket,
  beginSave,
  completeSave,
  getArchive,
  partName,
  prefixOf,
} from "./archive";
import { harmless } from "./output";
import {
  MAX_INLINE_BYTES,
  mapErrors,
  type RunnerClient,
  waitBeforeRetry,
  withRetries,
} from "./runner-client";
import { runnerFiles } from "./runner-files";
import {
  type Changed,
  type CommandResult,
  type FoundCommand,
  type ProgramLine,
  type Sandbox,
  SandboxError,
} from "./sandbox";
import { openTransfer } from "./transfers";

/** The constants of a sandbox with a runner. */
interface RunnerFacts {
  workspace: string;
  bucket: Bucket;
  /** Stores what a runner of an earlier version has saved. Without it, there is no such runner. */
  saveParts?: (key: string, parts: OldPart[]) => Promise<{ sizeBytes: number }>;
}

/** An archive with a part of a workspace, in the runner's folder. */
export interface OldPart {
  file: string;
  sizeBytes: number;
}

/** Returns the methods of a sandbox that its runner provides. */
export function runnerSandbox(
  runner: RunnerClient,
  { workspace, bucket, saveParts }: RunnerFacts,
): Required<Omit<Sandbox, "start" | "destroy" | "suspend" | "reach" | "replaceFile">> {
  const { request, requestOnce } = runner;
  /** Commands that were requested and have not begun: a question about one must not overtake it. */
  const beginning = new Map<string, Promise<void>>();

  return {
    async run(command, onOutput) {
      const { promise, resolve: begun } = Promise.withResolvers<void>();
      beginning.set(command.id, promise);
      const heard = { stdout: 0, stderr: 0 };
      const show = onOutput && harmless(onOutput);
      try {
        return await withRetries(async () => {
          // A retry gets all output from the beginning.
          const told = { stdout: 0, stderr: 0 };
          const pass = (stream: "stdout" | "stderr", text: string) => {
            const fresh = text.slice(Math.max(0, heard[stream] - told[stream]));
            told[stream] += text.length;
            heard[stream] = Math.max(heard[stream], told[stream]);
            if (fresh !== "") show?.(stream, fresh);
          };
          const result = await requestOnce<CommandResult>(
            { do: "run", workspace, command },
            (frame) => {
              if ("begun" in frame) begun();
              else if ("stdout" in frame) pass("stdout", frame.stdout);
              else if ("stderr" in frame) pass("stderr", frame.stderr);
            },
          );
          // A request after the end of a command gets its result only.
          for (const stream of ["stdout", "stderr"] as const) {
            if (!result.truncated) pass(stream, result[stream].slice(told[stream]));
          }
          return result;
        });
      } finally {
        begun();
        beginning.delete(command.id);
      }
    },

    async kill(id) {
      await beginning.get(id);
      await request({ do: "kill", id });
    },

    async find(id) {
      await beginning.get(id);
      return request<FoundCommand>({ do: "find", id });
    },

    readFile: (path) =>
      withRetries(async () => {
        const pieces: Uint8Array[] = [];
        const found = await requestOnce<boolean>({ do: "read", path }, (frame) => {
          if ("base64" in frame) pieces.push(fromBase64(frame.base64));
        });
        return found ? concat(pieces) : null;
      }),

    writeFile: (path, bytes) =>
      withRetries(async () => {
        const content =
          bytes.length < MAX_INLINE_BYTES
            ? { base64: toBase64(bytes) }
            : { file: await runner.upload(new Blob([bytes]).stream()) };
        await requestOnce({ do: "write", path, content });
      }),

    changeFile: (path, change, { id, seen }) => {
      const asked = "edit" in change ? change : { content: toBase64(change.content) };
      return request<Changed | null>({ do: "change", id, path, change: asked, seen });
    },

    files: runnerFiles(runner, workspace),

    async snapshot(key, { base = null, mode = "all", onProgress } = {}) {
      const begun = await mapErrors(() => beginSave(bucket, key, base));
      const transfer = openTransfer({ prefix: begun.prefix, bytesLeft: MAX_SAVE_BYTES });
      const { token } = transfer;
      let isComplete = false;
      try {
        const ask = {
          do: "save",
          workspace,
          token,
          store: begun.store,
          base: begun.base,
          mode,
        } as const;
        const answer = await request<unknown>(ask, progressOf(onProgress));
        if (answer === null) return null;
        if (Array.isArray(answer) && saveParts) return await saveParts(key, answer);
        const saved = asSaved(answer);
        await mapErrors(() => completeSave(bucket, key, begun, saved));
        isComplete = true;
        return { sizeBytes: saved.sizeBytes };
      } finally {
        transfer.close();
        if (!isComplete) await abandonSave(bucket, key, begun);
      }
    },

    async restore(key, onProgress) {
      const archive = await mapErrors(() => getArchive(bucket, key));
      const transfer = openTransfer({ prefix: prefixOf(key, archive), bytesLeft: 0 });
      const { token } = transfer;
      const saved =
        "parts" in archive
          ? { parts: Array.from({ length: archive.parts }, (_, n) => partName(n + 1)) }
          : { index: archive.index };
      try {
        const ask = { do: "restore", workspace, token, saved } as const;
        const isDone = await request<unknown>(ask, progressOf(onProgress));
        if (isDone !== true)
          throw new SandboxError("its runner is of an earlier version", TRANSIENT);
      } finally {
        transfer.close();
      }
    },

    programs: {
      begin: (program) =>
        withRetries(async () => {
          for await (const frame of runner.frames({ do: "begin", workspace, program })) {
            if ("begun" in frame || "answer" in frame) return;
          }
        }),
      tell: (id, n, line) => request({ do: "tell", id, n, line }),
      endSince: (id, n) => request({ do: "endSince", id, n }),
      async *listen(id, after, signal): AsyncGenerator<ProgramLine> {
        let [at, failures] = [after, 0];
        while (!signal.aborted) {
          try {
            for await (const frame of runner.frames({ do: "listen", id, after: at }, signal)) {
              if ("answer" in frame) return;
              if (!("line" in frame)) continue;
              failures = 0;
              at = frame.end;
              yield { line: frame.line, end: frame.end };
            }
          } catch (error) {
            if (signal.aborted) return;
            await waitBeforeRetry(error, failures);
            failures += 1;
          }
        }
      },
    },
  };
}

/** The most bytes that one save may store: twice the disk of a container. */
const MAX_SAVE_BYTES = 24 * 1024 ** 3;

/** Returns a listener of frames that reports progress. A runner that only sends heartbeats makes none. */
const progressOf = (onProgress: (() => void) | undefined) => (frame: Frame) => {
  if ("progress" in frame) onProgress?.();
};

const TRANSIENT = { transient: true };
