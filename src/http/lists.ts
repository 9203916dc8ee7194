import type { Caller } from "../shared/result";
import { ApiError, unavailable } from "./errors";

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
