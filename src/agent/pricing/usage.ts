import type { Usage } from "../../events/event";

/** The usage of one call. Cache writes that are kept for an hour cost more. */
export interface CallUsage extends Usage {
  cacheWrite1hTokens: number;
}

/** The billed part of the API's usage, in a `message_start` or a `message_delta`. */
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

/** The usage of nothing. */
export const NO_USAGE: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  webSearchRequests: 0,
};

/**
 * Merges the usage of a reply's `message_start` and of its last `message_delta`. The delta's counts are totals
 * of the whole reply but lack the split of cache writes; a compaction is counted in `iterations` only.
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

/** Returns the number of all tokens. */
export function totalTokens(usage: Usage): number {
  return promptTokens(usage) + usage.outputTokens;
}

/** Returns the number of the prompt's tokens, cached or not. */
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
  // Writes beyond the split of the start count as the more expensive kind, if there is any of it.
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
