import type { Random } from "../../soak/random.ts";
import { many } from "./grammar.ts";
import { anyValue, mutateValue } from "./json.ts";
import {
  answeredAs,
  JSON_TYPE,
  messageOf,
  type StreamEvent,
  streamed,
  streamOf,
  type Told,
} from "./replies.ts";

/**
 * A session's budget, its prompts, and the answers of its upstream in order of the calls. After them, the
 * upstream is honest.
 */
export interface UpstreamInput {
  maxBudgetUsd: number;
  prompts: Record<string, unknown>[];
  replies: Told[];
  /** The answers of `count_tokens`; null for a correct count. */
  counts: unknown[];
}

/** The file to which each call appends its token. */
export const LOG_FILE = "log.txt";

/** Statuses that prove that a call did not run and cost nothing. */
export const REFUSALS = [400, 401, 403, 404, 413, 429, 529] as const;
const STATUSES = [
  ...REFUSALS,
  200,
  201,
  204,
  301,
  402,
  408,
  409,
  418,
  422,
  500,
  502,
  503,
  504,
  520,
  599,
] as const;

const COUNTS = [
  0,
  1,
  -1,
  -1_000,
  0.5,
  7,
  1_000,
  99_999,
  1e6,
  1e9,
  1e15,
  2 ** 53,
  1e308,
  "5",
  "1e3",
  "",
  null,
  true,
  [],
  {},
  [9],
] as const;

/** Returns a usage report in which no number is reliable. */
function usage(random: Random): Record<string, unknown> {
  const count = () => random.pick<unknown>(COUNTS);
  const fields: Record<string, unknown> = {
    input_tokens: count(),
    output_tokens: count(),
    cache_read_input_tokens: count(),
    cache_creation_input_tokens: count(),
    cache_creation: random.pick<() => unknown>([
      () => ({ ephemeral_5m_input_tokens: count(), ephemeral_1h_input_tokens: count() }),
      count,
    ])(),
    server_tool_use: random.pick<() => unknown>([
      () => ({ web_search_requests: count() }),
      count,
    ])(),
    iterations: random.pick<() => unknown>([
      () => [{ type: "compaction", input_tokens: count(), output_tokens: count() }, count()],
      count,
    ])(),
    service_tier: "standard",
  };
  const kept = Object.entries(fields).filter(() => random.chance(0.5));
  return Object.fromEntries(kept);
}

/** Returns events with changed usage reports. */
const misreport = (random: Random, events: readonly StreamEvent[]): StreamEvent[] =>
  events.map((event) => {
    if (event.type === "message_delta") return { ...event, usage: usageLike(random, event.usage) };
    if (event.type !== "message_start") return event;
    const message = event.message as Record<string, unknown>;
    return { ...event, message: { ...message, usage: usageLike(random, message.usage) } };
  });

/** Returns a usage report that mostly differs from the correct one in one number. */
const usageLike = (random: Random, honest: unknown): unknown =>
  random.pick<() => unknown>([
    () => honest,
    () => ({ ...(honest as object), ...usage(random) }),
    () => usage(random),
    () => random.pick<unknown>([null, undefined, "none", []]),
  ])();

/** Returns a stream that a correct API would not send: reordered, with changed values, or with unknown events. */
function distort(random: Random, events: readonly StreamEvent[]): StreamEvent[] {
  let told = random.chance(0.6) ? misreport(random, events) : [...events];
  for (let changes = random.pick([0, 0, 1, 2, 5]); changes > 0; changes--) {
    const at = random.int(0, told.length);
    const one = told[at];
    told = random.pick<() => StreamEvent[]>([
      () => told.toSpliced(at, 1),
      () => (one ? told.toSpliced(at, 0, one) : told),
      () => (one ? [...told.toSpliced(at, 1), one] : told),
      () => (one ? told.toSpliced(at, 1, mutateValue(random, one) as StreamEvent) : told),
      () => told.toSpliced(at, 0, strangeEvent(random)),
      () => [...told.slice(0, at), ...told],
      () => told.toReversed(),
    ])();
  }
  return told;
}

