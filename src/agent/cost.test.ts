import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addUsage,
  affordableMaxTokens,
  boundOf,
  type CallUsage,
  costOf,
  NO_USAGE,
  promptBound,
  totalTokens,
  usageOf,
  WEB_SEARCH_NANOS,
} from "./cost";
import { knownModels, resolveModel } from "./models";

const NOW = Date.parse("2026-11-23T12:00:00Z");
const NANOS = 1_000_000_000;

const model = (name: string) => {
  const resolved = resolveModel(name, NOW, { cheap: { input: 0, output: 0 } });
  if (!resolved) throw new Error(`no ${name}`);
  return resolved;
};

const usage = (part: Partial<CallUsage>): CallUsage => ({
  ...NO_USAGE,
  cacheWrite1hTokens: 0,
  ...part,
});

const anyModel = fc.constantFrom(...knownModels(NOW), "cheap").map(model);
const anyInstant = fc
  .date({ min: new Date("2026-09-01"), max: new Date("2026-12-31"), noInvalidDate: true })
  .map((date) => date.getTime());
// Around the edge of the tier as often as anywhere else.
const anyPrompt = fc.oneof(fc.nat(1_000_000), fc.integer({ min: 99_990, max: 100_010 }));

/** A prompt of at most `limit` tokens, split between the four ways to pay for it. */
const promptUsage = (limit: number) =>
  fc.tuple(fc.nat(limit), fc.nat(limit), fc.nat(limit), fc.nat(limit)).map((cuts) => {
    const [a = 0, b = 0, c = 0, d = 0] = cuts.toSorted((x, y) => x - y);
    return usage({
      inputTokens: a,
      cacheReadTokens: b - a,
      cacheWriteTokens: d - b,
      cacheWrite1hTokens: d - c,
    });
  });

describe("costOf", () => {
  it.each([
    ["claude-sonnet-5-5", { inputTokens: 1_000_000 }, 2],
    ["claude-sonnet-5-5", { outputTokens: 1_000_000 }, 10],
    ["claude-sonnet-5-5", { cacheReadTokens: 1_000_000 }, 0.1],
    ["claude-sonnet-5-5", { cacheWriteTokens: 1_000_000 }, 2.5],
    ["claude-sonnet-5-5", { cacheWriteTokens: 1_000_000, cacheWrite1hTokens: 400_000 }, 3.1],
    ["claude-opus-5-5", { inputTokens: 1000, outputTokens: 500 }, 0.014],
    ["claude-haiku-5-5", { inputTokens: 100_000 }, 0.01],
    ["claude-haiku-5-5", { inputTokens: 100_001 }, 0.0500005],
    ["claude-haiku-5-5", { inputTokens: 1, cacheReadTokens: 100_000 }, 0.0050005],
    ["claude-haiku-5-5", { inputTokens: 100_000, outputTokens: 900_000 }, 0.46],
    ["claude-haiku-5-5", { inputTokens: 100_001, outputTokens: 1 }, 0.050003],
    ["claude-fable-5-2", { webSearchRequests: 3 }, 0.03],
  ])("charges %s %j $%d", (name, part, dollars) => {
    expect(costOf(model(name), usage(part), NOW)).toBe(Math.round(dollars * NANOS));
  });

  it("is a whole number, never negative, and grows with every token", () => {
    fc.assert(
      fc.property(
        anyModel,
        promptUsage(1_000_000),
        fc.nat(128_000),
        anyInstant,
        (m, u, out, at) => {
          const cost = costOf(m, { ...u, outputTokens: out }, at);
          expect(Number.isSafeInteger(cost) && cost >= 0).toBe(true);
          const more = { ...u, outputTokens: out + 1, inputTokens: u.inputTokens + 1 };
          expect(costOf(m, more, at)).toBeGreaterThanOrEqual(cost);
        },
      ),
    );
  });

  it("adds up where no tier is crossed", () => {
    fc.assert(
      fc.property(anyModel, promptUsage(50_000), promptUsage(50_000), (m, a, b) => {
        const oneHour = a.cacheWrite1hTokens + b.cacheWrite1hTokens;
        const both = { ...addUsage(a, b), cacheWrite1hTokens: oneHour };
        expect(costOf(m, both, NOW)).toBe(costOf(m, a, NOW) + costOf(m, b, NOW));
        expect(totalTokens(both)).toBe(totalTokens(a) + totalTokens(b));
      }),
    );
  });
});

