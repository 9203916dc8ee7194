import { describe, expect, it } from "vitest";
import { toolCalls, toolResultBlock } from "../messages";
import { resolveModel } from "../pricing/models";
import { usageOf } from "../pricing/usage";
import { emptyDraft } from "./assemble";
import { createModel, type ModelCall, type ModelOutcome } from "./model";
import { thinkingFor } from "./thinking";

const aCall = (changes: Partial<ModelCall> = {}): ModelCall => ({
  model: "claude-sonnet-5-5",
  system: "Be kind.",
  messages: [{ role: "user", content: [{ type: "text", text: "hello" }] }],
  tools: [],
  maxTokens: 1_000,
  attempt: 1,
  ...changes,
});

const never = new AbortController().signal;

/** Calls the model and collects what was heard meanwhile. */
async function listen(model: ReturnType<typeof createModel>, call: ModelCall, signal = never) {
  const heard: string[] = [];
  const outcome = await model.call(call, signal, {
    draft: emptyDraft(),
    onDelta: ({ block, kind, text }) => {
      heard[block] = `${heard[block] ?? `${kind}: `}${text}`;
    },
  });
  return { outcome, heard };
}

function failureOf(outcome: ModelOutcome) {
  if (outcome.ok) throw new Error("it did not fail");
  return outcome.failure;
}

describe("our requests, as an independent fake of the API takes them", () => {
  const aimock = createModel({ apiKey: "test", baseURL: "http://aimock.test" });

  it("a reply with thinking streams and ends", async () => {
    const thinking = { type: "adaptive", display: "summarized" } as const;
    const { outcome, heard } = await listen(aimock, aCall({ thinking }));
    expect(outcome).toMatchObject({ ok: true, stopReason: "end_turn" });
    expect(heard).toEqual(["thinking: A greeting.", "text: Hi there!"]);
  });

  it("a tool is called, answered and spoken of", async () => {
    const tools = [
      { name: "Read", description: "Reads a file.", input_schema: { type: "object" as const } },
    ];
    const prompt = {
      role: "user" as const,
      content: [{ type: "text" as const, text: "read the file" }],
    };
    const asked = await listen(aimock, aCall({ tools, messages: [prompt] }));
    if (!asked.outcome.ok) throw new Error(asked.outcome.failure.message);
    expect(asked.outcome.stopReason).toBe("tool_use");
    const [read] = toolCalls(asked.outcome.content);
    expect(read).toMatchObject({ name: "Read", input: { file_path: "/workspace/a.txt" } });

    const answered = await listen(
      aimock,
      aCall({
        tools,
        messages: [
          prompt,
          { role: "assistant", content: asked.outcome.content },
          { role: "user", content: [toolResultBlock(read?.id ?? "", { content: "one" })] },
        ],
      }),
    );
    expect(answered.heard).toEqual(["text: The file says one."]);
  });
});

/** A model whose one answer is a response made by hand. */
const answering = (respond: (request: Request) => Response | Promise<Response>) =>
  createModel({
    apiKey: "test",
    fetch: async (input, init) => respond(new Request(input, init)),
  });

const sse = (...events: object[]): string =>
  events.map((e) => `event: ${"type" in e && e.type}\ndata: ${JSON.stringify(e)}\n\n`).join("");
const start = {
  type: "message_start",
  message: { usage: { input_tokens: 10, output_tokens: 1 }, content: [] },
};
const textStart = {
  type: "content_block_start",
  index: 0,
  content_block: { type: "text", text: "" },
};
const textDelta = (text: string) => ({
  type: "content_block_delta",
  index: 0,
  delta: { type: "text_delta", text },
});
const textless = { type: "text_delta" };
const textStop = { type: "content_block_stop", index: 0 };
const end = (stop_reason: string) => ({
  type: "message_delta",
  delta: { stop_reason },
  usage: { output_tokens: 5 },
});
const messageStop = { type: "message_stop" };

/** A body that says this, and then nothing for ever. */
const silentAfter = (text: string) =>
  new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode(text)),
  });

