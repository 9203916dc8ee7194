import { tracing } from "../deployment";
import type { SessionStore } from "../storage/store";
import { SEND_DELAY_MS } from "./webhooks";

/** Returns when events are to be exported, in ms since 1970; null if all were, or there is no collector. */
export function unexportedAt({ traced, log, state }: SessionStore): number | null {
  if (!tracing.collector || (traced?.seq ?? 0) >= log.lastSeq()) return null;
  return traced?.retryAt ?? state.updatedAt + SEND_DELAY_MS;
}
