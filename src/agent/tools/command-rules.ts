// What the patterns of Bash rules match. Allowing and disallowing err to opposite sides: what can't be
// told is not allowed by a pattern, and is disallowed by one.

import { matchesCommand, takesTooLong } from "../../sandbox/command-rules";
import { parseScript, roughCommands, type ShellCommand } from "./shell-script";

/** Words before a command that leave it a command. */
const KEYWORDS = new Set(["if", "then", "elif", "else", "while", "until", "do", "!", "{"]);

/** Programs that run what stands in their arguments: as further words, or as a script in one of them. */
const CARRIERS = new Set(
  [
    "ash bash dash ksh sh zsh eval exec command builtin trap coproc function find xargs parallel",
    "busybox chroot doas env ionice nice nohup script setsid ssh stdbuf su sudo time timeout",
    "unbuffer watch",
  ].flatMap((names) => names.split(" ")),
);

/** Scripts within scripts, and words behind a carrier, that are still looked through. */
const MAX_DEPTH = 4;
const MAX_WORDS = 200;

/** Characters of the commands of a script that are looked through. */
const MAX_TEXT_CHARS = 1_000_000;

/** Why a script is not covered by patterns; undefined when each of its commands matches one. */
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
 * Reads a script once; what it returns tells of each of the patterns whether the script runs what it
 * matches, as far as that can be told, or hides which programs it runs.
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

/** The texts of all commands of a script, and the characters that may still be added. */
interface Gathered {
  texts: string[];
  left: number;
}

/** Adds what a script may run. Returns false when that can't be told. */
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

/** True when only the shell that runs it can tell what a word becomes. `[` and `[[` are commands. */
function isExpanded(word: string): boolean {
  return /[$*?{]|\[./.test(word) && word !== "[[";
}
