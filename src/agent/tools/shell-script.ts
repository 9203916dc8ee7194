// Parses shell scripts for the permission rules. It parses as much of the language as is unambiguous and
// reports the rest, so that no rule is passed by a part that was not seen.

/** One command of a script: its words as written, and unquoted as the shell reads them. */
export interface ShellCommand {
  written: string[];
  meant: string[];
}

/** The commands of a script and its first redirection to a file, or the first part that is not parsed. */
export type ShellScript =
  | { commands: ShellCommand[]; redirection?: string; hidden?: undefined }
  | { hidden: string };

/** The tokens of a script. A part that matches none of them is not parsed. */
const TOKEN = new RegExp(
  [
    /(?<blank>(?:[ \t]|\\\n)+|#[^\n]*)/,
    // Neither `<<` (a here-document) nor `<(` (a substitution).
    /(?<redirection>\d*(?:>>|>&|>\||<&|<>|>|<(?!<))|&>>?)/,
    /(?<end>[;|&\n])/,
    /(?<word>(?:[^\\'"`$;|&\n \t<>()]|\\.|'[^']*'|"(?:[^"\\`$]|\\.|\$(?![({[]))*"|\$(?![({['"]))+)/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "sy",
);

/**
 * Parses a script of commands joined by `&&`, `||`, `;`, `|`, `&` and line endings. Redirections are not part
 * of a command; those to /dev/null and between descriptors are ignored. Not parsed are here-documents, all
 * substitutions, `${…}`, `$'…'`, parentheses and unclosed quotes.
 */
export function parseScript(script: string): ShellScript {
  // A shell may drop it, and then the text around it means something else.
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

/** Splits a script that is not parsed into pieces, such that each possible command is one of them. */
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

/** Returns all tokens but blanks and comments, and an end after the last. */
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

/** Returns the meaning of a character after a backslash: a line ending is dropped, any other is literal. */
function withoutLineEnd(_: string, character: string): string {
  return character === "\n" ? "" : character;
}

function isHarmless(redirection: string, target: string): boolean {
  return target === "/dev/null" || (redirection.endsWith("&") && /^(?:\d+|-)$/.test(target));
}
