// What the patterns of Bash rules match. Allowing and disallowing err to opposite sides: what can't be
// told is not allowed by a pattern, and is disallowed by one.

import { matchesCommand } from "../../sandbox/command-rules";
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

/** Why a script is not covered by patterns; undefined when each of its commands matches one. */
export function uncovered(patterns: readonly string[], script: string): string | undefined {
  const parsed = parseScript(script);
  if (parsed.hidden !== undefined || parsed.redirection !== undefined) {
    const unread = JSON.stringify(parsed.hidden ?? parsed.redirection);
    return `a part of it can't be checked: ${unread}. Write plain commands, without substitutions, groups and redirections to files`;
  }
  if (parsed.commands.length === 0) return "it holds no command";
  const texts = parsed.commands.map(({ written }) => written.join(" "));
  const stray = texts.find((text) => !patterns.some((pattern) => matchesCommand(pattern, text)));
  return stray === undefined ? undefined : `"${stray}" does not match`;
}

/** Whether a script runs what the pattern matches, as far as that can be told, or hides which programs it runs. */
export function runs(pattern: string, script: string, depth = 0): boolean {
  if (depth > MAX_DEPTH) return true;
  const parsed = parseScript(script);
  const commands = parsed.hidden === undefined ? parsed.commands : roughCommands(script);
  return commands.some((command) => carriesOut(pattern, withoutPrefix(command), depth));
}

function carriesOut(pattern: string, { written, meant }: ShellCommand, depth: number): boolean {
  const [program, ...words] = meant;
  if (program === undefined) return false;
  if (isExpanded(written[0] ?? "")) return true;
  const name = program.slice(program.lastIndexOf("/") + 1);
  const texts = [written.join(" "), meant.join(" "), [name, ...words].join(" ")];
  if (texts.some((text) => matchesCommand(pattern, text))) return true;
  if (!CARRIERS.has(name)) return false;
  if (words.length > MAX_WORDS) return true;
  return words.some((word, index) => {
    const [behind = "", ...more] = words.slice(index);
    const tail = [behind.slice(behind.lastIndexOf("/") + 1), ...more].join(" ");
    return (
      matchesCommand(pattern, tail) || (/[\s;|&]/.test(word) && runs(pattern, word, depth + 1))
    );
  });
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
