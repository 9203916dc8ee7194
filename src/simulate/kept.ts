import { billOf, idleAmounts } from "./bill.ts";
import type { Load } from "./load.ts";
import { EXPIRED_A_DAY, INDEX_BYTES, RECONCILED_A_DAY } from "./measured.ts";
import { LIMITS } from "./platform.ts";

/** What a number of kept sessions needs, whether they are live or ended. */
export interface Kept {
  sessions: number;
  /** The databases that hold so many rows, if owners are spread evenly. */
  databases: number;
  indexBytes: number;
  /** The part of the account's limit for databases; 1 is all of it. */
  ofAccount: number;
  objectBytes: number;
  dollarsAMonth: number;
  /** Days until the maintenance has visited all of them as live sessions, or has deleted them without alarms. */
  reconcileDays: number;
  expireDays: number;
}

/** Returns what a number of sessions needs, each with `messages` messages in its history. */
export function keptOf(load: Load, sessions: number, messages: number): Kept {
  const each = idleAmounts(load, messages);
  const indexBytes = sessions * INDEX_BYTES;
  return {
    sessions,
    databases: Math.ceil(indexBytes / LIMITS.databaseBytes.value),
    indexBytes,
    ofAccount: indexBytes / LIMITS.accountDatabaseBytes.value,
    objectBytes: sessions * (each.objectGBMonths ?? 0) * 1e9,
    dollarsAMonth: sessions * billOf(each, { included: false }).dollars,
    reconcileDays: sessions / RECONCILED_A_DAY,
    expireDays: sessions / EXPIRED_A_DAY,
  };
}
