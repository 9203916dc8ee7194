import { DurableObject } from "cloudflare:workers";
import { defaultLimits } from "../settings";
import { dayOf, monthAround } from "../shared/days";
import { errorText, log } from "../shared/log";
import { ok, type Result, refuse } from "../shared/result";
import type { WebhookFilter, WebhookList } from "../webhooks/rpc";
import { Alerts } from "./alerts";
import type { Actor, AuditEntry, AuditPage, AuditQuery } from "./audit";
import { AuditLog, type Note } from "./audit-log";
import { addKey, ENDED_KEPT_MS, NO_KEY, revoke, rotate } from "./key-changes";
import { KeyTable } from "./key-table";
import { type Identified, identify, isUseNew, type Key, type Powers, shown } from "./keys";
import { concernSessions, type GivenLimits, type OwnerLimits, withDefaults } from "./limits";
import { type Member, MemberTable } from "./members";
import { admitNext, takeReport } from "./report";
import type {
  AccountMember,
  AccountReply,
  AccountRpc,
  AccountUse,
  ChangeOfLimits,
  KeyPage,
  KeyRequest,
  SessionReport,
  SpentBefore,
} from "./rpc";
import { looseOf } from "./spend";
import { NO_WEBHOOKS, withoutWebhook, withWebhook } from "./webhook-list";

/** How many sessions are asked at a time: those that are silent, and those that may give back money. */
const CHECKS_AT_ONCE = 20;
const HOLDERS_AT_ONCE = 10;
/** Sessions are asked for money that they hold at most once in this time, in ms, however many want it. */
const HOLDERS_EVERY_MS = 500;
/** When a session that can't be reached is asked again, and the shortest time between two rounds, in ms. */
const RETRY_MS = 10 * 60_000;
const MIN_ALARM_MS = 1_000;

/** Maximum number of automations of an owner. */
const MAX_AUTOMATIONS = 100;

/** How long the sums of a day are kept, in ms: until the month after the next begins. */
const SUMS_KEPT_MS = 31 * 24 * 60 * 60_000;

/** The Durable Object of one owner. Its name is a hash of the owner. Its calls are described in `AccountRpc`. */
export class Account extends DurableObject<Env> implements AccountRpc {
  readonly #keys = new KeyTable(this.ctx.storage.sql);
  readonly #audit = new AuditLog(this.ctx, this.env);
  readonly #alerts = new Alerts(this.ctx, this.env, () => this.#planAlarm());
  readonly #members = new MemberTable(this.ctx.storage.sql);
  /** Read once, since every report needs them. */
  #limits: OwnerLimits | undefined;
  /** When sessions were last asked to give back money, in ms since 1970. */
  #askedHoldersAt = 0;