function strangeEvent(random: Random): StreamEvent {
  const index = random.pick<unknown>([0, 1, 2, 7, -1, 1e9, 0.5, "0", null]);
  return random.pick<() => StreamEvent>([
    () => ({ type: "ping" }),
    () => ({
      type: "error",
      error: { type: random.pick(["overloaded_error", "api_error", "x"]), message: "m" },
    }),
    () => ({
      type: "content_block_delta",
      index,
      delta: { type: "text_delta", text: anyValue(random) },
    }),
    () => ({
      type: "content_block_delta",
      index,
      delta: { type: "input_json_delta", partial_json: anyValue(random) },
    }),
    () => ({
      type: "content_block_delta",
      index,
      delta: { type: "thinking_delta", thinking: anyValue(random) },
    }),
    () => ({
      type: "content_block_start",
      index,
      content_block: anyBlock(random, random.int(1_000, 9_999)),
    }),
    () => ({ type: "content_block_stop", index }),
    () => ({ type: "message_start", message: { usage: usage(random) } }),
    () => ({
      type: "message_delta",
      delta: { stop_reason: anyValue(random) },
      usage: usage(random),
    }),
    () => ({ type: "message_stop" }),
    () => ({ type: random.pick(["x", "", "__proto__", "message"]), value: anyValue(random) }),
  ])();
}

const TOOL_IDS = [
  "toolu_a",
  "toolu_a",
  "toolu_b",
  "",
  "a b",
  "__proto__",
  "x".repeat(3_000),
  "toolu_\ud800",
] as const;

/** Returns a block of a reply: text, a tool call, thinking, or an unknown type. `n` makes it unique. */
function anyBlock(random: Random, n: number): Record<string, unknown> {
  const id = random.chance(0.5) ? `toolu_${n}` : random.pick(TOOL_IDS);
  const use = (name: unknown, input: unknown) => ({ type: "tool_use", id, name, input });
  const append = () => use("Bash", { command: `echo T${n}. >> ${LOG_FILE}` });
  return random.pick<() => Record<string, unknown>>([
    () => ({ type: "text", text: random.pick(["hello", "x".repeat(50_000), "\ud800", "", " "]) }),
    append,
    append,
    append,
    () => use("Read", { file_path: LOG_FILE }),
    () => use(random.pick<unknown>(["Nothing", "", null, "__proto__", "x".repeat(500)]), {}),
    () => ({ ...use("Bash", {}), json: deep(random.pick([50, 101, 1_000, 5_000, 20_000])) }),
    () => use("TodoWrite", anyValue(random)),
    () => ({ type: "thinking", thinking: "hm", signature: "s" }),
    () => ({ type: "server_tool_use", id, name: "web_search", input: { query: "q" } }),
    () => ({ type: "web_search_tool_result", tool_use_id: id, content: anyValue(random) }),
    () => ({ type: random.pick(["image", "redacted_thinking", "compaction", "x"]), data: "d" }),
  ])();
}

/** Returns a deeply nested input as text, because such a value cannot be serialised. */
const deep = (levels: number): string => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;

/** Returns the answer of a faulty upstream instead of an honest reply. */
function lie(random: Random, honest: readonly StreamEvent[]): Told {
  const dice = random.int(1, 100);
  if (dice <= 18) return refusal(random);
  if (dice <= 28) return whole(random, honest);
  const told = streamed(distort(random, honest));
  if (dice <= 60) return told;
  const text = told.pieces.join("");
  const at = random.int(0, text.length);
  return random.pick<() => Told>([
    () => ({ ...told, pieces: [text.slice(0, at)], end: "cut" }),
    () => ({ ...told, pieces: [text.slice(0, at)] }),
    () => ({ ...told, pieces: [text.slice(0, at), text.slice(at)], pauseMs: random.int(1, 500) }),
    () => ({ ...told, pieces: [...text].slice(0, 2_000), pauseMs: 0, end: "cut" }),
    () => ({ ...told, pieces: [text.replaceAll("\n", "\r\n")] }),
    () => ({ ...told, pieces: [text.replace(/^event: .*\n/gm, "")] }),
    () => ({ ...told, pieces: [text.slice(0, at) + String.fromCharCode(0) + text.slice(at)] }),
    () => ({ ...told, pieces: [`: ${"x".repeat(100_000)}\n\n`, text] }),
    () => ({ ...told, pieces: [text, text] }),
    () => ({
      ...told,
      headers: random.pick<Record<string, string>>([
        {},
        JSON_TYPE,
        { "content-type": "text/html" },
      ]),
    }),
    () => ({ ...told, status: random.pick(STATUSES) }),
    () => ({ ...told, pauseMs: 20, end: random.chance(0.02) ? "stall" : "whole" }),
  ])();
}

