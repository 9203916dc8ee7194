import type { ToolResult } from "../tool";

/** Returns an error result, whose text the model reads. */
export function failed(text: string): ToolResult {
  return { content: text, isError: true };
}

/** Returns the head and tail of a text of more than `maxChars`, with a note between them of what is missing. */
export function keepEnds(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const half = Math.floor(maxChars / 2);
  const missing = counted(text.length - 2 * half, "character");
  return `${text.slice(0, half)}\n\n[... ${missing} left out ...]\n\n${text.slice(-half)}`;
}

/** Returns a number with its noun: "1 line", "2,000 lines". */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

/** Returns the result of a call that was not made. The model reads why. */
export const refused = (content: string): ToolResult => ({ content, isError: true, refused: true });
