// Replaces conversions of just-bash between text and bytes, which loop over each character, by steps of the engine itself.
// `build.ts` inserts calls of these. just-bash measures each output some twenty times on its way to the result.

const NOT_ASCII = /[^\0-\x7f]/;
const RUNS_OF_OTHERS = /[^\0-\x7f]+/g;
const NOT_BYTES = /[^\0-\xff]/;

/** Returns the number of bytes of a text in UTF-8. A lone surrogate counts as three. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (const run of text.match(RUNS_OF_OTHERS) ?? []) {
    // Of four bytes, the text's length has counted two already.
    for (const character of run) bytes += character < "\u0800" ? 1 : 2;
  }
  return bytes;
}

/**
 * Returns the text of which each character is a byte of UTF-8. What is text already, or no UTF-8, is returned as it is.
 */
export function decoded(text: string): string {
  if (!NOT_ASCII.test(text) || NOT_BYTES.test(text)) return text;
  try {
    return decodeURIComponent(escape(text));
  } catch {
    return text;
  }
}