/** A `fetch` whose answer ends when its signal is aborted, as a real one's does. */
const untilAborted =
  (respond: () => Response | Promise<Response>): typeof fetch =>
  async (_, init) => {
    const aborted = new Promise<never>((_, reject) => {
      init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
    });
    aborted.catch(() => {});
    const { body, headers } = await Promise.race([respond(), aborted]);
    const reader = body?.getReader();
    const passed = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await Promise.race([reader?.read() ?? aborted, aborted]);
        if (done) controller.close();
        else controller.enqueue(value);
      },
    });
    return new Response(passed, { headers });
  };
const streaming = (body: BodyInit) => () =>
  new Response(body, { headers: { "content-type": "text/event-stream" } });

describe("a call that fails", () => {
  it.each([
    [429, "rate_limit_error", true],
    [529, "overloaded_error", true],
    [500, "api_error", true],
    [400, "invalid_request_error", false],
    [401, "authentication_error", false],
    [402, "billing_error", false],
    [413, "request_too_large", false],
  ])(
    "with status %i is known by its type %s, and may be tried again: %s",
    async (status, type, retryable) => {
      const body = { type: "error", error: { type, message: "no" }, request_id: "req_1" };
      const headers = { "request-id": "req_1", "retry-after": "2" };
      const model = answering(() => Response.json(body, { status, headers }));
      expect(failureOf((await listen(model, aCall())).outcome)).toEqual({
        type,
        message: "no",
        status,
        requestId: "req_1",
        retryable,
        retryAfterMs: 2_000,
        began: false,
      });
    },
  );

  it("before it reached anybody is a broken connection", async () => {
    const model = answering(() => Promise.reject(new TypeError("connection reset")));
    expect(failureOf((await listen(model, aCall())).outcome)).toMatchObject({
      type: "connection_error",
      retryable: true,
      began: false,
    });
  });

  it("in the middle of its stream keeps what had arrived", async () => {
    const body = sse(start, textStart, textDelta("half a sen"));
    const { outcome } = await listen(answering(streaming(body)), aCall());
    expect(failureOf(outcome)).toMatchObject({ type: "connection_error", began: true });
    expect(!outcome.ok && outcome.draft.content).toEqual([{ type: "text", text: "half a sen" }]);
    expect(!outcome.ok && outcome.draft.usage.start).toMatchObject({ input_tokens: 10 });
  });

  it("with an error event in its stream says which", async () => {
    const error = { type: "error", error: { type: "overloaded_error", message: "busy" } };
    const { outcome } = await listen(answering(streaming(sse(start, error))), aCall());
    expect(failureOf(outcome)).toMatchObject({ type: "overloaded_error", retryable: true });
  });

  it("with an unreadable stream may be tried again", async () => {
    const body = `${sse(start)}event: content_block_start\ndata: {"type":\n\n`;
    expect(failureOf((await listen(answering(streaming(body)), aCall())).outcome)).toMatchObject({
      retryable: true,
    });
  });

  it("whose connection is reset in the middle of its stream keeps what had arrived", async () => {
    const pieces = [sse(start, textStart), sse(textDelta("half"))];
    const reset = new ReadableStream<Uint8Array>({
      pull(controller) {
        const piece = pieces.shift();
        if (piece) controller.enqueue(new TextEncoder().encode(piece));
        else controller.error(new TypeError("connection reset"));
      },
    });
    const { outcome } = await listen(answering(streaming(reset)), aCall());
    expect(failureOf(outcome)).toMatchObject({ type: "connection_error", retryable: true });
    expect(!outcome.ok && outcome.draft.content).toEqual([{ type: "text", text: "half" }]);
  });

  it.each<[string, () => Response | Promise<Response>]>([
    ["before its headers", () => new Promise(() => {})],
    ["before its first event", streaming(new ReadableStream())],
    ["in its middle", streaming(silentAfter(sse(start, textStart, textDelta("hm"))))],
  ])("because it went silent %s is given up on, and may be tried again", async (_, respond) => {
    const model = createModel({ apiKey: "test", stallMs: 40, fetch: untilAborted(respond) });
    expect(failureOf((await listen(model, aCall())).outcome)).toMatchObject({
      type: "stalled",
      retryable: true,
      retryAfterMs: null,
    });
  });

  it.each<[string, string]>([
    ["JSON that breaks off", `event: content_block_start\ndata: {"type":\n\n`],
    ["text that is no JSON", "event: message_delta\ndata: <html>\n\n"],
    ["a start of nothing", sse({ type: "content_block_start", index: 0 })],
    ["a piece of a block that never began", sse(textDelta("lost"))],
    ["no text where there should be", sse(textStart, { ...textDelta(""), delta: textless })],
    ["an event that is none", "event: message_delta\ndata: null\n\n"],
    ["an error that says nothing", "event: error\ndata: ?\n\n"],
  ])("because its stream holds %s may be tried again, and keeps nothing odd", async (_, odd) => {
    const body = sse(start) + odd + sse(textDelta("more"), textStop, end("end_turn"), messageStop);
    const { outcome } = await listen(answering(streaming(body)), aCall());
    expect(failureOf(outcome)).toMatchObject({ retryable: true, status: null });
    expect(!outcome.ok && outcome.draft.content.every((block) => block.type === "text")).toBe(true);
  });

  it.each([
    ["\ud800", false],
    ["what was said", true],
    [null, true],
  ])(
    "because its summary is %j, which can't be sent back: %s is whether it is kept",
    async (content, ok) => {
      const summary = { type: "compaction", content, signature: "s" };
      const begun = { type: "content_block_start", index: 0, content_block: summary };
      const body = sse(start, begun, textStop, end("compaction"), messageStop);
      const { outcome } = await listen(answering(streaming(body)), aCall({ compaction: true }));
      expect(outcome.ok).toBe(ok);
      if (outcome.ok) expect(outcome.content).toEqual([summary]);
      else expect(outcome.failure).toMatchObject({ type: "malformed", retryable: true });
    },
  );

  it("is told in words of a bounded length, whatever the answer was", async () => {
    const page = `<html>${"x".repeat(1_000_000)}</html>`;
    const odd = { error: { type: { a: 1 }, message: ["b"] } };
    for (const answer of [
      new Response(page, { status: 403 }),
      Response.json(odd, { status: 403 }),
    ]) {
      const { type, message } = failureOf(
        (
          await listen(
            answering(() => answer),
            aCall(),
          )
        ).outcome,
      );
      expect(type).toBe("http_403");
      expect(message).toMatch(/^403 /);
      expect(message.length).toBeLessThanOrEqual(2_000);
    }
  });

  it("tells neither the key nor another secret, wherever the upstream repeats them", async () => {
    const key = "sk-ant-a-key";
    const secrets = ["another secret"];
    const told = `${key} and ${secrets[0]}`;
    const error = { type: key, message: `no such key: ${told}` };
    const page = `${"x".repeat(1_990)}${key}`;
    const answers: (() => Response | Promise<Response>)[] = [
      () => Response.json({ error }, { status: 401, headers: { "request-id": key } }),
      () => new Response(page, { status: 502 }),
      () => new Response(JSON.stringify([told]), { status: 400 }),
      () => new Response(sse(start, { type: "error", error })),
      () => Promise.reject(new TypeError(`connection to ${told} reset`)),
    ];
    for (const answer of answers) {
      const model = createModel({ apiKey: key, secrets, fetch: async () => answer() });
      const { signal } = new AbortController();
      const counted = await model.count(aCall(), signal);
      const { outcome } = await listen(model, aCall());
      const failures = [failureOf(outcome), ...(counted.ok ? [] : [counted.failure])];
      for (const failed of failures) {
        expect(JSON.stringify(failed)).not.toMatch(/sk-ant|another secret/);
        expect(failed).toMatchObject({ type: expect.stringMatching(/^[\w.]+$/) });
      }
    }
  });

  it("because it was stopped is told apart", async () => {
    const controller = new AbortController();
    const model = answering((request) => {
      controller.abort();
      return Promise.reject(request.signal.reason);
    });
    expect(failureOf((await listen(model, aCall(), controller.signal)).outcome)).toMatchObject({
      type: "aborted",
      retryable: false,
    });
  });
});

