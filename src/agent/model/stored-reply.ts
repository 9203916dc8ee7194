import { type Block, sendable, toolCalls, withoutThoughts, withoutToolCalls } from "../messages";
import type { ModelReply } from "./model";

/** The parts of a reply that are stored. */
export type StoredReply = Pick<ModelReply, "content" | "stopReason" | "usage" | "unusable">;

/**
 * Returns the parts of a reply that are stored. `cut` says that fewer tokens were reserved for it than it was
 * to have.
 */
export function replyToStore(outcome: ModelReply, cut: boolean): StoredReply {
  // A reply that was cut since the budget allowed no more ends on the budget.
  const cutByBudget = outcome.stopReason === "max_tokens" && cut;
  const stopReason = cutByBudget ? "budget_limit" : outcome.stopReason;
  const content = keptContent(outcome);
  // A reply that stops for tools and names none would be requested again without end.
  const asksNothing = stopReason === "tool_use" && toolCalls(content).length === 0;
  return { ...outcome, content, stopReason: asksNothing ? "end_turn" : stopReason };
}

/**
 * Returns the blocks of a reply that enter the conversation: no unanswered call, and nothing of a reply that
 * overflowed.
 */
function keptContent({ content, stopReason }: ModelReply): Block[] {
  if (stopReason === "model_context_window_exceeded") return [];
  const kept = (stopReason === "tool_use" ? content : withoutToolCalls(content)).filter(sendable);
  // The API rejects a reply that consists of thinking only.
  return withoutThoughts(kept).length === 0 ? [] : kept;
}
