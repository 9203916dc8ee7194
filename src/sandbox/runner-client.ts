// Asks the runner of src/container, whatever the way to its container.

import { type Ask, BEAT_MS, type Frame, RUNNER, RUNNER_HOME } from "../container/protocol";
import { withTimeout } from "../shared/timeout";
import { messageOf, SandboxError } from "./sandbox";

/** More than this goes by a file: a variable of an environment may have 128 KiB. */
export const MAX_INLINE_BYTES = 96 * 1024;
/** A runner that says nothing for this long is one that is not heard any more. */
const SILENCE_MS = 3 * BEAT_MS;
/** How long to wait before each further try. Whatever the runner is asked may be asked again. */
const PAUSES_MS = [200, 1_000, 4_000];

const utf8 = new TextEncoder();

/** How the runner of a container is reached. */
export interface RunnerLink {
  /** Starts a command with these variables; tells what it says, until the signal aborts. */
  start(
    command: string,
    env: Record<string, string>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<RunnerEvent>>;
  /** Writes a file, with the directories above it. */
  write(path: string, content: ReadableStream<Uint8Array>): Promise<unknown>;
}

/** What happens to a command: `stdout` and `stderr` come in pieces, `complete` or `error` is the last. */
interface RunnerEvent {
  type: string;
  data?: string;
  exitCode?: number;
}

/** Ways to ask the runner of a machine; without one, the machine that is started. */
export function runnerOf(link: RunnerLink, machine: string | undefined) {
  const runner = { machine, frames, ask, askOnce, leave };
  return runner;

  /** Returns what the runner says to a question, up to its answer, which is the last. */
  async function* frames(question: Ask, signal?: AbortSignal): AsyncGenerator<Frame> {
    const asked = JSON.stringify({ machine: runner.machine, ...question });
    const bytes = utf8.encode(asked);
    const RIGGER_ASK =
      bytes.length <= MAX_INLINE_BYTES
        ? asked
        : JSON.stringify({ file: await leave(new Blob([bytes]).stream()) });
    const hangUp = new AbortController();
    const hungUp = AbortSignal.any([hangUp.signal, ...(signal ? [signal] : [])]);
    try {
      const events = await tried(() => link.start(RUNNER, { RIGGER_ASK }, hungUp));
      for await (const line of linesOf(events)) {
        const frame: Frame = JSON.parse(line);
        if ("lost" in frame) throw lost();
        if ("refused" in frame) throw new SandboxError(frame.refused, { transient: false });
        yield frame;
        if ("answer" in frame) return;
      }
      throw new SandboxError("the machine did not answer", { transient: true });
    } finally {
      // The runner goes on with what it was asked for.
      hangUp.abort();
    }
  }

  async function askOnce<T>(question: Ask, hear: (frame: Frame) => void = () => {}): Promise<T> {
    for await (const frame of frames(question)) {
      if ("answer" in frame) return frame.answer as T;
      hear(frame);
    }
    throw new SandboxError("the machine did not answer", { transient: true });
  }

  function ask<T>(question: Ask): Promise<T> {
    return persistently(() => askOnce<T>(question));
  }

  /** Leaves bytes where the runner finds them; answers their place below its folder. */
  async function leave(content: ReadableStream<Uint8Array>): Promise<string> {
    const file = `inbox/${crypto.randomUUID()}`;
    try {
      await link.write(`${RUNNER_HOME}/${file}`, content);
    } catch (cause) {
      // A machine that has no such folder is a new one: this tells.
      await ask({ do: "find", id: "" });
      throw failure(cause);
    }
    return file;
  }
}

/** Returns the lines of the runner's stdout, whatever the pieces that they come in. */
async function* linesOf(told: AsyncIterable<RunnerEvent>): AsyncGenerator<string> {
  const events = told[Symbol.asyncIterator]();
  let [rest, complaint] = ["", ""];
  for (;;) {
    const next = await withTimeout(
      tried(() => events.next()),
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

/** Returns the outcome of something, tried again where that may help. */
export async function persistently<T>(act: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await act();
    } catch (error) {
      await pauseBefore(error, failures);
    }
  }
}

/** Waits before another try, or throws where there is none. */
export async function pauseBefore(error: unknown, failures: number): Promise<void> {
  const failed = failure(error);
  const pause = PAUSES_MS[failures];
  if (!failed.transient || failed.lost || pause === undefined) throw failed;
  await scheduler.wait(pause);
}

/** Returns the outcome of a call of the SDK, whose failures become a sandbox's. */
export async function tried<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw failure(error);
  }
}

/**
 * Returns what a failure of the SDK means here. Its classes do not survive the way between objects, and what it
 * calls retryable is about its own call: ours may be repeated, so all but a refusal passes.
 */
function failure(cause: unknown): SandboxError {
  if (cause instanceof SandboxError) return cause;
  return new SandboxError(`the container failed: ${messageOf(cause)}`, { transient: true, cause });
}

const silent = (): SandboxError =>
  new SandboxError("the machine has gone silent", { transient: true });

const lost = (): SandboxError =>
  new SandboxError("the machine is gone, and every file in it", { transient: true, lost: true });
