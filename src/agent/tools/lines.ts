import { counted } from "./result";

/** The most characters of a line. Longer ones are data or minified code and would displace the rest. */
const MAX_LINE_CHARS = 2_000;

/** Returns the lines of a text without their endings; an ending at the very end begins no further line. */
export function splitLines(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** Returns lines as `cat -n` shows them, with `first` as the first number and long ones cut. */
export function numbered(lines: readonly string[], first: number): string[] {
  return lines.map((line, index) => numberedLine(line, first + index));
}

/** Returns the `n`-th line as `cat -n` shows it. `start` is at least what is shown of its `chars` characters. */
export function numberedLine(start: string, n: number, chars: number = start.length): string {
  return `${String(n).padStart(6)}\t${cut(start, chars)}`;
}

/** Returns as many of the first lines as fit into `maxChars`, but at least one. */
export function fitting(lines: readonly string[], maxChars: number): string[] {
  let chars = 0;
  const end = lines.findIndex((line, index) => {
    chars += line.length + 1;
    return index > 0 && chars > maxChars;
  });
  return end === -1 ? [...lines] : lines.slice(0, end);
}

function cut(start: string, chars: number): string {
  if (chars <= MAX_LINE_CHARS) return start;
  const left = counted(chars - MAX_LINE_CHARS, "more character");
  return `${start.slice(0, MAX_LINE_CHARS)} [... ${left}]`;
}
