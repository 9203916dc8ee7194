import { badRequest, type Refusal } from "./refusal";
import type { Block, MessagesRequest } from "./request";
import { sign } from "./signature";

/** Returns what is wrong with a conversation; undefined if it is valid. */
type Rule = (request: MessagesRequest) => Refusal | string | undefined;

/** The API's rules for conversations, which are the same for every model. */
export const CONVERSATION_RULES: readonly Rule[] = [
  hasMessages,
  summarizesAlone,
  beginsWithCompaction,
  takesTurns,
  hasBlocksInTheirPlace,
  saysSomething,
  namesCallsOnce,
  answersEveryCall,
  answersOnlyCalls,
  keepsThinking,
  hasFewBreakpoints,
];

function hasMessages({ messages, compaction }: MessagesRequest): Refusal | undefined {
  if (messages.length > 0) return undefined;
  const code = compaction ? "compaction_nothing_to_summarize" : undefined;
  return badRequest("messages: at least one message is required", code);
}

function summarizesAlone(request: MessagesRequest): string | undefined {
  const { compaction, context_management, stop_sequences, output_config, tool_choice } = request;
  if (!compaction) return undefined;
  const forced = tool_choice?.type === "any" || tool_choice?.type === "tool";
  const other =
    (context_management && "context_management") ||
    (stop_sequences?.length && "stop_sequences") ||
    (output_config?.format && "output_config.format") ||
    (forced && "tool_choice");
  return other ? `compaction: can't be combined with \`${other}\`` : undefined;
}

function beginsWithCompaction(request: MessagesRequest): Refusal | undefined {
  const [found, second] = located(request).filter(({ block }) => block.type === "compaction");
  if (!found) return undefined;
  const { block, path } = found;
  if (second) {
    const message = "messages: more than one `compaction` block; send only the newest";
    return badRequest(message, "compaction_block_ambiguous");
  }
  if (path !== "messages.0.content.0") {
    const message = `${path}: the \`compaction\` block must come first`;
    return badRequest(message, "compaction_block_misplaced");
  }
  if (!block.signature?.startsWith("offline-")) {
    const message = `${path}: Invalid \`signature\` in \`compaction\` block`;
    return badRequest(message, "compaction_signature_invalid");
  }
  if (block.signature === sign("compaction", String(block.content))) return undefined;
  const message = `${path}: the \`content\` is not what the \`signature\` recorded`;
  return badRequest(message, "compaction_content_mismatch");
}

function takesTurns({ messages, compaction }: MessagesRequest): string | undefined {
  const [first] = messages;
  if (first?.role !== "user" && first?.content[0]?.type !== "compaction") {
    return 'messages: first message must use the "user" role';
  }
  const last = messages.findLast(({ role }) => role !== "system");
  if (compaction || last?.role === "user") return undefined;
  return "This model does not support assistant message prefill. The conversation must end with a user message.";
}

const ONLY_IN: Readonly<Record<string, "user" | "assistant">> = {
  image: "user",
  document: "user",
  search_result: "user",
  tool_result: "user",
  tool_use: "assistant",
  server_tool_use: "assistant",
  web_search_tool_result: "assistant",
  thinking: "assistant",
  redacted_thinking: "assistant",
};

function hasBlocksInTheirPlace(request: MessagesRequest): string | undefined {
  for (const { block, role, path } of located(request)) {
    const home = ONLY_IN[block.type];
    if (home && home !== role) {
      return `${path}: \`${block.type}\` blocks can only be in \`${home}\` messages`;
    }
  }
  return undefined;
}

function saysSomething(request: MessagesRequest): string | undefined {
  const silent = request.messages.findIndex(({ content }) => content.length === 0);
  if (silent >= 0) return `messages.${silent}: all messages must have non-empty content`;
  const blocks = located(request).map(({ block }) => block);
  for (const { text } of [...blocks, ...(request.system ?? [])]) {
    if (text === "") return "messages: text content blocks must be non-empty";
    if (text?.trim() === "") {
      return "messages: text content blocks must contain non-whitespace text";
    }
  }
  for (const { block, path } of located(request)) {
    const blank = block.inside.every(({ type, text }) => type === "text" && !text);
    if (block.is_error && blank) return `${path}: content cannot be empty if \`is_error\` is true`;
    if (typeof block.content !== "string" && block.inside.some(({ text }) => text === "")) {
      return "messages: text content blocks must be non-empty";
    }
  }
  return undefined;
}

