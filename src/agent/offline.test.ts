import Anthropic from "@anthropic-ai/sdk";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ATTEMPT_HEADER, type OfflineOptions, offlineFetch } from "./offline";
import { promptBound } from "./pricing/prompt-bounds";
import { totalTokens, usageOf } from "./pricing/usage";

type Params = Anthropic.Beta.Messages.MessageCreateParamsNonStreaming;
type Message = Anthropic.Beta.Messages.BetaMessage;
type MessageParam =
  | Anthropic.Beta.Messages.BetaUserMessageParam
  | Anthropic.Beta.Messages.BetaAssistantMessageParam;
type StreamEvent = Anthropic.Beta.Messages.BetaRawMessageStreamEvent;

const MODEL = "claude-sonnet-5-5";
const COMPACTION = "compact-2026-09-04";

const clientOf = (options?: OfflineOptions) =>
  new Anthropic({ apiKey: "offline", fetch: offlineFetch(options), maxRetries: 0 });

const client = clientOf();

const params = (content: MessageParam["content"], more: Partial<Params> = {}): Params => ({
  model: MODEL,
  max_tokens: 4096,
  messages: [{ role: "user", content }],
  ...more,
});

const ask = (content: MessageParam["content"], more?: Partial<Params>, from = client) =>
  from.beta.messages.create(params(content, more));

const textOf = ({ content }: Message) =>
  content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("");

const eventsOf = async (request: Params, from = client): Promise<StreamEvent[]> => {
  const events: StreamEvent[] = [];
  for await (const event of await from.beta.messages.create({ ...request, stream: true })) {
    events.push(event);
  }
  return events;
};

