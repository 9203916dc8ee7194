import type { Result } from "../shared/result";
import type { WebhookFilter, WebhookList } from "../webhooks/rpc";
import type { Actor, AuditEntry, AuditPage, AuditQuery } from "./audit";
import type { Identified, Key, Powers } from "./keys";
import type { GivenLimits, OwnerLimits, SpendLimit } from "./limits";
import type { LeaseAmounts } from "./spend";

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

/** Money for the calls of a session that begin on a day (UTC) and count for a user. */
export interface Lease extends LeaseAmounts {
  day: string;
  user: string | null;
}

/**
 * How a session is, as its account has to know it. It states facts and not changes, so that a repeat is harmless. `n`
 * increases with each report, so that a late one is recognized.
 */
export interface SessionReport {
  session: string;
  n: number;
  user: string | null;
  /** Whether it has not ended. `new` if it is about to be created, which may be refused. */
  live: boolean | "new";
  /** Whether a message is at work, or is about to be, which may have to wait. */
  work: "none" | "wanted" | "running";
  /** The leases that it has had, with what it gives back taken off. */
  leases: Lease[];
  /** What it wants in addition, in nano-dollars. */
  wanted: { day: string; needNanos: number } | null;
}

/** What an account answers to a report. */
export type AccountReply =
  /** No limit concerns sessions: there is nothing to report. */
  | { limited: false }
  | {
      limited: true;
      /** The number of the newest report that counts. */
      n: number;
      /** Whether this report counts. A late one does not, nor one with the number of another whose answer was lost. */
      isTaken: boolean;
      /** The limit because of which a new session is refused. */
      refused: "owner" | "user" | null;
      /** Whether messages may be at work now. */
      mayWork: boolean;
      /** The leases of the session, with what is granted now. */
      leases: Lease[];
      /** The limit because of which less than wanted was granted, and whether more may be left soon. */
      short: { limit: SpendLimit; mayFree: boolean } | null;
    };

/** What an owner has used, and the limits. Money is in nano-dollars, times are in ms since 1970. */
export interface AccountUse {
  limits: OwnerLimits;
  /** Null if no limit concerns sessions: then the account does not know. */
  used: {
    activeSessions: number;
    /** Null if it is not known. */
    runningMessages: number | null;
    day: { spentNanos: number; heldNanos: number };
    month: { spentNanos: number; heldNanos: number };
  } | null;
}

/** Who changes the limits of an owner, and how it is recorded. */
export interface ChangeOfLimits {
  owner: string;
  actor: Actor;
  details: Record<string, unknown>;
}

/** What was spent on a day. */
export interface SpentBefore {
  user: string | null;
  day: string;
  nanos: number;
}

/** The methods that an account calls of a session. */
export interface AccountMember {
  /** Makes the session report to its account, and become a member of it. Returns false if it does not exist. */
  reportToAccount(): Promise<boolean>;
}

/** The methods of an account's object. An account to which nothing was ever written answers from nothing. */
export interface AccountRpc {
  /** Returns whom the secret with a hash identifies, with the limits of the owner, and notes the use. */
  identify(hash: string): Promise<Identified & { limits?: OwnerLimits }>;
  /** Creates a key. The same request again returns it; another one with the same id is refused. */
  createKey(request: KeyRequest, by: Actor): Promise<Result<Key>>;
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
    by: Actor,
  ): Promise<Result<Key>>;
  /** Revokes a key. Idempotent. */
  revokeKey(id: string, by: Actor): Promise<Result<null>>;
  /** Returns the owner's webhook endpoints, in the order of their creation. */
  webhooks(): Promise<WebhookList>;
  /** Adds a webhook endpoint. Returns the version of the list. Refused if there are too many. */
  addWebhook(filter: WebhookFilter, owner: string, by: Actor): Promise<Result<number>>;
  /** Changes what is known of an endpoint, unless it was removed or something newer is known. Returns the version. */
  changeWebhook(filter: WebhookFilter): Promise<number>;
  /** Removes a webhook endpoint. Returns the version of the list. Idempotent. */
  removeWebhook(id: string, owner: string, by: Actor): Promise<number>;
  /** Returns the ids of the owner's automations, in the order of their creation. */
  automations(): Promise<string[]>;
  /** Adds an automation. Refused if there are too many. Idempotent. */
  addAutomation(id: string, owner: string, by: Actor): Promise<Result<null>>;
  /** Removes an automation. Idempotent. */
  removeAutomation(id: string, owner: string, by: Actor): Promise<void>;
  /** Takes the report of a session, and grants what it wants as far as the limits allow. */
  sync(report: SessionReport, owner: string): Promise<AccountReply>;
  /** Returns the limits, and what is used of them. */
  use(): Promise<AccountUse>;
  /**
   * Sets the limits. `before` returns what was spent in this month, for an account whose sessions did not report until
   * now. Returns whether limits concern its sessions from now on, and whether they did.
   */
  setLimits(
    given: GivenLimits,
    before: SpentBefore[],
    change: ChangeOfLimits,
  ): Promise<{ isLimited: boolean; wasLimited: boolean }>;
  /** Records what was done. An entry that is known changes nothing. */
  record(entries: AuditEntry[]): Promise<void>;
  /** Returns what was done, newest first. */
  audit(query: AuditQuery): Promise<AuditPage>;
}
