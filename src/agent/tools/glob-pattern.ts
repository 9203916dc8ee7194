// Globs as the tools and the permission rules understand them. `*` and `?` stay within a name, `**`
// stands for any number of directories, `[a-z]` for a character and `{a,b}` for alternatives.

const GROUP = /\{([^{}]*)\}/;

/** More alternatives than anybody writes: nested groups multiply. */
const MAX_ALTERNATIVES = 100;

/** The patterns without braces that a pattern with them stands for. */
export function expandBraces(pattern: string): string[] {
  const expanded = [pattern];
  for (;;) {
    const index = expanded.findIndex((one) => GROUP.test(one));
    const one = expanded[index];
    if (one === undefined) return [...new Set(expanded)];
    const alternatives = (GROUP.exec(one)?.[1] ?? "").split(",");
    expanded.splice(index, 1, ...alternatives.map((text) => one.replace(GROUP, () => text)));
    if (expanded.length > MAX_ALTERNATIVES) {
      throw new Error(`${pattern} has more than ${MAX_ALTERNATIVES} alternatives`);
    }
  }
}

/** A regular expression for a whole path, in what JavaScript and `grep -E` have in common. */
export function globToRegex(pattern: string): string {
  const alternatives = expandBraces(pattern).map((one) => one.replace(TOKEN, translate));
  return `^(${alternatives.join("|")})$`;
}

const TOKEN = /\*\*\/|\*+|\?|\[[!^]?[^\]/[\\]+\]|./gs;

function translate(token: string): string {
  if (token === "**/") return "(.*/)?";
  if (token === "?") return "[^/]";
  if (token.startsWith("*")) return token === "*" ? "[^/]*" : ".*";
  if (token.length > 1) return token.replace("[!", "[^");
  return token.replace(/[.+^$()|{}[\]\\]/, "\\$&");
}
