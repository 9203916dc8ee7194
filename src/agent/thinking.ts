import type Anthropic from "@anthropic-ai/sdk";
import type { PricedModel } from "./models";

/** How a model is asked to think; undefined where it is not. */
export type Thinking = Anthropic.Beta.Messages.BetaThinkingConfigParam | undefined;

/** Returns how to ask a model to think: as the client said, with summaries shown where models hide their thoughts. */
export function thinkingFor(
  model: PricedModel,
  given: Record<string, unknown> | undefined,
): Thinking {
  if (!given) {
    return model.thinking === "adaptive" ? { type: "adaptive", display: "summarized" } : undefined;
  }
  const shown = given.type === "adaptive" ? { display: "summarized", ...given } : given;
  // The API judges what a client asks of a model's thinking.
  return shown as unknown as Thinking;
}

/** The least that the API takes as a budget of thinking. */
const MIN_THINKING_TOKENS = 1_024;

/** Returns a call's thinking, its budget kept below what the reply may say; none where there is no room for it. */
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
