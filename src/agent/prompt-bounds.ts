/** What the API adds to a prompt by itself: instructions for tools, for a schema, for a summary. */
const PREAMBLE_TOKENS = 2_000;

/** A tool of the API's own brings a description that the request does not show. */
const SERVER_TOOL_TOKENS = 5_000;

/** Larger images are scaled down to less. Source: platform.claude.com/docs/en/build-with-claude/vision. */
const IMAGE_TOKENS = 5_000;

/**
 * Bounds the input tokens of a Messages request without asking anybody: a token is at least a byte,
 * and an image is bounded whatever it weighs. Null where nothing bounds them (a PDF, a document that
 * lies elsewhere): count those with the API.
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

/** Returns the fewest tokens that so many characters of text can be. */
export const leastTokensOf = (characters: number): number =>
  Math.floor(characters / MAX_CHARACTERS_PER_TOKEN);

/**
 * Returns the fewest tokens that the prompt of a Messages request can have. Only what is surely read as text is counted:
 * old thoughts are left out by the API, and signatures, images and encrypted results are no text.
 */
export function leastTokens(request: { messages: readonly unknown[]; system?: unknown }): number {
  const blocks = [{ content: request.system }, ...request.messages].flatMap(textsOf);
  return leastTokensOf(blocks.reduce((sum, text) => sum + text.length, 0));
}

/** Returns the texts of a message, a system prompt or a tool's result, those inside of blocks too. */
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
  source?: { type?: unknown };
}

/**
 * Returns the blocks of a message or of a tool's result, those inside of results too. Nothing else is looked
 * into: a tool's input may look like a block.
 */
function blocksOf(holder: unknown): Block[] {
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
