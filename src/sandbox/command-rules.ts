// Decides which commands may run, in sandboxes that see each command before it runs.

/** Patterns of commands. Without `allowed`, every command may run that matches none of `disallowed`. */
export interface CommandRules {
  allowed?: readonly string[] | undefined;
  disallowed: readonly string[];
}

/** Returns why a command may not run with its expanded words; null if it may. */
export function refuseCommand(
  { allowed, disallowed }: CommandRules,
  name: string,
  args: readonly string[],
): string | null {
  const text = [name, ...args].join(" ");
  if (takesTooLong([...disallowed, ...(allowed ?? [])], [text, text])) {
    return `${JSON.stringify(shortened(text))} is too long to be checked`;
  }
  const ofProgram = [name.slice(name.lastIndexOf("/") + 1), ...args].join(" ");
  const forbidden = disallowed.find(
    (pattern) => matchesCommand(pattern, text) || matchesCommand(pattern, ofProgram),
  );
  if (forbidden !== undefined) return `Bash(${forbidden}) is disallowed`;
  if (!allowed || allowed.some((pattern) => matchesCommand(pattern, text))) return null;
  return `${onlyAllowed(allowed)}: ${JSON.stringify(shortened(text))} does not match`;
}

/** Returns why a redirection may not write a file; null if it may. Patterns allow commands only. */
export function refuseRedirection({ allowed }: CommandRules): string | null {
  return allowed ? `${onlyAllowed(allowed)}: a redirection to a file does not match` : null;
}

/** The most characters that are compared for one decision. */
const MAX_COMPARED_CHARS = 20_000_000;

/** Returns whether it would take too long to match each text with each pattern. */
export function takesTooLong(patterns: readonly string[], texts: readonly string[]): boolean {
  const chars = (all: readonly string[]) => all.reduce((sum, { length }) => sum + length, 0);
  const compared = chars(texts) * patterns.length + chars(patterns) * texts.length;
  return compared > MAX_COMPARED_CHARS;
}

/**
 * Returns whether a pattern matches a command. `git *` and `git:*` match git with and without arguments;
 * elsewhere `*` matches any text.
 */
export function matchesCommand(pattern: string, text: string): boolean {
  const whole = pattern.replace(/:\*$/, " *");
  return (
    matchesText(whole, text) || (whole.endsWith(" *") && matchesText(whole.slice(0, -2), text))
  );
}

/** Matches without a regular expression: with several `*` one would take long to fail on a long command. */
function matchesText(pattern: string, text: string): boolean {
  const [head = "", ...middle] = pattern.split("*");
  const tail = middle.pop();
  if (tail === undefined) return text === head;
  if (!text.startsWith(head)) return false;
  let at = head.length;
  for (const part of middle) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return text.length - at >= tail.length && text.endsWith(tail);
}

const MAX_SHOWN = 200;

const shortened = (text: string): string =>
  text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;

const onlyAllowed = (allowed: readonly string[]): string =>
  `Only ${shortened(allowed.map((pattern) => `Bash(${pattern})`).join(", "))} is allowed`;
