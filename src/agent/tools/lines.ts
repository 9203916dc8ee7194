import { counted } from "./result";

/** Longer lines are cut: they are data or minified code, and would crowd out all else. */
const MAX_LINE_CHARS = 2_000;

/** Returns the lines of a text without their ends; an end at the very end begins no further line. */
export function splitLines(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** Lines as `cat -n` shows them, the first one as number `first`, long ones cut. */
export function numbered(lines: readonly string[], first: number): string[] {
  return lines.map((line, index) => `${String(first + index).padStart(6)}\t${cut(line)}`);
}

/** As many of the first lines as have room in `maxChars`; one in any case. */
export function fitting(lines: readonly string[], maxChars: number): string[] {
  let chars = 0;
  const end = lines.findIndex((line, index) => {
    chars += line.length + 1;
    return index > 0 && chars > maxChars;
  });
  return end === -1 ? [...lines] : lines.slice(0, end);
}

function cut(line: string): string {
  if (line.length <= MAX_LINE_CHARS) return line;
  return `${line.slice(0, MAX_LINE_CHARS)} [... ${counted(line.length - MAX_LINE_CHARS, "more character")}]`;
}
