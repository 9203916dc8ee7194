import { dayOf, monthAround } from "../shared/days";
import type { OwnerLimits } from "./limits";
import type { Member, MemberTable } from "./members";
import type { AccountReply, SessionReport } from "./rpc";
import { type Budget, grant, looseOf } from "./spend";

/** How long a session may be silent that holds what others may want, in ms. Then it is asked. */
const HOLDING_MS = 10 * 60_000;
/** The same for any other session that has not ended, and how long an ended one is known. */
const QUIET_MS = 24 * 3_600_000;
const ENDED_MS = 48 * 3_600_000;

/** What a report leads to: the reply, and the sessions that are to report in turn. */
export interface Taken {
  reply: AccountReply & { limited: true };
  /** Sessions that may be at work from now on. */
  admitted: string[];
  /** Whether others should give back what they do not spend. */
  isScarce: boolean;
}

/** Takes the report of a session. A report that is not newer than the last one changes nothing. */
export function takeReport(
  members: MemberTable,
  report: SessionReport,
  limits: OwnerLimits,
  now: number,
): Taken {
  const { session } = report;
  const before = members.get(session) ?? newMember(report);
  // An id may be used again after its session was deleted: then it begins above the numbers that it has had.
  const isNew = report.live === "new" && !before.live;
  if (!isNew && report.n <= before.n) {
    return { reply: { ...replyTo(members, report, before, limits), isTaken: false }, ...NOTHING };
  }
  const refused = isNew ? refusalOf(members, report, limits) : null;
  if (refused) return { reply: { ...refusing(report), refused }, ...NOTHING };

  for (const lease of report.leases) members.putLease(session, lease);
  const short = report.wanted && lend(members, report, report.wanted, limits);
  const member: Member = {
    session,
    n: Math.max(report.n, before.n + 1),
    user: report.user,
    live: report.live !== false,
    ...admit(members, report, before, limits, now),
    checkAt: now,
  };
  members.put({ ...member, checkAt: checkAt(members, member, now) });
  members.forgetLeases(session, dayOf(now - ENDED_MS));
  const admitted = before.running && !member.running ? admitNext(members, limits, now) : [];
  const reply = { ...replyTo(members, report, member, limits), short };
  return { reply, admitted, isScarce: short?.mayFree ?? false };
}

const NOTHING = { admitted: [], isScarce: false };

const newMember = ({ session, user }: SessionReport): Member => ({
  ...{ session, n: 0, user, live: false, running: false, waitsSince: null, checkAt: 0 },
});

/** Returns whose limit on live sessions a new one would exceed; null if none. */
function refusalOf(
  members: MemberTable,
  { user }: SessionReport,
  { maxActiveSessions, perUser }: OwnerLimits,
): "owner" | "user" | null {
  if (isReached(members.tally(null).live, maxActiveSessions)) return "owner";
  const isUsers = user !== null && isReached(members.tally(user).live, perUser.maxActiveSessions);
  return isUsers ? "user" : null;
}

const isReached = (count: number, max: number | null): boolean => max !== null && count >= max;

/** Returns whether a session may be at work, and since when it waits for that. What is at work already is not stopped. */
function admit(
  members: MemberTable,
  { work }: SessionReport,
  before: Member,
  { maxRunningMessages }: OwnerLimits,
  now: number,
): Pick<Member, "running" | "waitsSince"> {
  if (work === "none") return { running: false, waitsSince: null };
  const isFree = !isReached(members.tally(null).running, maxRunningMessages);
  if (work === "running" || before.running || isFree) return { running: true, waitsSince: null };
  return { running: false, waitsSince: before.waitsSince ?? now };
}

/** Lets the sessions that wait be at work, as far as there is room. Returns them. */
export function admitNext(
  members: MemberTable,
  { maxRunningMessages }: OwnerLimits,
  now: number,
): string[] {
  const admitted: string[] = [];
  while (!isReached(members.tally(null).running, maxRunningMessages)) {
    const next = members.firstWaiting();
    if (!next) break;
    members.put({ ...next, running: true, waitsSince: null, checkAt: now + HOLDING_MS });
    admitted.push(next.session);
  }
  return admitted;
}

/** Grants what a session wants. Returns the limit because of which it is less; null if it is enough. */
function lend(
  members: MemberTable,
  { session, user }: SessionReport,
  { day, needNanos }: { day: string; needNanos: number },
  limits: OwnerLimits,
): (AccountReply & { limited: true })["short"] {
  const lease = { day, user, ...members.lease(session, day, user) };
  // What its own calls hold is free again when they end, without another session's doing.
  const own = looseOf(lease);
  const month = monthAround(day);
  const ofAll = members.spend(null, day, day);
  const ofUser = user === null ? ofAll : members.spend(user, day, day);
  const ofMonth = members.spend(null, month.from, month.to);
  const budget = (
    limit: Budget["limit"],
    maxNanos: number | null,
    { grantedNanos, looseNanos }: typeof ofAll,
  ): Budget => ({ limit, maxNanos, grantedNanos, looseNanos: looseNanos - own });
  const granted = grant(needNanos, [
    ...(user === null ? [] : [budget("user_daily", limits.perUser.maxDailyNanos, ofUser)]),
    budget("owner_daily", limits.maxDailyNanos, ofAll),
    budget("owner_monthly", limits.maxMonthlyNanos, ofMonth),
  ]);
  members.putLease(session, { ...lease, grantedNanos: lease.grantedNanos + granted.nanos });
  const { refusedBy, mayFree } = granted;
  return refusedBy && { limit: refusedBy, mayFree };
}

/** Returns when a session is asked if it does not report before. A new one is asked soon: it may not have come to be. */
function checkAt(members: MemberTable, member: Member, now: number): number {
  const { session, n, live, running } = member;
  if (running || (live && n === 1) || members.leasesOf(session).some((lease) => looseOf(lease) > 0))
    return now + HOLDING_MS;
  return now + (live ? QUIET_MS : ENDED_MS);
}

function replyTo(
  members: MemberTable,
  { session }: SessionReport,
  { n, running }: Member,
  { maxRunningMessages }: OwnerLimits,
): AccountReply & { limited: true } {
  const leases = members.leasesOf(session);
  const mayWork = maxRunningMessages === null || running;
  return { limited: true, n, isTaken: true, refused: null, mayWork, leases, short: null };
}

const refusing = ({ n }: SessionReport): AccountReply & { limited: true } => ({
  ...{ limited: true, n, isTaken: false, refused: null, mayWork: false, leases: [], short: null },
});
