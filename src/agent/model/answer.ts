// Reads answers of the Messages API as events: a stream, or a whole reply in plain JSON from a gateway that
// does not stream. Answers come from outside, so their sizes are bounded.

import { z } from "zod";
import { readUpTo } from "../../shared/body";

/** An event of a reply. Only its type has been checked. */
export interface AnswerEvent {
  type: string;
  [field: string]: unknown;
}

/** One record of an answer's stream. */
export interface AnswerRecord {
  /** The text to pass on, with the empty line after it. */
  text: string;
  /** Null for a keep-alive, and for an event that is not used here. */
  event: AnswerEvent | null;
}

/** The most bytes of one answer. A real reply has a few thousand deltas of some 150 bytes. */
const MAX_ANSWER_BYTES = 16 << 20;
/** The most characters of one record. The largest are search results and plain replies. */
const MAX_RECORD_CHARACTERS = 4 << 20;

/** Returns an event as a record of a stream. */
export const recordOf = (event: AnswerEvent): string =>
  `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

/** Yields the records of an answer as they arrive. Throws a `SyntaxError` for one that is malformed or too large. */
export async function* readAnswer(
  body: ReadableStream<Uint8Array> | null,
): AsyncGenerator<AnswerRecord> {
  const decoder = new TextDecoder();
  let bytes = 0;
  let plain: boolean | undefined;
  /** A CR at the end of a chunk: the LF of the same line break may follow. */
  let held = "";
  /** The beginning of the next record, in pieces, so that each byte is scanned once. */
  let pieces: string[] = [];
  let size = 0;
  for await (const chunk of chunksOf(body)) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw new SyntaxError("an answer too large");
    let text = held + decoder.decode(chunk, { stream: true });
    held = text.endsWith("\r") ? "\r" : "";
    if (held !== "") text = text.slice(0, -1);
    if (text.includes("\r")) text = text.replaceAll(/\r\n?/g, "\n");
    plain ??= text.trim() === "" ? undefined : text.trimStart().startsWith("{");
    for (let end = 0; plain === false; text = text.slice(end)) {
      const isEmptyLine = text.startsWith("\n") && pieces.at(-1)?.endsWith("\n");
      end = isEmptyLine ? 1 : text.indexOf("\n\n") + 2;
      if (end < 2 && !isEmptyLine) break;
      yield readRecord(pieces.join("") + text.slice(0, end));
      pieces = [];
      size = 0;
    }
    if (text !== "") pieces.push(text);
    size += text.length;
    if (size > MAX_RECORD_CHARACTERS) throw new SyntaxError("a record too large");
  }
  const rest = pieces.join("") + held + decoder.decode();
  if (plain) for (const event of eventsOf(rest)) yield { text: recordOf(event), event };
  else if (rest !== "") yield readRecord(rest);
}

/** Yields the chunks of a body. Costs half of what the platform's own iterator of a stream does. */
async function* chunksOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  if (!reader) return;
  let isDone = false;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      isDone = done;
      if (done) return;
      yield value;
    }
  } finally {
    if (!isDone) await reader.cancel();
  }
}

function readRecord(text: string): AnswerRecord {
  let name = "";
  let data: string | undefined;
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\n", at);
    const line = text.slice(at, end < 0 ? text.length : end);
    at = end < 0 ? text.length : end + 1;
    if (line.startsWith("data:")) {
      const more = line.slice(5).trimStart();
      data = data === undefined ? more : `${data}\n${more}`;
    } else if (line.startsWith("event:")) name = line.slice(6).trim();
  }
  if (data === undefined || name === "ping") return { text, event: null };
  const event = name === "" ? parsed(data) : JSON.parse(data);
  if (name === "error") return { text, event: { ...event, type: "error" } };
  if (typeof event?.type === "string") return { text, event: event.type === "ping" ? null : event };
  if (name === "") return { text, event: null };
  throw new SyntaxError("an event of no type");
}

// A record without a name may hold anything.
function parsed(data: string): AnswerEvent | undefined {
  try {
    return JSON.parse(data) ?? undefined;
  } catch {
    return undefined;
  }
}

const PlainReply = z.looseObject({
  type: z.literal("message"),
  content: z.array(z.looseObject({ type: z.string() })),
  stop_reason: z.unknown().optional(),
  stop_sequence: z.unknown().optional(),
  usage: z.unknown().optional(),
});
const PlainError = z.looseObject({ type: z.literal("error") });

/** Returns the events of a reply in plain JSON, as a stream would have had them; none if it is not a reply. */
function eventsOf(text: string): AnswerEvent[] {
  const json: unknown = JSON.parse(text);
  const error = PlainError.safeParse(json);
  if (error.success) return [error.data];
  const reply = PlainReply.safeParse(json);
  if (!reply.success) return [];
  const { content, stop_reason, stop_sequence, usage } = reply.data;
  const opening = { ...reply.data, content: [], stop_reason: null, stop_sequence: null };
  return [
    { type: "message_start", message: opening },
    ...content.flatMap(blockEvents),
    { type: "message_delta", delta: { stop_reason, stop_sequence }, usage },
    { type: "message_stop" },
  ];
}

function blockEvents(block: { type: string; [field: string]: unknown }, index: number) {
  const { start, deltas } = unrolled(block);
  return [
    { type: "content_block_start", index, content_block: start },
    ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
    { type: "content_block_stop", index },
  ];
}

/** Returns a block as its stream begins, and the deltas that complete it. Most kinds arrive whole. */
function unrolled(block: { type: string; [field: string]: unknown }): {
  start: object;
  deltas: object[];
} {
  const { text, thinking, signature, input } = block;
  switch (block.type) {
    case "text":
      return { start: { ...block, text: "" }, deltas: pieces("text_delta", { text }) };
    case "thinking":
      return {
        start: { ...block, thinking: "", signature: "" },
        deltas: [
          ...pieces("thinking_delta", { thinking }),
          ...pieces("signature_delta", { signature }),
        ],
      };
    case "tool_use":
    case "server_tool_use": {
      const partial_json = JSON.stringify(input ?? {});
      return {
        start: { ...block, input: {} },
        deltas: [{ type: "input_json_delta", partial_json }],
      };
    }
    default:
      return { start: block, deltas: [] };
  }
}

/** Returns a delta with the text of a whole field; none for an empty text. */
const pieces = (type: string, field: Record<string, unknown>): object[] =>
  Object.values(field).every((value) => typeof value === "string") ? [{ type, ...field }] : [];

/** The most bytes that are read of an answer other than a reply, such as an error or a count. */
const MAX_TEXT_BYTES = 64 << 10;

/** Returns the text of an answer other than a reply, cut at `MAX_TEXT_BYTES`. */
export async function textOfAnswer({ body }: Response): Promise<string> {
  const { bytes } = await readUpTo(body, MAX_TEXT_BYTES);
  return new TextDecoder().decode(bytes);
}
