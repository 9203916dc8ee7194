import { DurableObject } from "cloudflare:workers";
import { defaultLimits } from "../settings";
import { randomHex } from "../shared/bytes";
import { dayOf, firstDayOf, lastDayOf, monthOf } from "../shared/days";
import { errorText, log } from "../shared/log";
import { ok, type Result, refuse } from "../shared/result";
import {
  type Actor,
  AUDIT_KEPT_MS,
  type AuditEntry,
  type AuditPage,
  type AuditQuery,
  AuditTable,
  EVERYONE,
} from "./audit";
import { KeyTable } from "./key-table";
import {
  grantProblem,
  type Identified,
  identify,
  isUseNew,
  type Key,
  type Powers,
  type StoredKey,
  shown,
} from "./keys";
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

/** The most keys of an owner that can be used. */
const MAX_KEYS = 1_000;

/** How long, and how many, keys are listed after they were revoked or have expired. */
const KEPT_MS = 90 * 24 * 60 * 60_000;
const MAX_ENDED_KEYS = 1_000;

/** How many sessions are asked at a time: those that are silent, and those that may give back money. */
const CHECKS_AT_ONCE = 20;
const HOLDERS_AT_ONCE = 10;
/** When a session that can't be reached is asked again, and the shortest time between two rounds, in ms. */
const RETRY_MS = 10 * 60_000;
const MIN_ALARM_MS = 1_000;

/** How many entries are forwarded at a time, and when it is tried again, in ms. */
const ENTRIES_AT_ONCE = 100;
const FORWARD_RETRY_MS = 60_000;

const NO_KEY = refuse("not_found", "There is no such key.");

