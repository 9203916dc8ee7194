import type { OwnerEvent } from "../events/event";
import { retryAt } from "../shared/backoff";
import { randomHex } from "../shared/bytes";
import { dayOf, monthAround } from "../shared/days";
import { Drain } from "../shared/drain";
import { errorText, log } from "../shared/log";
import { settledWithin } from "../shared/timeout";
import type { OutgoingEvent, WebhookList, WebhookRpc } from "../webhooks/rpc";
import { wants } from "../webhooks/rules";
import type { OwnerLimits } from "./limits";
import type { MemberTable } from "./members";
import type { AccountReply } from "./rpc";
import { dueWarnings, type Used, type WarnedLimits } from "./warnings";

/** Timeout of a call of an endpoint's object, in ms. */
const TIMEOUT_MS = 10_000;
/** Alerts that wait for webhooks, at most: the oldest are dropped. There are three for each limit and day or month. */
const MAX_WAITING = 100;

/** Alerts that were not sent to the webhooks yet. `nextAt` is in ms since 1970. */
interface Waiting {
  events: OutgoingEvent[];
  attempts: number;
  nextAt: number;
}

/** Warns of the owner's limits on money: in the log, in the data set, and by the owner's webhooks. */
export class Alerts {
  readonly #ctx: DurableObjectState;
  readonly #env: Env;
  readonly #reschedule: () => Promise<void>;
  readonly #drain = new Drain(() => this.#send());

  constructor(ctx: DurableObjectState, env: Env, reschedule: () => Promise<void>) {
    this.#ctx = ctx;
    this.#env = env;
    this.#reschedule = reschedule;
  }

  /**
   * Warns if parts of the limits are used up. `short` is the limit because of which a call can't be made. Call it within a
   * transaction. Returns the warnings, which are to be reported when it is done.
   */
  note(
    owner: string,
    limits: OwnerLimits,
    members: MemberTable,
    short: (AccountReply & { limited: true })["short"],
    now: number,
  ): OwnerEvent[] {
    const { kv } = this.#ctx.storage;
    const before = kv.get<WarnedLimits>("warned") ?? {};
    const used = usedOf(limits, members, short, now);
    const { events, warned } = dueWarnings(owner, limits, used, before, now);
    if (events.length === 0) return events;
    kv.put("warned", warned);
    const outgoing = events.map((event) => ({
      ...{ id: `evt_${randomHex()}`, lane: "owner", type: event.type },
      body: JSON.stringify({ type: event.type, timestamp: event.at, data: { event } }),
    }));
    const waiting = kv.get<Waiting>("alerts")?.events ?? [];
    const all = [...waiting, ...outgoing].slice(-MAX_WAITING);
    kv.put("alerts", { events: all, attempts: 0, nextAt: now });
    return events;
  }

  /** Reports warnings that were noted, and sends them to the webhooks without waiting for that. */
  report(events: readonly OwnerEvent[]): void {
    for (const { owner, limit, part, used, max } of events) {
      log("owner.limit_warned", { owner, limit, part, used, max });
      this.#env.ANALYTICS.writeDataPoint({
        indexes: [owner.slice(0, 96)],
        blobs: ["warning", "", "", limit, "", ""],
        doubles: [used, 0, 0, max, part],
      });
    }
    if (events.length > 0) this.#ctx.waitUntil(this.#drain.now());
  }

  /** Sends what could not be sent, if that is due. Never rejects. */
  async doDue(now: number): Promise<void> {
    const at = this.nextAt();
    if (at !== null && at <= now) await this.#drain.now();
  }

  /** Returns when alerts are to be sent, in ms since 1970; null if none wait. */
  nextAt(): number | null {
    return this.#ctx.storage.kv.get<Waiting>("alerts")?.nextAt ?? null;
  }

  async #send(): Promise<void> {
    const { kv } = this.#ctx.storage;
    for (let waiting = kv.get<Waiting>("alerts"); waiting; waiting = kv.get<Waiting>("alerts")) {
      const { events } = waiting;
      try {
        const list = kv.get<WebhookList>("webhooks");
        const endpoints = (list?.filters ?? []).filter(({ enabled }) => enabled);
        const sent = await Promise.all(
          endpoints.map(async (filter) => {
            const wanted = events.filter(({ type }) => wants(filter, type, null));
            const object = this.#env.WEBHOOKS.getByName(filter.id) as unknown as WebhookRpc;
            if (wanted.length === 0) return true;
            return settledWithin(object.enqueue(wanted), TIMEOUT_MS).catch(() => false);
          }),
        );
        // All are sent again: an endpoint knows by their ids what it has taken.
        if (sent.includes(false)) throw new Error("a webhook could not be reached");
      } catch (error) {
        log("alerts.behind", { error: errorText(error) });
        const attempts = waiting.attempts + 1;
        const nextAt = retryAt(Date.now(), attempts, Math.random());
        kv.put("alerts", { ...(kv.get<Waiting>("alerts") ?? waiting), attempts, nextAt });
        await this.#reschedule();
        return;
      }
      const rest = (kv.get<Waiting>("alerts")?.events ?? []).filter(
        ({ id }) => !events.some((sent) => sent.id === id),
      );
      if (rest.length > 0) kv.put("alerts", { events: rest, attempts: 0, nextAt: Date.now() });
      else kv.delete("alerts");
    }
  }
}

function usedOf(
  limits: OwnerLimits,
  members: MemberTable,
  short: (AccountReply & { limited: true })["short"],
  now: number,
): Used[] {
  const used = (limit: Used["limit"], from: string, to: string): Used => ({
    limit,
    spentNanos: members.spend(null, from, to).spentNanos,
    isUsedUp: short?.limit === limit && !short.mayFree,
  });
  const day = dayOf(now);
  const month = monthAround(day);
  return [
    ...(limits.maxDailyNanos === null ? [] : [used("owner_daily", day, day)]),
    ...(limits.maxMonthlyNanos === null ? [] : [used("owner_monthly", month.from, month.to)]),
  ];
}
