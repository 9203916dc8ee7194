// Takes a shell script apart for the permission rules. It reads as much of the language as can be read
// without doubt, and says so of the rest: no rule may be passed by a part that it did not see.

/** One command of a script: its words as they are written, and as the shell takes them, without quotes. */
export interface ShellCommand {
  written: string[];
  meant: string[];
}

/** A script's commands and its first redirection to a file, or the first thing in it that is not read. */
export type ShellScript =
  | { commands: ShellCommand[]; redirection?: string; hidden?: undefined }
  | { hidden: string };

/** What follows in a script. Where none of this does, something begins that is not read. */
const TOKEN = new RegExp(
  [
    /(?<blank>(?:[ \t]|\\\n)+|#[^\n]*)/,
    // Neither `<<` nor `<(`: a here-document and a substitution.
    /(?<redirection>\d*(?:>>|>&|>\||<&|<>|>|<(?!<))|&>>?)/,
    /(?<end>[;|&\n])/,
    /(?<word>(?:[^\\'"`$;|&\n \t<>()]|\\.|'[^']*'|"(?:[^"\\`$]|\\.|\$(?![({[]))*"|\$(?![({['"]))+)/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "sy",
);

/**
 * Reads a script of commands joined by `&&`, `||`, `;`, `|`, `&` and line ends. Redirections are no part
 * of a command, and those to /dev/null and between descriptors are left out altogether. Not read are
 * here-documents, substitutions of every kind, `${…}`, `$'…'`, parentheses and what is not closed.
 */
export function parseScript(script: string): ShellScript {
  // A shell may drop it, and then what stands around it means something else.
  if (script.includes("\0")) return { hidden: "\0" };
  const commands: ShellCommand[] = [];
  let command: ShellCommand = { written: [], meant: [] };
  let arrow: string | undefined;
  let redirection: string | undefined;

  for (const token of tokens(script)) {
    const { word, end } = token;
    if (token.hidden !== undefined) return { hidden: token.hidden };
    if (arrow !== undefined) {
      if (word === undefined) return { hidden: arrow };
      if (!isHarmless(arrow, withoutQuotes(word))) redirection ??= arrow;
      arrow = undefined;
    } else if (word !== undefined) {
      command.written.push(word);
      command.meant.push(withoutQuotes(word));
    } else if (end !== undefined) {
      if (command.written.length > 0) commands.push(command);
      command = { written: [], meant: [] };
    } else {
      arrow = token.redirection;
    }
  }
  return { commands, ...(redirection !== undefined && { redirection }) };
}

const ROUGH_REDIRECTION =
  /(?:&(?=>)|\b\d+)?[<>]+[&|]?[ \t]*(?:"[^"]*"|'[^']*'|\\.|[^\s;|&()<>`"'\\])*/g;

/** Returns a script that is not read, in pieces: every text that may turn out to be a command is one of them. */
export function roughCommands(script: string): ShellCommand[] {
  return script
    .replaceAll("\0", "")
    .replace(/\\\n/g, "")
    .replace(ROUGH_REDIRECTION, " ")
    .replace(/['"\\]/g, "")
    .split(/[;|&()`\n]/)
    .map((piece) => piece.split(/\s+/).filter(Boolean))
    .filter((words) => words.length > 0)
    .map((words) => ({ written: words, meant: words }));
}

type Token = Partial<Record<"redirection" | "end" | "word" | "hidden", string>>;

/** All tokens but blanks and comments, and an end after the last. */
function* tokens(script: string): Generator<Token> {
  let at = 0;
  while (at < script.length) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(script);
    if (!found?.groups) return yield { hidden: script.slice(at, at + 2) };
    at = TOKEN.lastIndex;
    if (found.groups.blank === undefined) yield found.groups;
  }
  yield { end: "\n" };
}

function withoutQuotes(word: string): string {
  const quoted = /\\(.)|'([^']*)'|"((?:[^"\\]|\\.)*)"/gs;
  return word.replace(quoted, (_, escaped: string, single?: string, double?: string) => {
    if (double !== undefined) return double.replace(/\\([$`"\\\n])/g, withoutLineEnd);
    return single ?? withoutLineEnd("", escaped);
  });
}

/** Returns what a backslash leaves of the character behind it: it joins lines, and else takes the meaning away. */
function withoutLineEnd(_: string, character: string): string {
  return character === "\n" ? "" : character;
}

function isHarmless(redirection: string, target: string): boolean {
  return target === "/dev/null" || (redirection.endsWith("&") && /^(?:\d+|-)$/.test(target));
}
