import { ok, type Result, refuse } from "../shared/result";
import type { Note } from "./audit-log";
import type { KeyTable } from "./key-table";
import { grantProblem, identify, type Key, type Powers, type StoredKey, shown } from "./keys";
import type { KeyRequest } from "./rpc";

// Changes of an account's keys. Call each function within a transaction.

/** The most keys of an owner that can be used. */
const MAX_KEYS = 1_000;

/** How long, and how many, keys are listed after they were revoked or have expired. */
export const ENDED_KEPT_MS = 90 * 24 * 60 * 60_000;
const MAX_ENDED_KEYS = 1_000;

export const NO_KEY = refuse("not_found", "There is no such key.");

/** Adds a key. A repeat returns it, and another one with its id is refused. */
export function addKey(keys: KeyTable, request: KeyRequest, now: number, note: Note): Result<Key> {
  const existing = keys.find(request.id);
  if (existing?.hash === request.hash) return ok(shown(existing));
  if (existing) {
    const message = "This Idempotency-Key has made a key, whose secret is not shown again.";
    return refuse("idempotency_mismatch", message, { keyId: existing.id });
  }
  keys.makeTables();
  if (keys.countUsable(now) >= MAX_KEYS) {
    return refuse("too_many_keys", `There are ${MAX_KEYS} keys already. Revoke one first.`);
  }
  keys.forget(now - ENDED_KEPT_MS, now, MAX_ENDED_KEYS);
  const neverUsed = { createdAt: now, lastUsedAt: null, revokedAt: null };
  const neverRotated = { previousHash: null, previousUntil: null };
  const key: StoredKey = { ...request, ...neverUsed, ...neverRotated };
  keys.add(key);
  const { name, scopes, tools } = key;
  note("key.created", key.owner, key.id, { name, scopes, tools });
  return ok(shown(key));
}

/** Gives a key another secret. A repeat changes nothing. */
export function rotate(
  keys: KeyTable,
  id: string,
  { hash, graceMs, by }: { hash: string; graceMs: number; by: Powers },
  now: number,
  note: Note,
): Result<Key> {
  const key = keys.find(id);
  if (!key) return NO_KEY;
  const problem = grantProblem(by, key);
  if (problem !== null) return refuse("forbidden", problem);
  const { state } = identify(key, key.hash, now);
  if (state !== "valid") return refuse("key_ended", `The key is ${state}. Create another one.`);
  if (key.hash === hash) return ok(shown(key));
  const rotated = { ...key, hash, previousHash: key.hash, previousUntil: now + graceMs };
  keys.update(rotated);
  note("key.rotated", key.owner, id, { graceMs });
  return ok(shown(rotated));
}

/** Revokes a key. Idempotent. */
export function revoke(keys: KeyTable, id: string, now: number, note: Note): Result<null> {
  const key = keys.find(id);
  if (!key) return NO_KEY;
  if (key.revokedAt !== null) return ok(null);
  keys.update({ ...key, revokedAt: now });
  note("key.revoked", key.owner, id);
  return ok(null);
}
