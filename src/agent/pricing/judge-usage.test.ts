import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aReport } from "../../testing/lying-upstream";
import { boundOf, costOf } from "./cost";
import { judgeUsage, readCount, readUsage } from "./judge-usage";
import { knownModels, resolveModel } from "./models";

const NOW = Date.parse("2026-11-23T12:00:00Z");
const model = (name: string) => {
  const resolved = resolveModel(name, NOW, { free: { input: 0, output: 0 } });
  if (!resolved) throw new Error(`no ${name}`);
  return resolved;
};
const sonnet = model("claude-sonnet-5-5");
const priceOf = (usage: Parameters<typeof costOf>[1]) => costOf(sonnet, usage, NOW);

/** A call of 1,000 tokens and at most 500 more. */
const call = {
  likelyTokens: 900,
  leastTokens: 200,
  boundNanos: boundOf(sonnet, { promptTokens: 1_000, maxTokens: 500 }, NOW),
};
const own = { inputTokens: 900, outputTokens: 25, cacheReadTokens: 0, webSearchRequests: 0 };
const received = { characters: 100, searches: 0 };

/** Judges a reply of a hundred characters by its reports. */
function judged(start: unknown, delta: unknown, whole = true) {
  const reports = [readUsage(start), readUsage(delta)] as const;
  const malformed = reports.includes(null);
  return judgeUsage(
    { start: reports[0] ?? {}, delta: reports[1] ?? {}, malformed, received },
    call,
    whole,
    priceOf,
  );
}

describe("a report of usage", () => {
  it("that can be true is charged as it is", () => {
    const { usage, costNanos, dispute } = judged({ input_tokens: 950 }, { output_tokens: 300 });
    expect(usage).toMatchObject({ inputTokens: 950, outputTokens: 300 });
    expect(costNanos).toBe(priceOf(usage));
    expect(dispute).toBeNull();
  });

  it.each<[string, unknown, unknown]>([
    ["a negative count", { input_tokens: -950 }, { output_tokens: 300 }],
    [
      "searches that give money back",
      { input_tokens: 950, server_tool_use: { web_search_requests: -1_000 } },
      { output_tokens: 300 },
    ],
    ["a fraction", { input_tokens: 950 }, { output_tokens: 0.5 }],
    ["a text", { input_tokens: "950" }, { output_tokens: 300 }],
    ["more than any model reads", { input_tokens: 950 }, { output_tokens: 1e15 }],
    ["a split of no numbers", { input_tokens: 950, cache_creation: {} }, { output_tokens: 300 }],
    [
      "an iteration of no numbers",
      { input_tokens: 950 },
      { output_tokens: 300, iterations: [{ type: "compaction", input_tokens: "x" }] },
    ],
    ["no report", "much", {}],
  ])("with %s is replaced by our own count", (_, start, delta) => {
    expect(judged(start, delta)).toMatchObject({
      usage: own,
      dispute: { reason: "malformed", reportedNanos: null },
    });
  });

  it.each<[string, string, unknown, unknown]>([
    ["nothing", "missing", undefined, null],
    ["no prompt", "too_low", { input_tokens: 0 }, { output_tokens: 300 }],
    [
      "less than the prompt's text can be",
      "too_low",
      { input_tokens: 199 },
      { output_tokens: 300 },
    ],
    ["less than the reply's text can be", "too_low", { input_tokens: 950 }, { output_tokens: 5 }],
  ])("of %s is replaced by our own count", (_, reason, start, delta) => {
    expect(judged(start, delta)).toMatchObject({ usage: own, dispute: { reason } });
  });

  it("above the bound is charged the bound", () => {
    const tenfold = judged({ input_tokens: 950 }, { output_tokens: 5_000 });
    expect(tenfold).toMatchObject({ usage: own, costNanos: call.boundNanos });
    expect(tenfold.dispute).toEqual({
      reason: "above_bound",
      reportedNanos: priceOf({
        ...own,
        cacheWriteTokens: 0,
        inputTokens: 950,
        outputTokens: 5_000,
      }),
    });
  });

  it("of a reply that was cut off is completed by what arrived", () => {
    expect(judged({ input_tokens: 950, output_tokens: 1 }, null, false)).toMatchObject({
      usage: { inputTokens: 950, outputTokens: 25 },
      dispute: null,
    });
    expect(judged(undefined, undefined, false)).toMatchObject({ usage: own, dispute: null });
    expect(judged({ input_tokens: 3 }, null, false)).toMatchObject({
      usage: own,
      dispute: { reason: "too_low" },
    });
  });

  it("whatever it says, charges whole tokens and nano-dollars from 0, and never more than the bound", () => {
    const calls = fc.record({
      name: fc.constantFrom(...knownModels(NOW), "free"),
      promptTokens: fc.nat(200_000),
      maxTokens: fc.integer({ min: 1, max: 64_000 }),
      least: fc.nat(10_000),
      characters: fc.nat(1 << 20),
      searches: fc.nat(3),
      whole: fc.boolean(),
    });
    fc.assert(
      fc.property(aReport, aReport, calls, (start, delta, { name, least, whole, ...bounds }) => {
        const priced = model(name);
        const reports = [readUsage(start), readUsage(delta)] as const;
        const boundNanos = boundOf(priced, bounds, NOW);
        const { usage, costNanos } = judgeUsage(
          {
            start: reports[0] ?? {},
            delta: reports[1] ?? {},
            malformed: reports.includes(null),
            received: bounds,
          },
          { likelyTokens: bounds.promptTokens, leastTokens: least, boundNanos },
          whole,
          (used) => costOf(priced, used, NOW),
        );
        for (const count of [...Object.values(usage), costNanos]) {
          expect(Number.isSafeInteger(count) && count >= 0).toBe(true);
        }
        expect(costNanos).toBeLessThanOrEqual(boundNanos);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a count", () => {
  it.each([0, 12, 1_000_000])("of %d is one", (input_tokens) => {
    expect(readCount({ input_tokens })).toBe(input_tokens);
  });

  it.each([-1, 0.5, "12", null, Number.NaN, 1e12, undefined])("of %s is none", (input_tokens) => {
    expect(readCount({ input_tokens })).toBeNull();
  });
});
