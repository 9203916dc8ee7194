import type Anthropic from "@anthropic-ai/sdk";
import type { PricedModel } from "../pricing/models";

/** The request's thinking parameter; undefined to leave it out. */
export type Thinking = Anthropic.Beta.Messages.BetaThinkingConfigParam | undefined;

/**
 * Returns the thinking parameter for a model: the client's, with summaries shown by models that hide their
 * thinking.
 */
export function thinkingFor(
  model: PricedModel,
  given: Record<string, unknown> | undefined,
): Thinking {
  if (!given) {
    return model.thinking === "adaptive" ? { type: "adaptive", display: "summarized" } : undefined;
  }
  const shown = given.type === "adaptive" ? { display: "summarized", ...given } : given;
  // The API validates what a client gives.
  return shown as unknown as Thinking;
}

/** The smallest thinking budget that the API accepts. */
const MIN_THINKING_TOKENS = 1_024;

/** Returns the thinking parameter with its budget below `maxTokens`; undefined if there is no room for any. */
export function thinkingWithin({
  thinking,
  maxTokens,
}: {
  thinking?: Thinking;
  maxTokens: number;
}): Thinking {
  if (thinking?.type !== "enabled" || thinking.budget_tokens < maxTokens) return thinking;
  const budget = Math.floor(maxTokens / 2);
  return budget < MIN_THINKING_TOKENS ? undefined : { ...thinking, budget_tokens: budget };
}
