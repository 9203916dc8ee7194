import { DurableObject } from "cloudflare:workers";
import { ok, type Result, refuse } from "../shared/result";
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
import type { AccountRpc, KeyPage, KeyRequest } from "./rpc";

/** The most keys of an owner that can be used. */
const MAX_KEYS = 1_000;

/** How long, and how many, keys are listed after they were revoked or have expired. */
const KEPT_MS = 90 * 24 * 60 * 60_000;
const MAX_ENDED_KEYS = 1_000;

const NO_KEY = refuse("not_found", "There is no such key.");

/** The Durable Object of one owner. Its name is a hash of the owner. Its calls are described in `AccountRpc`. */
export class Account extends DurableObject<Env> implements AccountRpc {
  readonly #keys = new KeyTable(this.ctx.storage.sql);

  async identify(hash: string): Promise<Identified> {
    if (!this.#keys.exists()) return { state: "unknown" };
    const now = Date.now();
    const key = this.#keys.byHash(hash);
    const identified = identify(key, hash, now);
    if (key && identified.state === "valid" && isUseNew(key, now)) {
      this.#keys.update({ ...key, lastUsedAt: now });
    }
    return identified;
  }

  async createKey(request: KeyRequest): Promise<Result<Key>> {
    return this.#change((now) => {
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
  ): Promise<Result<Key>> {
    return this.#change((now) => {
      const key = this.#find(id);
      if (!key) return NO_KEY;
      const problem = grantProblem(by, key);
      if (problem !== null) return refuse("forbidden", problem);
      const { state } = identify(key, key.hash, now);
      if (state !== "valid") return refuse("key_ended", `The key is ${state}. Create another one.`);
      if (key.hash === hash) return ok(shown(key));
      const rotated = { ...key, hash, previousHash: key.hash, previousUntil: now + graceMs };
      this.#keys.update(rotated);
      return ok(shown(rotated));
    });
  }

  async revokeKey(id: string): Promise<Result<null>> {
    return this.#change((now) => {
      const key = this.#find(id);
      if (!key) return NO_KEY;
      if (key.revokedAt === null) this.#keys.update({ ...key, revokedAt: now });
      return ok(null);
    });
  }

  #change<T>(act: (now: number) => T): T {
    return this.ctx.storage.transactionSync(() => act(Date.now()));
  }

  #find(id: string): StoredKey | undefined {
    return this.#keys.exists() ? this.#keys.byId(id) : undefined;
  }
}
