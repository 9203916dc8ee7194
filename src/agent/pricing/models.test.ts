import { describe, expect, it } from "vitest";
import {
  DEFAULT_MODEL,
  knownModels,
  pricesOf,
  reachablePrices,
  resolveModel,
  SUCCESSORS,
} from "./models";

const NOW = Date.parse("2026-11-23T12:00:00Z");

const model = (name: string, at = NOW) => {
  const resolved = resolveModel(name, at);
  if (!resolved) throw new Error(`no ${name}`);
  return resolved;
};

describe("the price table", () => {
  it.each([
    ["claude-fable-5-2", 8, 40, 0.2, 10, 16],
    ["claude-mythos-5-2", 8, 40, 0.2, 10, 16],
    ["claude-fable-5-1", 10, 50, 0.25, 12.5, 20],
    ["claude-fable-5", 10, 50, 1, 12.5, 20],
    ["claude-opus-5-5", 4, 20, 0.2, 5, 8],
    ["claude-opus-5", 5, 25, 0.5, 6.25, 10],
    ["claude-opus-4-5", 5, 25, 0.5, 6.25, 10],
    ["claude-sonnet-5-5", 2, 10, 0.1, 2.5, 4],
    ["claude-sonnet-5", 2, 10, 0.2, 2.5, 4],
    ["claude-sonnet-4-6", 3, 15, 0.3, 3.75, 6],
    ["claude-haiku-5-5", 0.1, 0.5, 0.01, 0.125, 0.2],
    ["claude-haiku-4-5", 1, 5, 0.1, 1.25, 2],
  ])("has the documented dollars of %s", (name, input, output, read, write5m, write1h) => {
    const prices = pricesOf(model(name), 0, NOW);
    expect(prices).toMatchObject({
      input: input * 1000,
      output: output * 1000,
      cacheRead: read * 1000,
      cacheWrite5m: write5m * 1000,
      cacheWrite1h: write1h * 1000,
    });
  });

  it("holds whole nano-dollars only", () => {
    for (const name of knownModels(NOW)) {
      for (const { from, abovePromptTokens, ...prices } of model(name).prices) {
        for (const price of Object.values(prices)) expect(price, name).toSatisfy(Number.isInteger);
      }
    }
  });

  it("prices the whole of a long Haiku 5.5 request five times higher", () => {
    const haiku = model("claude-haiku-5-5");
    expect(pricesOf(haiku, 100_000, NOW).input).toBe(100);
    expect(pricesOf(haiku, 100_001, NOW)).toMatchObject({ input: 500, output: 2500 });
    expect(reachablePrices(haiku, 100_000, NOW)).toHaveLength(1);
    expect(reachablePrices(haiku, 100_001, NOW)).toHaveLength(2);
  });

  it("knows the day on which reading Sonnet 5.5's cache became cheaper", () => {
    const sonnet = model("claude-sonnet-5-5");
    const cut = Date.parse("2026-10-07T00:00:00Z");
    expect(pricesOf(sonnet, 0, cut - 1).cacheRead).toBe(200);
    expect(pricesOf(sonnet, 0, cut).cacheRead).toBe(100);
  });
});

describe("resolveModel", () => {
  it.each([
    ["claude-3-5-sonnet-20241022", "claude-sonnet-5-5"],
    ["claude-3-5-sonnet-latest", "claude-sonnet-5-5"],
    ["claude-3-7-sonnet-20250219", "claude-sonnet-5-5"],
    ["claude-3-sonnet-20240229", "claude-sonnet-5-5"],
    ["claude-sonnet-4-20250514", "claude-sonnet-5-5"],
    ["claude-sonnet-4-0", "claude-sonnet-5-5"],
    ["claude-3-opus-20240229", "claude-opus-5-5"],
    ["claude-opus-4-20250514", "claude-opus-5-5"],
    ["claude-opus-4-1-20250805", "claude-opus-5-5"],
    ["claude-opus-4-1", "claude-opus-5-5"],
    ["claude-3-haiku-20240307", "claude-haiku-5-5"],
    ["claude-3-5-haiku-latest", "claude-haiku-5-5"],
    ["claude-instant-1.2", "claude-haiku-5-5"],
    ["claude-2.1", "claude-sonnet-5-5"],
  ])("runs the retired %s as %s", (name, successor) => {
    expect(resolveModel(name, NOW)?.id).toBe(successor);
  });

  it("never names a successor that is retired itself", () => {
    for (const { successor } of SUCCESSORS) expect(knownModels(NOW)).toContain(successor);
    expect(knownModels(NOW)).toContain(DEFAULT_MODEL);
  });

  it.each(["claude-haiku-4-5-20251001", "claude-opus-4-5-20251101", "claude-opus-4-6"])(
    "sends %s as it is given",
    (name) => expect(resolveModel(name, NOW)?.id).toBe(name),
  );

  it("runs Sonnet 4.5 until the day it retires", () => {
    const end = Date.parse("2026-11-30T00:00:00Z");
    for (const name of ["claude-sonnet-4-5", "claude-sonnet-4-5-20250929"]) {
      expect(resolveModel(name, end - 1)?.id).toBe(name);
      expect(resolveModel(name, end)?.id).toBe("claude-sonnet-5-5");
    }
  });

  it("does not bring back what retired before the table began", () => {
    expect(resolveModel("claude-3-opus-20240229", 0)?.id).toBe("claude-opus-5-5");
  });

  it.each(["claude-mythos-preview", "gpt-6", "", "constructor", "__proto__", "claude-opus-4-99"])(
    "knows no price of %s",
    (name) => expect(resolveModel(name, NOW)).toBeUndefined(),
  );

  it("takes the deployment's price, and fills in what it leaves out", () => {
    const extra = { "my-gateway/model": { input: 0.07, output: 0.3333 } };
    expect(resolveModel("my-gateway/model", NOW, extra)).toMatchObject({
      id: "my-gateway/model",
      thinking: "none",
      prices: [{ input: 70, output: 334, cacheRead: 70, cacheWrite5m: 88, cacheWrite1h: 140 }],
    });
  });

  it("lets the deployment's price win, even for a retired name", () => {
    const extra = { "claude-2.1": { input: 8, output: 24, cacheRead: 1, cacheWrite: 9 } };
    expect(resolveModel("claude-2.1", NOW, extra)).toMatchObject({
      id: "claude-2.1",
      prices: [{ input: 8000, output: 24000, cacheRead: 1000, cacheWrite5m: 9000 }],
    });
  });
});