/** Returns the reply as JSON although a stream was requested. */
function whole(random: Random, honest: readonly StreamEvent[]): Told {
  const message = messageOf(misreport(random, honest));
  return answeredAs(random.chance(0.3) ? mutateValue(random, message) : message);
}

/**
 * Returns the answer of an upstream that misreports only usage: a complete reply has the honest content with
 * other usage, possibly as JSON; otherwise it is an error, or breaks off.
 */
export function lieOfMoney(random: Random, honest: readonly StreamEvent[]): Told {
  const told = streamed(misreport(random, honest));
  return random.pick<() => Told>([
    () => told,
    () => told,
    () => refusal(random),
    () => answeredAs(messageOf(misreport(random, honest))),
    () => ({ ...told, pieces: told.pieces.slice(0, random.int(0, told.pieces.length - 1)) }),
    () => ({ ...told, pieces: told.pieces.slice(0, random.int(0, 3)), end: "cut" }),
  ])();
}

/** Returns an error of the API or of a gateway. The call may have been billed. */
function refusal(random: Random): Told {
  const status = random.pick(STATUSES);
  const type = random.pick(["overloaded_error", "rate_limit_error", "api_error", "x"]);
  const error = { type: "error", error: { type, message: random.pick(["m", "x".repeat(9_000)]) } };
  const body = random.pick([
    "",
    "<html>",
    JSON.stringify(error),
    "{",
    "null",
    JSON.stringify(anyValue(random)) ?? "",
  ]);
  const retry = random.pick<Record<string, string>>([
    {},
    {},
    {},
    { "retry-after": "1" },
    { "retry-after": "-5" },
    { "retry-after": "x" },
    { "retry-after": "1e9" },
    { "x-should-retry": "false" },
    { "x-should-retry": "true" },
  ]);
  const end = random.chance(0.15) ? "cut" : "whole";
  return { status, headers: { ...JSON_TYPE, ...retry }, pieces: [body], pauseMs: 0, end };
}

/** Returns an unreliable answer of `count_tokens`. */
export const countOf = (random: Random): Told =>
  answeredAs(random.chance(0.3) ? {} : { input_tokens: random.pick<unknown>(COUNTS) });

/** Returns a random session whose upstream is faulty for a few calls. */
export function upstreamInput(random: Random): UpstreamInput {
  let n = 0;
  const replies = many(random, 1, 5, () => {
    const blocks = many(random, 0, random.pick([1, 3, 6]), () => anyBlock(random, ++n));
    const used = { input_tokens: random.int(100, 5_000), output_tokens: random.int(1, 2_000) };
    const calls = blocks.some(({ type }) => type === "tool_use");
    const usual = calls ? "tool_use" : "end_turn";
    const other = random.pick(["end_turn", "tool_use", "max_tokens", "refusal", "pause_turn", "x"]);
    return lie(random, streamOf(blocks, used, random.chance(0.85) ? usual : other));
  });
  const prompts = many(random, 1, 2, () => ({
    prompt: random.pick(["go", "x".repeat(random.pick([10, 100_000]))]),
    ...(random.chance(0.2) && { maxBudgetUsd: random.pick([0, 0.001, 0.05]) }),
    ...(random.chance(0.2) && { maxTurns: random.int(1, 3) }),
  }));
  const counts = many(random, 0, 4, () =>
    random.pick<() => unknown>([
      () => null,
      () => ({ input_tokens: random.pick<unknown>(COUNTS) }),
      () => anyValue(random),
    ])(),
  );
  return { maxBudgetUsd: random.pick([0.02, 0.2, 0.2, 1]), prompts, replies, counts };
}