function namesCallsOnce({ messages }: MessagesRequest): string | undefined {
  const calls = messages.flatMap(({ content }) => callIds(content));
  if (calls.some((id) => !/^[\w-]+$/.test(id))) {
    return "messages: `tool_use` ids must match the pattern '^[a-zA-Z0-9_-]+$'";
  }
  return new Set(calls).size < calls.length ? "messages: `tool_use` ids must be unique" : undefined;
}

function answersEveryCall({ messages, compaction }: MessagesRequest): Refusal | string | undefined {
  for (const [at, { content }] of messages.entries()) {
    const answered = leadingResultIds(messages[at + 1]?.content ?? []);
    const open = callIds(content).filter((id) => !answered.includes(id));
    if (open.length === 0) continue;
    if (compaction && at === messages.length - 1) {
      return badRequest(`messages.${at}: the turn is not finished`, "compaction_incomplete_turn");
    }
    return (
      `messages.${at}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${open.join(", ")}. ` +
      "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    );
  }
  return undefined;
}

function answersOnlyCalls(request: MessagesRequest): string | undefined {
  for (const [at, { content }] of request.messages.entries()) {
    const ids = leadingResultIds(content);
    const twice = ids.find((id, index) => ids.indexOf(id) !== index);
    if (twice) {
      return `messages.${at}.content: each tool_use must have a single result. Found multiple \`tool_result\` blocks with id: ${twice}`;
    }
  }
  for (const { block, at, path } of located(request)) {
    const [call, where] =
      block.type === "tool_result" ? ["tool_use", at - 1] : ["server_tool_use", at];
    if (block.type !== "tool_result" && block.type !== "web_search_tool_result") continue;
    const asked = request.messages[where]?.content ?? [];
    if (asked.some(({ type, id }) => type === call && id === block.tool_use_id)) continue;
    return (
      `${path}: unexpected \`tool_use_id\` found in \`${block.type}\` blocks: ${block.tool_use_id}. ` +
      `Each \`${block.type}\` block must have a corresponding \`${call}\` block in the previous message.`
    );
  }
  return undefined;
}

/**
 * Returns what is wrong with a block of thinking: it is bound to the model that produced it, and must come back
 * unchanged.
 */
function keepsThinking(request: MessagesRequest): string | undefined {
  const broken = located(request).find(
    ({ block }) =>
      block.type === "thinking" && block.signature !== sign(request.model, block.thinking ?? ""),
  );
  return broken && `${broken.path}: Invalid \`signature\` in \`thinking\` block`;
}

function hasFewBreakpoints(request: MessagesRequest): string | undefined {
  const blocks = located(request).flatMap(({ block }) => [block, ...block.inside]);
  const holders = [request, ...(request.tools ?? []), ...(request.system ?? []), ...blocks];
  const found = holders.filter(({ cache_control }) => cache_control).length;
  if (found <= 4) return undefined;
  return `A maximum of 4 blocks with cache_control may be provided. Found ${found}.`;
}

/** Returns every block with its message and the path that an error names. */
function located({ messages }: MessagesRequest) {
  return messages.flatMap(({ role, content }, at) =>
    content.map((block, index) => ({ block, role, at, path: `messages.${at}.content.${index}` })),
  );
}

const callIds = (content: readonly Block[]): string[] =>
  content.flatMap(({ type, id = "" }) => (type === "tool_use" ? [id] : []));

/** Returns the results at the beginning of a message: text before them hides them. */
function leadingResultIds(content: readonly Block[]): string[] {
  const end = content.findIndex(({ type }) => type !== "tool_result");
  const results = end < 0 ? content : content.slice(0, end);
  return results.map(({ tool_use_id = "" }) => tool_use_id);
}
