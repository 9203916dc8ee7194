/** Tokens that the API adds to a prompt: instructions for tools, for a schema, for a summary. */
const PREAMBLE_TOKENS = 2_000;

/** Tokens of a tool of the API's own, whose description is not in the request. */
const SERVER_TOOL_TOKENS = 5_000;

/**
 * The most tokens of an image; larger ones are scaled down. Source:
 * platform.claude.com/docs/en/build-with-claude/vision.
 */
const IMAGE_TOKENS = 5_000;

/**
 * Returns an upper bound of the input tokens of a Messages request, without a request to the API: a token is at
 * least a byte, and an image has a bound for any size. Null if nothing bounds them (a PDF, or a document by
 * reference): count those with the API.
 */
export function promptBound(request: {
  messages: readonly unknown[];
  system?: unknown;
  tools?: readonly unknown[] | undefined;
}): number | null {
  const blocks = request.messages.flatMap(blocksOf);
  if (blocks.some(isUnbounded)) return null;
  const images = blocks.filter((block) => block.type === "image");
  const serverTools = (request.tools ?? []).filter((tool) => !hasSchema(tool));
  const bytes = byteLength(request) - images.map(byteLength).reduce((sum, size) => sum + size, 0);
  return (
    bytes + PREAMBLE_TOKENS + images.length * IMAGE_TOKENS + serverTools.length * SERVER_TOOL_TOKENS
  );
}

/**
 * The most characters that a token has on average. Plain prose has four to five, other scripts have fewer, and
 * a table that is mostly spaces has about ten: tokens of long runs are rare beside all others.
 */
const MAX_CHARACTERS_PER_TOKEN = 16;

/** Returns a lower bound of the tokens of so many characters. */
export const leastTokensOf = (characters: number): number =>
  Math.floor(characters / MAX_CHARACTERS_PER_TOKEN);

/**
 * Returns a lower bound of the tokens of a Messages request. Only what is certainly read as text is counted:
 * the API omits old thinking, and signatures, images and encrypted results are not text.
 */
export function leastTokens(request: { messages: readonly unknown[]; system?: unknown }): number {
  const blocks = [{ content: request.system }, ...request.messages].flatMap(textsOf);
  return leastTokensOf(blocks.reduce((sum, text) => sum + text.length, 0));
}

/** Returns the texts in a message, a system prompt or a tool's result, nested blocks included. */
function textsOf(holder: unknown): string[] {
  if (typeof holder !== "object" || holder === null || !("content" in holder)) return [];
  if (typeof holder.content === "string") return [holder.content];
  if (!Array.isArray(holder.content)) return [];
  return holder.content.flatMap((block: Block | null) => {
    if (block?.type === "text") return strings([block.text]);
    if (block?.type === "tool_use") return strings(Object.values(block.input ?? {}));
    return block?.type === "tool_result" ? textsOf(block) : [];
  });
}

const strings = (values: unknown[]): string[] =>
  values.filter((value) => typeof value === "string");

interface Block {
  type?: unknown;
  text?: unknown;
  input?: object;
  content?: unknown;
  source?: { type?: unknown; media_type?: unknown; data?: unknown };
}

/**
 * Returns the blocks of a message or of a tool's result, those of nested results included. Nothing else is
 * searched: a tool's input may look like a block.
 */
export function blocksOf(holder: unknown): Block[] {
  if (typeof holder !== "object" || holder === null || !("content" in holder)) return [];
  if (!Array.isArray(holder.content)) return [];
  return holder.content.flatMap((block: Block) =>
    block.type === "tool_result" ? [block, ...blocksOf(block)] : [block],
  );
}

const isUnbounded = (block: Block): boolean =>
  block.type === "document" && block.source?.type !== "text";

const hasSchema = (tool: unknown): boolean =>
  typeof tool === "object" && tool !== null && "input_schema" in tool;

const byteLength = (value: unknown): number =>
  new TextEncoder().encode(JSON.stringify(value)).length;
