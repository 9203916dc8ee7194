// The client of the runner in src/container. It reaches the runner through a `RunnerLink`, so it knows no vendor.

import {
  type Ask,
  type AskFile,
  type AskPieces,
  asciiJson,
  BEAT_MS,
  type Frame,
  RUNNER,
  RUNNER_HOME,
} from "../container/protocol";
import { withTimeout } from "../shared/timeout";
import { messageOf, SandboxError } from "./sandbox";

/** The size of a piece of a request: an environment variable may have 128 KiB. */
const PIECE_CHARS = 96 * 1024;
/** The most pieces of a request. A longer one goes through a file: all variables together may have 2 MiB. */
const MAX_PIECES = 4;
/** A file of fewer bytes is a part of the request that writes it. In base64, it is a third larger. */
export const MAX_INLINE_BYTES = (MAX_PIECES * PIECE_CHARS * 3) / 4 - 16 * 1024;
/** A runner sends a heartbeat every `BEAT_MS`: after this long without output it is unreachable. */
const SILENCE_MS = 3 * BEAT_MS;
/** Pauses between tries. Every request is idempotent, so all of them may be repeated. */
const PAUSES_MS = [200, 1_000, 4_000];

/** The two abilities of a container that the client needs. */
export interface RunnerLink {
  /** Starts a command with these environment variables. Returns its events until it ends or the signal aborts. */
  start(
    command: string,
    env: Record<string, string>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<RunnerEvent>>;
  /** Writes a file and creates the directories above it. */
  write(path: string, content: ReadableStream<Uint8Array>): Promise<unknown>;
}

/** An event of a command: `stdout` and `stderr` carry a piece of output, `complete` or `error` is the last. */
export interface RunnerEvent {
  type: string;
  data?: string;
  exitCode?: number;
}

/**
 * Creates a client for the runner of one container. `machine` names the container that must answer: any other
 * makes requests reject as lost. Without it, whichever container is started answers. Once `isOpen` returns false, requests
 * reject as lost and are not sent: one of a destroyed container would start another.
 */
export function createRunnerClient(
  link: RunnerLink,
  machine: string | undefined,
  isOpen: () => boolean = () => true,
) {
  const runner = { machine, frames, request, requestOnce, upload };
  /** False if the runner is known to be of an image that does not. */
  let takesPieces = true;
  return runner;

  /** Sends a request and yields the runner's frames. The last one is the answer. */
  async function* frames(ask: Ask, signal?: AbortSignal): AsyncGenerator<Frame> {
    const json = asciiJson({ machine: runner.machine, ...ask });
    if (json.length <= PIECE_CHARS) return yield* framesOf({ RIGGER_ASK: json }, signal);
    if (takesPieces && json.length <= MAX_PIECES * PIECE_CHARS) {
      for await (const frame of framesOf(inPieces(json), signal)) {
        takesPieces = !("answer" in frame && frame.answer === null);
        if (!takesPieces) break;
        yield frame;
        if ("answer" in frame) return;
      }
    }
    const file = await upload(new Blob([json]).stream());
    yield* framesOf({ RIGGER_ASK: JSON.stringify({ file } satisfies AskFile) }, signal);
  }

  /** Starts the runner with these variables and yields its frames. */
  async function* framesOf(
    env: Record<string, string>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Frame> {
    const hangUp = new AbortController();
    const hungUp = AbortSignal.any([hangUp.signal, ...(signal ? [signal] : [])]);
    try {
      if (!isOpen()) throw lost();
      const events = await mapErrors(() => link.start(RUNNER, env, hungUp));
      for await (const line of linesOf(events)) {
        const frame: Frame = JSON.parse(line);
        if ("lost" in frame) throw lost();
        if ("refused" in frame) throw new SandboxError(frame.refused, { transient: false });
        yield frame;
        if ("answer" in frame) return;
      }
      throw new SandboxError("the machine did not answer", { transient: true });
    } finally {
      // This ends the stream only: the runner finishes the request.
      hangUp.abort();
    }
  }

  /** Sends a request and returns its answer; `onFrame` gets the frames before it. Does not retry. */
  async function requestOnce<T>(ask: Ask, onFrame: (frame: Frame) => void = () => {}): Promise<T> {
    for await (const frame of frames(ask)) {
      if ("answer" in frame) return frame.answer as T;
      onFrame(frame);
    }
    throw new SandboxError("the machine did not answer", { transient: true });
  }

  /** Sends a request and returns its answer; `onFrame` gets the frames before it. Retries transient failures. */
  function request<T>(ask: Ask, onFrame?: (frame: Frame) => void): Promise<T> {
    return withRetries(() => requestOnce<T>(ask, onFrame));
  }

  /** Writes bytes to a file for the runner. Returns the file's path relative to the runner's folder. */
  async function upload(content: ReadableStream<Uint8Array>): Promise<string> {
    const file = `inbox/${crypto.randomUUID()}`;
    if (!isOpen()) throw lost();
    try {
      await link.write(`${RUNNER_HOME}/${file}`, content);
    } catch (cause) {
      // The folder is missing if the container was replaced: this request then throws the precise error.
      await request({ do: "find", id: "" });
      throw toSandboxError(cause);
    }
    return file;
  }
}

/** A client of the runner of one container. */
export type RunnerClient = ReturnType<typeof createRunnerClient>;

/** Returns the variables of a request in pieces. */
function inPieces(json: string): Record<string, string> {
  const pieces = Math.ceil(json.length / PIECE_CHARS);
  const variables = Array.from({ length: pieces }, (_, n) => [
    `RIGGER_ASK_${n + 1}`,
    json.slice(n * PIECE_CHARS, (n + 1) * PIECE_CHARS),
  ]);
  const ask: AskPieces = { pieces };
  return { RIGGER_ASK: JSON.stringify(ask), ...Object.fromEntries(variables) };
}

/** Yields the lines of the runner's stdout. Throws if the runner fails, is cut off or goes silent. */
async function* linesOf(output: AsyncIterable<RunnerEvent>): AsyncGenerator<string> {
  const events = output[Symbol.asyncIterator]();
  let [rest, complaint] = ["", ""];
  for (;;) {
    const next = await withTimeout(
      mapErrors(() => events.next()),
      SILENCE_MS,
      silent,
    );
    if (next.done) return;
    const { type, data = "", exitCode } = next.value;
    if (type === "stderr") complaint = (complaint + data).slice(-500);
    if (type === "complete" && exitCode !== 0) {
      throw new SandboxError(`the runner failed with ${exitCode}: ${complaint}`, {
        transient: true,
      });
    }
    if (type === "error") throw new SandboxError("the runner was cut off", { transient: true });
    if (type !== "stdout") continue;
    const lines = (rest + data).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** Runs `act`, and again after transient failures. Throws a `SandboxError`: the last one, or one that no retry helps. */
export async function withRetries<T>(act: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await act();
    } catch (error) {
      await waitBeforeRetry(error, failures);
    }
  }
}

/** Waits before the retry that follows so many failures. Throws the error as a `SandboxError` if no retry is left or helps. */
export async function waitBeforeRetry(error: unknown, failures: number): Promise<void> {
  const failed = toSandboxError(error);
  const pause = PAUSES_MS[failures];
  if (!failed.transient || failed.lost || pause === undefined) throw failed;
  await scheduler.wait(pause);
}

/** Runs `call`. Throws its errors as `SandboxError`s. */
export async function mapErrors<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toSandboxError(error);
  }
}

/**
 * Returns an error as a `SandboxError`. Those of the SDK are all transient: their classes do not survive RPC, and
 * the SDK's own idea of retryable is about its call, while our requests may all be repeated.
 */
function toSandboxError(cause: unknown): SandboxError {
  if (cause instanceof SandboxError) return cause;
  return new SandboxError(`the container failed: ${messageOf(cause)}`, { transient: true, cause });
}

const silent = (): SandboxError =>
  new SandboxError("the machine has gone silent", { transient: true });

/** Returns the error of a container that is gone. */
export const lost = (): SandboxError =>
  new SandboxError("the machine is gone, and every file in it", { transient: true, lost: true });
