import { z } from "zod";
import type { Tool, ToolResult } from "../tool";
import { numbered, splitLines } from "./lines";
import { counted, failed } from "./result";
import { changeShared } from "./shared";

/** Lines that are shown before and after a change. */
const CONTEXT_LINES = 4;

/** The most lines of a change that is shown whole. */
const MAX_SHOWN_LINES = 60;

const Input = z.object({
  file_path: z.string().min(1).describe("The file, best as an absolute path"),
  old_string: z.string().describe("The text to replace, exactly as it is in the file"),
  new_string: z.string().describe("The text to put in its place"),
  replace_all: z.boolean().default(false).describe("Replace every occurrence; default false"),
});

type Input = z.infer<typeof Input>;

/** Replaces an exact text of a file. */
export const edit: Tool<Input> = {
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
    return changeShared(file_path, context, (path, bytes) => {
      if (!bytes && old_string !== "") return { result: failed(`${path} does not exist.`) };
      const before = decode(bytes ?? new Uint8Array());
      if (before === undefined) {
        return { result: failed(`${path} is not UTF-8 text, so it can't be edited.`) };
      }
      if (context.interrupted && mayBeDone(before, input)) {
        return { result: resume(path, before, input) };
      }
      const edited = replace(before, input);
      if ("problem" in edited) {
        return { result: failed(`${path} was not changed: ${edited.problem}`) };
      }
      const after = new TextEncoder().encode(edited.text);
      return { bytes: after, result: { content: report(path, edited) } };
    });
  },
};

interface Edited {
  text: string;
  /** The offset of the first new text, and its length. */
  at: number;
  length: number;
  count: number;
}

/** Returns the text with the replacement, or why it was not made. */
function replace(text: string, input: Omit<Input, "file_path">): Edited | { problem: string } {
  if (input.old_string === "") {
    if (text !== "") return { problem: "old_string is empty, but the file is not." };
    return { text: input.new_string, at: 0, length: input.new_string.length, count: 1 };
  }
  const [oldText, newText] = withLineEndsOf(text, input);
  const pieces = text.split(oldText);
  const count = pieces.length - 1;
  if (count === 0) {
    return { problem: "old_string is not in it. It must match exactly, white space included." };
  }
  if (count > 1 && !input.replace_all) {
    return {
      problem: `old_string is in it ${count} times. Take in more of the text around the one you mean, or set replace_all.`,
    };
  }
  return {
    text: pieces.join(newText),
    at: pieces[0]?.length ?? 0,
    length: newText.length,
    count,
  };
}

/** Returns the edit's text with the line endings of the file: Read shows lines without theirs. */
function withLineEndsOf(text: string, { old_string, new_string }: Omit<Input, "file_path">) {
  if (text.includes(old_string) || !text.includes("\r\n")) return [old_string, new_string] as const;
  return [toCrLf(old_string), toCrLf(new_string)] as const;
}

function toCrLf(text: string): string {
  return text.replace(/\r?\n/g, "\r\n");
}

/** Returns whether an interrupted edit may have been written: the file has its new text, or its old text no more. */
function mayBeDone(text: string, input: Input): boolean {
  const [oldText, newText] = withLineEndsOf(text, input);
  if (newText === "") return !text.includes(oldText);
  return text.includes(newText);
}

function resume(path: string, text: string, input: Input): ToolResult {
  const [oldText, newText] = withLineEndsOf(text, input);
  if (oldText !== "" && text.includes(oldText)) {
    return failed(
      `This edit was interrupted, and ${path} now holds both texts: whether it was done is unknown. Read the file before you go on.`,
    );
  }
  const at = text.indexOf(newText);
  if (newText === "" || at !== text.lastIndexOf(newText)) {
    return { content: `${path} was edited before this call was interrupted.` };
  }
  return { content: report(path, { text, at, length: newText.length, count: 1 }) };
}

function report(path: string, { text, at, length, count }: Edited): string {
  const first = text.slice(0, at).split("\n").length;
  const changed = text.slice(at, at + length).split("\n").length;
  const start = Math.max(1, first - CONTEXT_LINES);
  const end = first + Math.min(changed, MAX_SHOWN_LINES) - 1 + CONTEXT_LINES;
  const shown = numbered(splitLines(text).slice(start - 1, end), start).join("\n");
  const where = count > 1 ? `, ${counted(count, "place")}; this is the first` : "";
  return `Changed ${path}${where}:\n${shown}`;
}

/** Decodes UTF-8 and keeps a byte order mark; undefined for other bytes, which decoding would change. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
