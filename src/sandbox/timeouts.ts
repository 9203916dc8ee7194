import { withTimeout } from "../shared/timeout";
import { type Sandbox, SandboxError } from "./sandbox";

/** How long a sandbox may take to answer, and beyond a command's own time limit to say how it ended. */
const ANSWER_MS = 60_000;

/** How long a machine may take to start: its image may have to come from afar. */
const START_MS = 2 * 60_000;

/** How long a workspace may take to be saved or restored: it may be a disk of a gibibyte. */
const COPY_MS = 5 * 60_000;

/**
 * Returns the same sandbox, given up on when it does not answer: a machine that hangs would hang its session.
 * A bound is wide, since a machine that is only slow to wake must not be taken for dead.
 */
export function patient(sandbox: Sandbox, answerMs: number = ANSWER_MS): Sandbox {
  const { start, find, snapshot, restore, programs } = sandbox;
  return {
    ...(start && { start: () => within(start.call(sandbox), START_MS) }),
    async run(command, onOutput) {
      const ms = command.timeoutMs + answerMs;
      return within(sandbox.run(command, onOutput), ms, () => {
        // Should it come back, nobody waits for the command any more.
        sandbox.kill(command.id).catch(() => {});
        return unanswered(ms);
      });
    },
    kill: (id) => within(sandbox.kill(id), answerMs),
    ...(find && { find: (id) => within(find.call(sandbox, id), answerMs) }),
    readFile: (path) => within(sandbox.readFile(path), answerMs),
    writeFile: (path, bytes) => within(sandbox.writeFile(path, bytes), answerMs),
    ...(snapshot && { snapshot: (key) => within(snapshot.call(sandbox, key), COPY_MS) }),
    ...(restore && { restore: (key) => within(restore.call(sandbox, key), COPY_MS) }),
    ...(programs && {
      programs: {
        begin: (program) => within(programs.begin(program), answerMs),
        tell: (id, n, line) => within(programs.tell(id, n, line), answerMs),
        // A program may be silent for as long as it likes.
        listen: (id, after, signal) => programs.listen(id, after, signal),
      },
    }),
    destroy: () => within(sandbox.destroy(), answerMs),
  };
}

/** Waits for a sandbox's answer, but no longer than `ms`: then rejects with a transient error, or with what `late` returns. */
const within = <T>(
  answer: Promise<T>,
  ms: number,
  late: () => SandboxError = () => unanswered(ms),
): Promise<T> => withTimeout(answer, ms, late);

/** Returns the error of a sandbox that did not answer in time. */
function unanswered(ms: number): SandboxError {
  const seconds = Math.ceil(ms / 1_000);
  return new SandboxError(
    `it did not answer for ${seconds} seconds; what it has done by now is not known`,
    { transient: true },
  );
}
