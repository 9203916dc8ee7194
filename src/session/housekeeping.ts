import { purgeTombstones } from "../db/sessions";
import { errorText, log } from "./telemetry";

/** How long a removed session's tombstone guards against a late write. */
const TOMBSTONE_MS = 7 * 86_400_000;
/** Purges of one run: a run's work is bounded, the next one goes on. */
const MAX_PURGES = 10;

/** Forgets what is kept for a time only. Runs every hour; never rejects. */
export async function housekeep(d1: D1Database, now: number): Promise<void> {
  try {
    for (let purges = 0; purges < MAX_PURGES; purges++) {
      if ((await purgeTombstones(d1, now - TOMBSTONE_MS)) === 0) return;
    }
  } catch (error) {
    log("housekeeping.failed", { error: errorText(error) });
  }
}
