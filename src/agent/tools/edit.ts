import { z } from "zod";
import type { Tool, ToolResult } from "../tool";
import { absolutePath, numbered } from "./text";

const CONTEXT_LINES = 3;

const Input = z.object({
  file_path: z.string().min(1).describe("The file, absolute or relative to the working directory."),
  old_string: z.string().describe("The text to replace, exactly as it is in the file."),
  new_string: z.string().describe("What to put in its place."),
  replace_all: z.boolean().optional().describe("Replace every occurrence, not only a single one."),
});

/** Replaces a text in a file by another. */
export const edit: Tool<z.infer<typeof Input>> = {
  name: "Edit",
  description:
    "Replaces a text in a file. The text must occur exactly once, unless replace_all is set.",
  effect: "acting",
  input: Input,
  async run({ file_path, old_string, new_string, replace_all = false }, context) {
    const path = absolutePath(file_path, context.cwd);
    if (context.interrupted) {
      return failure(`The edit was interrupted. Read ${path} to see whether it took effect.`);
    }
    if (old_string === new_string) return failure("old_string and new_string are the same.");
    if (old_string === "") return failure("old_string is empty. Use Write to make a file.");
    const bytes = await context.sandbox.readFile(path);
    if (bytes === null) return failure(`There is no file ${path}.`);
    const before = new TextDecoder().decode(bytes);
    const count = before.split(old_string).length - 1;
    if (count === 0) return failure(`old_string does not occur in ${path}.`);
    if (count > 1 && !replace_all) {
      return failure(
        `old_string occurs ${count} times in ${path}. Give more of the text around it, or set replace_all.`,
      );
    }
    const at = before.indexOf(old_string);
    const after = replace_all
      ? before.replaceAll(old_string, () => new_string)
      : before.slice(0, at) + new_string + before.slice(at + old_string.length);
    await context.sandbox.writeFile(path, new TextEncoder().encode(after));
    const times = count === 1 ? "" : ` in ${count} places`;
    return { content: `Edited ${path}${times}:\n${around(after, at, new_string.length)}` };
  },
};

const failure = (content: string): ToolResult => ({ content, isError: true });

/** The lines of a change and a few around them, with their numbers. */
function around(text: string, at: number, length: number): string {
  const lines = text.split("\n");
  const lineOf = (index: number) => text.slice(0, index).split("\n").length - 1;
  const first = Math.max(0, lineOf(at) - CONTEXT_LINES);
  const last = lineOf(at + length) + CONTEXT_LINES;
  return numbered(lines.slice(first, last + 1), first + 1);
}
