/** Returns the date of a time in UTC: YYYY-MM-DD. `at` is in ms since 1970, as all times here. */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** Returns the days from which and up to which the month of a date goes, to compare dates with. */
export const monthAround = (day: string): { from: string; to: string } => ({
  from: `${day.slice(0, 7)}-01`,
  to: `${day.slice(0, 7)}-31`,
});

/** Returns when the day of a time ends in UTC. */
export const nextDayAt = (at: number): number => Date.parse(dayOf(at)) + 86_400_000;

/** Returns when the month of a time ends in UTC. */
export function nextMonthAt(at: number): number {
  const date = new Date(at);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}
