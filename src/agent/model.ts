import Anthropic from "@anthropic-ai/sdk";
import { redactor } from "../shared/redact";
import { readAnswer, textOfAnswer } from "./answer";
import { assemble, callIdsIn, type DeltaListener, type Draft } from "./assemble";
import type { ReportedUsage } from "./judge-usage";
import type { Block, Message } from "./messages";
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
  /** Asks for a summary of `messages` instead of a reply. */
  compaction?: boolean | undefined;
  /** The how-manieth try this is, from 1. */
  attempt: number;
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
  count(call: ModelCall, signal: AbortSignal): Promise<Counted>;
}

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

/** Returns what a request weighs: the parts of it that become input tokens. */
export function weighedParts(call: ModelCall) {
  const { system, tools, messages, outputSchema } = call;
  return { system, tools, messages, outputSchema };
}

/** Returns an answer whose error is of a bounded length: the SDK reads all of it. */
async function withBoundedError(response: Response): Promise<Response> {
  if (response.ok) return response;
  const text = await textOfAnswer(response);
  return new Response(text === "" ? null : text, response);
}
