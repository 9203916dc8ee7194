import Anthropic from "@anthropic-ai/sdk";
import { Stream } from "@anthropic-ai/sdk/streaming";
import type { Block, Message } from "./messages";
import type { PricedModel } from "./models";
import { type Redact, redactor } from "./redact";

type RawEvent = Anthropic.Beta.Messages.BetaRawMessageStreamEvent;
type ApiUsage = Anthropic.Beta.Messages.BetaUsage;

/** What the API said of a call's tokens: all at the start, and the output's count as it grows. */
export interface ReportedUsage {
  start: ApiUsage | null;
  delta: Partial<Anthropic.Beta.Messages.BetaMessageDeltaUsage> | null;
}

/** One request to the model. */
export interface ModelCall {
  model: string;
  system: string;
  messages: readonly Message[];
  tools: readonly Anthropic.Beta.Messages.BetaToolUnion[];
  maxTokens: number;
  thinking?: Anthropic.Beta.Messages.BetaThinkingConfigParam | undefined;
  effort?: "low" | "medium" | "high" | "xhigh" | "max" | undefined;
  outputSchema?: Record<string, unknown> | undefined;
  /** Asks for a summary of `messages` instead of a reply. */
  compaction?: boolean | undefined;
  /** The how-manieth try this is, from 1. */
  attempt: number;
}

/** Why a call failed. `began` says that the reply had started, so that its input is to be paid. */
export interface ModelFailure {
  /** The API's error type, or `connection_error`, `stalled`, `malformed`, `aborted`. */
  type: string;
  message: string;
  status: number | null;
  requestId: string | null;
  retryable: boolean;
  retryAfterMs: number | null;
  began: boolean;
}

/** What arrived of a reply, whole or not. */
export interface Draft {
  content: Block[];
  usage: ReportedUsage;
}

/** How a call ended. A failure carries what had arrived until then. */
export type ModelOutcome = ModelReply | FailedCall;
export interface ModelReply {
  ok: true;
  content: Block[];
  stopReason: string;
  usage: ReportedUsage;
}
export interface FailedCall {
  ok: false;
  failure: ModelFailure;
  draft: Draft;
}

/** Hears the reply's text and thinking as they arrive; `offset` counts the block's characters before. */
export type DeltaListener = (delta: {
  block: number;
  kind: "text" | "thinking";
  offset: number;
  text: string;
}) => void;

/** Where a call's reply can be watched while it arrives: `draft` is filled as it does. */
export interface CallWatch {
  draft: Draft;
  onDelta: DeltaListener;
}

/** A draft of which nothing has arrived. */
export const emptyDraft = (): Draft => ({
  content: [],
  usage: { start: null, delta: null },
});

/** A model to call. Neither method rejects: failure is a value. */
export interface Model {
  call(call: ModelCall, signal: AbortSignal, watch: CallWatch): Promise<ModelOutcome>;
  /** The input tokens of a call as the API counts them, or why they can't be counted. */
  count(
    call: ModelCall,
    signal: AbortSignal,
  ): Promise<{ ok: true; tokens: number } | { ok: false; failure: ModelFailure }>;
}

/** A stream that says nothing for this long is taken for dead. */
export const STALL_MS = 120_000;

const COMPACTION_BETA = "compact-2026-09-04";

/** The Messages API behind the SDK's client. Retries are not made here: each is an event and a cost. */
export function createModel(options: {
  apiKey: string;
  /** What no failure may tell, besides the key. */
  secrets?: readonly string[];
  baseURL?: string | undefined;
  fetch?: typeof fetch;
  /** A stream that says nothing for this long is taken for dead; the API pings far more often. */
  stallMs?: number;
}): Model {
  const client = new Anthropic({
    apiKey: options.apiKey,
    maxRetries: 0,
    // It would log what it can't parse, and that may be anybody's text.
    logLevel: "off",
    ...(options.baseURL && { baseURL: options.baseURL }),
    ...(options.fetch && { fetch: options.fetch }),
  });
  const redact = redactor([options.apiKey, ...(options.secrets ?? [])]);

  return {
    async call(call, signal, { draft, onDelta }) {
      const watchdog = startWatchdog(signal, options.stallMs ?? STALL_MS);
      try {
        const response = await client.beta.messages
          .create(
            {
              ...parameters({ ...call, thinking: thinkingWithin(call) }),
              max_tokens: call.maxTokens,
              stream: true,
            },
            {
              signal: watchdog.signal,
              headers: { "x-rigger-attempt": String(call.attempt) },
            },
          )
          .asResponse();
        const assembler = assemble(draft, onDelta);
        // The SDK's own stream keeps pings to itself, and they are what tells a slow reply from a dead one.
        for await (const { event, data } of Stream.rawEvents(response)) {
          watchdog.touch();
          if (event === null || event === "ping" || data === "") continue;
          const told = JSON.parse(data);
          if (event === "error") {
            throw errorInStream(told, response.headers);
          }
          assembler.take(told);
        }
        const stopReason = assembler.finish();
        return { ok: true, content: draft.content, stopReason, usage: draft.usage };
      } catch (error) {
        const began = draft.usage.start !== null;
        return {
          ok: false,
          failure: classify(error, began, signal, watchdog.stalled(), redact),
          draft,
        };
      } finally {
        watchdog.stop();
      }
    },

    async count(call, signal) {
      try {
        const counted = await client.beta.messages.countTokens(parameters(call), { signal });
        return { ok: true, tokens: counted.input_tokens };
      } catch (error) {
        return { ok: false, failure: classify(error, false, signal, false, redact) };
      }
    },
  };
}