const post = (body: unknown, path = "/v1/messages", headers: Record<string, string> = {}) =>
  offlineFetch()(`https://api.example${path}`, {
    method: "POST",
    headers,
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

/** Plays a prompt to its end, answering each call with `run`; returns every reply. */
const play = async (
  prompt: string,
  run: (name: string, input: unknown) => string,
): Promise<{ replies: Message[]; messages: MessageParam[] }> => {
  const messages: MessageParam[] = [{ role: "user", content: prompt }];
  const replies: Message[] = [];
  for (;;) {
    const reply = await ask("", { messages });
    replies.push(reply);
    messages.push({ role: "assistant", content: reply.content });
    const calls = reply.content.filter((block) => block.type === "tool_use");
    if (calls.length === 0) return { replies, messages };
    messages.push({
      role: "user",
      content: calls.map(({ id, name, input }) => ({
        type: "tool_result",
        tool_use_id: id,
        content: run(name, input),
      })),
    });
  }
};

describe("what it says", () => {
  it("says plainly what it is, and what it was asked", async () => {
    const reply = await ask("What is the time?");
    expect(textOf(reply)).toMatch(
      /^This is Rigger's offline model \(no ANTHROPIC_API_KEY is set\)/,
    );
    expect(textOf(reply)).toContain("You said: What is the time?");
    expect(reply).toMatchObject({ role: "assistant", model: MODEL, stop_reason: "end_turn" });
    expect(reply._request_id).toMatch(/^req_/);
  });

  it("follows the lines of the prompt one reply at a time, then tells what the tools returned", async () => {
    const { replies } = await play(
      'List\n/Bash {"command":"ls & pwd"}\n/Read {"file_path":"a"} & /Read {"file_path":"b"}',
      (name, input) => `${name} ran ${JSON.stringify(input)}`,
    );
    expect(replies.map(({ stop_reason }) => stop_reason)).toEqual([
      "tool_use",
      "tool_use",
      "end_turn",
    ]);
    expect(replies[0]?.content).toMatchObject([{ name: "Bash", input: { command: "ls & pwd" } }]);
    expect(replies[1]?.content).toHaveLength(2);
    expect(replies[2] && textOf(replies[2])).toMatch(
      /You said: List\nBash returned: Bash ran .*\nRead returned: .*"a".*\nRead returned: .*"b"/,
    );
  });

  it("starts anew with the next prompt", async () => {
    const { messages } = await play("/Bash {}", () => "done");
    messages.push({ role: "user", content: "/Read {}" });
    expect((await ask("", { messages })).content).toMatchObject([{ name: "Read" }]);
  });

  it("says which line it could not follow, and counts what else it was given", async () => {
    const source = { type: "url" as const, url: "https://example.com/a.png" };
    const reply = await ask([
      { type: "text", text: "/Bash {oops" },
      { type: "image", source },
      { type: "image", source },
      { type: "document", source: { ...source, url: "https://example.com/a.pdf" } },
    ]);
    expect(textOf(reply)).toContain("You gave me 2 images and 1 document.");
    expect(textOf(reply)).toMatch(/I could not follow a line: "\/Bash {oops" .* not JSON/);
  });

  it("tells of tools that failed, and shortens what is long", async () => {
    const call = await ask("/Bash {}");
    const [use] = call.content;
    if (use?.type !== "tool_use") throw new Error("no call");
    const reply = await ask("", {
      messages: [
        { role: "user", content: "/Bash {}" },
        { role: "assistant", content: call.content },
        {
          role: "user",
          content: [
            { type: "tool_result", tool_use_id: use.id, is_error: true, content: "x".repeat(2000) },
          ],
        },
      ],
    });
    expect(textOf(reply)).toContain("Bash failed: xxx");
    expect(textOf(reply)).toContain("(1500 characters more)");
  });

  it("never makes the same call twice", async () => {
    const [a, b] = await Promise.all([ask("/Bash {}"), ask("/Bash {}")]);
    expect(a.content).not.toEqual(b.content);
  });
});

describe("its calls", () => {
  it("let others have their turn, as a network would, however many there are", async () => {
    const order: string[] = [];
    for (const name of ["one", "two"]) {
      setTimeout(() => order.push(`other ${name}`), 0);
      await ask(name);
      order.push(name);
    }
    expect(order).toEqual(["other one", "one", "other two", "two"]);
  });
});

describe("directives", () => {
  it("waits as long as it is told before its first word", async () => {
    const began = Date.now();
    await ask("/delay 60");
    expect(Date.now() - began).toBeGreaterThanOrEqual(55);
    const kinds: string[] = [];
    for await (const event of await client.beta.messages.create({
      ...params("/delay 60"),
      stream: true,
    })) {
      if (kinds.length === 1) expect(Date.now() - began).toBeGreaterThanOrEqual(110);
      kinds.push(event.type);
    }
    expect(kinds[0]).toBe("message_start");
  });

  it("waits by its options where the prompt does not say", async () => {
    const began = Date.now();
    await ask("hello", {}, clientOf({ delayMs: 40 }));
    expect(Date.now() - began).toBeGreaterThanOrEqual(35);
  });

  it.each([1, 7, 100, 4096])("answers with exactly %d tokens", async (tokens) => {
    const reply = await ask(`/tokens ${tokens}`);
    expect(reply.stop_reason).toBe("end_turn");
    expect(reply.usage.output_tokens).toBe(tokens);
    expect(textOf(reply)).toHaveLength(tokens * 4);
  });

  it("stops at max_tokens, however many were asked for", async () => {
    const reply = await ask("/tokens 9000000", { max_tokens: 300 });
    expect(reply.stop_reason).toBe("max_tokens");
    expect(reply.usage.output_tokens).toBe(300);
  });

  it("speaks before its calls when it has tokens to fill", async () => {
    const reply = await ask('/tokens 50\n/Bash {"command":"ls"}');
    expect(reply.content.map(({ type }) => type)).toEqual(["text", "tool_use"]);
    expect(reply.usage.output_tokens).toBe(50);
  });

  it("streams 50,000 tokens in few deltas", async () => {
    const events = await eventsOf(params("/tokens 50000", { max_tokens: 64_000 }));
    expect(events.length).toBeLessThan(520);
    expect(events.at(-2)).toMatchObject({ usage: { output_tokens: 50_000 } });
  });

  it("leaves a call unfinished when max_tokens runs out in it", async () => {
    const request = params(`/Write {"content":"${"x".repeat(400)}"}`, { max_tokens: 40 });
    const events = await eventsOf(request);
    const json = events.flatMap((event) =>
      event.type === "content_block_delta" && event.delta.type === "input_json_delta"
        ? [event.delta.partial_json]
        : [],
    );
    expect(() => JSON.parse(json.join(""))).toThrow();
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: "max_tokens" } });
    expect((await ask("", request)).content).toMatchObject([{ type: "tool_use", input: {} }]);
  });

  it.each([
    ["a summary", { type: "adaptive", display: "summarized" }, "let me see"],
    ["nothing to read by default", { type: "adaptive" }, ""],
    ["nothing to read", { type: "adaptive", display: "omitted" }, ""],
  ] as const)("thinks aloud with %s", async (_, thinking, shown) => {
    const reply = await ask("/think let me see\n/Bash {}", { thinking });
    expect(reply.content).toMatchObject([{ type: "thinking", thinking: shown }, { name: "Bash" }]);
    expect(reply.usage.output_tokens_details).toEqual({ thinking_tokens: 3 });
  });

  it("does not think where thinking is not asked for", async () => {
    expect((await ask("/think hm")).content.map(({ type }) => type)).toEqual(["text"]);
  });

  it.each([
    [400, "invalid_request_error"],
    [401, "authentication_error"],
    [402, "billing_error"],
    [403, "permission_error"],
    [404, "not_found_error"],
    [413, "request_too_large"],
    [429, "rate_limit_error"],
    [500, "api_error"],
    [529, "overloaded_error"],
  ])("fails with %d as the API does", async (status, type) => {
    const failed = ask(`/fail ${status} retry-after=1`, { stream: false });
    await expect(failed).rejects.toMatchObject({
      status,
      type,
      requestID: expect.stringMatching(/^req_/),
    });
    const error = await failed.catch((error: unknown) => error);
    expect(error instanceof Anthropic.APIError && error.headers?.get("retry-after")).toBe("1");
  });

  it("fails only the first attempts that the client counts", async () => {
    const attempt = (n: number) =>
      client.beta.messages.create(params("/fail 529 times=2\n/Bash {}"), {
        headers: { [ATTEMPT_HEADER]: String(n) },
      });
    await expect(attempt(1)).rejects.toThrow(Anthropic.InternalServerError);
    await expect(attempt(2)).rejects.toThrow(Anthropic.InternalServerError);
    await expect(attempt(3)).resolves.toMatchObject({ stop_reason: "tool_use" });
    await expect(attempt(1)).rejects.toThrow();
  });

  it("counts the attempts itself for a client that does not", async () => {
    const own = clientOf();
    await expect(ask("/fail 500\n/cut", {}, own)).rejects.toMatchObject({ status: 500 });
    await expect(ask("/fail 500\n/cut", {}, own)).rejects.toThrow(Anthropic.APIConnectionError);
    await expect(ask("/fail 500\n/cut", {}, own)).resolves.toMatchObject({ role: "assistant" });
  });

  it("is retried by the SDK like the API itself", async () => {
    const patient = new Anthropic({ apiKey: "offline", fetch: offlineFetch(), maxRetries: 1 });
    const reply = await ask("/fail 429 retry-after=0", {}, patient);
    expect(reply.stop_reason).toBe("end_turn");
  });

  it.each(["hello\n/cut", '/cut\n/Bash {"command":"ls"}'])(
    "breaks the connection in the middle of a stream: %j",
    async (prompt) => {
      const events: StreamEvent[] = [];
      const cut = async () => {
        const stream = await clientOf().beta.messages.create({ ...params(prompt), stream: true });
        for await (const event of stream) events.push(event);
      };
      await expect(cut()).rejects.toThrow("told to cut the connection");
      const kinds = events.map(({ type }) => type);
      expect(kinds).toContain("content_block_delta");
      expect(kinds).not.toContain("message_delta");
    },
  );
});

