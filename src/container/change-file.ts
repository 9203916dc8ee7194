import type { Change, Excerpt, TextEdit } from "./protocol.ts";

// What a change makes of a file's content. Without I/O: the runner uses it in the container, and the Worker where a
// sandbox has no change in one step.

/** Lines that are shown before and after a change. */
const CONTEXT_LINES = 4;
/** The most lines of a change that is shown whole. */
const MAX_SHOWN_LINES = 60;
/** The most characters that are passed on of each of these lines. */
const MAX_LINE_CHARS = 2_000;

/** The content of a file after a change, or why the file is not changed. */
type Outcome = { bytes: Uint8Array; edited?: Excerpt } | { unchanged: string };

/** Returns what a change makes of a file's content; `before` is null if there is no file. */
export function applyChange(before: Uint8Array | null, change: Change): Outcome {
  if ("content" in change) return { bytes: change.content };
  const { edit } = change;
  if (!before && edit.oldText !== "") return { unchanged: "it does not exist." };
  const text = decodeText(before ?? new Uint8Array());
  if (text === undefined) return { unchanged: "it is not UTF-8 text, so it can't be edited." };
  const edited = editText(text, edit);
  if ("unchanged" in edited) return edited;
  return { bytes: new TextEncoder().encode(edited.text), edited: excerptOf(edited) };
}

/** A text after an edit: the offset and length of the first new text, and the number of new texts. */
interface Edited {
  text: string;
  at: number;
  length: number;
  count: number;
}

/** Returns the text with the replacement, or why it is unchanged. */
function editText(text: string, edit: TextEdit): Edited | { unchanged: string } {
  if (edit.oldText === "") {
    if (text !== "") return { unchanged: "old_string is empty, but the file is not." };
    return { text: edit.newText, at: 0, length: edit.newText.length, count: 1 };
  }
  const { oldText, newText } = withLineEndsOf(text, edit);
  const pieces = text.split(oldText);
  const count = pieces.length - 1;
  if (count === 0) {
    return { unchanged: "old_string is not in it. It must match exactly, white space included." };
  }
  if (count > 1 && !edit.all) {
    return {
      unchanged: `old_string is in it ${count} times. Take in more of the text around the one you mean, or set replace_all.`,
    };
  }
  return {
    text: pieces.join(newText),
    at: pieces[0]?.length ?? 0,
    length: newText.length,
    count,
  };
}

/** Returns the edit with the line endings of the file: its caller has seen lines without theirs. */
export function withLineEndsOf(text: string, edit: TextEdit): TextEdit {
  if (text.includes(edit.oldText) || !text.includes("\r\n")) return edit;
  return { ...edit, oldText: toCrLf(edit.oldText), newText: toCrLf(edit.newText) };
}

const toCrLf = (text: string): string => text.replace(/\r?\n/g, "\r\n");

/** Returns the lines around the first new text. */
export function excerptOf({ text, at, length, count }: Edited): Excerpt {
  const firstNew = text.slice(0, at).split("\n").length;
  const changed = text.slice(at, at + length).split("\n").length;
  const first = Math.max(1, firstNew - CONTEXT_LINES);
  const end = firstNew + Math.min(changed, MAX_SHOWN_LINES) - 1 + CONTEXT_LINES;
  const all = text.split(/\r?\n/);
  if (all.at(-1) === "") all.pop();
  const lines = all
    .slice(first - 1, end)
    .map((line) => ({ start: line.slice(0, MAX_LINE_CHARS), chars: line.length }));
  return { count, first, lines };
}

/** Decodes UTF-8 and keeps a byte order mark; undefined for other bytes, which decoding would change. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Why a file is not changed whose content its caller has not seen. */
export const UNSEEN =
  "you have not read it, or it has changed since you did. Read it and try again.";
