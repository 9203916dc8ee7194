import type { SpendLimit } from "../../account/limits";
import type { AccountReply, Lease, SessionReport } from "../../account/rpc";
import { looseOf } from "../../account/spend";
import { dayOf } from "../../shared/days";

/** A lease of the account, with what is reserved for calls that are not settled yet, by their ids. */
interface HeldLease extends Lease {
  open: Record<string, number>;
}

/** What a session knows of its account and has told it. A session whose owner has no limits has none of this. */
export interface Membership {
  /** The number of the newest report that counts; 0 before the first. */
  n: number;
  /** Whether a message may start without asking. */
  mayWork: boolean;
  leases: HeldLease[];
  /** What the last call needed, in nano-dollars: the next message will need about as much. */
  lastNeedNanos: number;
  /** The limit because of which a message can't go on or start, and until when that is so, in ms since 1970. */
  usedUp: { limit: SpendLimit; until: number } | null;
  /** The facts that the account knows; null before the first report. */
  told: Told | null;
  /** Failed reports in a row, and when the next is due, in ms since 1970. */
  attempts: number;
  retryAt: number | null;
}

type Told = Pick<SessionReport, "user" | "live" | "work" | "leases">;

/** What a report says besides the leases. */
export type Facts = Pick<SessionReport, "user" | "live" | "work">;

/** Returns the membership of a session of which the account knows nothing, with calls that are open already. */
export const enrolled = (
  open: readonly { id: string; begunAt: number; heldNanos: number }[],
  user: string | null,
): Membership => ({
  n: 0,
  mayWork: true,
  leases: [...Map.groupBy(open, ({ begunAt }) => dayOf(begunAt))].map(([day, calls]) => {
    const held = Object.fromEntries(calls.map(({ id, heldNanos }) => [id, heldNanos]));
    const lease = { day, user, grantedNanos: 0, spentNanos: 0, keptNanos: 0, open: held };
    return { ...lease, grantedNanos: usedOf(lease) };
  }),
  lastNeedNanos: 0,
  usedUp: null,
  told: null,
  attempts: 0,
  retryAt: null,
});

const isFor = (lease: Lease, day: string, user: string | null): boolean =>
  lease.day === day && lease.user === user;

const openNanosOf = ({ open }: HeldLease): number =>
  Object.values(open).reduce((sum, nanos) => sum + nanos, 0);

const usedOf = (lease: HeldLease): number =>
  lease.spentNanos + lease.keptNanos + openNanosOf(lease);

/** Returns what may still be spent by calls that begin on a day and count for a user. */
export function leaseLeft({ leases }: Membership, day: string, user: string | null): number {
  const lease = leases.find((one) => isFor(one, day, user));
  return lease ? lease.grantedNanos - usedOf(lease) : 0;
}

/** Reserves a call's maximum cost in the lease of its day. The caller has checked that it fits. */
export const holdLease = (
  member: Membership,
  day: string,
  user: string | null,
  call: { id: string; boundNanos: number },
): Membership => ({
  ...member,
  lastNeedNanos: call.boundNanos,
  leases: member.leases.map((lease) =>
    isFor(lease, day, user)
      ? { ...lease, open: { ...lease.open, [call.id]: call.boundNanos } }
      : lease,
  ),
});

/** Settles a call in the lease that it is reserved in: what it cost, and what stays reserved for it. */
export const settleLease = (
  member: Membership,
  call: { id: string; costNanos: number; heldNanos: number },
): Membership => ({
  ...member,
  leases: member.leases.map((lease) => {
    if (!(call.id in lease.open)) return lease;
    const { [call.id]: _, ...open } = lease.open;
    const { spentNanos, keptNanos } = lease;
    return {
      ...{ ...lease, open },
      spentNanos: spentNanos + call.costNanos,
      keptNanos: keptNanos + call.heldNanos,
    };
  }),
});

/** Gives back what is not reserved: of all leases, or of those of earlier days only. */
export function giveBack(member: Membership, today: string, which: "all" | "past"): Membership {
  const isGiven = (lease: HeldLease) =>
    (which === "all" || lease.day < today) && lease.grantedNanos > usedOf(lease);
  if (!member.leases.some(isGiven)) return member;
  const leases = member.leases.map((lease) =>
    isGiven(lease) ? { ...lease, grantedNanos: usedOf(lease) } : lease,
  );
  return { ...member, leases };
}

/** Returns the membership of a session that says that no message is at work: the next one has to ask, if there is a limit. */
export const withoutWork = (member: Membership): Membership =>
  member.mayWork ? { ...member, mayWork: false } : member;

/** Returns the report about a session. */
export const reportOf = (
  session: string,
  member: Membership,
  facts: Facts,
  wanted: SessionReport["wanted"],
): SessionReport => ({
  session,
  n: member.n + 1,
  ...facts,
  leases: member.leases.map(({ open: _, ...lease }) => lease),
  wanted,
});

/** Takes what the account has answered to a report. Leases that are over are forgotten. */
export function takeReply(
  member: Membership,
  report: SessionReport,
  reply: AccountReply & { limited: true },
  today: string,
): Membership {
  const { n, isTaken, mayWork } = reply;
  const known = new Map(member.leases.map((lease) => [keyOf(lease), lease]));
  for (const lease of reply.leases) {
    const own = known.get(keyOf(lease));
    // What is not known here was granted by an answer that was lost, or was forgotten when it was over.
    if (!own && lease.day < today && looseOf(lease) === 0) continue;
    const { grantedNanos } = lease;
    known.set(keyOf(lease), own ? { ...own, grantedNanos } : { ...lease, open: {} });
  }
  // What was settled since the report was made is still to be told.
  const isOver = (lease: HeldLease) =>
    isTaken && lease.day < today && report.leases.some((told) => isSame(lease, told));
  const leases = [...known.values()].filter((lease) => !isOver(lease));
  const { user, live, work } = report;
  const told = isTaken ? { user, live: live !== false, work, leases: report.leases } : member.told;
  return { ...member, n, mayWork, leases, told, attempts: 0, retryAt: null };
}

const keyOf = ({ day, user }: Pick<Lease, "day" | "user">): string => `${day} ${user ?? ""}`;

/** Returns whether the account was told of a lease as it is, and has back what it may have of it. */
const isSame = (lease: HeldLease, told: Lease): boolean =>
  keyOf(lease) === keyOf(told) &&
  lease.grantedNanos === usedOf(lease) &&
  Object.keys(lease.open).length === 0 &&
  lease.grantedNanos === told.grantedNanos &&
  lease.spentNanos === told.spentNanos &&
  lease.keptNanos === told.keptNanos;

/** Returns whether the account knows how a session is that does nothing, and has back what it may have. */
export function isTold({ told, leases }: Membership, facts: Facts): boolean {
  if (!told || told.user !== facts.user) return false;
  if (told.live !== facts.live || told.work !== facts.work) return false;
  return leases.every((lease) => told.leases.some((known) => isSame(lease, known)));
}
