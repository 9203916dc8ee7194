import { dayOf } from "../../shared/days";
import { type Facts, isTold, leaseLeft, settleLease } from "../rules/leases";
import type { Reservation } from "../rules/ledger";
import { isEnded } from "../rules/lifecycle";
import type { SessionStore } from "../storage/store";

/** If the object is lost before it has reported, it reports this long after the change, in ms. */
const REPORT_DELAY_MS = 5_000;

/** Returns what the session's account has to know besides the leases. */
export function membershipFacts({ state, metadata, messages }: SessionStore): Facts {
  const { lifecycle, removed, running } = state;
  const live = !removed && !isEnded(lifecycle);
  const waits = live && running === null && messages.queuedIds().length > 0;
  const work = running !== null ? "running" : waits ? "wanted" : "none";
  return { user: metadata.userId, live, work };
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

/** Settles a call in the lease of the day on which it began. */
export function settleInLease(
  store: SessionStore,
  { begunAt, boundNanos }: { begunAt: number; boundNanos: number },
  { costNanos, heldNanos }: Pick<Reservation, "costNanos" | "heldNanos">,
): void {
  const { account } = store.state;
  if (!account) return;
  const settled = settleLease(account, dayOf(begunAt), { boundNanos, costNanos, heldNanos });
  store.state = { ...store.state, account: settled };
}
