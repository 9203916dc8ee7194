import { ok, type Result, refuse } from "../shared/result";
import type { WebhookFilter, WebhookList } from "../webhooks/rpc";

/** Maximum number of webhook endpoints of an owner. */
const MAX_WEBHOOKS = 20;

export const NO_WEBHOOKS: WebhookList = { version: 0, filters: [] };

/**
 * Returns the list with an endpoint, which is `isNew` or is changed at its place, or why it has no room. What is older than
 * what the list has, or was removed, changes nothing.
 */
export function withWebhook(
  list: WebhookList,
  filter: WebhookFilter,
  isNew: boolean,
  now: number,
): Result<WebhookList> {
  const { version, filters } = list;
  const known = filters.find(({ id }) => id === filter.id);
  const isKnown = known !== undefined;
  if (!isNew && (!known || known.revision > filter.revision)) return ok(list);
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
