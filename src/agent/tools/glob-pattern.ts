// Globs of the tools and the permission rules. `*` and `?` match within a name, `**` any number of directories,
// `[a-z]` a character and `{a,b}` alternatives.

const GROUP = /\{([^{}]*)\}/;

/** The most alternatives of a pattern: nested groups multiply. */
const MAX_ALTERNATIVES = 100;

/** The most characters of a pattern: each group copies the whole pattern. */
const MAX_PATTERN_CHARS = 1_000;

/** Returns the brace-free patterns that a pattern expands to. Throws if there are too many. */
export function expandBraces(pattern: string): string[] {
  if (pattern.length > MAX_PATTERN_CHARS) {
    throw new Error(`the pattern has more than ${MAX_PATTERN_CHARS} characters`);
  }
  const expanded = new Set<string>();
  const open = [pattern];
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    const found = GROUP.exec(one);
    if (!found) {
      expanded.add(one);
      continue;
    }
    const [head, tail] = [one.slice(0, found.index), one.slice(found.index + found[0].length)];
    for (const text of new Set((found[1] ?? "").split(","))) open.push(head + text + tail);
    if (expanded.size + open.length > MAX_ALTERNATIVES) {
      throw new Error(`${pattern} has more than ${MAX_ALTERNATIVES} alternatives`);
    }
  }
  return [...expanded];
}

/**
 * Compiles a glob for whole paths. Throws for an invalid one. A match takes at most the product of the
 * characters of the path and the expanded pattern in steps; a backtracking regular expression would take
 * exponential time for several `*`.
 */
export function globMatcher(pattern: string): (path: string) => boolean {
  const alternatives = expandBraces(pattern).map((one) =>
    (one.match(TOKEN) ?? []).map((token) =>
      token.length > 1 && token[0] === "[" ? classOf(token) : token,
    ),
  );
  return (path) => alternatives.some((tokens) => isMatch(tokens, path));
}

type GlobToken = string | RegExp;

/** Matches a text by tracking all positions in the pattern that the characters so far can lead to. */
function isMatch(tokens: readonly GlobToken[], path: string): boolean {
  let places = new Uint8Array(tokens.length + 1);
  let next = new Uint8Array(tokens.length + 1);
  enter(tokens, 0, places);
  for (const character of path) {
    let isAlive = false;
    next.fill(0);
    for (let place = places.indexOf(1); place !== -1; place = places.indexOf(1, place + 1)) {
      const token = tokens[place];
      if (token === undefined) continue;
      if (step(tokens, token, place, character, next)) isAlive = true;
    }
    if (!isAlive) return false;
    [places, next] = [next, places];
  }
  return places[tokens.length] === 1;
}

/** Adds the positions that a character leads to from one. Returns whether there are any. */
function step(
  tokens: readonly GlobToken[],
  token: GlobToken,
  place: number,
  character: string,
  next: Uint8Array,
): boolean {
  if (typeof token !== "string") {
    if (!token.test(character)) return false;
    enter(tokens, place + 1, next);
  } else if (token.startsWith("**/")) {
    next[place] = 1;
    if (character === "/") enter(tokens, place + 1, next);
  } else if (token.startsWith("*")) {
    if (token === "*" && character === "/") return false;
    enter(tokens, place, next);
  } else {
    if (token === "?" ? character === "/" : token !== character) return false;
    enter(tokens, place + 1, next);
  }
  return true;
}

/** Adds a position, and those that are reached from it without a character. */
function enter(tokens: readonly GlobToken[], place: number, places: Uint8Array): void {
  for (let at = place; ; at++) {
    places[at] = 1;
    const token = tokens[at];
    if (typeof token !== "string" || !token.startsWith("*")) return;
  }
}

function classOf(token: string): RegExp {
  try {
    return new RegExp(`^${token.replace("[!", "[^")}$`, "su");
  } catch (cause) {
    throw new Error(`${token} has a range whose ends are in the wrong order`, { cause });
  }
}

/** Returns a regular expression for a whole path, in the common syntax of JavaScript and `grep -E`. */
export function globToRegex(pattern: string): string {
  const alternatives = expandBraces(pattern).map((one) => one.replace(TOKEN, translate));
  return `^(${alternatives.join("|")})$`;
}

// Several directory wildcards in a row are equal to one.
const TOKEN = /(?:\*\*\/)+|\*+|\?|\[[!^]?[^\]/[\\]+\]|./gsu;

function translate(token: string): string {
  if (token.startsWith("**/")) return "(.*/)?";
  if (token === "?") return "[^/]";
  if (token.startsWith("*")) return token === "*" ? "[^/]*" : ".*";
  if (token.length > 1) return token.replace("[!", "[^");
  return token.replace(/[.+^$()|{}[\]\\]/, "\\$&");
}
