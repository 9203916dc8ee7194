import Anthropic from "@anthropic-ai/sdk";
import { redactor } from "../../shared/redact";
import type { Block, Message } from "../messages";
import type { ReportedUsage } from "../pricing/judge-usage";
import { readAnswer, textOfAnswer } from "./answer";
import { assemble, callIdsIn, type DeltaListener, type Draft } from "./assemble";
import { classify, errorInStream, type ModelFailure } from "./model-failure";
import { type Thinking, thinkingWithin } from "./thinking";
import { type Counted, countedTokens } from "./token-count";
import { STALL_MS, startWatchdog } from "./watchdog";

/** One request to the model. */
export interface ModelCall {
  model: string;
  system: string;
  messages: readonly Message[];
  tools: readonly Anthropic.Beta.Messages.BetaToolUnion[];
  maxTokens: number;
  thinking?: Thinking;
  effort?: "low" | "medium" | "high" | "xhigh" | "max" | undefined;
  outputSchema?: Record<string, unknown> | undefined;
  /** Asks for a summary of `messages` in place of a reply. */
  compaction?: boolean | undefined;
  /** Attempt number, starting at 1. */
  attempt: number;
}

/** The outcome of a call. A failure carries the part of the reply that had arrived. */
export type ModelOutcome = ModelReply | FailedCall;
export interface ModelReply {
  ok: true;
  content: Block[];
  stopReason: string;
  usage: ReportedUsage;
  /** Calls whose inputs could not be kept, by their ids, with the reason; absent if there are none. */
  unusable?: ReadonlyMap<string, string>;
}
export interface FailedCall {
  ok: false;
  failure: ModelFailure;
  draft: Draft;
}

/** A view of a call's reply while it arrives: `draft` is filled and `onDelta` is called. */
export interface CallWatch {
  draft: Draft;
  onDelta: DeltaListener;
}

/** A client of a model. Neither method rejects: a failure is a value. */
export interface Model {
  call(call: ModelCall, signal: AbortSignal, watch: CallWatch): Promise<ModelOutcome>;
  /** Returns the input tokens of a call as the API counts them, or why it does not. */
  count(call: ModelCall, signal: AbortSignal): Promise<Counted>;
}

const COMPACTION_BETA = "compact-2026-09-04";

/** Returns a client of the Messages API. It does not retry: each try is an event and has a cost. */
export function createModel(options: {
  apiKey: string;
  /** Texts that are redacted from failures, in addition to the key. */
  secrets?: readonly string[];
  baseURL?: string | undefined;
  fetch?: typeof fetch;
  /** The time without an event after which a stream is aborted; the API pings far more often. */
  stallMs?: number;
}): Model {
  const { fetch: ask = (input, init) => fetch(input, init) } = options;
  const client = new Anthropic({
    apiKey: options.apiKey,
    maxRetries: 0,
    // The SDK logs what it cannot parse, which may be private text.
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
          // The end of the stream itself adds nothing.
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

/** Returns the parameters that a call and a count share. */
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

/** Returns the parts of a request that become input tokens. */
export function weighedParts(call: ModelCall) {
  const { system, tools, messages, outputSchema } = call;
  return { system, tools, messages, outputSchema };
}

/** Returns the response with a bounded body if it is an error: the SDK reads all of it. */
async function withBoundedError(response: Response): Promise<Response> {
  if (response.ok) return response;
  const text = await textOfAnswer(response);
  return new Response(text === "" ? null : text, response);
}
