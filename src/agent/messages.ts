import type Anthropic from "@anthropic-ai/sdk";
import type { Prompt } from "../events/event";
import type { ToolResult } from "./tool";

/** One block of a conversation, in the Messages API's own form: it has to go back as it came. */
export type Block = Anthropic.Beta.Messages.BetaContentBlockParam;

/** One entry of an agent's conversation. */
export interface Message {
  role: "user" | "assistant";
  content: Block[];
}

/** A call of a tool as the model asked for it. */
export interface ToolCall {
  id: string;
  name: string;
  input: unknown;
}

/** Returns a client's prompt as blocks of the conversation. */
export function promptBlocks(prompt: Prompt): Block[] {
  // The blocks were checked at the edge; the API itself is the judge of their sources.
  return typeof prompt === "string" ? [{ type: "text", text: prompt }] : (prompt as Block[]);
}

/** Returns a tool's result as the block that answers its call. */
export function toolResultBlock(toolUseId: string, result: ToolResult): Block {
  const content = typeof result.content === "string" ? result.content : [...result.content];
  return {
    type: "tool_result",
    tool_use_id: toolUseId,
    // The API refuses an empty error text.
    content: (content === "" ? "(no output)" : content) as string,
    ...(result.isError && { is_error: true }),
  };
}

/** Returns the tool calls of a reply, in order. */
export function toolCalls(content: readonly Block[]): ToolCall[] {
  return content.flatMap((block) =>
    block.type === "tool_use" ? [{ id: block.id, name: block.name, input: block.input }] : [],
  );
}

/** Returns the text of a reply: what a client reads as its result. */
export function textOf(content: readonly Block[]): string {
  return content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("");
}

/** Returns what of a reply is kept when it ended for another reason than its tools: no call stays unanswered. */
export function withoutToolCalls(content: readonly Block[]): Block[] {
  return content.filter((block) => block.type !== "tool_use");
}

/** Returns what of a reply another model may be shown: thoughts are bound to the model that had them. */
export function withoutThoughts(content: readonly Block[]): Block[] {
  return content.filter(({ type }) => type !== "thinking" && type !== "redacted_thinking");
}

/**
 * Returns whether the API takes a block of a reply back: no blank text, no thought that was cut off before its signature
 * or holds half a character, and nothing that no reply of ours was asked for.
 */
export function sendable(block: Block): boolean {
  switch (block.type) {
    case "text":
      return block.text.trim() !== "";
    case "thinking":
      return block.signature !== "" && block.thinking.isWellFormed();
    case "redacted_thinking":
      return block.data.isWellFormed();
    default:
      return block.type === "tool_use";
  }
}

/**
 * Returns where a conversation is cut to be summarised: everything before the returned index goes into the
 * summary, the rest is sent on as it is. The newest prompt stays, and a call with its results. 0 means
 * that there is nothing worth summarising.
 */
export function compactionCut(messages: readonly Message[]): number {
  const last = messages.at(-1);
  if (last?.role !== "user") return messages.length;
  const answersTools = last.content.some((block) => block.type === "tool_result");
  const cut = messages.length - (answersTools ? 2 : 1);
  const compacted = messages[0]?.content[0]?.type === "compaction";
  return cut <= (compacted ? 1 : 0) ? 0 : cut;
}
