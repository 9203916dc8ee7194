import type { Answer } from "./message";
import type { Reply, ReplyBlock } from "./reply";

/** How a stream is cut into deltas. */
export interface Pacing {
  /** Characters in a delta. */
  deltaChars: number;
  /** Deltas to a block, whatever its length: for load tests. */
  deltas?: number | undefined;
}

interface StreamEvent {
  type: string;
  [field: string]: unknown;
}

/** What a stream does next: says something, or is silent for a while. */
export type Step = { event: StreamEvent } | { waitMs: number };

/** A long text comes in larger deltas, never in more than this many. */
const MAX_DELTAS = 500;

/** The API says that it is still there this often. */
const PING_MS = 10_000;

/** Everything that the API would stream for a reply, in order, after thinking about it for `delayMs`. */
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

/** Waits with the pings that keep a connection alive. */
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

/** Returns a block as it starts, and the deltas that complete it. Some kinds arrive whole. */
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
      // The API begins with an empty piece, and leaves it at that for a call without input.
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

/** Cuts a text into deltas, between characters and never through one. */
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

/** Sends the steps as server-sent events. Half of them, if the connection is to break. */
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

/** Waits, or rejects as soon as the signal says so. */
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
