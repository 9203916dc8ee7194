/**
 * Dollars as integer nano-dollars, rounded down; null stays null. `0.29 * 1e9` is a little less than
 * what was meant, so the nearest integer is taken unless it is worth more than was given.
 */
export function nanos(dollars: number | null): number | null {
  if (dollars === null) return null;
  const nearest = Math.round(dollars * 1e9);
  return nearest / 1e9 > dollars ? nearest - 1 : nearest;
}

/** Nano-dollars as dollars. */
export const dollars = (nanos: number): number => nanos / 1e9;
