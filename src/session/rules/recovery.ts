/**
 * How often a message was resumed at the same step after its object was lost: by a deploy, by a crash, or because the
 * step itself crashed the runtime. Stored for the message that was resumed last.
 */
export interface Recovery {
  messageId: string;
  /** The step: the seq of the message's newest event that indicates progress. */
  seq: number;
  /** Consecutive restarts at this step. */
  restarts: number;
  /** How many of the restarts the step survived, so that it was not the cause of the loss. */
  survived: number;
}

/** Number of consecutive restarts at one step, without survived ones, after which the message fails. */
const MAX_RESTARTS = 2;
/** The same, including survived restarts. */
const MAX_RESTARTS_IN_ALL = 5;

/** A step that runs for this long after a restart has survived it, in ms. */
export const SURVIVAL_MS = 60_000;

/** Counts a restart of a message at step `seq`. */
export function countRestart(before: Recovery | null, messageId: string, seq: number): Recovery {
  if (before?.messageId !== messageId || before.seq !== seq) {
    return { messageId, seq, restarts: 1, survived: 0 };
  }
  return { ...before, restarts: before.restarts + 1 };
}

/** Returns whether a message must not be run again, because its object was lost too often at the same step. */
export const isCrashLoop = ({ restarts, survived }: Recovery): boolean =>
  restarts - survived >= MAX_RESTARTS || restarts >= MAX_RESTARTS_IN_ALL;

/** Records that the step survived all restarts so far. */
export const markSurvived = (recovery: Recovery): Recovery =>
  recovery.survived === recovery.restarts ? recovery : { ...recovery, survived: recovery.restarts };
