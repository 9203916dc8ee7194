import type { Usage } from "../../events/event";
import { type PricedModel, pricesOf, reachablePrices } from "./models";
import { promptTokens } from "./usage";

/** The bounds of a call before it is made. */
export interface CallBound {
  /** The most input tokens, results of the call's own searches included. */
  promptTokens: number;
  maxTokens: number;
  webSearches?: number;
  /** The lifetime of the cache entries that the call writes. */
  ttl?: "5m" | "1h";
}

/** $10 for 1,000 searches. Source: platform.claude.com/docs/en/about-claude/pricing. */
export const WEB_SEARCH_NANOS = 10_000_000;

/** Returns the cost of a call that began at `at` (ms since 1970), in nano-dollars. Exact: every price is an integer. */
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

/** Returns the highest possible cost of a call in nano-dollars, for every use of the cache and every price tier. */
export function boundOf(model: PricedModel, call: CallBound, at: number): number {
  const rates = dearestRates(model, call, at);
  return (
    call.promptTokens * rates.input +
    call.maxTokens * rates.output +
    (call.webSearches ?? 0) * WEB_SEARCH_NANOS
  );
}

/** Returns the largest `max_tokens` up to `wanted` whose bound fits into `leftNanos`; 0 if none does. */
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
