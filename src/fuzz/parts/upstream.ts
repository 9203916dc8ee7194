import { randomUUID } from "node:crypto";
import { call, must, type Origin } from "../client.ts";
import { answeredAs, streamed, streamOf, type Told } from "../generators/replies.ts";
import { LOG_FILE, REFUSALS, type UpstreamInput, upstreamInput } from "../generators/upstream.ts";
import { type Asked, type Liar, startLiar } from "../liar.ts";
import type { Part } from "../part.ts";
import {
  type Event,
  faultsOfSession,
  type MessageView,
  readEvents,
  type SessionView,
} from "./session-faults.ts";

/** A session's upstream: its remaining answers, and the calls that it received. */
interface Upstream {
  input: UpstreamInput;
  /** The number of requests for a reply, and for a count. */
  asked: number;
  counted: number;
  /** The last prompt size that it returned, in tokens; null before that. */
  countedTokens: number | null;
  /** The maximum cost, in dollars, of calls without a usage report. */
  untoldUsd: number;
  faults: string[];
}

const upstreams = new Map<string, Upstream>();
let liar: Liar | undefined;

/** Price of a token of the default model in dollars, at its lowest rate. */
const [INPUT_USD, OUTPUT_USD] = [2e-6, 1e-5];
const BYTES_A_TOKEN = 4;

/** A faulty Messages API: messages end, no more than the budget is spent, and the log stays readable. */
export const upstream: Part<UpstreamInput> = {
  name: "upstream",
  // Most of the time is spent in delays between attempts.
  atOnce: 12,
  limitMs: 300_000,
  async vars() {
    liar ??= await startLiar(answer);
    return { ALLOW_ANONYMOUS: "true", ANTHROPIC_API_KEY: "fuzz", ANTHROPIC_BASE_URL: liar.url };
  },
  end: () => liar?.close(),
  make: upstreamInput,
  async run(origin, input) {
    const name = `case-${randomUUID()}`;
    const self: Upstream = {
      input,
      asked: 0,
      counted: 0,
      countedTokens: null,
      untoldUsd: 0,
      faults: [],
    };
    upstreams.set(name, self);
    const { maxBudgetUsd, prompts } = input;
    const config = { systemPrompt: name };
    const created = { pattern: "hybrid", maxBudgetUsd, config };
    const { id } = await must<SessionView>(origin, 201, {
      method: "POST",
      path: "/api/sessions",
      body: created,
    });
    const path = `/api/sessions/${id}`;
    for (const body of prompts) self.faults.push(...(await send(origin, path, body, false)));
    self.asked = input.replies.length;
    self.counted = input.counts.length;
    self.faults.push(...(await send(origin, path, { prompt: FINISH }, true)));

    const session = await must<SessionView>(origin, 200, { path });
    const page = await must<{ messages: MessageView[] }>(origin, 200, { path: `${path}/messages` });
    const events = await readEvents(origin, path);
    const { faults, untoldUsd } = self;
    faults.push(...faultsOfSession(session, page.messages, events, maxBudgetUsd));
    faults.push(...faultsOfEffects(events));
    if (untoldUsd > maxBudgetUsd) {
      faults.push(`calls of unknown cost may have cost ${untoldUsd} of ${maxBudgetUsd} dollars`);
    }
    await must(origin, 204, { method: "DELETE", path });
    upstreams.delete(name);
    return faults;
  },
};

const FINISH = "finish";

/** Sends a message and checks how it ended. Once the upstream is honest, messages must succeed. */
async function send(
  origin: Origin,
  path: string,
  body: object,
  isHonest: boolean,
): Promise<string[]> {
  const { status, text } = await call(origin, { method: "POST", path: `${path}/message`, body });
  const isEnded = status === 409 && text.includes("session_ended");
  const failed = !isHonest && (status === 502 || status === 503);
  return status === 200 || isEnded || failed ? [] : [`${status} for a message: ${text}`];
}

