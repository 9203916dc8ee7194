// Text compared without regard to upper and lower case, which SQLite can do for ASCII only.

/** Makes texts equal that differ in upper and lower case only: "Straße" and "STRASSE" are both "strasse". */
export const fold = (text: string): string => Array.from(text, foldOne).join("");

/** A character, and what it folds to. */
export interface Folding {
  from: string;
  to: string;
}

/**
 * Returns the foldings beyond ASCII that can matter for finding a folded text within another one: in a text in
 * which no other character is folded, it is found in the same places. The plain capitals come first.
 */
export function foldingsFor(wanted: string): Folding[] {
  return foldings().filter(({ to }) => canOverlap(to, wanted));
}

// From lower case, since the capital "ẞ" has no upper case but itself. Each character is lowered on its own:
// within a word "Σ" would become "ς" at its end.
const foldOne = (character: string): string => lower(lower(character).toUpperCase());

const lower = (text: string): string =>
  text.length === 1 ? text.toLowerCase() : Array.from(text, (one) => one.toLowerCase()).join("");

/** Returns whether one text can stand in a place where it and the other one overlap and agree. */
const canOverlap = (one: string, other: string): boolean =>
  other.includes(one) ||
  one.includes(other) ||
  Array.from(one, (_, at) => at).some(
    (at) => at > 0 && (other.endsWith(one.slice(0, at)) || other.startsWith(one.slice(at))),
  );

// No letter beyond has an upper and a lower case.
const LAST_LETTER = 0x1ffff;
const BLOCK = 0x80;
let known: Folding[] | undefined;

/** All foldings beyond ASCII. Made at the first use: it takes some milliseconds. */
function foldings(): Folding[] {
  if (known) return known;
  const found: Folding[] = [];
  for (let start = BLOCK; start < LAST_LETTER; start += BLOCK) {
    const points = Array.from({ length: BLOCK }, (_, index) => start + index);
    const block = String.fromCodePoint(...points);
    if (block === block.toLowerCase() && block === block.toUpperCase()) continue;
    for (const from of block) {
      const to = foldOne(from);
      if (to !== from) found.push({ from, to });
    }
  }
  const isPlain = ({ from, to }: Folding) => to.toUpperCase() === from;
  known = [...found.filter(isPlain), ...found.filter((folding) => !isPlain(folding))];
  return known;
}
