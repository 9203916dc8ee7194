import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { affordableMaxTokens, boundOf, costOf, WEB_SEARCH_NANOS } from "./cost";
import { knownModels, resolveModel } from "./models";
import { addUsage, type CallUsage, NO_USAGE, totalTokens } from "./usage";

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
