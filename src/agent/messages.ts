import type Anthropic from "@anthropic-ai/sdk";
import type { Prompt } from "../events/event";
import type { ToolResult } from "./tool";

/** One block of a conversation, in the Messages API's form: it is sent back unchanged. */
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

/** Returns a client's prompt as blocks of a conversation. */
export function promptBlocks(prompt: Prompt): Block[] {
  // The blocks were validated with the request; their sources are validated by the API.
  return typeof prompt === "string" ? [{ type: "text", text: prompt }] : (prompt as Block[]);
}

/** Returns a tool's result as the block that answers its call. */
export function toolResultBlock(toolUseId: string, result: ToolResult): Block {
  const content = typeof result.content === "string" ? result.content : [...result.content];
  return {
    type: "tool_result",
    tool_use_id: toolUseId,
    // The API rejects an error with an empty text.
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

/** Returns the text of a reply, which is the result that clients get. */
export function textOf(content: readonly Block[]): string {
  return content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("");
}

/** Returns the blocks without tool calls: a reply that ended for another reason must leave no call unanswered. */
export function withoutToolCalls(content: readonly Block[]): Block[] {
  return content.filter((block) => block.type !== "tool_use");
}

/** Returns the blocks without thinking, which is bound to the model that produced it. */
export function withoutThoughts(content: readonly Block[]): Block[] {
  return content.filter(({ type }) => type !== "thinking" && type !== "redacted_thinking");
}

/**
 * Returns whether the API accepts a block of a reply in a request. It rejects blank text, thinking without a
 * signature or with half a character, and blocks that our requests do not produce.
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
 * Returns the index at which a conversation is cut for a summary: the entries before it are summarised, the
 * rest is sent unchanged. The newest prompt stays, and a call stays with its results. 0 if there is nothing
 * worth summarising.
 */
export function compactionCut(messages: readonly Message[]): number {
  const last = messages.at(-1);
  if (last?.role !== "user") return messages.length;
  const answersTools = last.content.some((block) => block.type === "tool_result");
  const cut = messages.length - (answersTools ? 2 : 1);
  const compacted = messages[0]?.content[0]?.type === "compaction";
  return cut <= (compacted ? 1 : 0) ? 0 : cut;
}
