import type { Caller } from "../session/rpc";
import { unavailable } from "./errors";

/** Whose sessions a caller sees; null for everybody's. */
export const ownerSeenBy = ({ owner, admin }: Caller): string | null => (admin ? null : owner);

/** Waits for an answer of the index, which may be down while every session goes on. */
export async function fromIndex<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    const message = "The index of sessions can't be reached at the moment; each session still can.";
    throw unavailable(message, { cause });
  }
}
