// Correct and complete replies of the Messages API, in each format.

/** A response of the Messages API, as it is sent. */
export interface Told {
  status: number;
  headers: Record<string, string>;
  /** The body in pieces, with `pauseMs` between them. */
  pieces: string[];
  pauseMs: number;
  /** `cut` breaks the connection; `stall` keeps it open without data. */
  end: "whole" | "cut" | "stall";
}

/** An event of a stream. */
export type StreamEvent = { type: string } & Record<string, unknown>;

const SSE = { "content-type": "text/event-stream" };

/** The headers of a JSON response. */
export const JSON_TYPE = { "content-type": "application/json" };

/** Returns the events of a complete reply with some blocks and their usage. */
export function streamOf(
  blocks: readonly Record<string, unknown>[],
  used: { input_tokens: number; output_tokens: number },
  stopReason: unknown,
): StreamEvent[] {
  const message = { id: "msg_up", type: "message", role: "assistant", model: "m", content: [] };
  const start = { ...message, stop_reason: null, usage: { ...used, output_tokens: 1 } };
  return [
    { type: "message_start", message: start },
    ...blocks.flatMap((block, index) => blockEvents(block, index)),
    { type: "message_delta", delta: { stop_reason: stopReason }, usage: used },
    { type: "message_stop" },
  ];
}

/** Returns the events of a block. If the block has `json`, that is streamed as the tool input. */
function blockEvents(given: Record<string, unknown>, index: number): StreamEvent[] {
  const { json: written, ...block } = given;
  const { type, text, input, thinking } = block;
  const delta = (value: object) => ({ type: "content_block_delta", index, delta: value });
  const start = (content_block: object) => ({ type: "content_block_start", index, content_block });
  const stop = { type: "content_block_stop", index };
  if (type === "text") {
    return [start({ ...block, text: "" }), delta({ type: "text_delta", text }), stop];
  }
  if (type === "thinking") {
    return [start({ ...block, thinking: "" }), delta({ type: "thinking_delta", thinking }), stop];
  }
  if (input === undefined) return [start(block), stop];
  const json = typeof written === "string" ? written : JSON.stringify(input);
  const pieces = [json.slice(0, 9), json.slice(9)];
  const parts = pieces.map((partial_json) => delta({ type: "input_json_delta", partial_json }));
  return [start({ ...block, input: {} }), ...parts, stop];
}

/** Returns a correct response that streams events. */
export const streamed = (events: readonly (StreamEvent | null)[]): Told => ({
  status: 200,
  headers: SSE,
  pieces: events.map((event) => `event: ${event?.type}\ndata: ${JSON.stringify(event)}\n\n`),
  pauseMs: 0,
  end: "whole",
});

/** Returns a JSON response. */
export const answeredAs = (value: unknown): Told => ({
  status: 200,
  headers: JSON_TYPE,
  pieces: [JSON.stringify(value) ?? ""],
  pauseMs: 0,
  end: "whole",
});

/** Returns the events of a stream's text. */
export const eventsIn = (text: string): StreamEvent[] =>
  text
    .split("\n\n")
    .flatMap((record) => /^data: (.*)$/m.exec(record)?.[1] ?? [])
    .map((data) => JSON.parse(data));

/** Returns the reply of a stream's events, as the API returns it without streaming. */
export function messageOf(events: readonly StreamEvent[]): Record<string, unknown> {
  const message = events.find(({ type }) => type === "message_start")?.message as object;
  const end = events.find(({ type }) => type === "message_delta");
  const starts = events.filter(({ type }) => type === "content_block_start");
  const content = starts.map(({ index, content_block }) => {
    const deltas = events.flatMap((event) =>
      event.type === "content_block_delta" && event.index === index ? [event.delta] : [],
    ) as Record<string, unknown>[];
    const joined = (key: string) => deltas.map((delta) => delta[key] ?? "").join("");
    const [block, json] = [content_block as Record<string, unknown>, joined("partial_json")];
    return {
      ...block,
      ...("text" in block && { text: joined("text") }),
      ...("thinking" in block && { thinking: joined("thinking"), signature: joined("signature") }),
      ...(json !== "" && { input: parsed(json) }),
    };
  });
  return { ...message, content, ...(end?.delta as object), usage: end?.usage };
}

/** Parses JSON; a value that is nested too deeply to be serialised again is undefined. */
function parsed(json: string): unknown {
  try {
    const value: unknown = JSON.parse(json);
    JSON.stringify(value);
    return value;
  } catch {
    return {};
  }
}
