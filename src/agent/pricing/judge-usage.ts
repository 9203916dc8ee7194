// Usage is reported by whatever answers in the API's place. The reports are parsed here, and compared with what
// is known about the call: its bound, what was sent and what was received.

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

/** The usage of a call as it was reported, at the start and with the output, and as it was observed. */
export interface ReportedUsage {
  start: ApiUsage | null;
  delta: ApiUsage | null;
  /** True if a report was not made of integers from 0. */
  malformed?: boolean;
  /** The observed characters of the reply, and its searches. */
  received?: { characters: number; searches: number };
}

/** The most tokens of one count: ten times the largest window of any model, as a search may fill it more than once. */
const MAX_TOKENS = 10_000_000;

/** The assumed characters of a token, for a reply whose tokens were not counted. */
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

/** Parses a report of usage; empty for none, null if it holds anything but integers from 0. */
export function readUsage(value: unknown): ApiUsage | null {
  if (value === null || value === undefined) return {};
  return Report.safeParse(value).data ?? null;
}

/** Parses the answer of `count_tokens`; null if it holds no integer from 0. */
export function readCount(value: unknown): number | null {
  return Counted.safeParse(value).data?.input_tokens ?? null;
}

/**
 * The reason for which a report was not accepted: it is missing, its counts are not integers from 0, they are
 * lower than what was sent or received, or they cost more than the call's bound.
 */
type Dispute = "missing" | "malformed" | "too_low" | "above_bound";

/** The known facts about a call whose usage is judged. */
export interface JudgedCall {
  /** The best estimate of its prompt's tokens. */
  likelyTokens: number;
  /** A lower bound of its prompt's tokens. */
  leastTokens: number;
  boundNanos: number;
}

/** The charge for a call. `dispute` is null if the report was accepted. */
export interface Judgement {
  usage: CallUsage;
  /** Never above the call's bound. */
  costNanos: number;
  dispute: { reason: Dispute; reportedNanos: number | null } | null;
}

/**
 * Decides the charge for a call. A report that cannot be true is replaced by our own count; one above the bound
 * is charged the bound, with our own count as its tokens. For a reply that was cut off (not `whole`), the
 * output is at least what arrived.
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

  // The API reports the counts of some kinds of call only at their end.
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

/** Returns our own count of a call: the estimate of its prompt, and what was received of its reply. */
function ownCount({ received }: ReportedUsage, { likelyTokens }: JudgedCall): CallUsage {
  return {
    ...NO_USAGE,
    cacheWrite1hTokens: 0,
    inputTokens: likelyTokens,
    outputTokens: Math.ceil((received?.characters ?? 0) / CHARACTERS_PER_TOKEN),
    webSearchRequests: received?.searches ?? 0,
  };
}
