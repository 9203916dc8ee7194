import { withTimeout } from "../shared/timeout";
import { type Sandbox, SandboxError } from "./sandbox";

/** The time that a sandbox has to answer, and to report a command's end after the command's own time limit. */
const ANSWER_MS = 60_000;

/** The time that a container has to start: its image may have to be pulled. */
const START_MS = 2 * 60_000;

/** The time after which a save or restore that makes no progress has failed. */
const STALL_MS = 3 * 60_000;
/** The time after which it has failed in any case: a container may only pretend to make progress. */
const TRANSFER_MS = 2 * 3_600_000;

/**
 * Returns the sandbox with a timeout on every method, since a container that hangs would hang its session. Each
 * rejects with a transient `SandboxError`. The bounds are wide: a container that is slow to wake is not dead.
 */
export function withTimeouts(sandbox: Sandbox, answerMs: number = ANSWER_MS): Sandbox {
  const {
    start,
    find,
    changeFile,
    replaceFile,
    files,
    snapshot,
    restore,
    programs,
    suspend,
    reach,
  } = sandbox;
  return {
    ...(start && { start: () => answerWithin(start.call(sandbox), START_MS) }),
    async run(command, onOutput) {
      const ms = command.timeoutMs + answerMs;
      return answerWithin(sandbox.run(command, onOutput), ms, () => {
        // If the sandbox comes back, the command's result is not used any more.
        sandbox.kill(command.id).catch(() => {});
        return unanswered(ms);
      });
    },
    kill: (id) => answerWithin(sandbox.kill(id), answerMs),
    ...(find && { find: (id) => answerWithin(find.call(sandbox, id), answerMs) }),
    readFile: (path) => answerWithin(sandbox.readFile(path), answerMs),
    writeFile: (path, bytes) => answerWithin(sandbox.writeFile(path, bytes), answerMs),
    ...(changeFile && {
      changeFile: (...change) => answerWithin(changeFile.apply(sandbox, change), answerMs),
    }),
    ...(replaceFile && {
      replaceFile: (...asked) => answerWithin(replaceFile.apply(sandbox, asked), answerMs),
    }),
    ...(files && {
      files: {
        list: (...asked) => answerWithin(files.list(...asked), answerMs),
        read: (...asked) => answerWithin(files.read(...asked), answerMs),
        archive: (...asked) => answerWithin(files.archive(...asked), answerMs),
        // Whoever sends the content may be slow, but not silent.
        put: (path, content, condition) =>
          whileProgressing(undefined, (onProgress) =>
            files.put(path, watched(content, onProgress), condition),
          ),
        remove: (...asked) => answerWithin(files.remove(...asked), answerMs),
      },
    }),
    ...(snapshot && {
      snapshot: (key, options = {}) =>
        whileProgressing(options.onProgress, (onProgress) =>
          snapshot.call(sandbox, key, { ...options, onProgress }),
        ),
    }),
    ...(restore && {
      restore: (key, onProgress) =>
        whileProgressing(onProgress, (progress) => restore.call(sandbox, key, progress)),
    }),
    ...(programs && {
      programs: {
        begin: (program) => answerWithin(programs.begin(program), answerMs),
        tell: (id, n, line) => answerWithin(programs.tell(id, n, line), answerMs),
        endSince: (id, n) => answerWithin(programs.endSince(id, n), answerMs),
        // A program may be silent for any length of time.
        listen: (id, after, signal) => programs.listen(id, after, signal),
      },
    }),
    ...(reach && { reach: (...asked) => answerWithin(reach.apply(sandbox, asked), answerMs) }),
    // A machine's memory has to be saved.
    ...(suspend && { suspend: () => answerWithin(suspend.call(sandbox), START_MS) }),
    destroy: () => answerWithin(sandbox.destroy(), answerMs),
  };
}

/** Waits for an answer for at most `ms`, then rejects with what `late` returns: a transient error by default. */
const answerWithin = <T>(
  answer: Promise<T>,
  ms: number,
  late: () => SandboxError = () => unanswered(ms),
): Promise<T> => withTimeout(answer, ms, late);

/** Waits for a transfer for as long as it makes progress. */
async function whileProgressing<T>(
  onProgress: (() => void) | undefined,
  transfer: (onProgress: () => void) => Promise<T>,
): Promise<T> {
  const stalled = Promise.withResolvers<never>();
  const start = () => setTimeout(() => stalled.reject(unanswered(STALL_MS)), STALL_MS);
  const total = setTimeout(() => stalled.reject(unanswered(TRANSFER_MS)), TRANSFER_MS);
  let timer = start();
  const progress = () => {
    clearTimeout(timer);
    timer = start();
    onProgress?.();
  };
  try {
    return await Promise.race([transfer(progress), stalled.promise]);
  } finally {
    clearTimeout(timer);
    clearTimeout(total);
  }
}

/** Returns a stream of the chunks of another one, which calls a function for each. */
function watched(
  content: ReadableStream<Uint8Array>,
  onChunk: () => void,
): ReadableStream<Uint8Array> {
  const reader = content.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      onChunk();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    // Not awaited: a read may be under way.
    cancel: (reason) => {
      reader.cancel(reason).catch(() => {});
    },
  });
}

/** Returns the error of a sandbox that did not answer in time. */
function unanswered(ms: number): SandboxError {
  const seconds = Math.ceil(ms / 1_000);
  return new SandboxError(
    `it did not answer for ${seconds} seconds; what it has done by now is not known`,
    { transient: true },
  );
}
