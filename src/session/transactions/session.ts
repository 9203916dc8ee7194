import type { PublicError } from "../../events/event";
import { withoutTokens } from "../../sandbox/git/tokens";
import { isVendor } from "../../sandbox/providers";
import { randomHex } from "../../shared/bytes";
import type { StoredText } from "../../shared/encryption";
import type { Caller } from "../../shared/result";
import type { SessionPatch, SessionSpec } from "../rpc";
import { newContainerState, requestRelease } from "../rules/container-state";
import type { Deadline } from "../rules/deadlines";
import type { Membership } from "../rules/leases";
import { type Limits, usedUp } from "../rules/ledger";
import { activate, expireIdle, fail, isEnded, terminate } from "../rules/lifecycle";
import type { NewMcpServer } from "../storage/mcp-servers";
import { savedKey } from "../storage/snapshot-bucket";
import type { StoredEnv } from "../storage/store";
import { newState, type SessionStore } from "../storage/store";
import { pauses } from "./halts";
import { closeMessage, endContext, startNext } from "./messages";
import { publicNames } from "./session-row";
import { change, endSession, setContainerState, setLifecycle } from "./state";
import { type Drafts, withdrawOpenCalls } from "./turns";
import { currentMessage, endPause, pauseSession } from "./waiting";

// Changes to a session as a whole. Call each function within a transaction.

/** The input for creating a session. */
export interface NewSession {
  caller: Caller;
  spec: SessionSpec;
  /** Its environment and request hash as they are stored. The spec contains them unencrypted. */
  env: StoredEnv;
  requestHash: StoredText | null;
  /** The MCP servers of its config, as they are stored. */
  mcpServers: readonly NewMcpServer[];
  /**
   * The copy that it starts from, which has been imported already; null if it starts empty. `sessionId` is the
   * conversation history that it continues; null for a new one. `createdAt` is the time of the saved workspace.
   */
  source: { sessionId: string | null; createdAt: number } | null;
  /** What the account of its owner has answered; null if the owner has no limits. */
  member: Membership | null;
  /** Whether its sandbox has to be started. If so, the session is initializing until that is done. */
  starts: boolean;
}

/** Creates a session. */
export function createSession(store: SessionStore, beginning: NewSession, now: number): void {
  const { caller, spec, env, requestHash, mcpServers, source, member, starts } = beginning;
  const {
    limits,
    tags,
    description,
    userId,
    onLimit,
    provider: _provider,
    sandboxId: _sandboxId,
    limited: _limited,
    ...identity
  } = spec;
  const sessionId = source?.sessionId ?? `sdk_sess_${crypto.randomUUID()}`;
  const { env: _given, mcpServers: _servers, ...given } = withoutTokens(spec.config);
  const config = Object.keys(env).length === 0 ? given : { ...given, env };
  const machineToken = isVendor(spec.provider) ? randomHex() : undefined;
  store.create(
    {
      ...{ ...identity, config, requestHash, owner: caller.owner, sessionId, createdAt: now },
      ...(machineToken !== undefined && { machineToken }),
      ...(mcpServers.length > 0 && { hasMcpServers: true }),
    },
    { limits, tags, description, userId, ...(onLimit && { onLimit }) },
    { ...newState(spec, now), ...(member && { account: member }) },
  );
  for (const server of mcpServers) store.mcpServers.add(server);
  store.log.append({ type: "session.created", pattern: spec.pattern }, {}, now);
  if (!starts) {
    setLifecycle(store, activate(store.state.lifecycle, now), now);
    return;
  }
  const saved = source && { key: savedKey(spec.id, 0), at: source.createdAt };
  setContainerState(store, newContainerState(saved), now);
}

