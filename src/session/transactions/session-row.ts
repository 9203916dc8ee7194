import type { SessionRow } from "../../db/schema";
import { defaultRetentionDays } from "../deployment";
import type { SessionPatch } from "../rpc";
import { isPending } from "../rules/container-state";
import { nextDeadline, scheduleOffset, type Timing } from "../rules/deadlines";
import { isEnded } from "../rules/lifecycle";
import type { SessionStore } from "../storage/store";
import { reportAt, waitsForWork } from "./leases";
import { nextRunAt, schedulesWait } from "./schedules";
import { needsCheckpoint, numMessagesOf } from "./state";
import { requestedCalls, requestsExpireAt } from "./tool-requests";
import { unexportedAt } from "./traces";
import { unsentAt } from "./webhooks";

const DAY_MS = 86_400_000;

/** Returns the input of the deadline rules for a session. */
export function timingOf(store: SessionStore): Timing {
  const { lifecycle, lastActivityAt, running, waiting, removed, machine } = store.state;
  const { approvals, pausedBecause } = store.state;
  const { id, createdAt, pattern, config } = store.identity;
  const { limits } = store.metadata;
  const retentionDays = config.retentionDays ?? defaultRetentionDays();
  const auditsAt = store.hasAudits ? (store.audits?.nextAt ?? null) : null;
  const dueAt = [store.outbox?.nextAt ?? null, reportAt(store), auditsAt, unsentAt(store)];
  return {
    lifecycle,
    limits,
    retentionMs: retentionDays === null ? null : retentionDays * DAY_MS,
    createdAt,
    lastActivityAt,
    busy: running !== null || waitsForWork(store),
    waits: waiting !== undefined,
    paused: pausedBecause !== undefined,
    awaitedUntil: earliest(approvals?.expireAt ?? null, requestsExpireAt(store)),
    removed,
    outboxAt: earliest(...dueAt, unexportedAt(store)),
    pattern,
    scheduleAt: nextRunAt(store),
    schedulesWait: schedulesWait(store),
    scheduleOffsetMs: scheduleOffset(id),
    machinePending:
      (machine !== undefined && isPending(machine)) || needsCheckpoint(store, Date.now()),
  };
}

/** Returns the earliest of times; null if there is none. */
function earliest(...times: (number | null)[]): number | null {
  const given = times.filter((at) => at !== null);
  return given.length === 0 ? null : Math.min(...given);
}

/** Returns the names that the API uses for the fields of a patch. */
export function publicNames(patch: SessionPatch): string[] {
  return Object.keys(patch).map((name) => (name === "maxBudgetNanos" ? "maxBudgetUsd" : name));
}

/** Returns a session's row, as clients and the index receive it. */
export function toSessionRow(store: SessionStore): SessionRow {
  const { identity, metadata, state } = store;
  const { lifecycle } = state;
  const startedAt = "startedAt" in lifecycle ? lifecycle.startedAt : null;
  const endedAt = isEnded(lifecycle) ? lifecycle.endedAt : null;
  const deadline = nextDeadline(timingOf(store));
  const { env: _, ...config } = identity.config;
  return {
    id: identity.id,
    version: state.version,
    owner: identity.owner,
    sessionId: identity.sessionId,
    pattern: identity.pattern,
    status: lifecycle.status,
    terminationReason: lifecycle.status === "terminated" ? lifecycle.reason : null,
    error: lifecycle.status === "error" ? lifecycle.error : null,
    conversationId: identity.conversationId,
    config,
    createdAt: identity.createdAt,
    startedAt,
    lastActivityAt: state.lastActivityAt,
    completedAt: lifecycle.status === "completed" || lifecycle.status === "error" ? endedAt : null,
    terminatedAt: lifecycle.status === "terminated" ? endedAt : null,
    updatedAt: state.updatedAt,
    expiresAt: deadline?.at ?? null,
    expiresBecause: deadline?.because ?? null,
    retentionDays: config.retentionDays ?? null,
    durationMs: endedAt === null ? null : endedAt - (startedAt ?? endedAt),
    totalCostNanos: whole(state.balance.spentNanos),
    totalTokens: whole(state.totalTokens),
    numMessages: numMessagesOf(store),
    numTurns: state.numTurns,
    toolsUsed: state.toolsUsed,
    usage: state.usage,
    usageDays: state.usageDays ?? {},
    ...metadata.limits,
    onLimit: metadata.onLimit ?? "terminate",
    pausedBecause: state.pausedBecause ?? null,
    pendingApprovals: state.approvals?.count ?? 0,
    pendingToolRequests: requestedCalls(store).length,
    sandbox: state.sandbox,
    tags: metadata.tags,
    // Earlier versions accepted lone surrogates, which the index can't store.
    description: metadata.description?.toWellFormed() ?? null,
    userId: metadata.userId?.toWellFormed() ?? null,
  };
}

/**
 * Returns a total that can be summed over sessions. Earlier versions could store invalid totals reported by an
 * upstream; these count as 0.
 */
const whole = (total: number): number => (Number.isSafeInteger(total) && total >= 0 ? total : 0);

/** Returns whether two rows have equal values. */
export const rowsEqual = (one: SessionRow, other: SessionRow): boolean =>
  Object.entries(one).every(
    ([name, value]) => JSON.stringify(value) === JSON.stringify(other[name as keyof SessionRow]),
  );