/** Returns faults of effects: each successful call ran exactly once, even if its id was reused. */
function faultsOfEffects(events: readonly Event[]): string[] {
  const commands = events.flatMap((event) => {
    const token = /echo (T\d+\.) >> /.exec(String(event.input?.command))?.[1];
    return event.type === "tool.started" && token ? [{ ...event, token }] : [];
  });
  const log = events.findLast(({ type, content }) => type === "tool.completed" && content)?.content;
  const last = events.findLast(({ type }) => type === "tool.started");
  if (!log || last?.input?.command !== SHOW_LOG) return [];
  const lines = log.split("\n");
  return [...new Set(commands.map(({ token }) => token))].flatMap((token) => {
    const ran = commands.filter((command) => command.token === token);
    const ends = ran.map(({ toolUseId, seq }) =>
      events.find((e) => e.type === "tool.completed" && e.toolUseId === toolUseId && e.seq > seq),
    );
    const done = ends.filter((end) => end && !end.isError).length;
    const written = lines.filter((line) => line === token).length;
    return written === done ? [] : [`${token} was done ${done} times and written ${written} times`];
  });
}

const SHOW_LOG = `cat ${LOG_FILE}; echo .`;

/** Answers the Worker with the prepared answers of the request's case, and honestly after them. */
function answer({ path, body }: Asked): Told {
  const self = upstreams.get(/case-[0-9a-f-]{36}/.exec(body)?.[0] ?? "");
  if (path.endsWith("/count_tokens")) {
    const told = self?.input.counts[self.counted++];
    if (self) self.countedTokens = tokensOf(told);
    return answeredAs(told ?? { input_tokens: Math.ceil(body.length / BYTES_A_TOKEN) });
  }
  const problem = self && problemOf(body);
  if (problem) self.faults.push(`the API can't read the conversation: ${problem}`);
  const told = self?.input.replies[self.asked++];
  if (!self || !told) return honest(body);
  const text = told.pieces.join("");
  const isRefusal = REFUSALS.some((status) => status === told.status);
  if (!isRefusal && !text.includes("usage")) {
    const { max_tokens = 0 } = JSON.parse(body) as { max_tokens?: number };
    // An upstream that counted a prompt cannot bill more tokens for it than it counted.
    const promptTokens = Math.min(body.length / BYTES_A_TOKEN, self.countedTokens ?? body.length);
    self.untoldUsd += promptTokens * INPUT_USD + max_tokens * OUTPUT_USD;
  }
  return told;
}

/** Returns the tokens in an answer of `count_tokens`, if any. */
function tokensOf(told: unknown): number | null {
  const tokens = (told as { input_tokens?: unknown } | null | undefined)?.input_tokens;
  return typeof tokens === "number" && tokens >= 0 ? tokens : null;
}

interface Block {
  type: string;
  id?: string;
  tool_use_id?: string;
  text?: string;
  content?: unknown;
}

/** Returns the reason why the API would reject the Worker's conversation, if any. */
function problemOf(body: string): string | undefined {
  const { messages = [] } = JSON.parse(body) as {
    messages?: { role: string; content: Block[] | string }[];
  };
  const seen = new Set<string>();
  for (const [at, { content }] of messages.entries()) {
    if (typeof content === "string") continue;
    if (content.length === 0) return `message ${at} is empty`;
    const next = messages[at + 1]?.content ?? [];
    for (const { type, id = "", text } of content) {
      if (type === "text" && text === "") return `message ${at} has an empty text`;
      if (type !== "tool_use") continue;
      if (!/^[\w-]+$/.test(id)) return `"${id}" is no id`;
      if (seen.has(id)) return `two calls have the id ${id}`;
      seen.add(id);
      const results = typeof next === "string" ? [] : next;
      if (!results.some((block) => block.tool_use_id === id)) return `${id} has no result`;
    }
  }
  return undefined;
}

/** Returns the answer of an honest upstream: it shows the log if the prompt asks to finish, and then ends. */
function honest(body: string): Told {
  const request = JSON.parse(body) as { messages?: { content: Block[] }[]; compaction?: unknown };
  const used = { input_tokens: Math.ceil(body.length / BYTES_A_TOKEN), output_tokens: 20 };
  if (request.compaction) {
    const summary = { type: "compaction", content: "so far so good" };
    return streamed(streamOf([summary], used, "compaction"));
  }
  const last = request.messages?.at(-1)?.content;
  const isAsked = JSON.stringify(last)?.includes(`"${FINISH}"`);
  const show = {
    type: "tool_use",
    id: `toolu_${randomUUID()}`,
    name: "Bash",
    input: { command: SHOW_LOG },
  };
  return isAsked
    ? streamed(streamOf([show], used, "tool_use"))
    : streamed(streamOf([{ type: "text", text: "done" }], used, "end_turn"));
}