describe("streams", () => {
  it("has the API's events in the API's order", async () => {
    const response = await post({ ...params("hello"), stream: true });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const text = await response.text();
    const kinds = [...text.matchAll(/^event: (\w+)$/gm)].map(([, kind]) => kind);
    expect(kinds.slice(0, 4)).toEqual([
      "message_start",
      "ping",
      "content_block_start",
      "content_block_delta",
    ]);
    expect(kinds.slice(-3)).toEqual(["content_block_stop", "message_delta", "message_stop"]);
  });

  it("comes in small deltas, or in as many as the options say", async () => {
    const deltas = async (options: OfflineOptions) =>
      (await eventsOf(params("hello"), clientOf(options))).flatMap((event) =>
        event.type === "content_block_delta" && event.delta.type === "text_delta"
          ? [event.delta.text]
          : [],
      );
    for (const text of (await deltas({})).slice(0, -1)) expect(text).toHaveLength(32);
    expect(await deltas({ deltaChars: 10 })).toHaveLength(
      Math.ceil((await deltas({})).join("").length / 10),
    );
    expect(await deltas({ deltas: 3 })).toHaveLength(3);
  });

  it("begins a call's input with an empty piece, and leaves it at that without input", async () => {
    const pieces = (await eventsOf(params("/Bash {}"))).flatMap((event) =>
      event.type === "content_block_delta" ? [event.delta] : [],
    );
    expect(pieces).toEqual([{ type: "input_json_delta", partial_json: "" }]);
  });

  it("stops at once when it is aborted, waiting or speaking", async () => {
    const began = Date.now();
    const waiting = client.beta.messages.create(params("/delay 60000"), {
      signal: AbortSignal.timeout(30),
    });
    await expect(waiting).rejects.toThrow(Anthropic.APIUserAbortError);

    const controller = new AbortController();
    const response = await offlineFetch()("https://api.example/v1/messages", {
      method: "POST",
      body: JSON.stringify({ ...params("/delay 60000"), stream: true }),
      signal: controller.signal,
    });
    setTimeout(() => controller.abort(new Error("enough")), 30);
    await expect(response.text()).rejects.toThrow("enough");
    expect(Date.now() - began).toBeLessThan(5000);
  });

  it("adds up to what it would answer in one piece, whatever the prompt", async () => {
    const line = fc.oneof(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.constantFrom(
        "/delay 1",
        "/tokens 30",
        "/think 🤔 hm",
        "/Bash {}",
        "/A {} & /B {",
        "/cut x",
      ),
      fc.string({ maxLength: 20 }).map((text) => `/${text}`),
      fc.json({ maxDepth: 2 }).map((json) => `/Call {"input":${json}}`),
    );
    const prompt = fc
      .array(line, { minLength: 1, maxLength: 5 })
      .map((lines) => lines.join("\n"))
      .filter((text) => text.trim() !== "" && !/^\s*\/(fail|cut\s*$)/m.test(text));
    const withoutIds = (value: unknown) =>
      JSON.parse(JSON.stringify(value).replace(/"(msg|toolu|srvtoolu)_offline_\w+"/g, '"id"'));

    await fc.assert(
      fc.asyncProperty(prompt, fc.integer({ min: 1, max: 64 }), async (text, deltaChars) => {
        const from = clientOf({ deltaChars });
        const request = params(text, { thinking: { type: "adaptive", display: "summarized" } });
        const { parsed_output, ...streamed } = await from.beta.messages
          .stream(request)
          .finalMessage();
        const whole = await from.beta.messages.create(request);
        expect(withoutIds(streamed)).toEqual(withoutIds(whole));
        expect(totalTokens(usageOf({ start: whole.usage, delta: null }))).toBeGreaterThan(0);
      }),
      { numRuns: 100 },
    );
  });
});