describe("a stream", () => {
  it("of events that nobody knows is read without them", async () => {
    const news = [
      { type: "message_news", index: 0 },
      { type: "content_block_news", index: 0 },
    ];
    const body = sse(start, news[0] ?? {}, textStart, news[1] ?? {}, textDelta("hi"), textStop);
    const { outcome, heard } = await listen(
      answering(
        streaming(`${body}: a comment\n\ndata: nameless\n\n${sse(end("end_turn"), messageStop)}`),
      ),
      aCall(),
    );
    expect(outcome).toMatchObject({ ok: true, content: [{ type: "text", text: "hi" }] });
    expect(heard).toEqual(["text: hi"]);
  });

  it("may be as slow as it likes while it pings", async () => {
    const steps = [sse(start), ...Array<string>(12).fill(sse({ type: "ping" }))];
    steps.push(sse(textStart, textDelta("at last"), textStop, end("end_turn"), messageStop));
    const slow = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const step = steps.shift();
        if (step === undefined) return controller.close();
        await scheduler.wait(20);
        controller.enqueue(new TextEncoder().encode(step));
      },
    });
    const fetch = untilAborted(streaming(slow));
    const model = createModel({ apiKey: "test", stallMs: 160, fetch });
    expect((await listen(model, aCall())).outcome).toMatchObject({ ok: true });
  });

  it("that never says what it used is read all the same", async () => {
    const silent = [{ ...start, message: {} }, textStart, textDelta("hi"), textStop];
    const body = sse(...silent, { ...end("end_turn"), usage: undefined }, messageStop);
    const { outcome } = await listen(answering(streaming(body)), aCall());
    if (!outcome.ok) throw new Error(outcome.failure.message);
    expect(usageOf(outcome.usage)).toMatchObject({ inputTokens: 0, outputTokens: 0 });
  });
});

