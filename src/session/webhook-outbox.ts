import { accountOf } from "../account/address";
import type { AccountRpc } from "../account/rpc";
import type { SessionEvent } from "../events/event";
import { retryAt } from "../shared/backoff";
import { Drain } from "../shared/drain";
import { errorText, log } from "../shared/log";
import { dollars } from "../shared/money";
import { settledWithin } from "../shared/timeout";
import type { OutgoingEvent, WebhookFilter, WebhookRpc } from "../webhooks/rpc";
import { wants } from "../webhooks/rules";
import type { SessionContext } from "./context";
import { type LoggedEvent, parseLogged } from "./storage/event-log";
import type { PendingWebhook, SessionStore } from "./storage/store";
import { toSessionRow } from "./transactions/session-row";
import { behindWebhooks, unsentAt } from "./transactions/webhooks";

/** Delay before events are sent, in ms: what follows within this time goes with them. */
const GATHER_MS = 50;
/** How many events are read at a time, and how many characters they may have. */
const PAGE_EVENTS = 100;
const PAGE_CHARACTERS = 1 << 20;
/** An event with a longer body is sent without its own fields. */
const MAX_BODY_CHARACTERS = 256 * 1024;
/** Timeout of a call of an endpoint's object, in ms. */
const TIMEOUT_MS = 10_000;
/** Tries, with pauses up to five minutes, after which a session is erased although a webhook did not take its last events. */
const MAX_LAST_TRIES = 15;

/**
 * Sends the session's events to the webhooks of its owner that want them. The event log is the outbox: of each endpoint, it
 * is stored how far its events were sent. A session whose owner has no webhooks stores nothing and calls nobody.
 */
export class WebhookOutbox {
  readonly #context: SessionContext;
  readonly #reschedule: () => void;
  readonly #drain = new Drain(
    (dueAt) => this.#send(dueAt),
    () => this.drive(),
  );

  constructor(context: SessionContext, { reschedule }: { reschedule: () => void }) {
    this.#context = context;
    this.#reschedule = reschedule;
  }

  /**
   * Takes the version of the owner's list of webhooks that the index has; null if there is none. Asks the account for the
   * list if the session does not know it. Rejects if the account can't be reached.
   */
  async learn(version: number | null): Promise<void> {
    const { store, env } = this.#context;
    if (version === null || !store.exists() || version <= (store.webhooks?.version ?? 0)) return;
    const account = env.ACCOUNTS.getByName(await accountOf(store.identity.owner));
    const list = await (account as unknown as AccountRpc).webhooks();
    if (!store.exists()) return;
    const { id } = store.identity;
    const known = new Map(store.webhooks?.endpoints.map((one) => [one.id, one]));
    const endpoints = list.filters
      .filter(({ enabled, sessionId }) => enabled && (sessionId === null || sessionId === id))
      .map((filter) => merged(store, known.get(filter.id), filter));
    // The index may be behind the account.
    const newest = Math.max(version, list.version);
    store.webhooks = { version: newest, endpoints };
    this.#reschedule();
    this.drive();
  }

  /** Sends what is new soon, unless that has failed before. */
  drive(): void {
    const { store } = this.#context;
    if (!store.exists() || !behindWebhooks(store).some(({ retryAt }) => retryAt === null)) return;
    this.#drain.soon(GATHER_MS);
  }

  /** Sends what is due. Never rejects. */
  async drainDue(now: number): Promise<void> {
    const at = unsentAt(this.#context.store);
    if (at !== null && at <= now) await this.#drain.now();
  }

  /** Sends everything, before the session is erased. Rejects if that is not possible, until it has failed too often. */
  async finish(): Promise<void> {
    await this.#drain.idle();
    await this.#drain.now(Number.POSITIVE_INFINITY);
    const { store, id } = this.#context;
    const behind = behindWebhooks(store);
    if (behind.some(({ attempts }) => attempts < MAX_LAST_TRIES)) {
      throw new Error("a webhook did not take an event");
    }
    if (behind.length > 0) log("webhooks.given_up", { session: id, webhooks: behind.length });
  }

  /** Sends to all webhooks, but to those that have failed only if they are to be tried again by then. Never rejects. */
  async #send(dueAt: number): Promise<void> {
    const { store } = this.#context;
    const due = behindWebhooks(store).filter(({ retryAt }) => retryAt === null || retryAt <= dueAt);
    await Promise.all(
      due.map(({ id }) => this.#sendTo(id).catch((error) => this.#postpone(id, error))),
    );
    this.#reschedule();
  }

  #postpone(id: string, error: unknown): void {
    const { store } = this.#context;
    const endpoint = store.exists() && store.webhooks?.endpoints.find((one) => one.id === id);
    if (!endpoint) return;
    const attempts = endpoint.attempts + 1;
    log("webhooks.behind", { session: this.#context.id, attempts, error: errorText(error) });
    save(store, endpoint, { attempts, retryAt: retryAt(Date.now(), attempts, Math.random()) });
  }

  /** Sends an endpoint all events that it was not sent. Rejects if its object can't be reached. */
  async #sendTo(id: string): Promise<void> {
    const { store, env } = this.#context;
    for (;;) {
      const endpoint = store.exists() && store.webhooks?.endpoints.find((one) => one.id === id);
      if (!endpoint || endpoint.isOff) return;
      const page = store.log.page(endpoint.seq, PAGE_EVENTS, PAGE_CHARACTERS);
      const last = page.at(-1);
      if (!last) return;
      const wanted = page.filter(({ type }) => wants(endpoint, type, store.identity.id));
      const object = env.WEBHOOKS.getByName(id) as unknown as WebhookRpc;
      let isTaken = true;
      if (wanted.length > 0) {
        const events = wanted.map((event) => outgoing(store, event));
        const call = object.enqueue(events);
        if (!(await settledWithin(call, TIMEOUT_MS))) throw new Error("it did not answer");
        isTaken = await call;
      }
      if (!store.exists()) return;
      const tried = { attempts: 0, retryAt: null };
      save(store, endpoint, isTaken ? { ...tried, seq: last.seq } : { ...tried, isOff: true });
    }
  }
}