/** The Durable Object of one owner. Its name is a hash of the owner. Its calls are described in `AccountRpc`. */
export class Account extends DurableObject<Env> implements AccountRpc {
  readonly #keys = new KeyTable(this.ctx.storage.sql);
  readonly #audit = new AuditTable(this.ctx.storage.sql);
  readonly #members = new MemberTable(this.ctx.storage.sql);
  /** Read once, since every report needs them. */
  #limits: OwnerLimits | undefined;
  #forwarding: Promise<void> | null = null;

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
    return this.#changeWith(by, (now, note) => {
      const existing = this.#find(request.id);
      if (existing?.hash === request.hash) return ok(shown(existing));
      if (existing) {
        const message = "This Idempotency-Key has made a key, whose secret is not shown again.";
        return refuse("idempotency_mismatch", message, { keyId: existing.id });
      }
      this.#keys.makeTables();
      if (this.#keys.countUsable(now) >= MAX_KEYS) {
        return refuse("too_many_keys", `There are ${MAX_KEYS} keys already. Revoke one first.`);
      }
      this.#keys.forget(now - KEPT_MS, now, MAX_ENDED_KEYS);
      const neverUsed = { createdAt: now, lastUsedAt: null, revokedAt: null };
      const neverRotated = { previousHash: null, previousUntil: null };
      const key: StoredKey = { ...request, ...neverUsed, ...neverRotated };
      this.#keys.add(key);
      const { name, scopes, tools } = key;
      note("key.created", key.owner, key.id, { name, scopes, tools });
      return ok(shown(key));
    });
  }

  async keys({ before, limit }: { before: number | null; limit: number }): Promise<KeyPage> {
    if (!this.#keys.exists()) return { keys: [], next: null };
    const found = this.#keys.before(before, limit + 1, Date.now() - KEPT_MS);
    const page = found.slice(0, limit);
    return {
      keys: page.map(({ key }) => shown(key)),
      next: found.length > limit ? (page.at(-1)?.n ?? null) : null,
    };
  }

  async key(id: string): Promise<Result<Key>> {
    const key = this.#find(id);
    return key ? ok(shown(key)) : NO_KEY;
  }

  async rotateKey(
    id: string,
    { hash, graceMs, by }: { hash: string; graceMs: number; by: Powers },
    actor: Actor,
  ): Promise<Result<Key>> {
    return this.#changeWith(actor, (now, note) => {
      const key = this.#find(id);
      if (!key) return NO_KEY;
      const problem = grantProblem(by, key);
      if (problem !== null) return refuse("forbidden", problem);
      const { state } = identify(key, key.hash, now);
      if (state !== "valid") return refuse("key_ended", `The key is ${state}. Create another one.`);
      if (key.hash === hash) return ok(shown(key));
      const rotated = { ...key, hash, previousHash: key.hash, previousUntil: now + graceMs };
      this.#keys.update(rotated);
      note("key.rotated", key.owner, id, { graceMs });
      return ok(shown(rotated));
    });
  }

  async revokeKey(id: string, by: Actor): Promise<Result<null>> {
    return this.#changeWith(by, (now, note) => {
      const key = this.#find(id);
      if (!key) return NO_KEY;
      if (key.revokedAt !== null) return ok(null);
      this.#keys.update({ ...key, revokedAt: now });
      note("key.revoked", key.owner, id);
      return ok(null);
    });
  }

  async sync(report: SessionReport): Promise<AccountReply> {
    const limits = this.#readLimits();
    if (!concernSessions(limits)) return { limited: false };
    const { reply, admitted, isScarce } = this.#change((now) => {
      this.#members.makeTables();
      return takeReport(this.#members, report, limits, now);
    });
    await this.#planAlarm();
    const holders = isScarce ? this.#members.holders(report.session, HOLDERS_AT_ONCE) : [];
    this.#haveReport([...admitted, ...holders]);
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
    const [day, month] = [dayOf(now), monthOf(now)];
    return {
      limits,
      used: {
        activeSessions: tally.live,
        runningMessages: tally.running,
        day: spent(day, day),
        month: spent(firstDayOf(month), lastDayOf(month)),
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
    const admitted = await this.#changeWith(actor, (now, note) => {
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
    this.#change(() => {
      for (const entry of entries) this.#audit.add(entry);
    });
    this.#forwardSoon();
    await this.#planAlarm();
  }

  async audit(query: AuditQuery): Promise<AuditPage> {
    if (!this.#audit.exists()) return { entries: [], next: null };
    return this.#audit.page(query, Date.now() - AUDIT_KEPT_MS);
  }

  /** Asks sessions that have been silent for long, and forgets those that are gone. Never rejects. */
  override async alarm(): Promise<void> {
    if (this.#members.exists()) {
      const due = this.#members.toCheck(Date.now(), CHECKS_AT_ONCE);
      await Promise.all(due.map((member) => this.#check(member)));
      this.#members.forgetSpend(firstDayOf(monthOf(Date.now() - KEPT_MS)));
    }
    if (this.#audit.exists()) {
      this.#audit.forget(Date.now() - AUDIT_KEPT_MS);
      await this.#forward();
    }
    await this.#planAlarm();
  }

  /** Sends what was done to the account of everyone. Never rejects: the alarm tries again. */
  async #forward(): Promise<void> {
    if (this.ctx.id.name === EVERYONE) return;
    try {
      const everyone = this.env.ACCOUNTS.getByName(EVERYONE) as unknown as AccountRpc;
      for (;;) {
        const entries = this.#audit.toForward(ENTRIES_AT_ONCE);
        if (entries.length === 0) return;
        await everyone.record(entries);
        this.#audit.markForwarded(entries);
      }
    } catch (error) {
      log("audit.behind", { error: errorText(error) });
    }
  }

  #forwardSoon(): void {
    this.#forwarding ??= this.#forward().finally(() => {
      this.#forwarding = null;
    });
    this.ctx.waitUntil(this.#forwarding);
  }

  async #check(member: Member): Promise<void> {
    const { session } = member;
    const leases = this.#members.leasesOf(session).filter((lease) => looseOf(lease) > 0);
    if (!member.live && leases.length === 0) return this.#members.remove(session);
    this.#members.postpone(session, Date.now() + RETRY_MS);
    const isThere = await this.#ask(session);
    if (isThere !== false) return;
    // It was erased, or never came to be. What it held and never gave back may have been spent.
    this.#change((now) => {
      for (const lease of leases) {
        const keptNanos = lease.grantedNanos - lease.spentNanos;
        this.#members.putLease(session, { ...lease, keptNanos });
      }
      const gone = { live: false, running: false, waitsSince: null, checkAt: now + RETRY_MS };
      this.#members.put({ ...member, ...gone });
      return admitNext(this.#members, this.#readLimits(), now);
    });
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
    const times: (number | null)[] = [];
    if (this.#members.exists()) times.push(this.#members.nextCheckAt());
    if (this.#audit.exists()) {
      const oldestAt = this.#audit.oldestAt();
      const isBehind = this.ctx.id.name !== EVERYONE && this.#audit.toForward(1).length > 0;
      times.push(
        oldestAt === null ? null : oldestAt + AUDIT_KEPT_MS,
        isBehind ? Date.now() + FORWARD_RETRY_MS : null,
      );
    }
    const known = times.filter((at) => at !== null);
    return known.length === 0 ? null : Math.min(...known);
  }

  /** Runs a change of which it is recorded who has made it. */
  async #changeWith<T>(
    by: Actor,
    act: (
      now: number,
      note: (
        action: AuditEntry["action"],
        owner: string,
        target: string | null,
        details?: AuditEntry["details"],
      ) => void,
    ) => T,
  ): Promise<T> {
    const result = this.#change((now) =>
      act(now, (action, owner, target, details = {}) => {
        const id = `audit_${randomHex()}`;
        this.#audit.add({ id, at: now, action, owner, target, details, by });
      }),
    );
    if (this.#audit.exists()) {
      this.#forwardSoon();
      await this.#planAlarm();
    }
    return result;
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

  #find(id: string): StoredKey | undefined {
    return this.#keys.exists() ? this.#keys.byId(id) : undefined;
  }
}
