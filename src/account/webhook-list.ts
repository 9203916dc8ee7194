import { ok, type Result, refuse } from "../shared/result";
import type { WebhookFilter, WebhookList } from "../webhooks/rpc";

/** Maximum number of webhook endpoints of an owner. */
const MAX_WEBHOOKS = 20;

export const NO_WEBHOOKS: WebhookList = { version: 0, filters: [] };

/** Returns the list with an endpoint, at its place if it is there, or why it has no room. */
export function withWebhook(
  { version, filters }: WebhookList,
  filter: WebhookFilter,
  now: number,
): Result<WebhookList> {
  const isKnown = filters.some(({ id }) => id === filter.id);
  if (!isKnown && filters.length >= MAX_WEBHOOKS) {
    return refuse("too_many_webhooks", `There are ${MAX_WEBHOOKS} webhooks. Delete one first.`);
  }
  const others = filters.map((one) => (one.id === filter.id ? filter : one));
  return ok({
    version: Math.max(version + 1, now),
    filters: isKnown ? others : [...filters, filter],
  });
}

/** Returns the list without an endpoint; the same list if it is not there. */
export function withoutWebhook(list: WebhookList, id: string, now: number): WebhookList {
  const filters = list.filters.filter((one) => one.id !== id);
  if (filters.length === list.filters.length) return list;
  return { version: Math.max(list.version + 1, now), filters };
}
