import { inputProblem } from "../../agent/client-tools";
import { refused } from "../../agent/tools/result";
import type { SessionStore } from "../storage/store";
import type { StoredTool } from "../storage/tools";
import { type RunChange, scopeOf } from "./state";
import { clientToolOf, finishTool, startTool } from "./tool-calls";

// Calls of client tools. One that was started was requested from the caller, and waits for the result. Call functions that
// change something within a transaction.

/** Returns the calls that wait for results of the caller, oldest first. */
export function requestedCalls(store: SessionStore): StoredTool[] {
  if (!store.identity.config.clientTools) return [];
  return store.tools.allOpen().filter((tool) => isRequested(store, tool));
}

/** Returns whether a call without a result was requested from the caller. */
export const isRequested = (store: SessionStore, { state, name }: StoredTool): boolean =>
  state === "started" && clientToolOf(store, name) !== undefined;

/** Returns when a request expires, in ms since 1970; null for never. */
export function expiryOf(
  { identity }: SessionStore,
  { startedAt }: Pick<StoredTool, "startedAt">,
): number | null {
  const { clientToolTimeoutMs } = identity.config;
  return startedAt === null || clientToolTimeoutMs === undefined
    ? null
    : startedAt + clientToolTimeoutMs;
}

/** Returns when the first request expires, in ms since 1970; null if none does. */
export function requestsExpireAt(store: SessionStore): number | null {
  if (store.identity.config.clientToolTimeoutMs === undefined) return null;
  const times = requestedCalls(store).flatMap((tool) => expiryOf(store, tool) ?? []);
  return times.length === 0 ? null : Math.min(...times);
}

/** Requests a call of a client tool from the caller. A call whose input does not fit gets that as its result instead. */
export function requestCall(
  at: RunChange,
  call: Pick<StoredTool, "id" | "name" | "input" | "turnId">,
): void {
  const { store, run, now } = at;
  const { id: toolUseId, name, input, turnId } = call;
  const tool = clientToolOf(store, name);
  const problem = tool && inputProblem(tool, input);
  if (problem !== undefined) {
    finishTool(at, call, refused(problem));
    return;
  }
  startTool(at, call);
  const expiresAt = expiryOf(store, { startedAt: now });
  store.log.append(
    {
      ...{ type: "tool.requested", turnId, toolUseId, name, input },
      expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    },
    scopeOf(run),
    now,
  );
}
