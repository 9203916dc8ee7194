import type { PendingWebhook, SessionStore } from "../storage/store";

/** If the object is lost before it has sent new events, they are sent this long after the last change, in ms. */
export const SEND_DELAY_MS = 5_000;

/** Returns the webhooks that were not sent all events of the log. */
export function behindWebhooks({ webhooks, log }: SessionStore): PendingWebhook[] {
  const endpoints = webhooks?.endpoints.filter(({ isOff }) => !isOff) ?? [];
  if (endpoints.length === 0) return [];
  const last = log.lastSeq();
  return endpoints.filter(({ seq }) => seq < last);
}

/** Returns when events are to be sent to webhooks, in ms since 1970; null if they know all. */
export function unsentAt(store: SessionStore): number | null {
  const { updatedAt } = store.state;
  const times = behindWebhooks(store).map(({ retryAt }) => retryAt ?? updatedAt + SEND_DELAY_MS);
  return times.length === 0 ? null : Math.min(...times);
}
