import type { SessionStore } from "../storage/store";

/** If the object is lost before it has sent new events, they are sent this long after the last change, in ms. */
const SEND_DELAY_MS = 5_000;

/** Returns whether the log has events of which a webhook does not know. */
export function hasUnsentEvents(store: SessionStore): boolean {
  const endpoints = store.webhooks?.endpoints.filter(({ isOff }) => !isOff) ?? [];
  if (endpoints.length === 0) return false;
  const last = store.log.lastSeq();
  return endpoints.some(({ seq }) => seq < last);
}

/** Returns when events are to be sent to webhooks, in ms since 1970; null if they know all. */
export const unsentAt = (store: SessionStore): number | null =>
  hasUnsentEvents(store)
    ? (store.webhooks?.retryAt ?? store.state.updatedAt + SEND_DELAY_MS)
    : null;
