import { runInDurableObject } from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { withoutPauses } from "../../testing/faults";
import { faults, plantFaults, play } from "../../testing/losses";
import { ask, createSession, eventsOf, objectOf } from "../../testing/sessions";
import { type Asked, booksOf, hello, reply, upstream } from "../../testing/upstream";
import { SessionStore } from "../storage/store";

afterEach(() => {
  vi.restoreAllMocks();
  faults.clear();
});

type Block = { type: string; [field: string]: unknown };
const bash = (command: unknown, id: unknown = "toolu_1"): Block => ({
  type: "tool_use",
  id,
  name: "Bash",
  input: { command },
});

/** Returns the blocks of the conversation that was sent with a call. */
const blocksOf = ({ body }: Asked): Block[] =>
  body.messages.flatMap((message) => (message as { content: Block[] }).content);
const results = (call: Asked) => blocksOf(call).filter(({ type }) => type === "tool_result");

/** A model whose replies make the given tool calls, one reply after another, and then contain text. */
const making =
  (...replies: Block[][]) =>
  (_: number, call: Asked) => {
    const calls = replies[blocksOf(call).filter(({ type }) => type === "tool_use").length];
    return reply(calls ?? [hello]);
  };

/** Returns the events of the ends of a session's tool calls. */
async function madeIn(id: string) {
  const events = await eventsOf(id);
  return events.flatMap((event) => (event.type === "tool.completed" ? [event] : []));
}

describe("a repeated tool call id", () => {
  it.each<[string, unknown]>([
    ["unchanged", "toolu_1"],
    ["empty", ""],
    ["very long", "x".repeat(10_000)],
    ["with a blank", "a b"],
    ["a number", 7],
    ["null", null],
  ])("in the next turn (%s) runs the new call, which gets its own result", async (_, again) => {
    const id = await createSession();
    const asked = upstream(making([bash("echo one")], [bash("echo two", again)]));
    expect(await ask(id, "go")).toMatchObject({ status: "completed", numTurns: 3 });
    expect((await madeIn(id)).map(({ content }) => content)).toEqual(["one", "two"]);
    const last = asked[2] as Asked;
    const sent = blocksOf(last).flatMap((block) => (block.type === "tool_use" ? [block.id] : []));
    expect(sent[0]).toBe("toolu_1");
    expect(new Set(sent).size).toBe(2);
    expect(results(last)).toMatchObject([
      { tool_use_id: sent[0], content: "one" },
      { tool_use_id: sent[1], content: "two" },
    ]);
    // The offline model is as strict with ids as the API.
    vi.restoreAllMocks();
    expect(await ask(id, "and now?")).toMatchObject({ status: "completed" });
  });

  it("within one reply runs both calls", async () => {
    const id = await createSession();
    upstream(making([bash("echo one"), bash("echo two"), bash("echo three", "toolu_3")]));
    expect(await ask(id, "go")).toMatchObject({ status: "completed", toolsUsed: ["Bash"] });
    const made = await madeIn(id);
    expect(made.map(({ content }) => content)).toEqual(["one", "two", "three"]);
    expect(made.map(({ toolUseId }) => toolUseId)).toEqual([
      "toolu_1",
      expect.stringMatching(/^toolu_\w{32}$/),
      "toolu_3",
    ]);
    vi.restoreAllMocks();
    expect(await ask(id, "and now?")).toMatchObject({ status: "completed" });
  });

  it("after the conversation was summarized runs the new call, since it belongs to another turn", async () => {
    const id = await createSession();
    upstream(making([bash("echo one")]));
    await ask(id, "go");
    // Entries replaced by a summary are no longer sent, so the API permits their ids again.
    await runInDurableObject(objectOf(id), (_, { storage }) => {
      const store = new SessionStore(storage);
      store.transaction(() => {
        const summary = { type: "text", text: "They said one." } as const;
        store.history.saveSummary("", summary, 1_000);
      });
    });
    upstream(making([bash("echo two")]));
    await ask(id, "go on");
    expect((await madeIn(id)).map(({ content }) => content)).toEqual(["one", "two"]);
  });

  it("starts one run for each task of an agent", async () => {
    const id = await createSession({ config: { customAgents: { writer: {} } } });
    const task = (prompt: string): Block => {
      const input = { subagent_type: "writer", prompt };
      return { type: "tool_use", id: "toolu_1", name: "Task", input };
    };
    const main = making([task("first")], [task("second")]);
    upstream((n, call) =>
      JSON.stringify(call.body).includes("You are the agent") ? reply([hello]) : main(n, call),
    );
    await ask(id, "go");
    const events = await eventsOf(id);
    const started = events.filter(({ type }) => type === "agent.started");
    expect(started).toMatchObject([
      { toolUseId: "toolu_1", prompt: "first" },
      { prompt: "second" },
    ]);
    expect(events.filter(({ type }) => type === "agent.completed")).toHaveLength(2);
  });

  it("stays distinct after every loss of the object: each call runs once and has its own result", async () => {
    plantFaults();
    const log = (word: string) => `echo ${word} >> log.txt; echo said ${word}; cat log.txt`;
    upstream(making([bash(log("one"))], [bash(log("two"))]));
    const scenario = { config: {}, prompts: ["go"] };
    const { fault, outcome: undisturbed } = await play(scenario, null, "object at once");
    expect(JSON.stringify(undisturbed.conversations)).toContain("said two\\none\\ntwo");
    const points = [...fault.commits];
    expect(points.length).toBeGreaterThan(8);
    for (const loss of ["object at once", "object before its next commit"] as const) {
      for (const point of points) {
        const { outcome } = await play(scenario, point, loss);
        expect(outcome, `lost after ${point}`).toEqual(undisturbed);
      }
    }
  }, 60_000);
});

