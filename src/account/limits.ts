import { nextDayAt, nextMonthAt } from "../shared/days";

/** The limits of an owner over all its sessions; null means none. Money is in nano-dollars. */
export interface OwnerLimits {
  maxActiveSessions: number | null;
  maxRunningMessages: number | null;
  maxDailyNanos: number | null;
  maxMonthlyNanos: number | null;
  maxRequestsPerMinute: number | null;
  /** The limits of each user of the owner. */
  perUser: { maxActiveSessions: number | null; maxDailyNanos: number | null };
}

/** What an administrator has set. Absent limits are those of the deployment. */
export type GivenLimits = Partial<Omit<OwnerLimits, "perUser">> & {
  perUser?: Partial<OwnerLimits["perUser"]> | undefined;
};

/** The limits on what is spent over several sessions. */
export type SpendLimit = "user_daily" | "owner_daily" | "owner_monthly";

/** Returns the limits of an owner for whom some were set. */
export const withDefaults = (given: GivenLimits, defaults: OwnerLimits): OwnerLimits => ({
  ...defaults,
  ...given,
  perUser: { ...defaults.perUser, ...given.perUser },
});

/** Returns whether there is a limit that sessions have to ask about. */
export function concernSessions({
  perUser,
  maxRequestsPerMinute: _,
  ...own
}: OwnerLimits): boolean {
  return [...Object.values(own), ...Object.values(perUser)].some((limit) => limit !== null);
}

/** Returns when there is money again under a limit that is used up now, in ms since 1970. */
export const resetsAt = (limit: SpendLimit, now: number): number =>
  limit === "owner_monthly" ? nextMonthAt(now) : nextDayAt(now);
