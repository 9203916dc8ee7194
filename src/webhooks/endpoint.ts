import { DurableObject } from "cloudflare:workers";
import { settings } from "../settings";
import { Encryption, type StoredText } from "../shared/encryption";
import { errorText, log } from "../shared/log";
import { createLookup } from "../shared/lookup";
import { ok, type Refusal, type Result, refuse, refuseForNow } from "../shared/result";
import { DeliveryQueue, type DueDelivery } from "./queue";
import type {
  Attempt,
  Delivery,
  DeliveryPage,
  DeliveryState,
  OutgoingEvent,
  Webhook,
  WebhookPatch,
  WebhookRpc,
  WebhookSpec,
} from "./rpc";
import { afterAttempt, atOnce, HEALTHY, type Health, isHopeless, retryAt } from "./rules";
import { type Outgoing, type Sent, send } from "./send";

/** How long deliveries are kept, in ms. */
const KEPT_MS = 30 * 24 * 3_600_000;
/** How long the creation of an endpoint may take, in ms. A later one with the same id replaces it. */
const BEGUN_MS = 60_000;
/** Secrets that sign beside the newest, at most. */
const MAX_OLD_SECRETS = 4;
/** The size of the object's storage above which old deliveries are forgotten, in bytes, and how many at a time. */
const MAX_BYTES = 2e9;
const FORGOTTEN_AT_ONCE = 1_000;
/** While deliveries are under way, the alarm is set to this time from now, in ms: it goes on after a loss of the object. */
const WATCHDOG_MS = 30_000;

/** What is stored of an endpoint besides its deliveries. */
interface Stored extends Omit<WebhookSpec, "secret"> {
  createdAt: number;
  since: number;
  revision: number;
  enabled: boolean;
  disabledBecause: string | null;
  /** The secrets that sign, newest first. All but the first end at `until`, in ms since 1970. */
  secrets: { secret: StoredText; until: number | null }[];
}

/** Encrypts the secrets of endpoints. */
const encryption = new Encryption(settings.ENCRYPTION_KEYS);

/** What sending depends on. Tests replace `fetch` and `lookup`. */
export const sending = {
  fetch: ((input, init) => fetch(input, init)) as typeof fetch,
  lookup: settings.DNS_RESOLVER
    ? createLookup({ resolver: settings.DNS_RESOLVER, fetch: (input, init) => fetch(input, init) })
    : undefined,
  allowPrivate: settings.WEBHOOK_ALLOW_PRIVATE_HOSTS,
};

/**
 * The Durable Object of one webhook endpoint: it queues events, signs and sends them, and tries again. Its calls are
 * described in `WebhookRpc`.
 */
export class WebhookEndpoint extends DurableObject<Env> implements WebhookRpc {
  readonly #queue = new DeliveryQueue(this.ctx.storage.sql);
  #stored: Stored | undefined;
  #health: Health | undefined;
  /** The deliveries that are under way, by their numbers. */
  readonly #underWay = new Map<number, Promise<void>>();
  #draining: Promise<void> | null = null;
  /** Whether something may have become due since the newest look. */
  #isAsked = false;
  #asked = Promise.withResolvers<void>();