const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;

/** Returns a page of a session's events, as a client reads it. */
async function pageOf(id: string, accept = "application/json") {
  const headers = { Accept: accept };
  const url = `https://rigger.test/api/sessions/${id}/events`;
  return (exports as unknown as { default: Fetcher }).default.fetch(url, { headers });
}

describe("the input of a tool call", () => {
  it.each<[string, unknown, string]>([
    ["nests 5,000 levels", nested(5_000), "nests more than 100 levels"],
    ["nests 101 levels", nested(101), "nests more than 100 levels"],
    ["is larger than 128 KiB", { command: "x".repeat(131_072) }, "is larger than 128 KiB"],
  ])("that %s is refused with an error result for the model", async (_, input, why) => {
    const id = await createSession();
    const call = { ...bash("", "toolu_1"), input };
    const asked = upstream(making([call]));
    expect(await ask(id, "go")).toMatchObject({ status: "completed", toolsUsed: [] });
    expect(results(asked[1] as Asked)).toMatchObject([
      { tool_use_id: "toolu_1", is_error: true, content: expect.stringContaining(why) },
    ]);
    expect(blocksOf(asked[1] as Asked)).toContainEqual(expect.objectContaining({ input: {} }));
    const page = await pageOf(id);
    expect(page.status).toBe(200);
    const { events } = await page.json<{ events: Block[] }>();
    expect(events).toContainEqual(expect.objectContaining({ type: "tool.started", input: {} }));
    vi.restoreAllMocks();
    expect(await ask(id, "and now?")).toMatchObject({ status: "completed" });
  });

  it.each(["[1]", '"true"', "7", '{"command":'])(
    "that is %s causes a retry of the reply",
    async (input) => {
      const id = await createSession();
      upstream((n) => reply(n === 0 ? [{ ...bash(""), input }] : [hello]));
      const message = await withoutPauses(() => ask(id, "go"));
      expect(message).toMatchObject({ status: "completed", result: "Hello.", toolsUsed: [] });
      const events = await eventsOf(id);
      expect(events).toContainEqual(
        expect.objectContaining({ type: "turn.retried", reason: "malformed" }),
      );
    },
  );

  it("may nest a hundred levels, and contain lone surrogates, which are replaced", async () => {
    const id = await createSession();
    const deep = { ...bash(""), input: `{"command":"echo \\ud800 é","more":${nested(98)}}` };
    const asked = upstream(making([deep]));
    await ask(id, "go");
    expect((await madeIn(id))[0]).toMatchObject({ isError: false, content: "\ufffd é" });
    expect(asked[1]?.text).not.toMatch(/\\ud8/);
    expect((await pageOf(id)).status).toBe(200);
  });
});

describe("an event that an earlier version stored", () => {
  it.each([
    ["tool.started", `"turnId":"turn_1","toolUseId":"t","name":"Bash","input":${nested(5_000)}`],
    ["message.completed", `"stopReason":"end_turn","result":null,"output":${nested(20_000)}`],
  ])("of type %s leaves pages and streams readable, whatever its depth", async (type, rest) => {
    const id = await createSession();
    await ask(id, "hello");
    await runInDurableObject(objectOf(id), (_, { storage }) => {
      const body = `{"type":"${type}","at":"2026-11-23T09:33:14.913Z",${rest}}`;
      storage.sql.exec("INSERT INTO events (type, body) VALUES (?, ?)", type, body);
    });
    await ask(id, "go on");
    const page = await pageOf(id);
    expect(page.status).toBe(200);
    const { events } = await page.json<{ events: (Block & { seq: number })[] }>();
    const deep = events.find((event) => JSON.stringify(event).includes("[nested too deep]"));
    expect(deep).toMatchObject({ type, at: "2026-11-23T09:33:14.913Z" });
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));

    const stream = await pageOf(id, "text/event-stream");
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes(`id: ${events.length}\n`)) text += (await reader?.read())?.value ?? "";
    await reader?.cancel();
    expect(text).toContain("[nested too deep]");
    expect(text).not.toContain(nested(500));
  });
});

