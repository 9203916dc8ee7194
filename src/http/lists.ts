import { encodeCursor } from "../db/cursor";
import type { WaitingQuery, WaitingSession } from "../db/waiting";
import { indexOf } from "../session/deployment";
import type { SessionRpc } from "../session/rpc";
import type { Caller, Result } from "../shared/result";
import { callSession } from "./call";
import type { AppContext } from "./context";
import { ApiError, ignoreMissing, unavailable } from "./errors";

/** Number of waiting calls that a list over all sessions shows of each. */
export const MAX_OF_SESSION = 100;

/** Returns the owner whose sessions a caller may read; null for all owners. */
export const ownerSeenBy = ({ owner, admin }: Caller): string | null => (admin ? null : owner);

/** Throws an `ApiError` if a caller names another owner and is no admin. `what` says what only an admin may do. */
export function requireOwner(caller: Caller, named: string | undefined, what: string): void {
  if (named === undefined || named === caller.owner || caller.admin) return;
  throw new ApiError("permission_error", `Only an admin may ${what}.`);
}

/** Waits for a query of the index. Throws an `unavailable_error` if the index cannot be reached. */
export async function fromIndex<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    const message = "The index of sessions can't be reached at the moment; each session still can.";
    throw unavailable(message, { cause });
  }
}

/** A list over all sessions of what waits in them. */
interface WaitingList<T> {
  for: WaitingQuery["for"];
  query: { cursor: WaitingSession; limit: number };
  read(session: SessionRpc, caller: Caller): Promise<Result<T>>;
}

/**
 * Returns what waits in the next sessions that the caller may read, and the cursor of those after them. The index knows the
 * sessions, and these know what waits.
 */
export async function readWaiting<T>(
  c: AppContext,
  { for: awaited, query: { cursor: after, limit }, read }: WaitingList<T>,
): Promise<{ found: T[]; nextCursor: string | null }> {
  const query = { for: awaited, owner: ownerSeenBy(c.var.caller), after, limit: limit + 1 };
  const waiting = await fromIndex(indexOf(c.env).waitingSessions(query));
  const sessions = waiting.slice(0, limit);
  const found = await Promise.all(
    // The index may still have a session that is deleted.
    sessions.map(({ id }) => callSession(c, read, { id }).catch(ignoreMissing)),
  );
  const last = waiting.length > limit ? sessions.at(-1) : undefined;
  return {
    found: found.filter((one) => one !== null),
    nextCursor: last ? encodeCursor([last.owner, last.id]) : null,
  };
}