  async create(spec: WebhookSpec): Promise<Result<Webhook>> {
    const { secret: given, ...others } = spec;
    const secret = await encryption.encrypt(given, placeOf(spec.id));
    const known = this.#read();
    if (known && Date.now() - known.createdAt < BEGUN_MS) {
      return refuseForNow("The webhook is being created.");
    }
    const secrets = [{ secret, until: null }];
    this.#change((now) => {
      if (!known) this.#queue.makeTables();
      const begun = { createdAt: now, since: now, revision: 1 };
      this.#save({ ...others, ...begun, enabled: true, disabledBecause: null, secrets });
    });
    return ok(this.#webhook());
  }

  async read(): Promise<Result<Webhook>> {
    const stored = this.#read();
    if (!stored) return NO_WEBHOOK;
    const isCurrent = stored.secrets.every(({ secret }) => encryption.isCurrent(secret));
    if (!isCurrent) await this.#secrets(stored).catch(() => {});
    return this.#read() ? ok(this.#webhook()) : NO_WEBHOOK;
  }

  async update(patch: WebhookPatch): Promise<Result<Webhook>> {
    const stored = this.#read();
    if (!stored) return NO_WEBHOOK;
    const isOther = patch.url !== undefined && patch.url !== stored.url;
    this.#change((now) => {
      const disabledBecause = patch.enabled === undefined ? stored.disabledBecause : null;
      // What happened while it was disabled is not sent.
      const since = patch.enabled === true && !stored.enabled ? now : stored.since;
      const revision = stored.revision + 1;
      this.#save({ ...stored, ...patch, disabledBecause, since, revision });
      if (!isOther && patch.enabled !== true) return;
      const { lastSuccessAt } = this.#readHealth();
      this.#saveHealth({ ...HEALTHY, lastSuccessAt });
      this.#queue.hurry(now);
    });
    this.#drainSoon();
    return ok(this.#webhook());
  }

  async rotateSecret(given: string, graceMs: number): Promise<Result<Webhook>> {
    const id = this.#read()?.id;
    if (id === undefined) return NO_WEBHOOK;
    const secret = await encryption.encrypt(given, placeOf(id));
    const stored = this.#read();
    if (!stored) return NO_WEBHOOK;
    this.#change((now) => {
      const until = now + graceMs;
      const older = stored.secrets
        .filter((one) => one.until === null || one.until > now)
        .map((one) => ({ ...one, until: Math.min(one.until ?? until, until) }))
        .filter((one) => one.until > now)
        .slice(0, MAX_OLD_SECRETS);
      this.#save({ ...stored, secrets: [{ secret, until: null }, ...older] });
    });
    return ok(this.#webhook());
  }

  async remove(): Promise<void> {
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    this.#stored = undefined;
    this.#health = undefined;
  }

  async ping(): Promise<Result<Attempt>> {
    if (!this.#read()) return NO_WEBHOOK;
    const timestamp = new Date().toISOString();
    const body = JSON.stringify({ type: "webhook.test", timestamp, data: {} });
    const {
      isGone: _,
      afterMs: __,
      ...attempt
    } = await this.#send({
      id: `test_${crypto.randomUUID().replaceAll("-", "")}`,
      body,
    });
    return ok(attempt);
  }

  async enqueue(events: OutgoingEvent[]): Promise<boolean> {
    if (!this.#read()?.enabled) return false;
    this.#change((now) => {
      if (this.ctx.storage.sql.databaseSize > MAX_BYTES)
        this.#queue.makeRoom(FORGOTTEN_AT_ONCE, now);
      for (const event of events) this.#queue.add(event, now);
    });
    this.#drainSoon();
    return true;
  }

  async deliveries({
    status,
    before,
    limit,
  }: {
    status: DeliveryState | null;
    before: number | null;
    limit: number;
  }): Promise<Result<DeliveryPage>> {
    return this.#read() ? ok(this.#queue.page(status, before, limit)) : NO_WEBHOOK;
  }

  async redeliver(deliveryId: string): Promise<Result<Delivery>> {
    if (!this.#read()) return NO_WEBHOOK;
    const isKnown = this.#change((now) => this.#queue.repeat(deliveryId, now));
    const delivery = this.#queue.get(deliveryId);
    if (!isKnown || !delivery) return refuse("not_found", "There is no such delivery.");
    this.#drainSoon();
    return ok(delivery);
  }

  /** Sends what is due and forgets what is old. Never rejects. */
  override async alarm(): Promise<void> {
    if (!this.#read()) return;
    try {
      this.#change((now) => this.#queue.forget(now - KEPT_MS, now));
      await this.#drain();
    } catch (error) {
      log("webhook.failed", { webhook: this.#stored?.id, error: errorText(error) });
      await this.ctx.storage.setAlarm(Date.now() + WATCHDOG_MS);
    }
  }

  #drainSoon(): void {
    this.ctx.waitUntil(
      this.#drain().catch((error) => {
        log("webhook.failed", { webhook: this.#stored?.id, error: errorText(error) });
      }),
    );
  }

  /** Sends everything that is due, several deliveries at once, then sets the alarm for the rest. */
  #drain(): Promise<void> {
    this.#isAsked = true;
    this.#asked.resolve();
    this.#draining ??= this.#drainAll().finally(() => {
      this.#draining = null;
    });
    return this.#draining;
  }

  async #drainAll(): Promise<void> {
    while (this.#isAsked) {
      await this.#sendDue();
      await this.#planAlarm();
    }
  }

  async #sendDue(): Promise<void> {
    let guardedUntil = 0;
    for (;;) {
      this.#isAsked = false;
      this.#asked = Promise.withResolvers();
      const due = this.#startable(Date.now());
      if (due.length === 0 && this.#underWay.size === 0) break;
      if (guardedUntil < Date.now() + WATCHDOG_MS / 2) {
        guardedUntil = Date.now() + WATCHDOG_MS;
        await this.ctx.storage.setAlarm(guardedUntil);
      }
      for (const delivery of due) {
        const sent = this.#deliver(delivery).finally(() => this.#underWay.delete(delivery.n));
        this.#underWay.set(delivery.n, sent);
      }
      await Promise.race([...this.#underWay.values(), this.#asked.promise]);
    }
  }

  /** Returns the deliveries that may begin now. */
  #startable(now: number): DueDelivery[] {
    const health = this.#readHealth();
    const room = atOnce(health) - this.#underWay.size;
    if (!this.#read()?.enabled || room <= 0 || now < health.retryAt) return [];
    return this.#queue
      .due(now, room + this.#underWay.size)
      .filter(({ n }) => !this.#underWay.has(n))
      .slice(0, room);
  }

  async #deliver(delivery: DueDelivery): Promise<void> {
    const sent = await this.#send(delivery);
    // It may have been deleted meanwhile.
    if (this.#read()) this.#change((now) => this.#record(delivery, sent, now));
  }

  #record(delivery: DueDelivery, sent: Sent, now: number): void {
    const { isGone, afterMs, ...attempt } = sent;
    const isAccepted = attempt.error === null;
    const before = this.#readHealth();
    const health = afterAttempt(before, isAccepted, now);
    this.#saveHealth(health);
    if (isAccepted) {
      this.#queue.record(delivery, attempt, "delivered", null, now);
      // What waited for a receiver that was down need not wait any longer.
      if (atOnce(before) < atOnce(health)) this.#queue.hurry(now);
      return;
    }
    const tried = { attempts: delivery.attempts + 1, firstAt: delivery.firstAt ?? attempt.at };
    const next = retryAt(tried, now, Math.random(), afterMs);
    this.#queue.record(delivery, attempt, next === null ? "failed" : "pending", next, now);
    if (isGone) this.#disable("gone", "The receiver answered 410 Gone.");
    else if (isHopeless(health, now)) {
      const last = `The last failure: ${attempt.error}`;
      this.#disable("failing", `Nothing was accepted for three days. ${last}`);
    }
  }

  /** Disables the endpoint. The log gets a reason that names nothing of its receiver. */
  #disable(reason: "gone" | "failing", disabledBecause: string): void {
    const stored = this.#read();
    if (!stored?.enabled) return;
    this.#save({ ...stored, enabled: false, disabledBecause });
    log("webhook.disabled", { webhook: stored.id, reason });
  }

  async #send({ id, body }: Pick<Outgoing, "id" | "body">): Promise<Sent> {
    const stored = this.#read();
    if (!stored) throw new Error("the endpoint does not exist");
    const secrets = await this.#secrets(stored).catch(errorText);
    if (Array.isArray(secrets)) return send({ url: stored.url, secrets, id, body }, sending);
    const failed = { at: Date.now(), status: null, durationMs: 0, response: null };
    const error = `The secret can't be read: ${secrets}.`;
    return { ...failed, error, isGone: false, afterMs: 0 };
  }

  /** Returns the secrets that sign now. Encrypts them anew if the deployment has another key by now. */
  async #secrets(stored: Stored): Promise<string[]> {
    const now = Date.now();
    const valid = stored.secrets.filter(({ until }) => until === null || until > now);
    const place = placeOf(stored.id);
    const clear = await Promise.all(valid.map(({ secret }) => encryption.decrypt(secret, place)));
    if (valid.every(({ secret }) => encryption.isCurrent(secret))) return clear;
    const anew = await Promise.all(clear.map((secret) => encryption.encrypt(secret, place)));
    const current = this.#read();
    // Unless another secret was set meanwhile.
    if (current?.secrets === stored.secrets) {
      const secrets = valid.map((one, n) => ({ ...one, secret: anew[n] ?? one.secret }));
      this.#change(() => this.#save({ ...current, secrets }));
    }
    return clear;
  }

  async #planAlarm(): Promise<void> {
    const stored = this.#read();
    if (!stored) return;
    const nextAt = stored.enabled ? this.#queue.nextAt() : null;
    const sendAt = nextAt === null ? null : Math.max(nextAt, this.#readHealth().retryAt);
    const oldest = this.#queue.oldest();
    const times = [sendAt, oldest === null ? null : oldest + KEPT_MS].filter((at) => at !== null);
    if (times.length === 0) await this.ctx.storage.deleteAlarm();
    else await this.ctx.storage.setAlarm(Math.min(...times));
  }

  #webhook(): Webhook {
    const stored = this.#read();
    if (!stored) throw new Error("the endpoint does not exist");
    const { secrets: _, ...others } = stored;
    const { lastSuccessAt, failingSince } = this.#readHealth();
    return { ...others, lastSuccessAt, failingSince, pending: this.#queue.countPending() };
  }

  #read(): Stored | undefined {
    this.#stored ??= this.ctx.storage.kv.get<Stored>("webhook");
    return this.#stored;
  }

  #save(stored: Stored): void {
    this.ctx.storage.kv.put("webhook", stored);
    this.#stored = stored;
  }

  #readHealth(): Health {
    this.#health ??= this.ctx.storage.kv.get<Health>("health") ?? HEALTHY;
    return this.#health;
  }

  #saveHealth(health: Health): void {
    this.ctx.storage.kv.put("health", health);
    this.#health = health;
  }

  /** Runs a change as one transaction. If it fails, what is cached is read again. */
  #change<T>(act: (now: number) => T): T {
    try {
      return this.ctx.storage.transactionSync(() => act(Date.now()));
    } catch (error) {
      this.#stored = undefined;
      this.#health = undefined;
      throw error;
    }
  }
}

const placeOf = (id: string): string[] => ["webhook", id];

const NO_WEBHOOK: Refusal = refuse("not_found", "There is no such webhook.");
