// The names that spans and metrics use: those of OpenTelemetry's conventions for generative AI, version 0.1.0, and of its
// general conventions. Names that begin with `rigger.` are our own.

/** The names of attributes. */
export const ATTR = {
  agentName: "gen_ai.agent.name",
  conversationId: "gen_ai.conversation.id",
  inputMessages: "gen_ai.input.messages",
  operation: "gen_ai.operation.name",
  outputMessages: "gen_ai.output.messages",
  provider: "gen_ai.provider.name",
  requestModel: "gen_ai.request.model",
  finishReasons: "gen_ai.response.finish_reasons",
  responseModel: "gen_ai.response.model",
  modality: "gen_ai.token.modality",
  toolArguments: "gen_ai.tool.call.arguments",
  toolCallId: "gen_ai.tool.call.id",
  toolResult: "gen_ai.tool.call.result",
  toolName: "gen_ai.tool.name",
  toolType: "gen_ai.tool.type",
  cacheReadTokens: "gen_ai.usage.cache_read.input_tokens",
  cacheWriteTokens: "gen_ai.usage.cache_write.input_tokens",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  errorType: "error.type",
  serviceInstance: "service.instance.id",
  serviceName: "service.name",
  /** In dollars. */
  cost: "rigger.cost",
  /** In dollars. */
  held: "rigger.held",
  attempts: "rigger.attempts",
  messageId: "rigger.message.id",
  owner: "rigger.owner",
  pattern: "rigger.pattern",
  queuedMs: "rigger.queued_ms",
  sessionId: "rigger.session.id",
  status: "rigger.status",
  terminationReason: "rigger.termination_reason",
  turnId: "rigger.turn.id",
  turnKind: "rigger.turn.kind",
  turns: "rigger.turns",
} as const;

/** The events of a session that become events of a span, with the names of those of their fields that are shown. */
export const EVENTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "message.waiting": {},
  "message.resumed": {},
  "turn.retried": {
    attempt: "rigger.attempt",
    reason: ATTR.errorType,
    delayMs: "rigger.delay_ms",
    cost: ATTR.cost,
  },
  "usage.disputed": { attempt: "rigger.attempt", reason: "rigger.reason" },
  "tool.requested": { toolUseId: ATTR.toolCallId },
  "approval.requested": { approvalId: "rigger.approval.id" },
  "approval.resolved": { approvalId: "rigger.approval.id", status: ATTR.status },
  "mcp.failed": { server: "rigger.mcp.server" },
  "sandbox.lost": {},
  "sandbox.unsaved": {},
  "limit.warned": {
    limit: "rigger.limit",
    part: "rigger.part",
    used: "rigger.used",
    max: "rigger.max",
  },
  "context.compacted": { tokensBefore: "rigger.tokens_before" },
  "content.withdrawn": {},
};

/** The attributes whose numbers are doubles, also if they are integers. */
export const DOUBLES: ReadonlySet<string> = new Set([
  ...[ATTR.cost, ATTR.held, "rigger.part", "rigger.used", "rigger.max"],
]);

/** The values of `gen_ai.operation.name`, with which the names of spans begin. */
export const OPERATION = {
  agent: "invoke_agent",
  chat: "chat",
  tool: "execute_tool",
} as const;

/** The value of `gen_ai.provider.name`. */
export const PROVIDER = "anthropic";

/** The value of `error.type` for an error of no known type. */
export const OTHER_ERROR = "_OTHER";

/** The names of metrics. */
export const METRIC = {
  agentDuration: "gen_ai.invoke_agent.duration",
  callDuration: "gen_ai.client.inference.duration",
  toolDuration: "gen_ai.execute_tool.duration",
  inputTokens: "gen_ai.client.inference.usage.input_tokens",
  outputTokens: "gen_ai.client.inference.usage.output_tokens",
  cacheReadTokens: "gen_ai.client.inference.usage.cache_read.input_tokens",
  cacheWriteTokens: "gen_ai.client.inference.usage.cache_write.input_tokens",
  /** In dollars. */
  cost: "rigger.cost",
} as const;

/** The bounds of the buckets of durations, in seconds. */
export const DURATION_BOUNDS: readonly number[] = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
