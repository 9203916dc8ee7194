import type { Block, MessagesRequest } from "./request";
import { parseScript, type Script, type Turn } from "./script";

/** The result of a scripted call. */
interface ReturnedResult {
  tool: string;
  text: string;
  failed: boolean;
}

/** The position of a conversation in the script of its last prompt. */
export interface Position {
  script: Script;
  /** The next turn. */
  turn: Turn;
  /** The remaining turns, the next one first. */
  rest: readonly Turn[];
  images: number;
  documents: number;
  results: readonly ReturnedResult[];
}

/**
 * Finds the client's last prompt and counts the replies after it. A message of tool results is not a prompt. If
 * the prompt itself was compacted, the summary takes its place: it holds the lines that were not yet followed.
 */
export function locate(messages: MessagesRequest["messages"]): Position {
  const prompted = messages.findLastIndex(({ role, content }) => role === "user" && asks(content));
  const promptAt = Math.max(prompted, 0);
  const prompt = messages[promptAt]?.content ?? [];
  const after = messages.slice(promptAt + 1);
  const script = parseScript(prompt.map(promptText).join("\n"));
  const done = after.filter(({ role }) => role === "assistant").length;
  const rest = script.turns.slice(done);
  const calls = after.flatMap(({ content }) => content.filter(({ type }) => type === "tool_use"));
  const named = new Map(calls.map(({ id, name }) => [id, name]));

  return {
    script,
    turn: rest[0] ?? { calls: [], faults: [], lines: [] },
    rest,
    images: prompt.filter(({ type }) => type === "image").length,
    documents: prompt.filter(({ type }) => type === "document").length,
    results: after
      .flatMap(({ content }) => content.filter(({ type }) => type === "tool_result"))
      .map((result) => ({
        tool: named.get(result.tool_use_id) ?? "A tool",
        text: result.inside.map(({ text, type }) => text ?? `[${type}]`).join("\n"),
        failed: result.is_error === true,
      })),
  };
}

const asks = (content: readonly Block[]): boolean =>
  content.every(({ type }) => type !== "tool_result") &&
  content.some(({ type }) => type === "text" || type === "image" || type === "document");

const promptText = ({ type, text, content }: Block): string =>
  type === "compaction" && typeof content === "string" ? content : (text ?? "");
