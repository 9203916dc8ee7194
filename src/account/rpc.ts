import type { Result } from "../shared/result";
import type { Identified, Key, Powers } from "./keys";

/** A key to create. `id` and `hash` make a repeated request harmless. */
export interface KeyRequest extends Powers {
  id: string;
  owner: string;
  name: string;
  /** The SHA-256 of its secret, as hex. */
  hash: string;
}

/** A page of keys, newest first. `next` continues after it; null at the end. */
export interface KeyPage {
  keys: Key[];
  next: number | null;
}

/** The methods of an account's object. An account to which nothing was ever written answers from nothing. */
export interface AccountRpc {
  /** Returns whom the secret with a hash identifies, and notes the use. */
  identify(hash: string): Promise<Identified>;
  /** Creates a key. The same request again returns it; another one with the same id is refused. */
  createKey(request: KeyRequest): Promise<Result<Key>>;
  /** Returns up to `limit` keys that were created before the one at position `before`. */
  keys(page: { before: number | null; limit: number }): Promise<KeyPage>;
  /** Returns one key. */
  key(id: string): Promise<Result<Key>>;
  /**
   * Gives a key another secret. The old one works for `graceMs` more. The same request again changes nothing. Refused if
   * the key has been revoked or has expired, or gives more than the caller has.
   */
  rotateKey(
    id: string,
    rotation: { hash: string; graceMs: number; by: Powers },
  ): Promise<Result<Key>>;
  /** Revokes a key. Idempotent. */
  revokeKey(id: string): Promise<Result<null>>;
}
