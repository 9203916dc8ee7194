import type { Block, Message } from "./messages";

// What is left out of a conversation that the Messages API has refused. The refused content stays in the history and
// would fail every later call, so it is replaced by a note that says why.

/** New content for the entry of a conversation at `index`. */
export interface Replacement {
  index: number;
  content: Block[];
}

/** The most characters of the API's reason in a note. */
const MAX_REASON_CHARACTERS = 300;

/**
 * Returns what to replace in a refused conversation, the least first; the caller tries one after the other. Only
 * content that the API never accepted is replaced: that after the newest reply.
 *
 * 1. Images and documents in results of tools.
 * 2. Those of earlier prompts as well, whose messages have failed.
 * 3. These earlier prompts altogether.
 *
 * The newest prompt stays: if it is what the API refuses, its message fails.
 */
export function withdrawals(messages: readonly Message[], reason: string): Replacement[][] {
  const note = noteOf(reason);
  const first = messages.findLastIndex(({ role }) => role === "assistant") + 1;
  const entries = messages.slice(first).map(({ content }, at) => ({ index: first + at, content }));
  const results = entries.filter(({ content }) => content.some(isResult));
  const prompts = entries.slice(0, -1).filter(({ content }) => !content.some(isResult));

  const ofResults = replaced(results, (content) => withoutMedia(content, note));
  const ofPrompts = replaced(prompts, (content) => withoutMedia(content, note));
  const wholePrompts = replaced(prompts, () => [{ type: "text", text: note("message") }]);
  return [
    ...(ofResults.length > 0 ? [ofResults] : []),
    ...(ofPrompts.length > 0 ? [[...ofResults, ...ofPrompts]] : []),
    ...(wholePrompts.length > 0 ? [[...ofResults, ...wholePrompts]] : []),
  ];
}

/** Returns a conversation with some of its entries replaced. */
export function replaceEntries(
  messages: readonly Message[],
  replacements: readonly Replacement[],
): Message[] {
  const contents = new Map(replacements.map(({ index, content }) => [index, content]));
  return messages.map((message, index) => {
    const content = contents.get(index);
    return content ? { ...message, content } : message;
  });
}

/** Returns the entries whose content a function changes. */
const replaced = (
  entries: readonly Replacement[],
  change: (content: Block[]) => Block[] | undefined,
): Replacement[] =>
  entries.flatMap(({ index, content }) => {
    const changed = change(content);
    return changed ? [{ index, content: changed }] : [];
  });

/** Returns content with notes in place of images and documents, those in results included; undefined if it has none. */
export function withoutMedia(
  content: readonly Block[],
  note: (what: string) => string,
): Block[] | undefined {
  let found = false;
  const notes = <T extends { type: string }>(block: T): T => {
    if (block.type !== "image" && block.type !== "document") return block;
    found = true;
    return { type: "text", text: note(block.type) } as unknown as T;
  };
  const changed = content.map((block) =>
    block.type === "tool_result" && Array.isArray(block.content)
      ? { ...block, content: block.content.map(notes) }
      : notes(block),
  );
  return found ? changed : undefined;
}

/** Returns the notes that stand in place of what was refused for a reason. */
export function noteOf(reason: string): (what: string) => string {
  const why = reason.slice(0, MAX_REASON_CHARACTERS).toWellFormed();
  return (what) => `[The ${what} that was here was refused by the model's API and removed: ${why}]`;
}

const isResult = ({ type }: Block): boolean => type === "tool_result";
