// Matches scripts against the patterns of Bash rules. Allowing and disallowing err on opposite sides: a part
// that cannot be parsed is not allowed by a pattern, and is disallowed by one.

import { matchesCommand, takesTooLong } from "../../sandbox/command-rules";
import { parseScript, roughCommands, type ShellCommand } from "./shell-script";

/** Shell keywords after which a command follows. */
const KEYWORDS = new Set(["if", "then", "elif", "else", "while", "until", "do", "!", "{"]);

/** Programs that run their arguments, as words or as a script. */
const CARRIERS = new Set(
  [
    "ash bash dash ksh sh zsh eval exec command builtin trap coproc function find xargs parallel",
    "busybox chroot doas env ionice nice nohup script setsid ssh stdbuf su sudo time timeout",
    "unbuffer watch",
  ].flatMap((names) => names.split(" ")),
);

/** Bounds of the search: scripts within scripts, and words after a carrier. */
const MAX_DEPTH = 4;
const MAX_WORDS = 200;

/** The most characters of commands that are searched in a script. */
const MAX_TEXT_CHARS = 1_000_000;

/** Returns why a script is not covered by patterns; undefined if each of its commands matches one. */
export function uncovered(patterns: readonly string[], script: string): string | undefined {
  if (script.length > MAX_TEXT_CHARS) return TOO_LONG;
  const parsed = parseScript(script);
  if (parsed.hidden !== undefined || parsed.redirection !== undefined) {
    const unread = JSON.stringify(parsed.hidden ?? parsed.redirection);
    return `a part of it can't be checked: ${unread}. Write plain commands, without substitutions, groups and redirections to files`;
  }
  if (parsed.commands.length === 0) return "it holds no command";
  const texts = parsed.commands.map(({ written }) => written.join(" "));
  if (takesTooLong(patterns, texts)) return TOO_LONG;
  const stray = texts.find((text) => !patterns.some((pattern) => matchesCommand(pattern, text)));
  return stray === undefined ? undefined : `"${stray}" does not match`;
}

const TOO_LONG = "it is too long to be checked. Write a shorter one, or put it into a file";

/**
 * Parses a script once. Returns a function that says whether the script runs a command that a pattern matches,
 * or hides which programs it runs.
 */
export function forbidden(
  patterns: readonly string[],
  script: string,
): (pattern: string) => boolean {
  const texts: string[] = [];
  const isRead = gather(script, { texts, left: MAX_TEXT_CHARS }, 0);
  if (!isRead || takesTooLong(patterns, texts)) return () => true;
  return (pattern) => texts.some((text) => matchesCommand(pattern, text));
}

/** The texts of a script's commands, and the characters that may still be added. */
interface Gathered {
  texts: string[];
  left: number;
}

/** Adds the commands that a script may run. Returns false if they cannot be determined. */
function gather(script: string, into: Gathered, depth: number): boolean {
  if (depth > MAX_DEPTH || script.length > into.left) return false;
  const parsed = parseScript(script);
  const commands = parsed.hidden === undefined ? parsed.commands : roughCommands(script);
  return commands.every((command) => gatherCommand(withoutPrefix(command), into, depth));
}

function gatherCommand({ written, meant }: ShellCommand, into: Gathered, depth: number): boolean {
  const [program, ...words] = meant;
  if (program === undefined) return true;
  if (isExpanded(written[0] ?? "")) return false;
  const name = program.slice(program.lastIndexOf("/") + 1);
  const texts = new Set([written.join(" "), meant.join(" "), [name, ...words].join(" ")]);
  if (![...texts].every((text) => add(text, into))) return false;
  if (!CARRIERS.has(name)) return true;
  if (words.length > MAX_WORDS) return false;
  return words.every((word, index) => {
    const [behind = "", ...more] = words.slice(index);
    const tail = [behind.slice(behind.lastIndexOf("/") + 1), ...more].join(" ");
    return add(tail, into) && (!/[\s;|&]/.test(word) || gather(word, into, depth + 1));
  });
}

function add(text: string, into: Gathered): boolean {
  into.texts.push(text);
  into.left -= text.length;
  return into.left >= 0;
}

function withoutPrefix({ written, meant }: ShellCommand): ShellCommand {
  const start = written.findIndex((word) => !KEYWORDS.has(word) && !/^[A-Za-z_]\w*\+?=/.test(word));
  const from = start === -1 ? written.length : start;
  return { written: written.slice(from), meant: meant.slice(from) };
}

/** Returns whether only the shell can tell what a word expands to. `[` and `[[` are commands. */
function isExpanded(word: string): boolean {
  return /[$*?{]|\[./.test(word) && word !== "[[";
}
