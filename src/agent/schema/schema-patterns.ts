import { RE2JS } from "re2js";

// Regular expressions of clients, matched in time linear in the text. The syntax is RE2's, without look-around
// and back-references; a match may be anywhere in the text.

const MAX_CHARS = 1_000;

/** The most instructions of all patterns of a schema: a match takes as many steps for each character. */
const MAX_INSTRUCTIONS = 10_000;

/** Compiled patterns of one schema, by their source. */
export type Patterns = Map<string, RE2JS>;

/**
 * Returns a compiler for the patterns of one schema, each compiled once. `add` throws an error with a readable
 * message for a pattern that cannot be used.
 */
export function patternCompiler(): { patterns: Patterns; add(pattern: string): void } {
  const patterns: Patterns = new Map();
  let instructions = 0;
  return {
    patterns,
    add(pattern) {
      if (patterns.has(pattern)) return;
      const compiled = compile(pattern);
      instructions += compiled.programSize();
      if (instructions > MAX_INSTRUCTIONS) {
        throw new Error("is too large a regular expression, with the others of the schema");
      }
      patterns.set(pattern, compiled);
    },
  };
}

function compile(pattern: string): RE2JS {
  if (pattern.length > MAX_CHARS) {
    throw new Error(`is a regular expression of more than ${MAX_CHARS} characters`);
  }
  try {
    return RE2JS.compile(RE2JS.translateRegExp(pattern));
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^error parsing regexp: /, "") : "";
    throw new Error(`is not a regular expression of RE2's syntax: ${why.slice(0, 200)}`);
  }
}