describe("boundOf", () => {
  it("takes the prompt for written to the cache", () => {
    const call = { promptTokens: 1000, maxTokens: 100, webSearches: 2 };
    const bound = 1000 * 2500 + 100 * 10_000 + 2 * WEB_SEARCH_NANOS;
    expect(boundOf(model("claude-sonnet-5-5"), call, NOW)).toBe(bound);
    expect(boundOf(model("claude-sonnet-5-5"), { ...call, ttl: "1h" }, NOW)).toBe(
      bound + 1000 * 1500,
    );
  });

  it("takes the dear tier as soon as the prompt may reach it", () => {
    const haiku = model("claude-haiku-5-5");
    expect(boundOf(haiku, { promptTokens: 100_000, maxTokens: 1 }, NOW)).toBe(12_500_500);
    expect(boundOf(haiku, { promptTokens: 100_001, maxTokens: 1 }, NOW)).toBe(62_503_125);
  });

  it("is never less than what a call within it costs", () => {
    const calls = fc.record({
      promptTokens: anyPrompt,
      maxTokens: fc.nat(128_000),
      webSearches: fc.nat(5),
    });
    const actual = calls.chain((call) =>
      fc.record({
        call: fc.constant(call),
        prompt: promptUsage(call.promptTokens),
        outputTokens: fc.nat(call.maxTokens),
        webSearchRequests: fc.nat(call.webSearches),
      }),
    );
    fc.assert(
      fc.property(anyModel, actual, anyInstant, (m, { call, prompt, ...rest }, at) => {
        const used = { ...prompt, ...rest };
        const dear = boundOf(m, { ...call, ttl: "1h" }, at);
        expect(dear).toBeGreaterThanOrEqual(costOf(m, used, at));
        const fiveMinutes = { ...used, cacheWrite1hTokens: 0 };
        expect(boundOf(m, call, at)).toBeGreaterThanOrEqual(costOf(m, fiveMinutes, at));
      }),
      { numRuns: 500 },
    );
  });
});

describe("affordableMaxTokens", () => {
  it("is the largest that fits, and no more than wanted", () => {
    const left = fc.oneof(fc.nat(5 * NANOS), fc.constant(Number.POSITIVE_INFINITY));
    fc.assert(
      fc.property(
        anyModel,
        left,
        anyPrompt,
        fc.nat(20_000),
        (m, leftNanos, promptTokens, wanted) => {
          const tokens = affordableMaxTokens(m, leftNanos, promptTokens, wanted, NOW);
          const bound = (maxTokens: number) => boundOf(m, { promptTokens, maxTokens }, NOW);
          expect(tokens).toBeLessThanOrEqual(wanted);
          if (tokens > 0) expect(bound(tokens)).toBeLessThanOrEqual(leftNanos);
          if (tokens < wanted) expect(bound(tokens + 1)).toBeGreaterThan(leftNanos);
        },
      ),
    );
  });

  it("is 0 when the prompt alone is too dear, or nothing is left", () => {
    const sonnet = model("claude-sonnet-5-5");
    expect(affordableMaxTokens(sonnet, 2_499_999, 1000, 16_384, NOW)).toBe(0);
    expect(affordableMaxTokens(sonnet, -5, 0, 16_384, NOW)).toBe(0);
  });
});

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

describe("promptBound", () => {
  const bound = (content: unknown, tools?: unknown[]) =>
    promptBound({ messages: [{ role: "user", content }], ...(tools && { tools }) });

  it("is at least the bytes of the request, beyond ASCII too", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (text) => {
        const bytes = new TextEncoder().encode(text).length;
        expect(bound(text)).toBeGreaterThanOrEqual(bytes + 2000);
      }),
    );
  });

  it("takes an image for what images cost, not for its bytes, in a tool's result too", () => {
    const source = { type: "base64", media_type: "image/png", data: "A".repeat(1_000_000) };
    const image = { type: "image", source };
    const result = { type: "tool_result", tool_use_id: "t", content: [image] };
    expect(bound([image])).toBeGreaterThan(5000);
    expect(bound([image, result])).toBeLessThan(13_000);
  });

  it("is not fooled by a tool's input that looks like an image", () => {
    const input = { content: [{ type: "image", source: { data: "A".repeat(50_000) } }] };
    expect(bound([{ type: "tool_use", id: "t", name: "Write", input }])).toBeGreaterThan(50_000);
  });

  it("allows for the hidden description of the API's own tools", () => {
    const search = { type: "web_search_20250305", name: "web_search" };
    const own = { name: "Bash", input_schema: { type: "object" } };
    const tokens = (tool: unknown) => bound("hi", [tool]) ?? 0;
    expect(tokens(search)).toBeGreaterThan(tokens(own) + 4000);
  });

  it.each(["base64", "url", "file"])("can't bound a document that is a %s", (type) => {
    expect(bound([{ type: "document", source: { type } }])).toBeNull();
    const nested = [{ type: "document", source: { type } }];
    expect(bound([{ type: "tool_result", tool_use_id: "t", content: nested }])).toBeNull();
  });

  it("bounds a document of plain text", () => {
    expect(bound([{ type: "document", source: { type: "text", data: "abc" } }])).not.toBeNull();
  });
});
