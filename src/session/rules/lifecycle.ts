import type { Pattern } from "../../db/schema";
import type { PublicError } from "../../events/event";

/**
 * The lifecycle state of a session. Times are in ms since 1970. A transition that does not apply returns the same
 * object, so that a late or repeated call is harmless and can be recognized by `after === before`.
 */
export type Lifecycle =
  | { status: "initializing" }
  | { status: "active"; startedAt: number }
  | { status: "idle"; startedAt: number }
  | (Ended & { status: "completed" })
  | (Ended & { status: "error"; error: PublicError })
  | (Ended & { status: "terminated"; reason: string });

/** The fields of every terminal state. The session is deleted at `cleanupAt`; null keeps it. */
interface Ended {
  startedAt: number | null;
  endedAt: number;
  cleanupAt: number | null;
}

/** How long an ended ephemeral session can still be read, in ms. */
const CLEANUP_MS = 60_000;
/** The same for a session with an unread background message. */
const UNREAD_CLEANUP_MS = 3_600_000;

/** The facts about a session that its end depends on. */
export interface EndContext {
  pattern: Pattern;
  /** Whether a message waits for somebody. */
  waits: boolean;
  /** Whether the end of a background message was not read yet. */
  unread: boolean;
}

export const isEnded = (state: Lifecycle): state is Extract<Lifecycle, Ended> =>
  state.status === "completed" || state.status === "error" || state.status === "terminated";

/** Activates a session: its sandbox is ready, its first message starts, or it was idle and gets a message. */
export function activate(state: Lifecycle, now: number): Lifecycle {
  if (state.status === "initializing") return { status: "active", startedAt: now };
  if (state.status === "idle") return { status: "active", startedAt: state.startedAt };
  return state;
}

/** Applies the idle timeout: a hybrid session, or one with a message that waits, becomes idle, any other is terminated. */
export function expireIdle(state: Lifecycle, context: EndContext, now: number): Lifecycle {
  const { pattern, waits } = context;
  return pattern === "hybrid" || waits
    ? pause(state, now)
    : terminate(state, "idle_timeout", context, now);
}

/** Makes a session idle that has not ended, also one whose sandbox is not ready: it goes on when it is needed again. */
export const pause = (state: Lifecycle, now: number): Lifecycle => {
  if (state.status === "initializing") return { status: "idle", startedAt: now };
  return state.status === "active" ? { status: "idle", startedAt: state.startedAt } : state;
};

/** Completes an ephemeral session whose message has succeeded. */
export function complete(state: Lifecycle, context: EndContext, now: number): Lifecycle {
  if (isEnded(state)) return state;
  return { status: "completed", ...ended(state, context, now) };
}

/** Fails a session: its sandbox could not start, or its only message failed. */
export function fail(
  state: Lifecycle,
  error: PublicError,
  context: EndContext,
  now: number,
): Lifecycle {
  if (isEnded(state)) return state;
  return { status: "error", error, ...ended(state, context, now) };
}

/** Terminates a session, at a limit or for a caller. Terminal states are final. */
export function terminate(
  state: Lifecycle,
  reason: string,
  context: EndContext,
  now: number,
): Lifecycle {
  if (isEnded(state)) return state;
  return { status: "terminated", reason, ...ended(state, context, now) };
}

/** Records that the end of a background message was read. From now on the session is kept as long as any other. */
export function markRead(state: Lifecycle, now: number): Lifecycle {
  if (!isEnded(state) || state.cleanupAt === null) return state;
  const cleanupAt = now + CLEANUP_MS;
  return cleanupAt < state.cleanupAt ? { ...state, cleanupAt } : state;
}

function ended(state: Lifecycle, context: EndContext, now: number): Ended {
  const keepMs = context.unread ? UNREAD_CLEANUP_MS : CLEANUP_MS;
  return {
    startedAt: "startedAt" in state ? state.startedAt : null,
    endedAt: now,
    cleanupAt: context.pattern === "ephemeral" ? now + keepMs : null,
  };
}
