import { answerText, fillerText, shorten, summaryText } from "./answer";
import { tokensOf } from "./count";
import type { Position } from "./position";
import type { MessagesRequest } from "./request";
import { sampleOf } from "./sample";
import { sign } from "./signature";

/** A block of a reply, in the API's form. */
export type ReplyBlock =
  | { type: "text"; text: string; citations: null }
  | { type: "thinking"; thinking: string; signature: string }
  | { type: "tool_use"; id: string; name: string; input: unknown }
  | { type: "server_tool_use"; id: string; name: "web_search"; input: { query: string } }
  | { type: "web_search_tool_result"; tool_use_id: string; content: readonly SearchResult[] }
  | { type: "compaction"; content: string; encrypted_content: null; signature: string };

interface SearchResult {
  type: "web_search_result";
  title: string;
  url: string;
  encrypted_content: string;
  page_age: null;
}

/** A reply of the offline model, before it is put into the API's form. */
export interface Reply {
  content: readonly ReplyBlock[];
  stopReason: "end_turn" | "tool_use" | "max_tokens" | "compaction";
  outputTokens: number;
  thinkingTokens: number;
  searches: number;
  /** The input tokens of the results of the reply's own searches. */
  searchTokens: number;
  /** The part of the last call's input that arrived before `max_tokens`. */
  cutInput?: string;
}

/** A block with its output tokens. */
interface Part {
  block: ReplyBlock;
  tokens: number;
}

/** Returns the reply to a request whose script is at `position`. */
export function replyTo(request: MessagesRequest, position: Position): Reply {
  if (request.compaction) return compact(request, position);
  const { calls } = position.turn;
  const thinking = thinkingPart(request, position);
  if (calls.length > 0) {
    const { say } = position.turn;
    const said = say === undefined ? [] : [textPart(say)];
    const called = calls.map(({ name, input }) => callPart(offeredName(name, request), input));
    const parts = [...thinking, ...said, ...called];
    return keepWithin(withFiller(parts, request, position), "tool_use", request);
  }
  const search = searchParts(request, position);
  const said = answerParts(request, position);
  const { tokens, say } = position.turn;
  const isFiller = tokens !== undefined && say === undefined && !request.output_config?.format;
  const parts = isFiller
    ? withFiller([...thinking, ...search], request, position)
    : [...thinking, ...search, ...said];
  return keepWithin(parts, "end_turn", request);
}

function compact(request: MessagesRequest, position: Position): Reply {
  const content = summaryText(request, position);
  const signature = sign("compaction", content);
  const block: ReplyBlock = { type: "compaction", content, encrypted_content: null, signature };
  return keepWithin([{ block, tokens: tokensOf(content) }], "compaction", request);
}

function thinkingPart({ thinking, model }: MessagesRequest, { turn }: Position): Part[] {
  if (!turn.thinking || !thinking || thinking.type === "disabled") return [];
  const display = thinking.display ?? (thinking.type === "enabled" ? "summarized" : "omitted");
  const shown = display === "omitted" ? "" : turn.thinking.toWellFormed();
  const block: ReplyBlock = { type: "thinking", thinking: shown, signature: sign(model, shown) };
  return [{ block, tokens: tokensOf(turn.thinking) }];
}

/** Returns the name of the offered tool that a script means: Claude Code has a prefix for tools of others. */
function offeredName(name: string, { tools = [] }: MessagesRequest): string {
  const names = tools.map((tool) => tool.name ?? "");
  if (names.includes(name)) return name;
  return names.find((one) => one.startsWith("mcp__") && one.endsWith(`__${name}`)) ?? name;
}

function callPart(name: string, input: unknown): Part {
  const id = newId("toolu");
  const tokens = tokensOf(name) + tokensOf(JSON.stringify(input)) + 4;
  return { block: { type: "tool_use", id, name, input }, tokens };
}