  async identify(hash: string): Promise<Identified & { limits?: OwnerLimits }> {
    if (!this.#keys.exists()) return { state: "unknown" };
    const now = Date.now();
    const key = this.#keys.byHash(hash);
    const identified = identify(key, hash, now);
    if (key && identified.state === "valid" && isUseNew(key, now)) {
      this.#keys.update({ ...key, lastUsedAt: now });
    }
    return identified.state === "valid"
      ? { ...identified, limits: this.#readLimits() }
      : identified;
  }

  async createKey(request: KeyRequest, by: Actor): Promise<Result<Key>> {
    return this.#changeBy(by, (now, note) => addKey(this.#keys, request, now, note));
  }

  async keys({ before, limit }: { before: number | null; limit: number }): Promise<KeyPage> {
    if (!this.#keys.exists()) return { keys: [], next: null };
    const found = this.#keys.before(before, limit + 1, Date.now() - ENDED_KEPT_MS);
    const page = found.slice(0, limit);
    return {
      keys: page.map(({ key }) => shown(key)),
      next: found.length > limit ? (page.at(-1)?.n ?? null) : null,
    };
  }

  async key(id: string): Promise<Result<Key>> {
    const key = this.#keys.find(id);
    return key ? ok(shown(key)) : NO_KEY;
  }

  async rotateKey(
    id: string,
    rotation: { hash: string; graceMs: number; by: Powers },
    by: Actor,
  ): Promise<Result<Key>> {
    return this.#changeBy(by, (now, note) => rotate(this.#keys, id, rotation, now, note));
  }

  async revokeKey(id: string, by: Actor): Promise<Result<null>> {
    return this.#changeBy(by, (now, note) => revoke(this.#keys, id, now, note));
  }

  async webhooks(): Promise<WebhookList> {
    return this.#webhooks();
  }

  async addWebhook(filter: WebhookFilter, owner: string, by: Actor): Promise<Result<number>> {
    return this.#changeBy(by, (now, note) => {
      const before = this.#webhooks();
      const list = withWebhook(before, filter, true, now);
      if (!list.ok) return list;
      const { id, events } = filter;
      if (list.value.filters.length > before.filters.length) {
        note("webhook.created", owner, id, { events });
      }
      this.ctx.storage.kv.put("webhooks", list.value);
      return ok(list.value.version);
    });
  }

  async changeWebhook(filter: WebhookFilter): Promise<number> {
    return this.#change((now) => {
      const before = this.#webhooks();
      const list = withWebhook(before, filter, false, now);
      if (!list.ok || list.value === before) return before.version;
      this.ctx.storage.kv.put("webhooks", list.value);
      return list.value.version;
    });
  }

  async removeWebhook(id: string, owner: string, by: Actor): Promise<number> {
    return this.#changeBy(by, (now, note) => {
      const before = this.#webhooks();
      const list = withoutWebhook(before, id, now);
      if (list === before) return before.version;
      note("webhook.deleted", owner, id, {});
      this.ctx.storage.kv.put("webhooks", list);
      return list.version;
    });
  }

  async automations(): Promise<string[]> {
    return this.#automations();
  }

  async addAutomation(id: string, owner: string, by: Actor): Promise<Result<null>> {
    return this.#changeBy(by, (_, note) => {
      const ids = this.#automations();
      if (ids.includes(id)) return ok(null);
      if (ids.length >= MAX_AUTOMATIONS) {
        const message = `There are ${MAX_AUTOMATIONS} automations. Delete one first.`;
        return refuse("too_many_automations", message);
      }
      note("automation.created", owner, id);
      this.ctx.storage.kv.put("automations", [...ids, id]);
      return ok(null);
    });
  }

  async removeAutomation(id: string, owner: string, by: Actor): Promise<void> {
    await this.#changeBy(by, (_, note) => {
      const ids = this.#automations();
      if (!ids.includes(id)) return;
      note("automation.deleted", owner, id);
      const rest = ids.filter((one) => one !== id);
      this.ctx.storage.kv.put("automations", rest);
    });
  }

  async sync(report: SessionReport, owner: string): Promise<AccountReply> {
    const limits = this.#readLimits();
    if (!concernSessions(limits)) {
      // The settings may have had limits before.
      if (this.#members.exists()) this.#change(() => this.#members.clear());
      return { limited: false };
    }
    const { reply, admitted, isScarce, warnings } = this.#change((now) => {
      this.#members.makeTables();
      const taken = takeReport(this.#members, report, limits, now);
      const { short } = taken.reply;
      return { ...taken, warnings: this.#alerts.note(owner, limits, this.#members, short, now) };
    });
    this.#alerts.report(warnings);
    await this.#planAlarm();
    this.#haveReport(admitted);
    if (isScarce && Date.now() >= this.#askedHoldersAt + HOLDERS_EVERY_MS) {
      this.#askedHoldersAt = Date.now();
      this.#haveReport(this.#members.holders(report.session, HOLDERS_AT_ONCE));
    }
    return reply;
  }

  async use(): Promise<AccountUse> {
    const limits = this.#readLimits();
    if (!concernSessions(limits)) return { limits, used: null };
    const now = Date.now();
    const spent = (from: string, to: string) => {
      if (!this.#members.exists()) return { spentNanos: 0, heldNanos: 0 };
      const { grantedNanos, spentNanos } = this.#members.spend(null, from, to);
      return { spentNanos, heldNanos: grantedNanos - spentNanos };
    };
    const tally = this.#members.exists() ? this.#members.tally(null) : { live: 0, running: 0 };
    const day = dayOf(now);
    const month = monthAround(day);
    return {
      limits,
      used: {
        activeSessions: tally.live,
        runningMessages: tally.running,
        day: spent(day, day),
        month: spent(month.from, month.to),
      },
    };
  }

  async setLimits(
    given: GivenLimits,
    before: SpentBefore[],
    { owner, actor, details }: ChangeOfLimits,
  ): Promise<{ isLimited: boolean; wasLimited: boolean }> {
    const wasLimited = concernSessions(this.#readLimits());
    this.#limits = undefined;
    const admitted = await this.#changeBy(actor, (now, note) => {
      note("limits.changed", owner, null, details);
      if (Object.keys(given).length > 0) this.ctx.storage.kv.put("limits", given);
      else this.ctx.storage.kv.delete("limits");
      const limits = this.#readLimits();
      if (!concernSessions(limits)) {
        this.#members.clear();
        return [];
      }
      this.#members.makeTables();
      if (!wasLimited) {
        for (const { user, day, nanos } of before) this.#members.setBefore(user, day, nanos);
      }
      return admitNext(this.#members, limits, now);
    });
    this.#haveReport(admitted);
    return { isLimited: concernSessions(this.#readLimits()), wasLimited };
  }

  async record(entries: AuditEntry[]): Promise<void> {
    this.#change(() => this.#audit.add(entries));
    this.#audit.forwardSoon();
    await this.#planAlarm();
  }

  async audit(query: AuditQuery): Promise<AuditPage> {
    return this.#audit.page(query, Date.now());
  }

  /** Asks sessions that have been silent for long, and forgets those that are gone. Never rejects. */
  override async alarm(): Promise<void> {
    if (this.#members.exists() && !concernSessions(this.#readLimits())) {
      this.#change(() => this.#members.clear());
    }
    if (this.#members.exists()) {
      const due = this.#members.toCheck(Date.now(), CHECKS_AT_ONCE);
      await Promise.all(due.map((member) => this.#check(member)));
      this.#members.forgetSpend(monthAround(dayOf(Date.now() - SUMS_KEPT_MS)).from);
    }
    await this.#audit.doDue(Date.now());
    await this.#alerts.doDue(Date.now());
    await this.#planAlarm();
  }

  async #check(member: Member): Promise<void> {
    const { session } = member;
    const leases = this.#members.leasesOf(session).filter((lease) => looseOf(lease) > 0);
    if (!member.live && leases.length === 0) return this.#members.remove(session);
    this.#members.postpone(session, Date.now() + RETRY_MS);
    const isThere = await this.#ask(session);
    if (isThere !== false) return;
    // It was erased, or never came to be. What it held and never gave back may have been spent.
    const admitted = this.#change((now) => {
      // It may have reported meanwhile, as the last it did.
      for (const lease of this.#members.leasesOf(session)) {
        const keptNanos = lease.grantedNanos - lease.spentNanos;
        this.#members.putLease(session, { ...lease, keptNanos });
      }
      const gone = { live: false, running: false, waitsSince: null, checkAt: now + RETRY_MS };
      this.#members.put({ ...(this.#members.get(session) ?? member), ...gone });
      return admitNext(this.#members, this.#readLimits(), now);
    });
    this.#haveReport(admitted);
  }

  /** Makes sessions report, without waiting for that. One that can't be reached is asked again later. */
  #haveReport(sessions: readonly string[]): void {
    for (const session of sessions) this.ctx.waitUntil(this.#ask(session));
  }

  /** Makes a session report. Returns whether it exists; null if it can't be reached. */
  async #ask(session: string): Promise<boolean | null> {
    try {
      const stub = this.env.SESSIONS.getByName(session) as unknown as AccountMember;
      return await stub.reportToAccount();
    } catch (error) {
      log("member.unreachable", { session, error: errorText(error) });
      return null;
    }
  }

  async #planAlarm(): Promise<void> {
    const at = this.#nextAlarm();
    const set = await this.ctx.storage.getAlarm();
    // An earlier alarm is sufficient: it plans the next one.
    if (at === null || (set !== null && set <= at)) return;
    await this.ctx.storage.setAlarm(Math.max(at, Date.now() + MIN_ALARM_MS));
  }

  #nextAlarm(): number | null {
    const checkAt = this.#members.exists() ? this.#members.nextCheckAt() : null;
    const times = [checkAt, this.#audit.nextAt(Date.now()), this.#alerts.nextAt()].filter(
      (at) => at !== null,
    );
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Runs a change of which it is recorded who makes it. */
  async #changeBy<T>(by: Actor, act: (now: number, note: Note) => T): Promise<T> {
    const result = this.#change((now) => act(now, this.#audit.noting(by, now)));
    this.#audit.forwardSoon();
    await this.#planAlarm();
    return result;
  }

  #webhooks(): WebhookList {
    return this.ctx.storage.kv.get<WebhookList>("webhooks") ?? NO_WEBHOOKS;
  }

  #automations(): string[] {
    return this.ctx.storage.kv.get<string[]>("automations") ?? [];
  }

  #readLimits(): OwnerLimits {
    this.#limits ??= withDefaults(
      this.ctx.storage.kv.get<GivenLimits>("limits") ?? {},
      defaultLimits,
    );
    return this.#limits;
  }

  #change<T>(act: (now: number) => T): T {
    return this.ctx.storage.transactionSync(() => act(Date.now()));
  }
}