describe("usage", () => {
  const CACHE = { type: "ephemeral" } as const;

  const inputOf = ({ usage }: Message) => ({
    input: usage.input_tokens,
    read: usage.cache_read_input_tokens,
    written: usage.cache_creation_input_tokens,
  });

  it("counts the same before and after", async () => {
    const request = params("Hello, how are you?", {
      system: "Be brief.",
      tools: [{ name: "Bash", input_schema: { type: "object" } }],
    });
    const { max_tokens, stream, ...countable } = request;
    const counted = await client.beta.messages.countTokens(countable);
    expect(inputOf(await ask("", request))).toEqual({
      input: counted.input_tokens,
      read: 0,
      written: 0,
    });
  });

  it("never counts more tokens than the bound that is reserved for", async () => {
    const block = fc.oneof(
      fc.string({ unit: "binary", minLength: 1, maxLength: 80 }).map((text) => ({
        type: "text" as const,
        text: `-${text}`,
      })),
      fc.constant({
        type: "image" as const,
        source: { type: "base64" as const, media_type: "image/png" as const, data: "AAAA" },
      }),
    );
    const content = fc.array(block, { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(content, fc.boolean(), async (content, withTools) => {
        const request = {
          model: MODEL,
          messages: [{ role: "user" as const, content }],
          ...(withTools && { tools: [{ name: "A", input_schema: { type: "object" as const } }] }),
        };
        const { input_tokens } = await client.messages.countTokens(request);
        expect(promptBound(request)).toBeGreaterThanOrEqual(input_tokens);
      }),
      { numRuns: 50 },
    );
  });

  it("reads from the cache what the request before it wrote", async () => {
    const system = [{ type: "text" as const, text: "Be brief. ".repeat(50), cache_control: CACHE }];
    const messages: MessageParam[] = [{ role: "user", content: "/Bash {}" }];
    const first = await ask("", { system, messages, cache_control: CACHE });
    expect(inputOf(first)).toMatchObject({ input: 0, read: 0 });
    const [use] = first.content;
    if (use?.type !== "tool_use") throw new Error("no call");
    messages.push(
      { role: "assistant", content: first.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: use.id, content: "ok" }] },
    );
    const second = await ask("", { system, messages, cache_control: CACHE });
    expect(inputOf(second)).toMatchObject({ input: 0, read: inputOf(first).written });
    expect(inputOf(second).written).toBeGreaterThan(0);
  });

  it("caches no further than the last breakpoint, for as long as it says", async () => {
    const hour = { ...CACHE, ttl: "1h" as const };
    const system = [{ type: "text" as const, text: "Be brief.", cache_control: hour }];
    const { usage } = await ask("Hello", { system });
    expect(usage.input_tokens).toBeGreaterThan(0);
    expect(usage.cache_creation).toEqual({
      ephemeral_5m_input_tokens: 0,
      ephemeral_1h_input_tokens: usage.cache_creation_input_tokens,
    });
  });

  it("tells the split of cache writes at the start of a stream and totals at its end", async () => {
    const events = await eventsOf(params("Hello", { cache_control: CACHE }));
    const [start] = events;
    const delta = events.at(-2);
    if (start?.type !== "message_start" || delta?.type !== "message_delta")
      throw new Error("order");
    expect(start.message.usage.cache_creation?.ephemeral_5m_input_tokens).toBeGreaterThan(0);
    expect(delta.usage).not.toHaveProperty("cache_creation");
    const usage = usageOf({ start: start.message.usage, delta: delta.usage });
    const whole = await ask("Hello", { cache_control: CACHE });
    expect(usage).toEqual(usageOf({ start: whole.usage, delta: null }));
  });
});

