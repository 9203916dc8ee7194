import { type PricedModel, pricesOf, reachablePrices } from "./models";

/** Tokens of one model; the prompt is input + cache read + cache write. */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  webSearchRequests: number;
}

/** What one call used: of its cache writes, those kept for an hour cost more. */
export interface CallUsage extends Usage {
  cacheWrite1hTokens: number;
}

/** A call as it is bounded before it is made. */
export interface CallBound {
  /** At most so many tokens of input, results of the call's own searches included. */
  promptTokens: number;
  maxTokens: number;
  webSearches?: number;
  /** How long the call asks the cache to keep what it writes. */
  ttl?: "5m" | "1h";
}

/** The part of the API's usage that costs something, of a `message_start` or a `message_delta`. */
export interface ApiUsage {
  input_tokens?: number | null | undefined;
  output_tokens?: number | null | undefined;
  cache_read_input_tokens?: number | null | undefined;
  cache_creation_input_tokens?: number | null | undefined;
  cache_creation?:
    | { ephemeral_5m_input_tokens: number; ephemeral_1h_input_tokens: number }
    | null
    | undefined;
  server_tool_use?: { web_search_requests?: number | null | undefined } | null | undefined;
  iterations?: readonly object[] | null | undefined;
}

/** $10 for 1,000 searches. Source: platform.claude.com/docs/en/about-claude/pricing. */
export const WEB_SEARCH_NANOS = 10_000_000;

/** No usage at all. */
export const NO_USAGE: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  webSearchRequests: 0,
};

/** Returns what a call that began at `at` cost, in nano-dollars. Exact: every price is a whole number. */
export function costOf(
  model: PricedModel,
  usage: Usage & { cacheWrite1hTokens?: number },
  at: number,
): number {
  const prices = pricesOf(model, promptTokens(usage), at);
  const oneHour = Math.min(usage.cacheWrite1hTokens ?? 0, usage.cacheWriteTokens);
  return (
    usage.inputTokens * prices.input +
    usage.outputTokens * prices.output +
    usage.cacheReadTokens * prices.cacheRead +
    (usage.cacheWriteTokens - oneHour) * prices.cacheWrite5m +
    oneHour * prices.cacheWrite1h +
    usage.webSearchRequests * WEB_SEARCH_NANOS
  );
}

/** Returns the most that a call can cost, in nano-dollars, whatever is cached and wherever a tier begins. */
export function boundOf(model: PricedModel, call: CallBound, at: number): number {
  const rates = dearestRates(model, call, at);
  return (
    call.promptTokens * rates.input +
    call.maxTokens * rates.output +
    (call.webSearches ?? 0) * WEB_SEARCH_NANOS
  );
}

/** Returns the largest `max_tokens` up to `wanted` with which a call surely fits in what is left; 0 if none. */
export function affordableMaxTokens(
  model: PricedModel,
  leftNanos: number,
  promptTokens: number,
  wanted: number,
  at: number,
  ttl?: CallBound["ttl"],
): number {
  const rates = dearestRates(model, { promptTokens, ...(ttl && { ttl }) }, at);
  const forOutput = leftNanos - promptTokens * rates.input;
  if (forOutput < 0) return 0;
  if (rates.output === 0) return wanted;
  return Math.min(wanted, Math.floor(forOutput / rates.output));
}

function dearestRates(
  model: PricedModel,
  call: Pick<CallBound, "promptTokens" | "ttl">,
  at: number,
): { input: number; output: number } {
  const reachable = reachablePrices(model, call.promptTokens, at);
  const input = reachable.map((prices) =>
    Math.max(
      prices.input,
      prices.cacheRead,
      call.ttl === "1h" ? prices.cacheWrite1h : prices.cacheWrite5m,
    ),
  );
  return { input: Math.max(...input), output: Math.max(...reachable.map(({ output }) => output)) };
}

/**
 * Merges what a reply's `message_start` and its last `message_delta` said. The delta's counts are totals of
 * the whole reply but lack the split of cache writes; a compaction is counted in `iterations` only.
 */
export function usageOf(reported: { start: ApiUsage | null; delta: ApiUsage | null }): CallUsage {
  const start = reported.start ?? {};
  const delta = reported.delta ?? {};
  const merged: ApiUsage = {
    input_tokens: delta.input_tokens ?? start.input_tokens,
    output_tokens: delta.output_tokens ?? start.output_tokens,
    cache_read_input_tokens: delta.cache_read_input_tokens ?? start.cache_read_input_tokens,
    cache_creation_input_tokens:
      delta.cache_creation_input_tokens ?? start.cache_creation_input_tokens,
    cache_creation: delta.cache_creation ?? start.cache_creation,
    server_tool_use: delta.server_tool_use ?? start.server_tool_use,
  };
  const compactions = (delta.iterations ?? start.iterations ?? []).filter(isCompaction);
  return [merged, ...compactions].map(callUsage).reduce(addCalls);
}

/** Returns the sum of two usages. */
export function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cacheReadTokens: a.cacheReadTokens + b.cacheReadTokens,
    cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
    webSearchRequests: a.webSearchRequests + b.webSearchRequests,
  };
}

/** Every token, whatever it cost. */
export function totalTokens(usage: Usage): number {
  return promptTokens(usage) + usage.outputTokens;
}

/** Every token of the prompt, cached or not. */
export const promptTokens = (usage: Usage): number =>
  usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;

const addCalls = (a: CallUsage, b: CallUsage): CallUsage => ({
  ...addUsage(a, b),
  cacheWrite1hTokens: a.cacheWrite1hTokens + b.cacheWrite1hTokens,
});

const isCompaction = (entry: object): entry is ApiUsage =>
  "type" in entry && entry.type === "compaction";

function callUsage(usage: ApiUsage): CallUsage {
  const cacheWriteTokens = usage.cache_creation_input_tokens ?? 0;
  const split = usage.cache_creation;
  // Writes beyond the split that the start gave are taken for the dearer kind, if there is any of it.
  const oneHour = split?.ephemeral_1h_input_tokens
    ? cacheWriteTokens - split.ephemeral_5m_input_tokens
    : 0;
  return {
    inputTokens: usage.input_tokens ?? 0,
    outputTokens: usage.output_tokens ?? 0,
    cacheReadTokens: usage.cache_read_input_tokens ?? 0,
    cacheWriteTokens,
    webSearchRequests: usage.server_tool_use?.web_search_requests ?? 0,
    cacheWrite1hTokens: Math.max(0, oneHour),
  };
}

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
