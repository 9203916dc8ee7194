/** Returns the date of a time in UTC: YYYY-MM-DD. `at` is in ms since 1970, as all times here. */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** Returns the month of a time in UTC: YYYY-MM. */
export const monthOf = (at: number): string => dayOf(at).slice(0, 7);

/** Returns the days from which and up to which a month goes, to compare dates with. */
export const firstDayOf = (month: string): string => `${month}-01`;
export const lastDayOf = (month: string): string => `${month}-31`;

/** Returns when the day of a time ends in UTC. */
export const nextDayAt = (at: number): number => Date.parse(dayOf(at)) + 86_400_000;

/** Returns when the month of a time ends in UTC. */
export function nextMonthAt(at: number): number {
  const date = new Date(at);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}
