import type { PublicError } from "../../events/event";
import { isEnded } from "../rules/lifecycle";
import { countRestart, isCrashLoop } from "../rules/recovery";
import type { SessionStore } from "../storage/store";
import { closeMessage, startNext } from "./messages";
import { pauseSchedules } from "./schedules";
import type { Drafts } from "./turns";

// Changes to a message whose object was lost. Call each function within a transaction.

/** Counts a restart of a message after its object was lost. Returns whether the message may be run again. */
export function noteRestart(store: SessionStore, messageId: string): boolean {
  const progress = store.log.progressOf(messageId);
  const recovery = countRestart(store.recovery, messageId, progress);
  store.recovery = recovery;
  // The runs find out anew whether they can go on.
  if (store.state.halted) store.state = { ...store.state, halted: undefined };
  return !isCrashLoop(recovery);
}

/**
 * Fails a message that was lost too often at the same step. Pauses the schedule that sent it and fails that schedule's
 * queued messages. If the message before it failed in the same way, fails all queued messages and pauses all schedules,
 * so that the session does nothing more by itself. Then starts the next message, if there is one.
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

/** Returns the id of the schedule that sent a message; undefined if none did or the schedule was removed. */
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
