import type { Answer } from "./message";
import type { Reply, ReplyBlock } from "./reply";

/** The size or number of a stream's deltas. */
export interface Pacing {
  /** Characters of a delta. */
  deltaChars: number;
  /** Deltas of a block of any length, for load tests. */
  deltas?: number | undefined;
}

interface StreamEvent {
  type: string;
  [field: string]: unknown;
}

/** A step of a stream: an event, or a pause. */
export type Step = { event: StreamEvent } | { waitMs: number };

/** The most deltas of a block; those of a long text are larger. */
const MAX_DELTAS = 500;

/** The interval of the API's pings. */
const PING_MS = 10_000;

/** Yields the steps of the API's stream for a reply, after a pause of `delayMs`. */
export function stepsOf(
  reply: Reply,
  { message, start, end }: Answer,
  delayMs: number,
  pacing: Pacing,
): Step[] {
  const opening = { ...message, content: [], stop_reason: null, usage: start };
  const { stop_reason, stop_sequence, stop_details, container, context_management } = message;
  const events = [
    ...reply.content.flatMap((block, index) => {
      const cutInput = index === reply.content.length - 1 ? reply.cutInput : undefined;
      return blockEvents(block, index, cutInput, pacing);
    }),
    {
      type: "message_delta",
      delta: { stop_reason, stop_sequence, stop_details, container },
      usage: end,
      context_management,
    },
    { type: "message_stop" },
  ];
  return [
    { event: { type: "message_start", message: opening } },
    { event: { type: "ping" } },
    ...waiting(delayMs),
    ...events.map((event) => ({ event })),
  ];
}

/** Returns a pause with the pings that keep a connection alive. */
function waiting(delayMs: number): Step[] {
  const pings = Math.max(0, Math.ceil(delayMs / PING_MS) - 1);
  const rest = delayMs - pings * PING_MS;
  return [
    ...Array.from({ length: pings }, () => [
      { waitMs: PING_MS },
      { event: { type: "ping" } },
    ]).flat(),
    ...(rest > 0 ? [{ waitMs: rest }] : []),
  ];
}

function blockEvents(
  block: ReplyBlock,
  index: number,
  cutInput: string | undefined,
  pacing: Pacing,
): StreamEvent[] {
  const { start, deltas } = unrolled(block, cutInput, pacing);
  return [
    { type: "content_block_start", index, content_block: start },
    ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
    { type: "content_block_stop", index },
  ];
}

/** Returns a block as its stream begins, and the deltas that complete it. Some kinds arrive whole. */
function unrolled(
  block: ReplyBlock,
  cutInput: string | undefined,
  pacing: Pacing,
): { start: object; deltas: object[] } {
  switch (block.type) {
    case "text":
      return {
        start: { ...block, text: "" },
        deltas: pieces(block.text, pacing).map((text) => ({ type: "text_delta", text })),
      };
    case "thinking":
      return {
        start: { ...block, thinking: "", signature: "" },
        deltas: [
          ...pieces(block.thinking, pacing).map((thinking) => ({
            type: "thinking_delta",
            thinking,
          })),
          { type: "signature_delta", signature: block.signature },
        ],
      };
    case "tool_use":
    case "server_tool_use": {
      const json = cutInput ?? JSON.stringify(block.input);
      // The API begins with an empty delta, which is the only one of a call without arguments.
      const parts = ["", ...(json === "{}" ? [] : pieces(json, pacing))];
      return {
        start: { ...block, input: {} },
        deltas: parts.map((partial_json) => ({ type: "input_json_delta", partial_json })),
      };
    }
    case "web_search_tool_result":
    case "compaction":
      return { start: block, deltas: [] };
  }
}

/** Splits a text into deltas, never within a character. */
function pieces(text: string, { deltaChars, deltas }: Pacing): string[] {
  const least = deltas === undefined ? deltaChars : 1;
  const size = Math.max(1, least, Math.ceil(text.length / (deltas ?? MAX_DELTAS)));
  const cut: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = at + size;
    const splits = /[\uD800-\uDBFF]/.test(text[end - 1] ?? "");
    cut.push(text.slice(at, splits ? end + 1 : end));
    at = splits ? end + 1 : end;
  }
  return cut;
}

/** Returns a stream of the steps as server-sent events; only half of them if the connection is to break. */
export function sseBody(
  steps: readonly Step[],
  options: { breaks: boolean; signal: AbortSignal | undefined },
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const end = options.breaks ? Math.ceil(steps.length / 2) : steps.length;
  let next = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        options.signal?.throwIfAborted();
        const step = next < end ? steps[next++] : undefined;
        if (!step) break;
        if ("waitMs" in step) await sleep(step.waitMs, options.signal);
        else {
          const { event } = step;
          controller.enqueue(
            encoder.encode(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`),
          );
          return;
        }
      }
      if (options.breaks) throw new TypeError("The offline model was told to cut the connection.");
      controller.close();
    },
  });
}

/** Sleeps for `ms`. Rejects as soon as the signal aborts. */
export async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  if (ms <= 0) return;
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
