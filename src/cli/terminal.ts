import { stripVTControlCharacters } from "node:util";

// What the command line writes. Text of models, tools and other users must not control the terminal: whatever is not the
// command line's own is written with `clean`, `oneLine` or a `Paint`.

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

/** Returns clean text in a style; in a stream without colours, the text alone. */
export type Paint = (style: keyof typeof CODES, text: string) => string;

interface Stream {
  isTTY?: boolean;
  /** Considers NO_COLOR, FORCE_COLOR and TERM. */
  hasColors?(): boolean;
}

/** Returns the styles of a stream. */
export function painter(stream: Stream): Paint {
  if (!stream.isTTY || !stream.hasColors?.()) return (_, text) => clean(text);
  return (style, text) => `\u001b[${CODES[style]}m${clean(text)}\u001b[0m`;
}

/** Returns text without escape sequences, control characters and marks that change the direction of the text. */
export function clean(text: string): string {
  return stripVTControlCharacters(text.replace(/\r\n?/g, "\n")).replace(
    /[^\P{Cc}\n\t]|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    "",
  );
}

/** Returns clean text on one line, with at most `max` characters. */
export function oneLine(text: string, max = Number.POSITIVE_INFINITY): string {
  return short(clean(text).replace(/\s+/g, " ").trim(), max);
}

/** Returns JSON on one line. What could control a terminal is escaped. */
export const jsonLine = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[\u007f-\u009f]/g,
    (character) => `\\u00${character.charCodeAt(0).toString(16)}`,
  );

/** Writes a line on stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Writes a line for people on stderr. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Returns rows in columns under a head, none longer than so many columns. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  columns = Number.POSITIVE_INFINITY,
): string[] {
  const lines = [head, ...rows.map((row) => row.map((cell) => oneLine(cell)))];
  const widths = head.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  return lines.map((line) => {
    const text = line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ");
    return short(text.trimEnd(), columns);
  });
}

/** Writes a table on stdout. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const columns = process.stdout.isTTY ? process.stdout.columns : undefined;
  const [first = "", ...rest] = table(head, rows, columns);
  print([painter(process.stdout)("bold", first), ...rest].join("\n"));
}

/** Returns a line with at most `max` characters. */
export const short = (line: string, max: number): string =>
  line.length > max
    ? `${line.slice(0, Math.max(0, max - 1)).replace(/[\ud800-\udbff]$/, "")}…`
    : line;

export const plural = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? "" : "s"}`;
