import { type PricedModel, pricesOf, reachablePrices } from "./models";
import { promptTokens, type Usage } from "./usage";

/** A call as it is bounded before it is made. */
export interface CallBound {
  /** At most so many tokens of input, results of the call's own searches included. */
  promptTokens: number;
  maxTokens: number;
  webSearches?: number;
  /** How long the call asks the cache to keep what it writes. */
  ttl?: "5m" | "1h";
}

/** $10 for 1,000 searches. Source: platform.claude.com/docs/en/about-claude/pricing. */
export const WEB_SEARCH_NANOS = 10_000_000;

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
