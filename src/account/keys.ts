// The rules of keys. Times are in ms since 1970.

import { holds, type Scope } from "./scopes";

/** What a key gives its holder. */
export interface Powers {
  scopes: readonly Scope[];
  /** The rules that sessions made with the key are limited to; null for no such limit. */
  tools: readonly string[] | null;
  /** The time from which the key is refused; null for none. */
  expiresAt: number | null;
}

/** A key as others may see it. */
export interface Key extends Powers {
  id: string;
  name: string;
  owner: string;
  createdAt: number;
  /** The last use, to within `USE_NOTED_MS`; null if it was never used. */
  lastUsedAt: number | null;
  revokedAt: number | null;
}

/** A key with the hashes of its secrets: the present one, and the one that a rotation has replaced. */
export interface StoredKey extends Key {
  hash: string;
  previousHash: string | null;
  /** The time from which the replaced secret is refused. */
  previousUntil: number | null;
}

/** Whom a secret identifies, and until when it does if nothing is changed; or why it identifies nobody. */
export type Identified =
  | { state: "valid"; key: Key; until: number | null }
  | { state: "unknown" | "expired" | "revoked" };

/** How exact `lastUsedAt` is: a key in constant use is written once in this time. */
export const USE_NOTED_MS = 5 * 60_000;

/** Returns whom the secret with a hash identifies. `key` is the key that has the hash. */
export function identify(key: StoredKey | undefined, hash: string, now: number): Identified {
  if (!key) return { state: "unknown" };
  if (key.revokedAt !== null) return { state: "revoked" };
  const replaced = key.hash === hash ? null : key.previousUntil;
  const ends = [key.expiresAt, replaced].filter((at) => at !== null);
  const until = ends.length > 0 ? Math.min(...ends) : null;
  if (until !== null && until <= now) return { state: "expired" };
  return { state: "valid", key: shown(key), until };
}

/** Returns a key without its hashes. */
export function shown({ hash: _, previousHash: _p, previousUntil: _u, ...key }: StoredKey): Key {
  return key;
}

/** Returns whether a use of a key is to be written. */
export const isUseNew = ({ lastUsedAt }: Key, now: number): boolean =>
  lastUsedAt === null || now - lastUsedAt >= USE_NOTED_MS;

/** Returns why a holder of powers may not give others to a key; null if it may. */
export function grantProblem(own: Powers, given: Powers): string | null {
  const missing = given.scopes.filter((scope) => !holds(own.scopes, scope));
  if (missing.length > 0) return `Your key does not have ${missing.join(", ")}.`;
  const { tools } = own;
  if (tools !== null && !given.tools?.every((rule) => tools.includes(rule))) {
    return "Your key is limited to some tools. So is every key that it manages.";
  }
  if (own.expiresAt !== null && (given.expiresAt ?? Infinity) > own.expiresAt) {
    return "Your key expires before that. So does every key that it manages.";
  }
  return null;
}
