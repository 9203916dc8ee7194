import type { Caller } from "../shared/result";
import { unavailable } from "./errors";

/** Returns the owner whose sessions a caller may read; null for all owners. */
export const ownerSeenBy = ({ owner, admin }: Caller): string | null => (admin ? null : owner);

/** Waits for a query of the index. Throws an `unavailable_error` if the index cannot be reached. */
export async function fromIndex<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    const message = "The index of sessions can't be reached at the moment; each session still can.";
    throw unavailable(message, { cause });
  }
}
