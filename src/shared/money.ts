/**
 * Converts dollars to integer nano-dollars, rounded down; null stays null. `0.29 * 1e9` is slightly less than
 * the intended value, so the nearest integer is used unless it is more than the given amount.
 */
export function nanos(dollars: number | null): number | null {
  if (dollars === null) return null;
  const nearest = Math.round(dollars * 1e9);
  return nearest / 1e9 > dollars ? nearest - 1 : nearest;
}

/** Converts nano-dollars to dollars. */
export const dollars = (nanos: number): number => nanos / 1e9;
