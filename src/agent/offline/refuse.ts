import { fromBase64 } from "../../shared/bytes";
import { imageProblem } from "../../shared/image";
import { type PricedModel, resolveModel, successorOf } from "../pricing/models";
import { blocksOf } from "../pricing/prompt-bounds";
import { CONVERSATION_RULES } from "./conversation";
import { totalPromptTokens } from "./count";
import { badRequest, type Refusal } from "./refusal";
import type { MessagesRequest } from "./request";

/** The beta of compactions, needed by every request with such a block. */
const COMPACTION_BETA = "compact-2026-09-04";

/** Models whose thinking cannot be turned off, and that cannot be forced to use a tool. */
const ALWAYS_THINKS = /^claude-((fable|mythos)-5|opus-5-5|sonnet-5-5)/;

/**
 * Returns the refusal of a request that the API would refuse, in the API's words where they are known;
 * undefined if it is valid. It is strict on purpose: it tests an agent's conversations without a key.
 */
export function refuse(
  request: MessagesRequest,
  betas: readonly string[],
  at: number,
): Refusal | undefined {
  if (successorOf(request.model, at)) return { status: 404, message: `model: ${request.model}` };
  const model = resolveModel(request.model, at);
  const found =
    refuseBetas(request, betas) ??
    refuseTools(request) ??
    firstOf(CONVERSATION_RULES.map((rule) => () => rule(request))) ??
    (model && refuseForModel(request, model));
  return typeof found === "string" ? badRequest(found) : found;
}

/** Returns the refusal of a request with an image that the API could not decode. A count of tokens does not decode. */
export function refuseImages({ messages }: MessagesRequest): Refusal | undefined {
  const at = messages.findIndex((message) => blocksOf(message).some(isBroken));
  return at < 0 ? undefined : badRequest(`messages.${at}.content: Could not process image`);
}

function isBroken({ type, source }: ReturnType<typeof blocksOf>[number]): boolean {
  if (type !== "image" || typeof source?.data !== "string") return false;
  try {
    return imageProblem(fromBase64(source.data), String(source.media_type)) !== undefined;
  } catch {
    // It is not base64.
    return true;
  }
}

function refuseBetas(request: MessagesRequest, betas: readonly string[]): string | undefined {
  if (request.thread) return "thread: the offline model keeps no threads";
  if (betas.includes(COMPACTION_BETA)) return undefined;
  if (request.compaction) return `compaction: requires anthropic-beta: ${COMPACTION_BETA}`;
  const blocks = request.messages.flatMap(({ content }) => content);
  return blocks.some(({ type }) => type === "compaction")
    ? "messages: Input tag 'compaction' found using 'type' does not match any of the expected tags"
    : undefined;
}

function refuseTools({ tools = [], tool_choice }: MessagesRequest): string | undefined {
  const names = tools.map(({ name }) => name);
  if (new Set(names).size < names.length) return "tools: Tool names must be unique.";
  const bare = tools.findIndex(
    ({ type, input_schema }) => (!type || type === "custom") && !input_schema,
  );
  if (bare >= 0) return `tools.${bare}.custom.input_schema: Field required`;
  if (tool_choice?.type !== "tool" || names.includes(tool_choice.name ?? "")) return undefined;
  return `tool_choice: Tool '${tool_choice.name}' not found in provided tools`;
}

function refuseForModel(request: MessagesRequest, model: PricedModel): string | undefined {
  const { max_tokens, tool_choice } = request;
  const { id, contextWindow, maxOutput } = model;
  if (max_tokens > maxOutput) {
    return `max_tokens: ${max_tokens} > ${maxOutput}, which is the maximum allowed number of output tokens for ${id}`;
  }
  const tokens = totalPromptTokens(request);
  if (tokens > contextWindow) {
    return `prompt is too long: ${tokens} tokens > ${contextWindow} maximum`;
  }
  const forced = tool_choice?.type === "any" || tool_choice?.type === "tool";
  if (forced && ALWAYS_THINKS.test(id)) {
    return `tool_choice.type.${tool_choice.type} is not supported for this model`;
  }
  return refuseThinking(request, model);
}

function refuseThinking(
  { thinking, max_tokens }: MessagesRequest,
  { id, thinking: kind }: PricedModel,
): string | undefined {
  switch (thinking?.type) {
    case undefined:
      return undefined;
    case "adaptive":
    case "between_tools":
      if (kind === "adaptive") return undefined;
      return `thinking.type.${thinking.type} is not supported for this model`;
    case "disabled":
      return ALWAYS_THINKS.test(id) ? "thinking can't be disabled for this model" : undefined;
    case "enabled":
      if (kind === "adaptive" && !id.endsWith("-4-6")) {
        return "thinking.type.enabled is not supported for this model. Use thinking.type.adaptive.";
      }
      if (thinking.budget_tokens === undefined) {
        return "thinking.enabled.budget_tokens: Field required";
      }
      return thinking.budget_tokens < max_tokens
        ? undefined
        : "`max_tokens` must be greater than `thinking.budget_tokens`";
  }
}

function firstOf<T>(attempts: readonly (() => T | undefined)[]): T | undefined {
  for (const attempt of attempts) {
    const found = attempt();
    if (found !== undefined) return found;
  }
  return undefined;
}
