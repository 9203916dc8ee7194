import type { BareBlock, Block, MessagesRequest } from "./request";

/** The input tokens of a request by price. */
export interface PromptTokens {
  input: number;
  cacheRead: number;
  cacheWrite5m: number;
  cacheWrite1h: number;
}

/** Tokens that the API adds to a request with tools. */
const TOOL_PREAMBLE_TOKENS = 350;

// The tokens of an image of about a megapixel, and of a document of one page.
const IMAGE_TOKENS = 1_500;
const DOCUMENT_TOKENS = 3_000;

/** Returns the tokens of a text, at about four characters each. */
export const tokensOf = (text: string): number => Math.ceil(text.length / 4);

/**
 * Splits a request's tokens as prompt caching would, from the request alone: what the request before this one
 * ended with is read, the rest up to the last breakpoint is written, and what follows is plain input.
 */
export function promptTokens(request: MessagesRequest): PromptTokens {
  const units = unitsOf(request);
  const size = (end: number) => units.slice(0, end).reduce((sum, unit) => sum + unit.tokens, 0);
  const lastReply = request.messages.findLastIndex(({ role }) => role === "assistant");
  const messagesAt = units.length - request.messages.length;
  const marked = request.cache_control
    ? units.length
    : units.findLastIndex(({ breakpoint }) => breakpoint) + 1;

  const total = size(units.length);
  const cached = size(marked);
  const cacheRead = lastReply < 0 ? 0 : Math.min(cached, size(messagesAt + lastReply));
  const written = cached - cacheRead;
  const ttl = request.cache_control?.ttl ?? units[marked - 1]?.breakpoint?.ttl;
  return {
    input: total - cached,
    cacheRead,
    cacheWrite5m: ttl === "1h" ? 0 : written,
    cacheWrite1h: ttl === "1h" ? written : 0,
  };
}

/** Returns the number of all input tokens. */
export function totalPromptTokens(request: MessagesRequest): number {
  return unitsOf(request).reduce((sum, unit) => sum + unit.tokens, 0);
}

interface Unit {
  tokens: number;
  breakpoint: NonNullable<Block["cache_control"]> | undefined;
}

/** Returns the units of caching in the order in which the model reads them: tools, system, then each message. */
function unitsOf({ tools = [], system = [], messages }: MessagesRequest): Unit[] {
  const preamble = tools.length > 0 ? TOOL_PREAMBLE_TOKENS : 0;
  return [
    {
      tokens: tools.reduce((sum, tool) => sum + jsonTokens(tool), preamble),
      breakpoint: lastBreakpoint(tools),
    },
    unitOf(system),
    ...messages.map(({ content }) => unitOf(content)),
  ];
}

const unitOf = (blocks: readonly Block[]): Unit => ({
  tokens: blocks.reduce((sum, block) => sum + blockTokens(block), 0),
  breakpoint: lastBreakpoint(blocks.flatMap((block) => [block, ...block.inside])),
});

const lastBreakpoint = (holders: readonly Pick<Block, "cache_control">[]): Unit["breakpoint"] =>
  holders.findLast(({ cache_control }) => cache_control)?.cache_control ?? undefined;

function blockTokens({ inside, ...block }: Block): number {
  if (block.type !== "tool_result") return bareTokens(block);
  const shell = jsonTokens({ ...block, content: undefined });
  return inside.reduce((sum, part) => sum + bareTokens(part), shell);
}

function bareTokens(block: BareBlock): number {
  if (block.type === "image") return IMAGE_TOKENS;
  if (block.type === "document") return DOCUMENT_TOKENS;
  return jsonTokens(block);
}

/** Returns the tokens of a value as JSON. Moving a breakpoint does not change them. */
const jsonTokens = (value: object): number =>
  tokensOf(JSON.stringify({ ...value, cache_control: undefined }));
