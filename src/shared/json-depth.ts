/** The levels of nesting that JSON from outside may have. Serialising recurses, in the runtime and in clients. */
export const MAX_JSON_DEPTH = 100;

/** Yields the values of each level of a JSON value, beginning with the value itself. Does not recurse. */
export function* levelsOf(value: unknown): Generator<unknown[]> {
  let level = [value];
  while (level.length > 0) {
    yield level;
    level = level.flatMap((one) => (typeof one === "object" && one ? Object.values(one) : []));
  }
}

/** Returns whether a value is nested in more than `max` levels of objects and arrays. */
export function isDeeperThan(value: unknown, max: number): boolean {
  let depth = 0;
  for (const _ of levelsOf(value)) if (depth++ > max) return true;
  return false;
}

/** Returns whether a JSON text opens more than `max` levels of objects and arrays, empty ones included. Parses nothing. */
export function isTextDeeperThan(json: string, max: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === "\\") at += 1;
    else if (character === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (character === "{" || character === "[") depth += 1;
    else if (character === "}" || character === "]") depth -= 1;
    if (depth > max) return true;
  }
  return false;
}