/** Updates metadata and limits. Ends the session if no message runs and a new limit is used up already. */
export function updateSession(
  store: SessionStore,
  patch: SessionPatch,
  drafts: Drafts,
  now: number,
): void {
  const { tags, description, userId, onLimit, ...limits } = patch;
  const before = store.metadata;
  store.metadata = {
    ...((onLimit ?? before.onLimit) && { onLimit: onLimit ?? before.onLimit }),
    limits: { ...before.limits, ...limits },
    tags: tags ?? before.tags,
    description: description === undefined ? before.description : description,
    userId: userId === undefined ? before.userId : userId,
  };
  change(store, {}, now);
  const { lifecycle, pausedBecause } = store.state;
  if (isEnded(lifecycle)) return;
  store.log.append({ type: "session.updated", changed: publicNames(patch) }, {}, now);
  // A message checks the limits before each turn.
  if (currentMessage(store.state) !== null && !pausedBecause) return;
  const reason =
    usedUpOf(store, now) ?? (isStillTooLittle(store, before.limits) ? "budget_limit" : null);
  if (reason === null) {
    endPause(store, now);
    startNext(store, now);
  } else if (!pauses(store)) terminateSession(store, "terminated", reason, drafts, now);
  else pauseSession(store, PAUSES[reason], now);
}

/** Returns whether the session is paused at its budget, and its budget is not raised. The next call needs more than is left. */
function isStillTooLittle({ state, metadata }: SessionStore, before: Limits): boolean {
  const { maxBudgetNanos } = metadata.limits;
  const isRaised = maxBudgetNanos === null || maxBudgetNanos > (before.maxBudgetNanos ?? 0);
  return state.pausedBecause === "budget" && !isRaised;
}

/** The limits at which a session pauses, by the reasons with which it would end. */
const PAUSES = {
  budget_limit: "budget",
  turn_limit: "turns",
  lifetime_limit: "lifetime",
} as const;

/** Returns the limit that a session without a running message has used up; null if none. */
function usedUpOf(
  { state, metadata, identity }: SessionStore,
  now: number,
): keyof typeof PAUSES | null {
  const { balance, numTurns } = state;
  const { maxLifetimeMs } = metadata.limits;
  const isOver = maxLifetimeMs !== null && identity.createdAt + maxLifetimeMs <= now;
  if (isOver) return "lifetime_limit";
  return usedUp({ spentNanos: balance.spentNanos, numTurns }, metadata.limits);
}

/** Applies a deadline that is due. */
export function applyDeadline(
  store: SessionStore,
  because: Deadline["because"],
  drafts: Drafts,
  now: number,
): void {
  if (because === "cleanup" || because === "retention") markDeleted(store, drafts, now);
  else if (because === "lifetime_limit" && pauses(store)) pauseNow(store, drafts, now);
  else if (because === "lifetime_limit") terminateSession(store, because, because, drafts, now);
  else setLifecycle(store, expireIdle(store.state.lifecycle, endContext(store), now), now);
}

/** Pauses the session at the end of its lifetime. The calls of its running message are stopped, and made again later. */
function pauseNow(store: SessionStore, drafts: Drafts, now: number): void {
  const { running } = store.state;
  for (const run of running === null ? [] : store.runs.openOf(running)) {
    withdrawOpenCalls({ store, run, now }, drafts);
  }
  pauseSession(store, "lifetime", now);
}

/** Releases the session's container without saving its workspace, whose changes since the last save are lost. */
export function discardWorkspace(store: SessionStore, now: number): void {
  const { machine: container } = store.state;
  if (container) setContainerState(store, requestRelease(container, { keep: false }), now);
}

/** Terminates the session, after its running or waiting message. Does nothing if the session has ended. */
export function terminateSession(
  store: SessionStore,
  stopReason: "terminated" | "lifetime_limit",
  reason: string,
  drafts: Drafts,
  now: number,
): void {
  const current = currentMessage(store.state);
  if (current !== null) closeMessage(store, current, { stopReason }, drafts, now);
  endSession(store, terminate(store.state.lifecycle, reason, endContext(store), now), now);
}

/** Ends the session with an error, after its running or waiting message. Does nothing if the session has ended. */
export function failSession(
  store: SessionStore,
  error: PublicError,
  drafts: Drafts,
  now: number,
): void {
  const current = currentMessage(store.state);
  if (current !== null) closeMessage(store, current, { stopReason: "error", error }, drafts, now);
  endSession(store, fail(store.state.lifecycle, error, endContext(store), now), now);
}

/** Terminates the session if it has not ended, and marks it as removed. It is erased once the index is up to date. */
export function markDeleted(store: SessionStore, drafts: Drafts, now: number): void {
  terminateSession(store, "terminated", "deleted", drafts, now);
  change(store, { removed: true }, now);
}
