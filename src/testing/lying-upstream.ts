import fc from "fast-check";

// Generates answers of a faulty Messages API or gateway: any status, any usage, events in any order, cut
// anywhere. An answer is plain data, so that it can be shrunk, printed and replayed.

/** One answer to one call. */
export interface Lie {
  status: number;
  headers: Record<string, string>;
  body: string;
  /** The number of bytes after which the connection breaks; null for never. */
  breaksAfter: number | null;
  /** The size of the chunks, in bytes. */
  pieceBytes: number;
}

/** A token count, valid or invalid. */
const aCount: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: fc.nat(20_000) },
  fc.constantFrom(0, 1, -1, -1_000, 0.5, 1e9, 1e15, 1e300, Number.MAX_SAFE_INTEGER),
  fc.constantFrom(null, "12", "NaN", true, [], {}, [5], undefined),
);

/** A usage report. */
export const aReport: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record(
      {
        input_tokens: aCount,
        output_tokens: aCount,
        cache_read_input_tokens: aCount,
        cache_creation_input_tokens: aCount,
        cache_creation: fc.option(
          fc.record({ ephemeral_5m_input_tokens: aCount, ephemeral_1h_input_tokens: aCount }),
        ),
        server_tool_use: fc.option(fc.record({ web_search_requests: aCount })),
        iterations: fc.option(
          fc.array(fc.record({ type: fc.constant("compaction"), input_tokens: aCount }), {
            maxLength: 3,
          }),
        ),
      },
      { requiredKeys: [] },
    ),
  },
  fc.constantFrom<unknown>(null, undefined, "many", 7, []),
);

/** An answer of `count_tokens`. */
export const aCountAnswer: fc.Arbitrary<string> = fc.oneof(
  aCount.map((input_tokens) => JSON.stringify({ input_tokens })),
  fc.constantFrom("{}", "", "<html>", "null", "[]", '{"input_tokens":'),
);

/** Text, including text that no model should write. */
const aText = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.constantFrom(
    "\ud800",
    "a\0b",
    "\udc00\ud800",
    "€".repeat(2_000),
    " \n",
    "",
    "word ".repeat(900),
  ),
);

const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;

/** The input of a tool call, as JSON. */
const anInput = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .constantFrom("echo hi", "true")
      .map((command) => ({ command }))
      .map((input) => JSON.stringify(input)),
  },
  fc.constantFrom(
    "[1]",
    '"text"',
    "null",
    "{}",
    '{"command":"\\ud800"}',
    '{"__proto__":{"command":"true"}}',
  ),
  fc.constantFrom(150, 5_000).map(nested),
  fc.constant(JSON.stringify({ command: `: ${"x".repeat(200_000)}` })),
);

const anId = fc.constantFrom<unknown>(
  "toolu_1",
  "toolu_2",
  "",
  "a b",
  "x".repeat(5_000),
  null,
  7,
  "é",
);

/** A block of a reply with its complete content. */
const aBlock: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  { weight: 4, arbitrary: aText.map((text) => ({ type: "text", text })) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("tool_use"),
      id: anId,
      name: fc.constantFrom<unknown>(
        "Bash",
        "Bash",
        "Bash",
        "Read",
        "",
        "no such tool",
        "n".repeat(500),
        {},
      ),
      json: anInput,
    }),
  },
  fc.record({
    type: fc.constant("thinking"),
    thinking: aText,
    // The API would reject a forged signature.
    signature: fc.constant(""),
  }),
  fc.constantFrom<Record<string, unknown>>(
    { type: "redacted_thinking", data: "x" },
    { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: {} },
    { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [null, { title: 1 }] },
    { type: "compaction", content: null },
    { type: "news", of: { any: ["kind"] } },
    { type: "constructor" },
    { type: 7 },
    { type: "text", text: 5 },
  ),
);

const aStopReason = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom<unknown>("tool_use", "end_turn", "max_tokens") },
  fc.constantFrom<unknown>(
    "refusal",
    "pause_turn",
    "compaction",
    "news",
    null,
    7,
    "s".repeat(1_000_000),
    "a b",
  ),
);

/** A reply with its events in order, with any content. */
const aReply = fc.record({
  start: aReport,
  delta: aReport,
  blocks: fc.array(aBlock, { maxLength: 5 }),
  stopReason: aStopReason,
});
type Reply = typeof aReply extends fc.Arbitrary<infer T> ? T : never;

type Event = Record<string, unknown>;

function eventsOf({ start, delta, blocks, stopReason }: Reply): Event[] {
  return [
    { type: "message_start", message: { id: "msg_1", model: "m".repeat(300), usage: start } },
    ...blocks.flatMap(({ json, ...block }, index) => [
      { type: "content_block_start", index, content_block: { ...block, ...begun(block) } },
      ...deltasOf({ ...block, json }).map((delta) => ({
        type: "content_block_delta",
        index,
        delta,
      })),
      { type: "content_block_stop", index },
    ]),
    { type: "message_delta", delta: { stop_reason: stopReason }, usage: delta },
    { type: "message_stop" },
  ];
}

const begun = ({ type, text }: Record<string, unknown>): object => {
  if (type === "text" && typeof text === "string") return { text: "" };
  if (type === "thinking") return { thinking: "", signature: "" };
  return type === "tool_use" ? { input: {} } : {};
};

