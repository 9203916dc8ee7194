import { describe, expect, it } from "vitest";
import type { AccountReply, SessionReport } from "../../account/rpc";
import {
  enrolled,
  giveBack,
  holdLease,
  isTold,
  leaseLeft,
  type Membership,
  reportOf,
  settleLease,
  takeReply,
} from "./leases";

const DAY = "2026-11-28";
const NEXT = "2026-11-29";
const IDLE = { user: null, live: true, work: "none" } as const;

const replyTo = (
  { n, leases }: SessionReport,
  changes: Partial<AccountReply & { limited: true }> = {},
): AccountReply & { limited: true } => ({
  ...{ limited: true, n, isTaken: true, refused: null, mayWork: true, leases, short: null },
  ...changes,
});

const lease = (grantedNanos: number, user: string | null = null, day = DAY) => ({
  ...{ day, user, grantedNanos, spentNanos: 0, keptNanos: 0 },
});

/** Returns a member that was granted leases. */
function granted(...leases: ReturnType<typeof lease>[]): Membership {
  const report = reportOf("s", enrolled([], null), IDLE, { day: DAY, needNanos: 1 });
  return takeReply(enrolled([], null), report, replyTo(report, { leases }), DAY);
}

describe("a lease", () => {
  it("is charged for the calls that are reserved in it, whoever the session's user is by then", () => {
    let member = granted(lease(300, "u1"), lease(300, "u2"));
    member = holdLease(member, DAY, "u1", { id: "a", boundNanos: 200 });
    member = holdLease(member, DAY, "u2", { id: "b", boundNanos: 100 });
    member = settleLease(member, { id: "b", costNanos: 10, heldNanos: 0 });
    member = settleLease(member, { id: "a", costNanos: 150, heldNanos: 20 });
    expect(leaseLeft(member, DAY, "u1")).toBe(300 - 170);
    expect(leaseLeft(member, DAY, "u2")).toBe(300 - 10);
    expect(leaseLeft(member, NEXT, "u1")).toBe(0);
  });

  it("gives back what is not reserved, and is forgotten once its day is over and all is told", () => {
    let member = holdLease(granted(lease(500)), DAY, null, { id: "a", boundNanos: 200 });
    member = giveBack(member, NEXT, "past");
    const report = reportOf("s", member, IDLE, null);
    expect(report.leases).toEqual([lease(200)]);
    // The call is settled while the account answers: its cost is still to be told.
    member = settleLease(member, { id: "a", costNanos: 150, heldNanos: 0 });
    member = takeReply(member, report, replyTo(report), NEXT);
    expect(isTold(member, IDLE)).toBe(false);
    member = giveBack(member, NEXT, "all");
    const last = reportOf("s", member, IDLE, null);
    expect(last.leases).toEqual([{ ...lease(150), spentNanos: 150 }]);
    member = takeReply(member, last, replyTo(last), NEXT);
    expect(member.leases).toEqual([]);
    expect(isTold(member, IDLE)).toBe(true);
  });
});

describe("a report", () => {
  it("that does not count, since another one had its number, is not taken for told", () => {
    const member = granted(lease(100));
    const report = reportOf("s", member, { ...IDLE, live: false }, null);
    const reply = replyTo(report, { isTaken: false, leases: [lease(400)] });
    const after = takeReply(member, report, reply, DAY);
    expect(isTold(after, { ...IDLE, live: false })).toBe(false);
    // What was granted by the answer that was lost is known now, and can be given back.
    expect(leaseLeft(after, DAY, null)).toBe(400);
    expect(reportOf("s", after, IDLE, null).n).toBe(report.n + 1);
  });
});