describe("an invalid or unusual reply", () => {
  const start = (index: unknown, content_block: unknown) =>
    `event: content_block_start\ndata: ${JSON.stringify({ type: "content_block_start", index, content_block })}\n\n`;
  const begun =
    'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":5000}}}\n\n';
  const end = (stop: unknown) =>
    `event: message_delta\ndata: ${JSON.stringify({ type: "message_delta", delta: { stop_reason: stop }, usage: { output_tokens: 9 } })}\n\n` +
    'event: message_stop\ndata: {"type":"message_stop"}\n\n';
  const text = (index: unknown) => start(index, { type: "text", text: "" });
  const piece = (text: unknown, index: unknown = 0) =>
    `event: content_block_delta\ndata: ${JSON.stringify({ type: "content_block_delta", index, delta: { type: "text_delta", text } })}\n\n`;

  it.each<[string, string]>([
    ["a block of index 1e9", text(1e9)],
    ["a block of index -1", text(-1)],
    ["a block of a fractional index", text(0.5)],
    ["a block of an index that is a text", text("length")],
    ["a repeated block", text(0) + text(0)],
    ["100,000 blocks", Array.from({ length: 100_000 }, (_, n) => text(n)).join("")],
    ["text of 2 MB", text(0) + piece("x".repeat(2_000_000))],
    ["a megabyte of NUL", text(0) + piece("\0".repeat(1_000_000))],
    ["text of another type", text(0) + piece({})],
    ["a delta of a block whose index is a text", piece("x", "length")],
    ["a second message start", begun],
    ["a block nested deep", start(0, { type: "news", of: JSON.parse(nested(500)) })],
    ["a stop reason of a megabyte", end("s".repeat(1_000_000))],
    ["an invalid stop reason", end({})],
    ["a record without an end", `event: ping\ndata: ${"x".repeat(5_000_000)}`],
    ["more than any reply has", `: ${"x".repeat(1_000)}\n\n`.repeat(17_000)],
  ])("with %s is retried, and leaves nothing in the conversation", async (_, odd) => {
    const id = await createSession();
    upstream((n) => (n === 0 ? new Response(begun + odd + end("end_turn")) : reply([hello])));
    const message = await withoutPauses(() => ask(id, "go"));
    expect(message).toMatchObject({ status: "completed", result: "Hello." });
    const { calls, events } = await booksOf(id);
    expect(calls).toHaveLength(2);
    expect(calls[0]?.held).toBeGreaterThan(0);
    expect(events.filter(({ type }) => type === "turn.retried")).toMatchObject([
      { reason: "malformed" },
    ]);
  });

  it.each<[string, Block[], string]>([
    ["unknown types of blocks", [{ type: "news", a: 1 }, { type: "constructor" }, hello], "Hello."],
    ["a lone surrogate", [{ type: "text", text: "a\ud800b" }], "a\ufffdb"],
    ["a NUL", [{ type: "text", text: "a\0b" }], "a\0b"],
    [
      "a lone surrogate in a thinking block",
      [{ type: "thinking", thinking: "\ud800", signature: "s" }, hello],
      "Hello.",
    ],
    [
      "results without a call",
      [{ type: "web_search_tool_result", tool_use_id: "x", content: [] }, hello],
      "Hello.",
    ],
  ])("with %s is stored in a form that the API accepts", async (_, blocks, result) => {
    const id = await createSession();
    upstream(() => reply(blocks));
    expect(await ask(id, "go")).toMatchObject({ status: "completed", result });
    expect((await pageOf(id)).status).toBe(200);
    vi.restoreAllMocks();
    expect(await ask(id, "and now?")).toMatchObject({ status: "completed" });
  });

  it.each([
    ["", "unnamed"],
    ["no such tool", "no_such_tool"],
    ["n".repeat(500), "n".repeat(64)],
    [{}, "unnamed"],
  ])(
    "that calls a tool with the name %j gets an error result, and the conversation continues",
    async (name, shown) => {
      const id = await createSession();
      upstream(making([{ ...bash("x"), name }]));
      expect(await ask(id, "go")).toMatchObject({ status: "completed", toolsUsed: [] });
      expect((await madeIn(id))[0]).toMatchObject({ name: shown, isError: true });
      vi.restoreAllMocks();
      expect(await ask(id, "and now?")).toMatchObject({ status: "completed" });
    },
  );

  it("whose stream stays open after its end is accepted immediately", async () => {
    const id = await createSession();
    const whole = begun + text(0) + piece("Hi.") + end("end_turn");
    upstream(() => {
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode(whole)),
      });
      return new Response(body);
    });
    expect(await ask(id, "go")).toMatchObject({ status: "completed", result: "Hi.", numTurns: 1 });
  });

  it("whose error is a megabyte long is reported with a shortened error", async () => {
    const id = await createSession();
    const error = { type: "t".repeat(1_000_000), message: `\ud800${"m".repeat(1_000_000)}` };
    upstream(() => Response.json({ type: "error", error }, { status: 400 }));
    const message = await ask(id, "go");
    expect(message.status).toBe("failed");
    expect(message.error?.message.length).toBeLessThan(2_100);
    expect(message.error?.message.isWellFormed()).toBe(true);
  });
});