/** The request's parameters but for what only a sampling call has. */
function parameters(call: ModelCall): Anthropic.Beta.Messages.MessageCountTokensParams {
  const compacted = call.compaction || call.messages[0]?.content[0]?.type === "compaction";
  const output = {
    ...(call.effort && { effort: call.effort }),
    ...(call.outputSchema && {
      format: { type: "json_schema" as const, schema: call.outputSchema },
    }),
  };
  return {
    model: call.model,
    system: [{ type: "text", text: call.system, cache_control: { type: "ephemeral" } }],
    messages: call.messages.map(({ role, content }) => ({ role, content })),
    // Marks the last block too, so that a growing conversation is read from the cache.
    cache_control: { type: "ephemeral" },
    ...(call.tools.length > 0 && { tools: [...call.tools] }),
    ...(call.thinking && { thinking: call.thinking }),
    ...(Object.keys(output).length > 0 && { output_config: output }),
    ...(call.compaction && { compaction: { type: "summarize" as const } }),
    ...(compacted && { betas: [COMPACTION_BETA] }),
  };
}

/** How to ask a model to think: as the client said, with summaries shown where models hide their thoughts. */
export function thinkingFor(
  model: PricedModel,
  given: Record<string, unknown> | undefined,
): ModelCall["thinking"] {
  if (!given) {
    return model.thinking === "adaptive" ? { type: "adaptive", display: "summarized" } : undefined;
  }
  const shown = given.type === "adaptive" ? { display: "summarized", ...given } : given;
  // The API judges what a client asks of a model's thinking.
  return shown as unknown as ModelCall["thinking"];
}

/** The least that the API takes as a budget of thinking. */
const MIN_THINKING_TOKENS = 1_024;

/** A call's thinking, its budget kept below what the reply may say; none where there is no room for it. */
export function thinkingWithin({
  thinking,
  maxTokens,
}: Pick<ModelCall, "thinking" | "maxTokens">): ModelCall["thinking"] {
  if (thinking?.type !== "enabled" || thinking.budget_tokens < maxTokens) return thinking;
  const budget = Math.floor(maxTokens / 2);
  return budget < MIN_THINKING_TOKENS ? undefined : { ...thinking, budget_tokens: budget };
}

/** What a request weighs: the parts of it that become input tokens. */
export function weighedParts(call: ModelCall) {
  const { system, tools, messages, outputSchema } = call;
  return { system, tools, messages, outputSchema };
}

/** Puts a reply together from the stream's raw events; what can't be read is a `SyntaxError`. The SDK's own accumulation costs twice the time. */
export function assemble(draft: Draft, onDelta: DeltaListener) {
  const json: string[] = [];
  let stopReason: string | null = null;
  let stopped = false;
  let unreadable = false;

  return {
    take(event: RawEvent): void {
      switch (event.type) {
        case "message_start":
          draft.usage.start = event.message.usage;
          return;
        case "content_block_start":
          if (!event.content_block?.type) throw new SyntaxError("a block of no type");
          draft.content[event.index] = { ...event.content_block } as Block;
          return;
        case "content_block_delta":
          extend(begun(event.index), event.index, event.delta);
          return;
        case "content_block_stop": {
          const block = begun(event.index);
          const text = json[event.index];
          // A call without input is streamed as no text at all.
          if (text && "input" in block) block.input = parseInput(text);
          return;
        }
        case "message_delta":
          stopReason = event.delta.stop_reason ?? stopReason;
          draft.usage.delta = event.usage;
          return;
        case "message_stop":
          stopped = true;
          return;
      }
    },
    finish(): string {
      if (!stopped || stopReason === null) throw new CutOff();
      // A call that `max_tokens` cut short is unreadable too, but nobody will make it.
      if (unreadable && stopReason === "tool_use") throw new SyntaxError("unreadable tool input");
      return stopReason;
    },
  };

  /** A block that has begun. Something was lost of a stream that goes on with one that has not. */
  function begun(index: number): Block {
    const block = draft.content[index];
    if (!block) throw new SyntaxError("a piece of a block that never began");
    return block;
  }

  function parseInput(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      unreadable = true;
      return {};
    }
  }

  function extend(
    block: Block,
    index: number,
    delta: Anthropic.Beta.Messages.BetaRawContentBlockDelta,
  ): void {
    if (delta.type === "text_delta" && block.type === "text") {
      if (typeof delta.text !== "string") throw new SyntaxError("a piece of no text");
      onDelta({ block: index, kind: "text", offset: block.text.length, text: delta.text });
      block.text += delta.text;
    } else if (delta.type === "thinking_delta" && block.type === "thinking") {
      const offset = block.thinking.length;
      onDelta({ block: index, kind: "thinking", offset, text: delta.thinking });
      block.thinking += delta.thinking;
    } else if (delta.type === "signature_delta" && block.type === "thinking") {
      block.signature = delta.signature;
    } else if (delta.type === "input_json_delta") {
      json[index] = (json[index] ?? "") + delta.partial_json;
    } else if (delta.type === "compaction_delta" && block.type === "compaction") {
      block.content = delta.content;
      block.encrypted_content = delta.encrypted_content;
    }
  }
}