/** Returns what is to be sent to an endpoint: what it was not sent before, from the time on from which it wants events. */
const merged = (
  store: SessionStore,
  known: PendingWebhook | undefined,
  { id, events, sessionId, since }: WebhookFilter,
): PendingWebhook =>
  known?.since === since
    ? { ...known, events }
    : {
        ...{ id, events, sessionId, since, seq: store.log.seqBefore(since) },
        ...{ isOff: false, attempts: 0, retryAt: null },
      };

/** Changes what is known of a webhook, unless it was learned anew meanwhile. */
function save(
  store: SessionStore,
  { id, since }: PendingWebhook,
  changes: Partial<PendingWebhook>,
): void {
  const { webhooks } = store;
  if (!webhooks) return;
  const endpoints = webhooks.endpoints.map((one) =>
    one.id === id && one.since === since ? { ...one, ...changes } : one,
  );
  store.webhooks = { ...webhooks, endpoints };
}

/** Returns an event as it is sent, with a summary of its session. */
function outgoing(store: SessionStore, logged: LoggedEvent): OutgoingEvent {
  const { id, createdAt } = store.identity;
  const event = parseLogged(logged);
  const row = toSessionRow(store);
  const session = {
    ...{ id, sessionId: row.sessionId, pattern: row.pattern, status: row.status },
    ...{ userId: row.userId, conversationId: row.conversationId, tags: row.tags },
    ...{ description: row.description, totalCost: dollars(row.totalCostNanos) },
    ...{ numTurns: row.numTurns, pausedBecause: row.pausedBecause },
  };
  const body = (shown: unknown) =>
    JSON.stringify({ type: event.type, timestamp: event.at, data: { event: shown, session } });
  const whole = body(event);
  return {
    // An id may be used again by a session that is created after this one was deleted.
    id: `evt_${id.replace(/^sess_/, "")}_${createdAt.toString(36)}_${event.seq}`,
    lane: id,
    type: event.type,
    body: whole.length <= MAX_BODY_CHARACTERS ? whole : body(withoutFields(event)),
  };
}

/** Returns an event that is too large to be sent without what makes it large: it is in the session's log. */
const withoutFields = ({ seq, type, at, messageId, agent }: SessionEvent) => ({
  ...{ seq, type, at, messageId, agent },
  truncated: true,
});
