/**
 * How often a message was taken up at the same step after a loss of its object: a deploy, a crash, or what the
 * step itself did to the runtime. Kept for the newest message that was taken up.
 */
export interface Recovery {
  messageId: string;
  /** How far the message had come: the seq of the newest event that tells of progress. */
  seq: number;
  /** Restarts in a row at this step. */
  restarts: number;
  /** How many of them the step has outlived: it is not what ended the object. */
  survived: number;
}

/** Restarts in a row at one step after which its message fails. */
const MAX_RESTARTS = 2;
/** The same, with those that the step has outlived. */
const MAX_RESTARTS_IN_ALL = 5;

/** A step that is at work for this long after a restart has outlived it. */
export const SURVIVAL_MS = 60_000;

/** Counts a restart of a message that has come as far as `seq`. */
export function countRestart(before: Recovery | null, messageId: string, seq: number): Recovery {
  if (before?.messageId !== messageId || before.seq !== seq) {
    return { messageId, seq, restarts: 1, survived: 0 };
  }
  return { ...before, restarts: before.restarts + 1 };
}

/** Returns whether a message is not to be run again: its step was the last thing that its object did, too often. */
export const isHopeless = ({ restarts, survived }: Recovery): boolean =>
  restarts - survived >= MAX_RESTARTS || restarts >= MAX_RESTARTS_IN_ALL;

/** Notes that the step is still at work, long after the last restart. */
export const outlive = (recovery: Recovery): Recovery =>
  recovery.survived === recovery.restarts ? recovery : { ...recovery, survived: recovery.restarts };