describe("what is sent", () => {
  async function sent(call: ModelCall) {
    const { promise, resolve } = Promise.withResolvers<{ body: unknown; headers: Headers }>();
    const model = answering(async (request) => {
      resolve({ body: await request.json(), headers: request.headers });
      return new Response("no", { status: 400 });
    });
    await listen(model, call);
    return promise;
  }

  it("marks the prompt for the cache at its system and at its end, and names the attempt", async () => {
    const { body, headers } = await sent(aCall({ attempt: 3 }));
    expect(body).toMatchObject({
      system: [{ type: "text", text: "Be kind.", cache_control: { type: "ephemeral" } }],
      cache_control: { type: "ephemeral" },
      stream: true,
      max_tokens: 1_000,
    });
    expect(headers.get("x-rigger-attempt")).toBe("3");
    expect(headers.get("anthropic-beta")).toBeNull();
  });

  it("asks for a summary with the beta that it needs", async () => {
    const { body, headers } = await sent(aCall({ compaction: true }));
    expect(body).toMatchObject({ compaction: { type: "summarize" } });
    expect(headers.get("anthropic-beta")).toContain("compact-2026-09-04");
  });

  it("keeps a budget of thinking below what the reply may say", async () => {
    const thinking = { type: "enabled", budget_tokens: 8_000 } as const;
    const budgets = await Promise.all(
      [10_000, 4_000, 500].map((maxTokens) => sent(aCall({ thinking, maxTokens }))),
    );
    expect(budgets.map(({ body }) => body)).toMatchObject([
      { thinking: { type: "enabled", budget_tokens: 8_000 } },
      { thinking: { type: "enabled", budget_tokens: 2_000 } },
      expect.not.objectContaining({ thinking: expect.anything() }),
    ]);
  });

  it("shows summaries where models hide their thoughts, and otherwise does as the client says", () => {
    const sonnet = resolveModel("claude-sonnet-5-5", Date.now());
    const haiku = resolveModel("claude-haiku-4-5", Date.now());
    if (!sonnet || !haiku) throw new Error("both have prices");
    expect(thinkingFor(sonnet, undefined)).toEqual({ type: "adaptive", display: "summarized" });
    expect(thinkingFor(haiku, undefined)).toBeUndefined();
    expect(thinkingFor(sonnet, { type: "between_tools" })).toEqual({ type: "between_tools" });
    expect(thinkingFor(sonnet, { type: "adaptive", display: "omitted" })).toEqual({
      type: "adaptive",
      display: "omitted",
    });
  });
});
