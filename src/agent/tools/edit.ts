import { z } from "zod";
import { decodeText, excerptOf, withLineEndsOf } from "../../sandbox/change-file";
import { resolveFrom } from "../../sandbox/paths";
import type { Excerpt, Sandbox, TextEdit } from "../../sandbox/sandbox";
import type { Tool, ToolResult } from "../tool";
import { numberedLine } from "./lines";
import { counted, failed } from "./result";
import { changeShared } from "./shared";

const Input = z.object({
  file_path: z.string().min(1).describe("The file, best as an absolute path"),
  old_string: z.string().describe("The text to replace, exactly as it is in the file"),
  new_string: z.string().describe("The text to put in its place"),
  replace_all: z.boolean().default(false).describe("Replace every occurrence; default false"),
});

/** Replaces an exact text of a file. */
export const edit: Tool<z.infer<typeof Input>> = {
  name: "Edit",
  effect: "acting",
  description: `Replaces a text in a file of the sandbox.
- old_string must be exactly what the file holds, with its spaces, tabs and line ends, without the line numbers that Read shows.
- It must occur once: take in lines around it until it does, or set replace_all to change every occurrence.
- With an empty old_string a file is made that did not exist or was empty.
- A relative path starts at the working directory.`,
  input: Input,

  async run(input, context) {
    const { file_path, old_string, new_string } = input;
    if (old_string === new_string) {
      return failed("old_string and new_string are the same, so there is nothing to change.");
    }
    const path = resolveFrom(context.cwd, file_path);
    const edit = { oldText: old_string, newText: new_string, all: input.replace_all };
    const known = context.interrupted ? await resume(path, edit, context.sandbox) : undefined;
    if (known) return known;
    const changed = await changeShared(path, { edit }, context);
    if ("unchanged" in changed) return failed(`${path} was not changed: ${changed.unchanged}`);
    return { content: report(path, changed.edited) };
  },
};

/** Returns the result of an interrupted edit that may have been made; undefined if it was not. */
async function resume(
  path: string,
  edit: TextEdit,
  sandbox: Sandbox,
): Promise<ToolResult | undefined> {
  const bytes = await sandbox.readFile(path);
  if (!bytes) return undefined;
  const text = decodeText(bytes);
  if (text === undefined) return undefined;
  const { oldText, newText } = withLineEndsOf(text, edit);
  // The file has its new text, or its old text no more.
  const mayBeDone = newText === "" ? !text.includes(oldText) : text.includes(newText);
  if (!mayBeDone) return undefined;
  if (oldText !== "" && text.includes(oldText)) {
    return failed(
      `This edit was interrupted, and ${path} now holds both texts: whether it was done is unknown. Read the file before you go on.`,
    );
  }
  const at = text.indexOf(newText);
  if (newText === "" || at !== text.lastIndexOf(newText)) {
    return { content: `${path} was edited before this call was interrupted.` };
  }
  return {
    content: report(path, excerptOf({ text, at, length: newText.length, count: 1 })),
  };
}

function report(path: string, edited: Excerpt | undefined): string {
  if (!edited) return `Changed ${path}.`;
  const { count, first, lines } = edited;
  const shown = lines.map(({ start, chars }, index) => numberedLine(start, first + index, chars));
  const where = count > 1 ? `, ${counted(count, "place")}; this is the first` : "";
  return [`Changed ${path}${where}:`, ...shown].join("\n");
}