function deltasOf({ type, text, thinking, signature, json }: Record<string, unknown>): object[] {
  switch (type) {
    case "text":
      return halves(text).map((part) => ({ type: "text_delta", text: part }));
    case "thinking":
      return [
        { type: "thinking_delta", thinking },
        { type: "signature_delta", signature },
      ];
    case "tool_use":
      return halves(json).map((part) => ({ type: "input_json_delta", partial_json: part }));
    default:
      return [];
  }
}

/** Splits a text into two pieces, possibly in the middle of a character. */
function halves(text: unknown): unknown[] {
  if (typeof text !== "string") return [text];
  const middle = Math.floor(text.length / 2);
  return [text.slice(0, middle), text.slice(middle)];
}

/** A distortion of a stream's events. */
const aTwist = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ do: "nothing" as const }) },
  fc.record({
    do: fc.constantFrom("drop" as const, "repeat" as const, "swap" as const),
    at: fc.nat(40),
  }),
  fc.record({
    do: fc.constant("add" as const),
    at: fc.nat(40),
    event: fc.constantFrom<unknown>(
      null,
      7,
      [],
      {},
      { type: "content_block_start", index: 1e9, content_block: { type: "text", text: "" } },
      { type: "content_block_start", index: -1, content_block: { type: "text", text: "" } },
      { type: "content_block_start", index: "length", content_block: null },
      { type: "content_block_delta", index: "length", delta: { type: "text_delta", text: "x" } },
      { type: "content_block_delta", index: 0, delta: null },
      {
        type: "content_block_delta",
        index: 0,
        delta: { type: "text_delta", text: "x".repeat(1 << 21) },
      },
      { type: "content_block_stop", index: 0.5 },
      { type: "message_start", message: null },
      { type: "message_delta" },
      { type: "error", error: { type: "overloaded_error", message: "busy" } },
      { type: "error", error: "?" },
      { type: "news" },
    ),
  }),
);
type Twist = typeof aTwist extends fc.Arbitrary<infer T> ? T : never;

function twisted(events: unknown[], twist: Twist): unknown[] {
  if (twist.do === "nothing") return events;
  const at = twist.at % events.length;
  const [before, one, after] = [events.slice(0, at), events[at], events.slice(at + 1)];
  switch (twist.do) {
    case "drop":
      return [...before, ...after];
    case "repeat":
      return [...before, one, one, ...after];
    case "swap":
      return [...before, ...after.slice(0, 1), one, ...after.slice(1)];
    case "add":
      return [...before, twist.event, one, ...after];
  }
}

const recordOf = (event: unknown, lineBreak: string): string => {
  const name = (event as { type?: unknown } | null)?.type ?? "news";
  return `event: ${name}${lineBreak}data: ${JSON.stringify(event)}${lineBreak}${lineBreak}`;
};

const aStream = fc
  .record({ reply: aReply, twist: aTwist, lineBreak: fc.constantFrom("\n", "\n", "\r\n", "\r") })
  .map(({ reply, twist, lineBreak }) =>
    twisted(eventsOf(reply), twist)
      .map((event) => recordOf(event, lineBreak))
      .join(""),
  );

/** A reply in plain JSON instead of a stream. */
const aPlainReply = aReply.map(({ start, blocks, stopReason }) => {
  const content = blocks.map(({ json, ...block }) =>
    typeof json === "string" ? { ...block, input: JSON.parse(json) } : block,
  );
  const message = { type: "message", role: "assistant", content, usage: start };
  return JSON.stringify({ ...message, stop_reason: stopReason });
});

const aBody = fc.oneof(
  { weight: 6, arbitrary: aStream },
  { weight: 3, arbitrary: aPlainReply },
  fc.constantFrom(
    "",
    "{}",
    "null",
    "<html>busy</html>",
    "data: [DONE]\n\n",
    "event: ping\ndata: {}\n\n",
  ),
);

const aFailure = fc.constantFrom(
  400,
  401,
  402,
  403,
  404,
  408,
  409,
  413,
  422,
  429,
  500,
  502,
  503,
  504,
  529,
);

/** An answer to a model call. */
export const aLie: fc.Arbitrary<Lie> = fc.record({
  status: fc.oneof({ weight: 7, arbitrary: fc.constant(200) }, aFailure),
  headers: fc.constantFrom<Record<string, string>>(
    { "content-type": "text/event-stream" },
    { "content-type": "application/json" },
    { "content-type": "text/html", "retry-after": "1" },
    { "retry-after": "-5", "request-id": "r".repeat(2_000) },
  ),
  body: aBody,
  breaksAfter: fc.option(fc.nat(3_000), { freq: 4 }),
  pieceBytes: fc.constantFrom(7, 1_000, 1 << 20),
});

/** Returns an answer as a `Response`. */
export function answerWith({ status, headers, body, breaksAfter, pieceBytes }: Lie): Response {
  const bytes = new TextEncoder().encode(body);
  const end = Math.min(breaksAfter ?? bytes.length, bytes.length);
  // Limits the number of chunks of a large answer.
  const size = Math.max(pieceBytes, Math.ceil(end / 500));
  let at = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at < end) controller.enqueue(bytes.slice(at, Math.min(at + size, end)));
      else if (breaksAfter === null) controller.close();
      else controller.error(new TypeError("connection reset"));
      at += size;
    },
  });
  return new Response(stream, { status, headers });
}