describe("compaction", () => {
  const summarize = { compaction: { type: "summarize" as const }, betas: [COMPACTION] };

  it("answers with a signed summary alone, counted in iterations", async () => {
    const reply = await ask("hello", summarize);
    expect(reply).toMatchObject({ stop_reason: "compaction", content: [{ type: "compaction" }] });
    expect(reply.usage).toMatchObject({
      input_tokens: 0,
      output_tokens: 0,
      iterations: [{ type: "compaction" }],
    });
    expect(usageOf({ start: reply.usage, delta: null }).outputTokens).toBeGreaterThan(0);
  });

  it("streams the summary whole", async () => {
    const events = await eventsOf(params("hello", summarize));
    expect(events.map(({ type }) => type)).toEqual([
      "message_start",
      "content_block_start",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
  });

  it("goes on with the lines that were not followed yet", async () => {
    const { messages } = await play("Work\n/Bash {}\n/Read {}\n/Write {}", () => "ok");
    // The prompt and its first turn are summarised; the second turn with its result is kept.
    const summary = await ask("", { ...summarize, messages: messages.slice(0, 3) });
    const next = await ask("", {
      betas: [COMPACTION],
      messages: [{ role: "assistant", content: summary.content }, ...messages.slice(3, 5)],
    });
    expect(next.content).toMatchObject([{ name: "Write" }]);
  });

  it("gives way to a new prompt", async () => {
    const summary = await ask("/Bash {}", summarize);
    const next = await ask("", {
      betas: [COMPACTION],
      messages: [
        { role: "assistant", content: summary.content },
        { role: "user", content: "Something else" },
      ],
    });
    expect(textOf(next)).toContain("You said: Something else");
  });

  it("summarises a conversation that ends with a reply", async () => {
    const { messages } = await play("/Bash {}", () => "ok");
    expect(await ask("", { ...summarize, messages })).toMatchObject({ stop_reason: "compaction" });
  });

  it("gives out no summary that was cut off", async () => {
    const reply = await ask("hello", { ...summarize, max_tokens: 5 });
    expect(reply).toMatchObject({ stop_reason: "max_tokens", content: [] });
  });

  it("leaves faults to the turn that they are meant for", async () => {
    await expect(ask("/fail 529", summarize)).resolves.toMatchObject({ stop_reason: "compaction" });
  });

  it.each<[string, Partial<Params>, string]>([
    ["no beta", { betas: [] }, "requires anthropic-beta"],
    ["stop sequences", { stop_sequences: ["x"] }, "can't be combined with `stop_sequences`"],
    [
      "a schema",
      { output_config: { format: { type: "json_schema", schema: {} } } },
      "can't be combined with `output_config.format`",
    ],
  ])("refuses %s", async (_, more, why) => {
    await expect(ask("hi", { ...summarize, ...more })).rejects.toThrow(why);
  });

  it("refuses to summarise a turn that is not finished", async () => {
    const call = await ask("/Bash {}");
    const messages: MessageParam[] = [
      { role: "user", content: "/Bash {}" },
      { role: "assistant", content: call.content },
    ];
    await expect(ask("", { ...summarize, messages })).rejects.toThrow(
      Anthropic.CompactionIncompleteTurnError,
    );
  });

  it("refuses a summary that is changed, misplaced or doubled", async () => {
    const { content } = await ask("hello", summarize);
    const [block] = content;
    if (block?.type !== "compaction") throw new Error("no summary");
    const send = (messages: MessageParam[]) => ask("", { betas: [COMPACTION], messages });
    const user: MessageParam = { role: "user", content: "next" };
    const changed: MessageParam = { role: "assistant", content: [{ ...block, content: "other" }] };
    await expect(send([changed, user])).rejects.toThrow(Anthropic.CompactionContentMismatchError);
    const unsigned: MessageParam = { role: "assistant", content: [{ ...block, signature: "x" }] };
    await expect(send([unsigned, user])).rejects.toThrow(Anthropic.CompactionSignatureInvalidError);
    const summary: MessageParam = { role: "assistant", content };
    await expect(send([user, summary, user])).rejects.toThrow(
      Anthropic.CompactionBlockMisplacedError,
    );
    await expect(send([summary, summary, user])).rejects.toThrow(
      Anthropic.CompactionBlockAmbiguousError,
    );
  });
});

describe("what the API does besides", () => {
  it("answers in the form that a schema asks for", async () => {
    const schema = {
      type: "object",
      properties: { city: { type: "string" }, degrees: { type: "integer" } },
      required: ["city", "degrees"],
      additionalProperties: false,
    };
    const format = { type: "json_schema" as const, schema };
    const reply = await ask("Weather?", { output_config: { format } });
    expect(JSON.parse(textOf(reply))).toEqual({ city: "offline", degrees: 0 });
  });

  it("searches where it has the API's search tool, and counts the search", async () => {
    const tools = [{ type: "web_search_20260318" as const, name: "web_search" as const }];
    const request = params("weather in Oslo", { tools });
    const reply = await ask("", request);
    expect(reply.content).toMatchObject([
      { type: "server_tool_use", name: "web_search", input: { query: "weather in Oslo" } },
      {
        type: "web_search_tool_result",
        content: [{ url: "https://example.com/offline/1" }, {}, {}],
      },
      { type: "text" },
    ]);
    expect(reply.usage.server_tool_use?.web_search_requests).toBe(1);
    const [start] = await eventsOf(request);
    const before = start?.type === "message_start" ? start.message.usage.input_tokens : 0;
    expect(reply.usage.input_tokens).toBeGreaterThan(before);

    const messages: MessageParam[] = [
      { role: "user", content: "weather in Oslo" },
      { role: "assistant", content: reply.content },
      { role: "user", content: "thanks" },
    ];
    await expect(ask("", { messages })).resolves.toMatchObject({ stop_reason: "end_turn" });
  });

  it("lists the models that it has prices for", async () => {
    const ids: string[] = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids).toContain(MODEL);
    expect(ids).not.toContain("claude-3-5-sonnet-20241022");
  });

  it("finds its routes behind any prefix, and no others", async () => {
    expect((await post(params("hi"), "/gateway/v1/messages?beta=true")).status).toBe(200);
    const missing = await post({}, "/v1/complete");
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({
      type: "error",
      error: { type: "not_found_error" },
    });
  });
});

describe("what it refuses, as the API does", () => {
  const user = (content: unknown) => ({ role: "user", content });
  const assistant = (content: unknown) => ({ role: "assistant", content });
  const use = (id: string) => ({ type: "tool_use", id, name: "Bash", input: {} });
  const result = (id: string) => ({ type: "tool_result", tool_use_id: id, content: "ok" });
  const text = (value: string) => ({ type: "text", text: value });
  const marked = { ...text("x"), cache_control: { type: "ephemeral" } };
  const request = (more: object) => ({
    model: MODEL,
    max_tokens: 100,
    messages: [user("hi")],
    ...more,
  });
  const said = (...messages: unknown[]) => request({ messages });

  it("accepts a conversation in good order", async () => {
    const good = said(
      user("hi"),
      assistant([text("ok"), use("a"), use("b")]),
      user([result("b"), { ...result("a"), content: [text("x")] }, text("go on")]),
    );
    expect((await post(good)).status).toBe(200);
  });

  it.each([
    ["a body that is not JSON", "{", "not a JSON object"],
    ["no messages", request({ messages: undefined }), "messages: Field required"],
    ["an empty conversation", said(), "at least one message is required"],
    ["no max_tokens", request({ max_tokens: undefined }), "max_tokens: Field required"],
    ["no room to answer", request({ max_tokens: 0 }), "max_tokens: must be greater"],
    ["too much room", request({ max_tokens: 128_001 }), "128001 > 128000, which is the maximum"],
    ["no model", request({ model: undefined }), "model: Field required"],
    ["an unknown parameter", request({ maxTokens: 1 }), "maxTokens: Extra inputs"],
    ["an unknown role", said({ role: "tool", content: "x" }), "messages.0.role"],
    ["a field of our own", said({ ...user("x"), id: 1 }), "messages.0.id: Extra inputs"],
    [
      "a block's field of our own",
      said(user([{ ...text("x"), id: "1" }])),
      "text.id: Extra inputs",
    ],
    ["an unknown block", said(user([{ type: "poem" }])), "Input tag 'poem'"],
    ["a block without its text", said(user([{ type: "text" }])), "text.text: Field required"],
    ["empty content", said(user([])), "non-empty content"],
    ["empty text", said(user("")), "text content blocks must be non-empty"],
    ["blank text", said(user(" \n")), "must contain non-whitespace text"],
    ["an empty system prompt", request({ system: "" }), "must be non-empty"],
    ["a first word of the assistant", said(assistant("x"), user("y")), 'must use the "user" role'],
    [
      "a last word of the assistant",
      said(user("x"), assistant("y")),
      "must end with a user message",
    ],
    [
      "a call without a result",
      said(user("x"), assistant([use("a"), use("b")]), user([result("a")])),
      "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: b",
    ],
    [
      "a result after text",
      said(user("x"), assistant([use("a")]), user([text("y"), result("a")])),
      "without `tool_result` blocks immediately after: a",
    ],
    [
      "a result a message too late",
      said(user("x"), assistant([use("a")]), user("y"), user([result("a")])),
      "without `tool_result` blocks immediately after: a",
    ],
    ["a result of nothing", said(user([result("a")])), "unexpected `tool_use_id`"],
    [
      "a result of another turn's call",
      said(
        user("x"),
        assistant([use("a")]),
        user([result("a")]),
        assistant("y"),
        user([result("a")]),
      ),
      "messages.4.content.0: unexpected `tool_use_id`",
    ],
    [
      "two results of one call",
      said(user("x"), assistant([use("a")]), user([result("a"), result("a")])),
      "each tool_use must have a single result",
    ],
    [
      "one id for two calls",
      said(user("x"), assistant([use("a"), use("a")]), user([result("a")])),
      "`tool_use` ids must be unique",
    ],
    ["a call of the user's", said(user([use("a")])), "can only be in `assistant` messages"],
    [
      "an error that says nothing",
      said(
        user("x"),
        assistant([use("a")]),
        user([{ ...result("a"), content: "", is_error: true }]),
      ),
      "content cannot be empty if `is_error` is true",
    ],
    [
      "thinking that was changed",
      said(user("x"), assistant([{ type: "thinking", thinking: "x", signature: "y" }]), user("z")),
      "Invalid `signature` in `thinking` block",
    ],
    ["five breakpoints", said(user([marked, marked, marked, marked, marked])), "A maximum of 4"],
    [
      "two tools of one name",
      request({ tools: [1, 2].map(() => ({ name: "Bash", input_schema: { type: "object" } })) }),
      "Tool names must be unique",
    ],
    [
      "a tool without a schema",
      request({ tools: [{ name: "Bash" }] }),
      "input_schema: Field required",
    ],
    [
      "a forced tool on a model that thinks",
      request({ tool_choice: { type: "any" } }),
      "tool_choice.type.any is not supported",
    ],
    ["no thinking at all", request({ thinking: { type: "disabled" } }), "can't be disabled"],
    [
      "adaptive thinking on an old model",
      request({ model: "claude-haiku-4-5", thinking: { type: "adaptive" } }),
      "thinking.type.adaptive is not supported",
    ],
    [
      "a budget for thinking on a new model",
      request({ thinking: { type: "enabled", budget_tokens: 2000 } }),
      "thinking.type.enabled is not supported",
    ],
    [
      "a prompt beyond the context window",
      request({ model: "claude-haiku-4-5", messages: [user("x".repeat(900_000))] }),
      "prompt is too long",
    ],
    ["a thread", request({ thread: { type: "create" } }), "keeps no threads"],
  ])("refuses %s", async (_, body, why) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    const answer = await response.json();
    expect(answer).toMatchObject({
      type: "error",
      error: { type: "invalid_request_error", message: expect.stringContaining(why) },
      request_id: response.headers.get("request-id"),
    });
  });

  it("refuses a model that is retired", async () => {
    await expect(ask("hi", { model: "claude-3-5-sonnet-20241022" })).rejects.toMatchObject({
      status: 404,
      type: "not_found_error",
    });
  });

  it("refuses thinking that another model thought", async () => {
    const thinking = { type: "adaptive", display: "summarized" } as const;
    const { content } = await ask("/think hm", { thinking });
    const messages: MessageParam[] = [
      { role: "user", content: "hi" },
      { role: "assistant", content },
      { role: "user", content: "and?" },
    ];
    await expect(ask("", { thinking, messages })).resolves.toBeTruthy();
    await expect(ask("", { thinking, messages, model: "claude-opus-5-5" })).rejects.toThrow(
      "Invalid `signature`",
    );
  });

  it("refuses max_tokens in a count", async () => {
    const response = await post(params("hi"), "/v1/messages/count_tokens");
    expect(response.status).toBe(400);
  });

  it("runs a model of a gateway that it knows nothing of", async () => {
    await expect(ask("hi", { model: "my/model" })).resolves.toMatchObject({ model: "my/model" });
  });
});
