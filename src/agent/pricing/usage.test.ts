import { describe, expect, it } from "vitest";
import { NO_USAGE, usageOf } from "./usage";

describe("usageOf", () => {
  const start = {
    input_tokens: 10,
    output_tokens: 1,
    cache_read_input_tokens: 500,
    cache_creation_input_tokens: 30,
    cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
  };

  it("keeps the start's split of cache writes and takes the delta's totals", () => {
    const delta = {
      input_tokens: 12,
      output_tokens: 99,
      server_tool_use: { web_search_requests: 2 },
    };
    expect(usageOf({ start, delta })).toEqual({
      inputTokens: 12,
      outputTokens: 99,
      cacheReadTokens: 500,
      cacheWriteTokens: 30,
      cacheWrite1hTokens: 20,
      webSearchRequests: 2,
    });
  });

  it("takes writes beyond the split for the dearer kind only if there was any of it", () => {
    const delta = { output_tokens: 1, cache_creation_input_tokens: 50 };
    expect(usageOf({ start, delta }).cacheWrite1hTokens).toBe(40);
    const short = { ephemeral_5m_input_tokens: 30, ephemeral_1h_input_tokens: 0 };
    expect(usageOf({ start: { ...start, cache_creation: short }, delta })).toMatchObject({
      cacheWriteTokens: 50,
      cacheWrite1hTokens: 0,
    });
  });

  it("counts a compaction, which is told in iterations only", () => {
    const iterations = [
      { type: "compaction", input_tokens: 144, output_tokens: 276, cache_read_input_tokens: 9 },
      { type: "message", input_tokens: 5, output_tokens: 5 },
    ];
    const delta = { input_tokens: 0, output_tokens: 0, iterations };
    expect(usageOf({ start: { input_tokens: 0, output_tokens: 0 }, delta })).toMatchObject({
      inputTokens: 144,
      outputTokens: 276,
      cacheReadTokens: 9,
    });
  });

  it("is nothing when nothing was said", () => {
    expect(usageOf({ start: null, delta: null })).toMatchObject(NO_USAGE);
    expect(usageOf({ start, delta: null })).toMatchObject({ inputTokens: 10, outputTokens: 1 });
  });
});
