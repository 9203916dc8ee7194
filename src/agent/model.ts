import Anthropic from "@anthropic-ai/sdk";
import { type Redact, redactor } from "../shared/redact";
import { readAnswer, textOfAnswer } from "./answer";
import { assemble, CutOff, callIdsIn, type DeltaListener, type Draft } from "./assemble";
import { type ReportedUsage, readCount } from "./judge-usage";
import type { Block, Message } from "./messages";
import type { PricedModel } from "./models";

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

/** How a call ended. A failure carries what had arrived until then. */
export type ModelOutcome = ModelReply | FailedCall;
export interface ModelReply {
  ok: true;
  content: Block[];
  stopReason: string;
  usage: ReportedUsage;
  /** Calls whose inputs could not be kept, by their ids, with the reason; absent where there are none. */
  unusable?: ReadonlyMap<string, string>;
}
export interface FailedCall {
  ok: false;
  failure: ModelFailure;
  draft: Draft;
}

/** Where a call's reply can be watched while it arrives: `draft` is filled as it does. */
export interface CallWatch {
  draft: Draft;
  onDelta: DeltaListener;
}

/** A model to call. Neither method rejects: failure is a value. */
export interface Model {
  call(call: ModelCall, signal: AbortSignal, watch: CallWatch): Promise<ModelOutcome>;
  /** Returns the input tokens of a call as the API counts them, or why they can't be counted. */
  count(
    call: ModelCall,
    signal: AbortSignal,
  ): Promise<{ ok: true; tokens: number } | { ok: false; failure: ModelFailure }>;
}

/** A stream that says nothing for this long is taken for dead. */
export const STALL_MS = 120_000;

const COMPACTION_BETA = "compact-2026-09-04";

/** Returns the Messages API behind the SDK's client. Retries are not made here: each is an event and a cost. */
export function createModel(options: {
  apiKey: string;
  /** Texts that are redacted from failures, besides the key. */
  secrets?: readonly string[];
  baseURL?: string | undefined;
  fetch?: typeof fetch;
  /** A stream that says nothing for this long is taken for dead; the API pings far more often. */
  stallMs?: number;
}): Model {
  const { fetch: ask = (input, init) => fetch(input, init) } = options;
  const client = new Anthropic({
    apiKey: options.apiKey,
    maxRetries: 0,
    // It would log what it can't parse, and that may be anybody's text.
    logLevel: "off",
    ...(options.baseURL && { baseURL: options.baseURL }),
    fetch: async (input, init) => withBoundedError(await ask(input, init)),
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
        const assembler = assemble(draft, onDelta, () => callIdsIn(call.messages));
        for await (const { event } of readAnswer(response.body)) {
          watchdog.touch();
          if (event?.type === "error") throw errorInStream(event, response.headers);
          if (event) assembler.take(event);
          // Whether the answer has an end of its own is of no interest any more.
          if (assembler.stopped) break;
        }
        const { content, usage } = draft;
        return { ok: true, content, usage, ...assembler.finish() };
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
        const response = await client.beta.messages
          .countTokens(parameters(call), { signal })
          .asResponse();
        return countedTokens(await textOfAnswer(response));
      } catch (error) {
        return { ok: false, failure: classify(error, false, signal, false, redact) };
      }
    },
  };
}

/** Returns the request's parameters but for what only a sampling call has. */
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

/** Returns how to ask a model to think: as the client said, with summaries shown where models hide their thoughts. */
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

/** Returns a call's thinking, its budget kept below what the reply may say; none where there is no room for it. */
export function thinkingWithin({
  thinking,
  maxTokens,
}: Pick<ModelCall, "thinking" | "maxTokens">): ModelCall["thinking"] {
  if (thinking?.type !== "enabled" || thinking.budget_tokens < maxTokens) return thinking;
  const budget = Math.floor(maxTokens / 2);
  return budget < MIN_THINKING_TOKENS ? undefined : { ...thinking, budget_tokens: budget };
}

/** Returns what a request weighs: the parts of it that become input tokens. */
export function weighedParts(call: ModelCall) {
  const { system, tools, messages, outputSchema } = call;
  return { system, tools, messages, outputSchema };
}

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

/** Returns what a stream says that ends in the middle. */
export const errorInStream = (told: object, headers: Headers): Error =>
  new Anthropic.APIError(undefined, told, undefined, headers);

/** Statuses that say that a call was not run. Whatever else fails may have been billed. */
const NOT_RUN = new Set([400, 401, 403, 404, 413, 429, 529]);

/** Tells whether a failed call surely cost nothing: it was refused before anything of it was run. */
export const wasNotRun = ({ began, status }: Pick<ModelFailure, "began" | "status">): boolean =>
  !began && status !== null && NOT_RUN.has(status);

/** Returns an answer whose error is of a bounded length: the SDK reads all of it. */
async function withBoundedError(response: Response): Promise<Response> {
  if (response.ok) return response;
  const text = await textOfAnswer(response);
  return new Response(text === "" ? null : text, response);
}

/** Reads the answer of `count_tokens`. One that is no count is not asked for again. */
export function countedTokens(
  body: string,
): { ok: true; tokens: number } | { ok: false; failure: ModelFailure } {
  const tokens = readCount(parsed(body));
  return tokens === null ? NO_COUNT : { ok: true, tokens };
}

/** The failure of a count that can't be one. */
export const NO_COUNT: { ok: false; failure: ModelFailure } = {
  ok: false,
  failure: {
    type: "malformed",
    message: "the tokens of the prompt were not counted",
    status: null,
    requestId: null,
    retryable: false,
    retryAfterMs: null,
    began: false,
  },
};

/** Returns a refusal of the API as a failure, from the answer and its body. */
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
 * Returns what an error of the SDK means for us: whether to try again, when, and what to tell the client. A gateway may
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
    const why = short(redact(describe(error)), MAX_MESSAGE_CHARACTERS);
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
    message: short(redact(text(error.apiMessage) ?? error.message), MAX_MESSAGE_CHARACTERS),
    status,
    requestId: word(redact(error.requestID ?? "")),
    retryable: error.headers?.get("x-should-retry") === "false" ? false : retryable,
    retryAfterMs: retryAfterMs(error.headers),
    began,
  };
}

/** Returns what a gateway calls a text may be anything. */
const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** Returns a name that is shown and logged as it is; null for any other text. */
const word = (text: string): string | null => (/^[\w.:/-]{1,200}$/.test(text) ? text : null);

const short = (value: string, most: number): string => value.slice(0, most).toWellFormed();

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
