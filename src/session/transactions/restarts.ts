import type { PublicError } from "../../events/event";
import { isEnded } from "../rules/lifecycle";
import { countRestart, isHopeless } from "../rules/recovery";
import type { SessionStore } from "../storage/store";
import { closeMessage, startNext } from "./messages";
import { pauseSchedules } from "./schedules";
import type { Drafts } from "./turns";

// What becomes of a message whose object was lost: each of these is one change, within a transaction.

/** Notes that a message is taken up after a loss of its object. Returns whether it may be run again. */
export function noteRestart(store: SessionStore, messageId: string): boolean {
  const progress = store.log.progressOf(messageId);
  const recovery = countRestart(store.recovery, messageId, progress);
  store.recovery = recovery;
  return !isHopeless(recovery);
}

/**
 * Fails a message that was lost too often at the same step, pauses the schedule that sent it, and fails what waits of
 * that. Where the message before it failed so, too, the session does nothing more by itself: all that waits in its
 * queue fails, and all its schedules are paused. Starts the next message.
 */
export function failLostMessage(
  store: SessionStore,
  messageId: string,
  drafts: Drafts,
  now: number,
): void {
  const sentBy = scheduleOf(store, messageId);
  const again = store.messages.endedBefore(messageId)?.error?.reason === CRASH_LOOP.reason;
  closeMessage(store, messageId, { stopReason: "error", error: CRASH_LOOP }, drafts, now);
  if (isEnded(store.state.lifecycle)) return;
  const isLikeIt = (schedule: string | undefined) =>
    again || (schedule !== undefined && schedule === sentBy);
  pauseSchedules(store, isLikeIt, now);
  for (const id of store.messages.queuedIds()) {
    if (isLikeIt(scheduleOf(store, id))) failQueued(store, id, now);
  }
  startNext(store, now);
}

/** Returns the schedule that sent a message, if one did that is still there. */
const scheduleOf = (store: SessionStore, messageId: string): string | undefined =>
  store.schedules.get(store.messages.get(messageId)?.requestHash ?? "")?.id;

const CRASH_LOOP = {
  type: "unavailable_error",
  reason: "crash_loop",
  message: "The message was not run again: restarts interrupted it too often at the same step.",
} as const satisfies PublicError;

function failQueued(store: SessionStore, messageId: string, now: number): void {
  const stopReason = "error";
  const message = "The message was not run: what ran before it ended in a crash loop.";
  const error = { ...CRASH_LOOP, message };
  const end = { status: "failed", stopReason, result: null, output: null, error } as const;
  store.messages.end(messageId, end, now);
  store.log.append({ type: "message.failed", stopReason, error }, { messageId }, now);
}
