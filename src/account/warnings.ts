import type { OwnerEvent } from "../events/event";
import { dayOf } from "../shared/days";
import { dollars } from "../shared/money";
import { type OwnerLimits, resetsAt } from "./limits";

/** The parts of an owner's day and month at which there is a warning. */
const PARTS = [0.5, 0.8, 1];

/** The part of a limit that was warned of last, in the day or the month that began with `from`. */
interface Warned {
  from: string;
  maxNanos: number;
  part: number;
}

/** The warnings that were given, by the limit. */
export type WarnedLimits = Partial<Record<OwnerEvent["limit"], Warned>>;

/** What was spent in a period, and whether a call was refused because nothing is left. */
export interface Used {
  limit: OwnerEvent["limit"];
  spentNanos: number;
  isUsedUp: boolean;
}

/** Returns the warnings that are due, and the record of those that were given, these among them. */
export function dueWarnings(
  owner: string,
  limits: OwnerLimits,
  used: readonly Used[],
  before: WarnedLimits,
  now: number,
): { events: OwnerEvent[]; warned: WarnedLimits } {
  const warned = { ...before };
  const day = dayOf(now);
  const events = used.flatMap(({ limit, spentNanos, isUsedUp }) => {
    const maxNanos = limit === "owner_daily" ? limits.maxDailyNanos : limits.maxMonthlyNanos;
    if (maxNanos === null || maxNanos <= 0) return [];
    const from = limit === "owner_daily" ? day : day.slice(0, 7);
    const last = warned[limit];
    const isSame = last?.from === from && last.maxNanos === maxNanos;
    const reached = PARTS.filter(
      (part) => part > (isSame ? last.part : 0) && (spentNanos >= maxNanos * part || isUsedUp),
    );
    const part = reached.at(-1);
    if (part === undefined) return [];
    warned[limit] = { from, maxNanos, part };
    const amounts = { used: dollars(spentNanos), max: dollars(maxNanos) };
    const times = {
      at: new Date(now).toISOString(),
      resetsAt: new Date(resetsAt(limit, now)).toISOString(),
    };
    return reached.map((one) => ({
      type: "owner.limit_warned" as const,
      ...{ at: times.at, owner, limit, part: one, ...amounts, resetsAt: times.resetsAt },
    }));
  });
  return { events, warned };
}
