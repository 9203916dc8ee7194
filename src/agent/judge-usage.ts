// Reports of a call's usage come from whatever answers in the API's place. They are read here, and held
// against what we know ourselves: what the call was bounded by, what was sent and what was received.

import { z } from "zod";
import { leastTokensOf } from "./prompt-bounds";
import {
  type ApiUsage,
  type CallUsage,
  NO_USAGE,
  promptTokens,
  totalTokens,
  usageOf,
} from "./usage";

/** The tokens of a call as they were reported, at the start and as the output grew, and as we saw them. */
export interface ReportedUsage {
  start: ApiUsage | null;
  delta: ApiUsage | null;
  /** Some report was no whole numbers from 0. */
  malformed?: boolean;
  /** The characters of the reply so far, and the searches made for it. */
  received?: { characters: number; searches: number };
}

/** Ten times the largest window of any model: a search may fill one more than once. */
const MAX_TOKENS = 10_000_000;

/** What is taken for one token of a reply that nobody counted. */
const CHARACTERS_PER_TOKEN = 4;

const Count = z.int().min(0).max(MAX_TOKENS);
const COUNTS = {
  input_tokens: Count.nullish(),
  output_tokens: Count.nullish(),
  cache_read_input_tokens: Count.nullish(),
  cache_creation_input_tokens: Count.nullish(),
  cache_creation: z
    .object({ ephemeral_5m_input_tokens: Count, ephemeral_1h_input_tokens: Count })
    .nullish(),
};
const Report = z.object({
  ...COUNTS,
  server_tool_use: z.object({ web_search_requests: Count.nullish() }).nullish(),
  iterations: z
    .array(z.object({ ...COUNTS, type: z.string().nullish() }))
    .max(100)
    .nullish(),
});
const Counted = z.object({ input_tokens: Count });

/** Reads one report of usage; null if it is anything but whole numbers from 0, or has none. */
export function readUsage(value: unknown): ApiUsage | null {
  if (value === null || value === undefined) return {};
  return Report.safeParse(value).data ?? null;
}

/** Reads the answer of `count_tokens`; null if it holds no whole number from 0. */
export function readCount(value: unknown): number | null {
  return Counted.safeParse(value).data?.input_tokens ?? null;
}

/**
 * Why a report was not taken as it came: there was none, its counts are no whole numbers from 0, they
 * are less than what was sent or received, or they cost more than the call's bound.
 */
type Dispute = "missing" | "malformed" | "too_low" | "above_bound";

/** A call as its usage is judged. */
export interface JudgedCall {
  /** The tokens of its prompt as near as they are known. */
  likelyTokens: number;
  /** The fewest tokens that its prompt can have. */
  leastTokens: number;
  boundNanos: number;
}

/** What a call is charged. `dispute` is null where the report was taken as it came. */
export interface Judgement {
  usage: CallUsage;
  /** Never above the call's bound. */
  costNanos: number;
  dispute: { reason: Dispute; reportedNanos: number | null } | null;
}

/**
 * Decides what a call is charged. A report that can't be true is replaced by our own count; one above the
 * bound is charged the bound, with our own count as its tokens. Of a reply that was cut off (not `whole`)
 * the output is what arrived, at least.
 */
export function judgeUsage(
  reported: ReportedUsage,
  call: JudgedCall,
  whole: boolean,
  priceOf: (usage: CallUsage) => number,
): Judgement {
  const own = ownCount(reported, call);
  const charge = (usage: CallUsage, dispute: Judgement["dispute"] = null): Judgement => {
    return { usage, costNanos: Math.min(priceOf(usage), call.boundNanos), dispute };
  };
  if (reported.malformed) return charge(own, { reason: "malformed", reportedNanos: null });
  const usage = usageOf(reported);
  const reportedNanos = priceOf(usage);
  const replaced = (reason: Dispute) => charge(own, { reason, reportedNanos });
  const prompt = promptTokens(usage);

  // The API counts some kinds of call at their end only.
  if (!whole && prompt === 0) return charge(own);
  if (whole && totalTokens(usage) === 0) return replaced("missing");
  if (prompt < Math.max(1, call.leastTokens)) return replaced("too_low");
  const arrived = reported.received?.characters ?? 0;
  if (whole && usage.outputTokens < leastTokensOf(arrived)) return replaced("too_low");
  if (reportedNanos > call.boundNanos) {
    const dispute = { reason: "above_bound", reportedNanos } as const;
    return { usage: own, costNanos: call.boundNanos, dispute };
  }
  if (whole) return charge(usage);
  return charge({ ...usage, outputTokens: Math.max(usage.outputTokens, own.outputTokens) });
}

/** Our own count of a call: its prompt as near as it is known, and what was received of its reply. */
function ownCount({ received }: ReportedUsage, { likelyTokens }: JudgedCall): CallUsage {
  return {
    ...NO_USAGE,
    cacheWrite1hTokens: 0,
    inputTokens: likelyTokens,
    outputTokens: Math.ceil((received?.characters ?? 0) / CHARACTERS_PER_TOKEN),
    webSearchRequests: received?.searches ?? 0,
  };
}
