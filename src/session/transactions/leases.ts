import { resetsAt, type SpendLimit } from "../../account/limits";
import { dayOf } from "../../shared/days";
import { type Facts, isTold, leaseLeft, settleLease } from "../rules/leases";
import type { Reservation } from "../rules/ledger";
import { isEnded } from "../rules/lifecycle";
import type { SessionStore } from "../storage/store";

/** If the object is lost before it has reported, it reports this long after the change, in ms. */
const REPORT_DELAY_MS = 5_000;

/** Returns what the session's account has to know besides the leases. */
export function membershipFacts({ state, metadata, messages }: SessionStore): Facts {
  const { lifecycle, removed, running, waiting, pausedBecause } = state;
  const live = !removed && !isEnded(lifecycle);
  const hasNext = waiting ? waiting.mayGoOn : messages.queuedIds().length > 0;
  const wants = live && running === null && !pausedBecause && hasNext;
  const work = running !== null ? "running" : wants ? "wanted" : "none";
  // An ended session stays with the user that it had: nothing of it is reported twice.
  const user = live ? metadata.userId : (state.account?.told?.user ?? metadata.userId);
  return { user, live, work };
}

/**
 * Returns whether the account is to be told something: anything if no message runs. While one runs, its calls report
 * when they need money.
 */
export function isReportDue(store: SessionStore): boolean {
  const { account, running } = store.state;
  if (!account) return false;
  if (running !== null) return account.told === null;
  return !isTold(account, membershipFacts(store));
}

/** Returns when the account is to be told something, in ms since 1970; null if it knows everything. */
export function reportAt(store: SessionStore): number | null {
  if (!isReportDue(store)) return null;
  const { account, updatedAt } = store.state;
  return account?.retryAt ?? updatedAt + REPORT_DELAY_MS;
}

/** Returns whether a message waits for the account's leave to start. */
export const waitsForWork = (store: SessionStore): boolean =>
  store.state.account !== undefined && membershipFacts(store).work === "wanted";

/** Returns what the session's lease leaves for a call that begins now; Infinity if it needs none. */
export function leasedNanos({ state, metadata }: SessionStore, now: number): number {
  return state.account
    ? leaseLeft(state.account, dayOf(now), metadata.userId)
    : Number.POSITIVE_INFINITY;
}

/** Settles a call in the lease that it is reserved in. */
export function settleInLease(
  store: SessionStore,
  id: string,
  { costNanos, heldNanos }: Pick<Reservation, "costNanos" | "heldNanos">,
): void {
  const { account } = store.state;
  if (!account) return;
  store.state = { ...store.state, account: settleLease(account, { id, costNanos, heldNanos }) };
}

/** Records the limit over many sessions because of which a message can't go on; null if it can again. */
export function setUsedUp(store: SessionStore, limit: SpendLimit | null, now: number): void {
  const { account } = store.state;
  if (!account || (limit === null && account.usedUp === null)) return;
  const usedUp = limit && { limit, until: resetsAt(limit, now) };
  store.state = { ...store.state, account: { ...account, usedUp } };
}

/** Returns the limit over many sessions that is used up, as far as the session knows; null if none is. */
export function usedUpLimit({ state }: SessionStore, now: number): SpendLimit | null {
  const { usedUp } = state.account ?? {};
  return usedUp && now < usedUp.until ? usedUp.limit : null;
}
