// Case-insensitive comparison of text. SQLite supports it for ASCII only.

/** Folds the case of a text: "Straße" and "STRASSE" both become "strasse". */
export const fold = (text: string): string => Array.from(text, foldOne).join("");

/** A character and its folded form. */
export interface Folding {
  from: string;
  to: string;
}

/**
 * Returns the non-ASCII foldings that can affect a search for a folded text: if a text is folded with these
 * only, the wanted text is found at the same positions. Foldings of simple capital letters come first.
 */
export function foldingsFor(wanted: string): Folding[] {
  return foldings().filter(({ to }) => canOverlap(to, wanted));
}

// Starts from lower case, because the upper case of the capital "ẞ" is itself. Each character is lowered
// separately, because "Σ" at the end of a word would become "ς".
const foldOne = (character: string): string => lower(lower(character).toUpperCase());

const lower = (text: string): string =>
  text.length === 1 ? text.toLowerCase() : Array.from(text, (one) => one.toLowerCase()).join("");

/** Returns whether an occurrence of one text can overlap an occurrence of the other. */
const canOverlap = (one: string, other: string): boolean =>
  other.includes(one) ||
  one.includes(other) ||
  Array.from(one, (_, at) => at).some(
    (at) => at > 0 && (other.endsWith(one.slice(0, at)) || other.startsWith(one.slice(at))),
  );

// No code point above this has an upper and a lower case.
const LAST_LETTER = 0x1ffff;
const BLOCK = 0x80;
let known: Folding[] | undefined;

/** Returns all non-ASCII foldings. They are computed at the first use, which takes some milliseconds. */
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
