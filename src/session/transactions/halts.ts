import type { TurnRequest } from "../../agent/reserve-turn";
import type { PauseLimit } from "../rpc";
import { leftNanos } from "../rules/ledger";
import type { StoredMessage } from "../storage/messages";
import type { Run } from "../storage/runs";
import type { SessionStore } from "../storage/store";

// Runs that can't go on at a limit of a session that pauses. Call functions that change something within a transaction.

/** Returns whether the session pauses when a limit is used up. */
export const pauses = ({ metadata }: SessionStore): boolean => metadata.onLimit === "pause";

/**
 * Returns the limit at which the session pauses because a turn of a run could not be reserved; null if it does not pause,
 * if another limit is the reason, or if a smaller turn may still fit.
 */
export function pauseLimitOf(
  store: SessionStore,
  { messageId }: Run,
  { kind, lowered }: Pick<TurnRequest, "kind" | "lowered">,
  why: string,
): PauseLimit | null {
  // Without its summary, Claude Code would end the message. The loop goes on without one.
  const isProgram = store.identity.config.runtime === "claude-code";
  const isNeeded = kind === "reply" || (kind === "compaction" && isProgram);
  if (!pauses(store) || !isNeeded) return null;
  if (why === "turn_limit") return "turns";
  const message = store.messages.get(messageId);
  if (why !== "over_budget" || !lowered || !message) return null;
  // With a limit over many sessions, the session's own money would do.
  if (store.state.account?.usedUp) return null;
  return isSessionsOwnLimit(store, message) ? "budget" : null;
}

/** Returns whether a message stopped at the session's budget and not at its own, smaller budget. */
export function isSessionsOwnLimit(store: SessionStore, message: StoredMessage): boolean {
  const { maxBudgetNanos } = message.options;
  if (maxBudgetNanos === null) return true;
  const ofMessage = leftNanos(store.calls.balanceOf(message.id), maxBudgetNanos);
  return leftNanos(store.state.balance, store.metadata.limits.maxBudgetNanos) < ofMessage;
}

/** Records that a run has reached a limit of the session, at which the session pauses; with null, that it tries again. */
export function haltRun(store: SessionStore, { id }: Run, limit: PauseLimit | null): void {
  const { [id]: _, ...others } = store.state.halted ?? {};
  const halted = limit === null ? others : { ...others, [id]: limit };
  const isEmpty = Object.keys(halted).length === 0;
  store.state = { ...store.state, halted: isEmpty ? undefined : halted };
}
