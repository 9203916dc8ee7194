// Case-insensitive comparison of text. SQLite supports it for ASCII only.

/** Folds the case of a text: "Straße" and "STRASSE" both become "strasse". */
export const fold = (text: string): string => Array.from(text, foldOne).join("");

// Starts from lower case, because the upper case of the capital "ẞ" is itself. Each character is lowered
// separately, because "Σ" at the end of a word would become "ς".
const foldOne = (character: string): string => lower(lower(character).toUpperCase());

const lower = (text: string): string =>
  text.length === 1 ? text.toLowerCase() : Array.from(text, (one) => one.toLowerCase()).join("");