/** The stream ended before the reply did. */
export class CutOff extends Error {}

/** Aborts a call whose stream has gone silent, besides when `signal` does. */
export function startWatchdog(signal: AbortSignal, stallMs: number) {
  const controller = new AbortController();
  let heardAt = Date.now();
  let stalled = false;
  const timer = setInterval(() => {
    if (Date.now() - heardAt < stallMs) return;
    stalled = true;
    controller.abort();
  }, stallMs / 8);
  return {
    signal: AbortSignal.any([signal, controller.signal]),
    touch: () => {
      heardAt = Date.now();
    },
    stalled: () => stalled,
    stop: () => clearInterval(timer),
  };
}

/** A gateway in the middle may answer with a whole page; its beginning says enough. */
const MAX_MESSAGE_CHARACTERS = 2_000;

const RETRYABLE_STATUS = new Set([408, 409, 429]);

/** What a stream says that ends in the middle. */
export const errorInStream = (told: object, headers: Headers): Error =>
  new Anthropic.APIError(undefined, told, undefined, headers);

/** A refusal of the API as a failure, from the answer and its body. */
export function failureOfResponse(response: Response, body: string, redact: Redact): ModelFailure {
  const { status, headers } = response;
  const error = Anthropic.APIError.generate(status, parsed(body), body, headers);
  return classify(error, false, new AbortController().signal, false, redact);
}

function parsed(body: string): object | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What an error of the SDK means for us: whether to try again, when, and what to tell the client. A gateway may
 * repeat in it what it was sent, our key among it.
 */
export function classify(
  error: unknown,
  began: boolean,
  signal: AbortSignal,
  stalled: boolean,
  redact: Redact,
): ModelFailure {
  const failure = (type: string, message: string, retryable: boolean): ModelFailure => ({
    type,
    message,
    status: null,
    requestId: null,
    retryable,
    retryAfterMs: null,
    began,
  });
  if (signal.aborted) return failure("aborted", "the call was stopped", false);
  if (stalled) return failure("stalled", "the model's stream went silent", true);
  if (error instanceof CutOff) {
    return failure("connection_error", "the model's stream ended before the reply did", true);
  }
  if (error instanceof SyntaxError) {
    return failure("malformed", "the model's stream could not be read", true);
  }
  if (!(error instanceof Anthropic.APIError)) {
    const why = redact(describe(error)).slice(0, MAX_MESSAGE_CHARACTERS);
    return failure("connection_error", `the model's stream broke: ${why}`, true);
  }
  const status = error.status ?? null;
  // An error event in the middle of a stream has no status of its own.
  const overloaded = error.type === "overloaded_error" || error.type === "rate_limit_error";
  const retryable =
    status === null
      ? overloaded || text(error.type) === null || error.type === "api_error"
      : status >= 500 || RETRYABLE_STATUS.has(status);
  return {
    type:
      word(redact(text(error.type) ?? "")) ??
      (status === null ? "connection_error" : `http_${status}`),
    message: redact(text(error.apiMessage) ?? error.message).slice(0, MAX_MESSAGE_CHARACTERS),
    status,
    requestId: word(redact(error.requestID ?? "")),
    retryable: error.headers?.get("x-should-retry") === "false" ? false : retryable,
    retryAfterMs: retryAfterMs(error.headers),
    began,
  };
}

/** What a gateway calls a text may be anything. */
const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** A name that is shown and logged as it is; null for any other text. */
const word = (text: string): string | null => (/^[\w.:/-]{1,200}$/.test(text) ? text : null);

function retryAfterMs(headers: Headers | undefined): number | null {
  const precise = Number(headers?.get("retry-after-ms") ?? Number.NaN);
  if (Number.isFinite(precise) && precise >= 0) return precise;
  const text = headers?.get("retry-after");
  if (!text) return null;
  const seconds = Number(text);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) && ms >= 0 ? ms : null;
}

const describe = (error: unknown): string => (error instanceof Error ? error.message : "unknown");
