import { RE2JS } from "re2js";

// Regular expressions of clients, matched in time that grows with the text alone. It is RE2's syntax, which
// knows no look-around and no back-references, and is searched for anywhere in a text.

const MAX_CHARS = 1_000;

/** Instructions of all patterns of a schema together: one that is matched takes as many steps for each character. */
const MAX_INSTRUCTIONS = 10_000;

/** Patterns of one schema, as they were compiled. */
export type Patterns = Map<string, RE2JS>;

/** Compiles patterns of one schema, each once. Throws an error for people where one can't be used. */
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
