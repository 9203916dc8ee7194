import { type PromptTokens, promptTokens } from "./count";
import { newId, type Reply } from "./reply";
import type { MessagesRequest } from "./request";

/** A reply in the API's form: the whole message, and the usage at the beginning and the end of its stream. */
export interface Answer {
  message: ReturnType<typeof messageOf>;
  start: ReturnType<typeof startUsage>;
  end: ReturnType<typeof endUsage>;
}

/** Returns a reply in the API's form. */
export function answerOf(reply: Reply, request: MessagesRequest): Answer {
  const prompt = promptTokens(request);
  // A compaction's tokens are reported in `iterations` only.
  const summarized = request.compaction ? [compactionUsage(reply, prompt)] : undefined;
  const start = startUsage(summarized ? NOTHING : prompt, summarized ? 0 : 1);
  const end = summarized
    ? { ...endUsage({ ...reply, outputTokens: 0 }, NOTHING), iterations: summarized }
    : endUsage(reply, prompt);
  return { message: messageOf(reply, request.model, { ...start, ...end }), start, end };
}

const NOTHING: PromptTokens = { input: 0, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0 };

const messageOf = (reply: Reply, model: string, usage: object) => ({
  id: newId("msg"),
  type: "message",
  role: "assistant",
  model,
  content: reply.content,
  stop_reason: reply.stopReason,
  stop_sequence: null,
  stop_details: null,
  container: null,
  context_management: null,
  diagnostics: null,
  usage,
});

/** Returns the usage at the beginning of a stream: the input, and almost no output. */
const startUsage = (prompt: PromptTokens, outputTokens: number) => ({
  ...promptUsage(prompt),
  cache_creation: cacheCreation(prompt),
  output_tokens: outputTokens,
  output_tokens_details: null,
  server_tool_use: null,
  service_tier: "standard",
  inference_geo: null,
  speed: "standard",
  fallback_credit: null,
  iterations: null,
});

/** Returns the totals at the end of a stream. They lack the split of cache writes. */
const endUsage = (reply: Reply, prompt: PromptTokens) => ({
  ...promptUsage({ ...prompt, input: prompt.input + reply.searchTokens }),
  output_tokens: reply.outputTokens,
  output_tokens_details: { thinking_tokens: reply.thinkingTokens },
  server_tool_use:
    reply.searches > 0 ? { web_search_requests: reply.searches, web_fetch_requests: 0 } : null,
});

const compactionUsage = (reply: Reply, prompt: PromptTokens) => ({
  type: "compaction",
  ...promptUsage(prompt),
  cache_creation: cacheCreation(prompt),
  output_tokens: reply.outputTokens,
});

const promptUsage = ({ input, cacheRead, cacheWrite5m, cacheWrite1h }: PromptTokens) => ({
  input_tokens: input,
  cache_read_input_tokens: cacheRead,
  cache_creation_input_tokens: cacheWrite5m + cacheWrite1h,
});

const cacheCreation = ({ cacheWrite5m, cacheWrite1h }: PromptTokens) => ({
  ephemeral_5m_input_tokens: cacheWrite5m,
  ephemeral_1h_input_tokens: cacheWrite1h,
});