/** Adds text before any calls, so that the reply has as many tokens as the script demands. */
function withFiller(parts: Part[], { max_tokens }: MessagesRequest, { turn }: Position): Part[] {
  // One token more than allowed is enough to be cut off.
  const wanted = Math.min(turn.tokens ?? 0, max_tokens + 1);
  const missing = wanted - parts.reduce((sum, { tokens }) => sum + tokens, 0);
  if (missing <= 0) return parts;
  const firstCall = parts.findIndex(({ block }) => block.type === "tool_use");
  const at = firstCall < 0 ? parts.length : firstCall;
  return parts.toSpliced(at, 0, textPart(fillerText(missing)));
}

function answerParts(request: MessagesRequest, position: Position): Part[] {
  const { say } = position.turn;
  if (say !== undefined) return [textPart(say)];
  const schema = request.output_config?.format?.schema;
  return [textPart(schema ? JSON.stringify(sampleOf(schema)) : answerText(position))];
}

function searchParts({ tools = [] }: MessagesRequest, { script }: Position): Part[] {
  if (!tools.some(({ type }) => type?.startsWith("web_search_"))) return [];
  const query = shorten(script.text.replace(/\s+/g, " "), 200);
  const id = newId("srvtoolu");
  const results = [1, 2, 3].map((place) => ({
    type: "web_search_result" as const,
    title: `Made-up result ${place} of the offline model`,
    url: `https://example.com/offline/${place}`,
    encrypted_content: `offline-${place}`,
    page_age: null,
  }));
  return [
    {
      block: { type: "server_tool_use", id, name: "web_search", input: { query } },
      tokens: tokensOf(query) + 12,
    },
    { block: { type: "web_search_tool_result", tool_use_id: id, content: results }, tokens: 0 },
  ];
}

/** Returns the blocks that fit into `max_tokens`. The one that exceeds them is cut. */
function keepWithin(
  parts: readonly Part[],
  stop: Reply["stopReason"],
  request: MessagesRequest,
): Reply {
  const content: ReplyBlock[] = [];
  let left = request.max_tokens;
  let tooLong: Part | undefined;
  for (const part of parts) {
    if (part.tokens > left) {
      tooLong = part;
      break;
    }
    content.push(part.block);
    left -= part.tokens;
  }
  const cut = tooLong && left > 0 ? cutShort(tooLong.block, left * 4, request.model) : undefined;
  if (cut) content.push(cut.block);
  const outputTokens = tooLong ? request.max_tokens : Math.max(1, request.max_tokens - left);
  const thinking = parts.find(({ block }) => block.type === "thinking");
  const results = content.find(({ type }) => type === "web_search_tool_result");
  return {
    content,
    stopReason: tooLong ? "max_tokens" : stop,
    outputTokens,
    thinkingTokens: Math.min(thinking?.tokens ?? 0, outputTokens),
    searches: results ? 1 : 0,
    searchTokens: results ? tokensOf(JSON.stringify(results)) : 0,
    ...(cut?.input !== undefined && { cutInput: cut.input }),
  };
}

/**
 * Returns the first characters of a block, with the part of a call's input that arrived. Undefined for a block
 * that arrives whole or not at all, such as a summary.
 */
function cutShort(
  block: ReplyBlock,
  length: number,
  model: string,
): { block: ReplyBlock; input?: string } | undefined {
  switch (block.type) {
    case "text":
      return { block: { ...block, text: block.text.slice(0, length).toWellFormed() } };
    case "thinking": {
      const thinking = block.thinking.slice(0, length).toWellFormed();
      return { block: { ...block, thinking, signature: sign(model, thinking) } };
    }
    case "tool_use": {
      const json = JSON.stringify(block.input);
      const input = json.slice(0, Math.min(length, json.length - 1));
      return { block: { ...block, input: {} }, input };
    }
    default:
      return undefined;
  }
}

const textPart = (text: string): Part => ({
  block: { type: "text", text, citations: null },
  tokens: tokensOf(text),
});

/** Returns a new id in the API's form. Two agents with the same prompt must not make the same calls. */
export const newId = (prefix: string): string =>
  `${prefix}_offline_${crypto.randomUUID().replaceAll("-", "").slice(0, 20)}`;
