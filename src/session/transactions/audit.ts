import type { Actor, AuditEntry } from "../../account/audit";
import { randomHex } from "../../shared/bytes";
import type { SessionStore } from "../storage/store";

/** If the object is lost before the account has recorded an entry, it is sent this long after the change, in ms. */
const DELAY_MS = 5_000;

/** Has the account of the session's owner record what somebody does. */
export function audit(
  store: SessionStore,
  action: AuditEntry["action"],
  target: string,
  details: AuditEntry["details"],
  by: Actor,
  now: number,
): void {
  const { owner } = store.identity;
  const entry = { id: `audit_${randomHex()}`, at: now, action, owner, target, details, by };
  const { entries } = store.audits ?? { entries: [] };
  store.audits = { entries: [...entries, entry], attempts: 0, nextAt: now + DELAY_MS };
}

/** Records that a session was ended, unless by its own owner. */
export function auditEnd(
  store: SessionStore,
  action: "session.terminated" | "session.deleted",
  by: Actor | undefined,
  now: number,
): void {
  const { id, owner } = store.identity;
  if (by && by.owner !== owner) audit(store, action, id, {}, by, now);
}
