import { DEFAULT_MODEL } from "../agent/pricing/models";
import { totalTokens } from "../agent/pricing/usage";
import type { SessionRow } from "../db/schema";
import { isLastEvent, isMessageEnd } from "../events/event";
import { log } from "../shared/log";
import { dollars } from "../shared/money";
import { type LoggedEvent, parseLogged } from "./storage/event-log";
import type { StoredMessage } from "./storage/messages";
import type { SessionStore } from "./storage/store";
import { toSessionRow } from "./transactions/session-row";

/** The termination reasons that the session itself sets. */
const OWN_REASONS: ReadonlySet<string> = new Set([
  "idle_timeout",
  "lifetime_limit",
  "budget_limit",
  "turn_limit",
  "approval_timeout",
  "deleted",
]);

/** Returns the termination reason for telemetry: `caller` if a caller wrote it. */
export const reportedReason = (reason: string | null): string | null =>
  reason === null || OWN_REASONS.has(reason) ? reason : "caller";

/**
 * Returns the data point of a message's end. Columns: index1 owner; blob1 kind, 2 pattern, 3 model, 4 status,
 * 5 reason, 6 session; double1 dollars, 2 tokens, 3 turns, 4 duration ms, 5 wait ms.
 */
function messagePoint(
  session: SessionRow,
  message: StoredMessage,
  model: string,
): AnalyticsEngineDataPoint {
  const startedAt = message.startedAt ?? message.endedAt ?? message.createdAt;
  return {
    indexes: [session.owner.slice(0, 96)],
    blobs: [
      "message",
      session.pattern,
      model,
      message.status,
      message.error?.type ?? message.stopReason ?? "",
      session.id,
    ],
    doubles: [
      dollars(message.costNanos),
      totalTokens(message.usage),
      message.numTurns,
      (message.endedAt ?? startedAt) - startedAt,
      startedAt - message.createdAt,
    ],
  };
}

/** Returns the data point of a session's end, with the same columns, except that double5 is the session's age in ms. */
export function sessionPoint(session: SessionRow, model: string): AnalyticsEngineDataPoint {
  return {
    indexes: [session.owner.slice(0, 96)],
    blobs: [
      "session",
      session.pattern,
      model,
      session.status,
      reportedReason(session.terminationReason) ?? session.error?.type ?? "",
      session.id,
    ],
    doubles: [
      dollars(session.totalCostNanos),
      session.totalTokens,
      session.numTurns,
      session.durationMs ?? 0,
      session.updatedAt - session.createdAt,
    ],
  };
}

/**
 * Reports an event that was committed: the end of a message or of the session, a disputed report of usage, or a warning of
 * a limit.
 */
export function reportEvent(
  analytics: AnalyticsEngineDataset,
  store: SessionStore,
  event: LoggedEvent,
): void {
  const { type, messageId } = event;
  const isMessage = isMessageEnd(type) && type !== "message.joined";
  if (isMessage && messageId !== null) reportMessage(analytics, store, messageId);
  if (type === "usage.disputed") reportDispute(store, event);
  if (type === "limit.warned") reportWarning(analytics, store, event);
  if (isLastEvent(type)) reportEnd(analytics, store);
}

/** Reports the end of a message: one data point and one log line. */
function reportMessage(
  analytics: AnalyticsEngineDataset,
  store: SessionStore,
  messageId: string,
): void {
  const message = store.messages.get(messageId);
  if (!message) return;
  const session = toSessionRow(store);
  analytics.writeDataPoint(messagePoint(session, message, modelName(store)));
  const { status, stopReason, numTurns, error } = message;
  log("message.ended", {
    session: session.id,
    messageId,
    status,
    stopReason,
    numTurns,
    cost: dollars(message.costNanos),
    held: dollars(store.calls.balanceOf(messageId).heldNanos),
    ...(error && { error: error.type, upstreamRequestId: error.upstreamRequestId }),
  });
}

/** Logs that a usage report was disputed. Does nothing for other events. */
function reportDispute({ identity }: SessionStore, logged: LoggedEvent): void {
  const event = parseLogged(logged);
  if (event.type !== "usage.disputed") return;
  const { messageId, turnId, attempt, model, reason, reported, bound } = event;
  const what = { messageId, turnId, attempt, model, reason, reported, bound };
  log("usage.disputed", { session: identity.id, ...what });
}

/**
 * Reports that a part of a limit is used up: one data point and one log line. Of the point, blob4 is the limit, and double1
 * what is used, 4 the limit's maximum, 5 the part.
 */
function reportWarning(
  analytics: AnalyticsEngineDataset,
  store: SessionStore,
  logged: LoggedEvent,
): void {
  const event = parseLogged(logged);
  if (event.type !== "limit.warned") return;
  const { limit, part, used, max, messageId } = event;
  const { id, owner, pattern } = store.identity;
  log("limit.warned", { session: id, messageId, limit, part, used, max });
  analytics.writeDataPoint({
    indexes: [owner.slice(0, 96)],
    blobs: ["warning", pattern, modelName(store), limit, "", id],
    doubles: [used, 0, 0, max, part],
  });
}

/** Reports the end of a session: one data point and one log line. */
function reportEnd(analytics: AnalyticsEngineDataset, store: SessionStore): void {
  const session = toSessionRow(store);
  analytics.writeDataPoint(sessionPoint(session, modelName(store)));
  const { id, status, terminationReason, numTurns } = session;
  log("session.ended", {
    session: id,
    status,
    reason: reportedReason(terminationReason),
    numTurns,
    cost: dollars(session.totalCostNanos),
  });
}

const modelName = (store: SessionStore): string => store.identity.config.model ?? DEFAULT_MODEL;
