import { describe, expect, it } from "vitest";
import type { AgentDeps, Journal, Progress } from "./agent-deps";
import { runAgent } from "./loop";
import { type Block, type Message, toolCalls, toolResultBlock } from "./messages";
import { emptyDraft } from "./model/assemble";
import type { Model, ModelCall } from "./model/model";
import type { ModelFailure } from "./model/model-failure";
import type { ToolResult } from "./tool";

/** A journal in memory, with nothing but what a run reads back. */
function memoryJournal(prompt = "go") {
  const messages: Message[] = [{ role: "user", content: [{ type: "text", text: prompt }] }];
  const seen: string[] = [];
  let lastStop: string | null = null;
  let pending: Progress["pending"] = [];
  let results: Block[] = [];
  let turns = 0;
  let contextTokens = 0;
  const journal: Journal = {
    progress: () => ({ lastStop, pending: [...pending], contextTokens }),
    conversation: () => messages,
    begin({ kind, maxTokens }) {
      seen.push(`begin ${kind}`);
      return { ok: true, turnId: `turn_${++turns}`, attempt: 1, maxTokens };
    },
    complete(turn, reply, withdrawn) {
      for (const { index, content } of withdrawn?.replacements ?? []) {
        seen.push(`withdraw ${index}`);
        messages[index] = { role: "user", content };
      }
      seen.push(`complete ${reply.stopReason}`);
      lastStop = reply.stopReason;
      if (reply.content.length > 0) messages.push({ role: "assistant", content: reply.content });
      pending = toolCalls(reply.content).map((call) => {
        return { ...call, callId: call.id, turnId: turn.turnId, interrupted: false };
      });
    },
    fail: (_, failed, delayMs) => void seen.push(`fail ${failed.failure.type} ${delayMs !== null}`),
    compact(_, summary, cut) {
      seen.push(`compact ${cut}`);
      messages.splice(0, cut, { role: "assistant", content: [summary] });
      contextTokens = 0;
    },
    deliverInbox: () => {},
    joining: () => [],
    isSteered: () => false,
    otherSettled: async () => {},
    admit: (calls) => calls,
    decided: () => new Promise(() => {}),
    startTool: (call) => void seen.push(`start ${call.id}`),
    finishTool(call, result) {
      seen.push(`finish ${call.id}`);
      pending = pending.filter(({ id }) => id !== call.id);
      results.push(toolResultBlock(call.id, result));
      if (pending.length > 0) return;
      messages.push({ role: "user", content: results });
      results = [];
    },
  };
  return {
    journal,
    messages,
    seen,
    weigh: (tokens: number) => {
      contextTokens = tokens;
    },
    hold: (...calls: Progress["pending"]) => {
      pending = calls;
    },
  };
}

const text = (value: string): Block => ({ type: "text", text: value });
const use = (id: string, name = "Read"): Block => ({ type: "tool_use", id, name, input: {} });

type Script = ({ content: Block[]; stopReason: string } | ModelFailure)[];

/** A model that plays a list of replies and keeps what it was sent. */
function scriptedModel(script: Script): Model & { calls: ModelCall[] } {
  const calls: ModelCall[] = [];
  return {
    calls,
    async call(call) {
      calls.push({ ...call, messages: [...call.messages] });
      const next = script.shift();
      if (!next) throw new Error("the script is over");
      if ("type" in next) return { ok: false, failure: next, draft: emptyDraft() };
      return { ok: true, ...next, usage: { start: null, delta: null } };
    },
    count: async () => ({ ok: true, tokens: 100 }),
  };
}

function depsOf(
  model: Model,
  journal: Journal,
  runTool: AgentDeps["runTool"] = async ({ id }) => ({ content: `did ${id}` }),
): AgentDeps {
  return {
    model,
    request: { model: "m", system: "s", tools: [] },
    maxTokens: 1_000,
    journal,
    signal: new AbortController().signal,
    runTool,
    sideBySide: (call) => call.name === "Read",
    watch: () => ({ draft: emptyDraft(), onDelta: () => {} }),
    random: () => 0,
  };
}

const failure = (changes: Partial<ModelFailure> = {}): ModelFailure => ({
  type: "overloaded_error",
  message: "busy",
  status: 529,
  requestId: "req_1",
  retryable: true,
  retryAfterMs: 0,
  began: false,
  ...changes,
});

describe("a run", () => {
  it("goes from reply to tools to reply until the model has nothing more to do", async () => {
    const { journal, messages, seen } = memoryJournal();
    const model = scriptedModel([
      { content: [text("let me see"), use("a", "Bash")], stopReason: "tool_use" },
      { content: [text("done")], stopReason: "end_turn" },
    ]);
    expect(await runAgent(depsOf(model, journal))).toEqual({ stopReason: "end_turn" });
    expect(seen).toEqual([
      "begin reply",
      "complete tool_use",
      "start a",
      "finish a",
      "begin reply",
      "complete end_turn",
    ]);
    expect(messages.map((message) => message.role)).toEqual([
      "user",
      "assistant",
      "user",
      "assistant",
    ]);
  });

  it("that is to let others go first goes on when they do, however soon", async () => {
    const { journal } = memoryJournal();
    const { begin } = journal;
    let settled = Promise.withResolvers<void>();
    let free = false;
    journal.otherSettled = () => settled.promise;
    journal.begin = (wish) => {
      if (free) return begin(wish);
      // The other's reply is complete already, and about to be written down.
      queueMicrotask(() => {
        free = true;
        settled.resolve();
        settled = Promise.withResolvers();
      });
      return { ok: false, why: "pending_calls" };
    };
    const model = scriptedModel([{ content: [text("done")], stopReason: "end_turn" }]);
    expect(await runAgent(depsOf(model, journal))).toEqual({ stopReason: "end_turn" });
  });

  it.each([
    ["refusal", "refusal"],
    ["max_tokens", "max_tokens"],
    ["stop_sequence", "end_turn"],
    ["something_new", "end_turn"],
  ])("ends on %s as %s", async (stopReason, ended) => {
    const { journal } = memoryJournal();
    const model = scriptedModel([{ content: [text("so far")], stopReason }]);
    expect(await runAgent(depsOf(model, journal))).toEqual({ stopReason: ended });
  });

  it("lets the model go on when it has paused its turn, with what it said so far", async () => {
    const { journal } = memoryJournal();
    const model = scriptedModel([
      { content: [text("thinking about it")], stopReason: "pause_turn" },
      { content: [text("done")], stopReason: "end_turn" },
    ]);
    expect(await runAgent(depsOf(model, journal))).toEqual({ stopReason: "end_turn" });
    expect(model.calls[1]?.messages.at(-1)).toMatchObject({ role: "assistant" });
  });

  it("keeps no call of a reply that ended for another reason: it would stay unanswered", async () => {
    const { journal, messages } = memoryJournal();
    const model = scriptedModel([
      { content: [text("I was about to"), use("a")], stopReason: "max_tokens" },
    ]);
    await runAgent(depsOf(model, journal));
    expect(messages.at(-1)?.content).toEqual([text("I was about to")]);
  });

  it("does not ask for ever a model that wants tools and names none", async () => {
    const { journal } = memoryJournal();
    const model = scriptedModel([{ content: [text("hm")], stopReason: "tool_use" }]);
    expect(await runAgent(depsOf(model, journal))).toEqual({ stopReason: "end_turn" });
  });

  it("runs calls that only read side by side, and any other alone and in its turn", async () => {
    const { journal } = memoryJournal();
    const model = scriptedModel([
      {
        content: [use("r1"), use("r2"), use("w1", "Write"), use("r3"), use("w2", "Write")],
        stopReason: "tool_use",
      },
      { content: [text("done")], stopReason: "end_turn" },
    ]);
    let running = 0;
    const together: Record<string, number> = {};
    const runTool: AgentDeps["runTool"] = async ({ id }): Promise<ToolResult> => {
      running++;
      await scheduler.wait(5);
      together[id] = running;
      await scheduler.wait(5);
      running--;
      return { content: "" };
    };
    await runAgent(depsOf(model, journal, runTool));
    expect(together).toEqual({ r1: 2, r2: 2, w1: 1, r3: 1, w2: 1 });
  });

  it("is carried on with the calls that have no result yet", async () => {
    const { journal, seen, hold } = memoryJournal();
    const call = { name: "Bash", input: {}, turnId: "turn_0" };
    hold(
      { ...call, id: "a", callId: "a", interrupted: true },
      { ...call, id: "b", callId: "b", interrupted: false },
    );
    const told: boolean[] = [];
    const model = scriptedModel([{ content: [text("done")], stopReason: "end_turn" }]);
    await runAgent(
      depsOf(model, journal, async (_, { interrupted }) => {
        told.push(interrupted);
        return { content: "" };
      }),
    );
    expect(told).toEqual([true, false]);
    expect(seen.slice(0, 3)).toEqual(["finish a", "start b", "finish b"]);
  });

  it("tries again after a failure that may pass, and gives up on one that will not", async () => {
    const { journal, seen } = memoryJournal();
    const model = scriptedModel([failure(), { content: [text("done")], stopReason: "end_turn" }]);
    expect(await runAgent(depsOf(model, journal))).toEqual({ stopReason: "end_turn" });
    expect(seen).toContain("fail overloaded_error true");

    const other = memoryJournal();
    const broken = scriptedModel([failure({ status: 400, retryable: false, message: "bad" })]);
    expect(await runAgent(depsOf(broken, other.journal))).toMatchObject({
      stopReason: "error",
      error: { type: "upstream_error", upstreamRequestId: "req_1" },
    });
    expect(other.seen).toContain("fail overloaded_error false");
  });

  it("stops without a word when its signal is aborted", async () => {
    const { journal, seen } = memoryJournal();
    const controller = new AbortController();
    const model = scriptedModel([{ content: [use("a", "Bash")], stopReason: "tool_use" }]);
    const deps = {
      ...depsOf(model, journal, async () => {
        controller.abort();
        return { content: "too late" };
      }),
      signal: controller.signal,
    };
    expect(await runAgent(deps)).toBeNull();
    expect(seen).not.toContain("finish a");
  });
});

describe("a prompt whose bound is too dear", () => {
  const overBudget = (journal: Journal): Journal => {
    const { begin } = journal;
    return {
      ...journal,
      begin: (wish) =>
        wish.promptTokens > 1_000 ? { ok: false, why: "over_budget" } : begin(wish),
    };
  };
  const reply = { content: [text("done")], stopReason: "end_turn" };

  it("is counted, and asked with what it really weighs", async () => {
    const { journal } = memoryJournal();
    const deps = depsOf(scriptedModel([reply]), overBudget(journal));
    expect(await runAgent(deps)).toEqual({ stopReason: "end_turn" });
  });

  it("ends on the budget when even the count does not fit", async () => {
    const { journal } = memoryJournal();
    const model = {
      ...scriptedModel([]),
      count: async () => ({ ok: true, tokens: 9_000 }) as const,
    };
    expect(await runAgent(depsOf(model, overBudget(journal)))).toEqual({
      stopReason: "budget_limit",
    });
  });

  it("fails, and does not end the session's budget, when it can't be counted", async () => {
    const { journal } = memoryJournal();
    let counts = 0;
    const model: Model = {
      ...scriptedModel([]),
      async count() {
        counts++;
        return { ok: false, failure: failure({ retryable: counts < 2 }) };
      },
    };
    expect(await runAgent(depsOf(model, overBudget(journal)))).toMatchObject({
      stopReason: "error",
    });
    expect(counts).toBe(2);
  });
});

describe("what enters the conversation", () => {
  const thought = (signature: string): Block => ({ type: "thinking", thinking: "hm", signature });

  it.each<[string, Block[], Block[]]>([
    ["no blank text", [text("a"), text("  \n")], [text("a")]],
    ["no thought without its signature", [thought(""), text("a")], [text("a")]],
    ["a signed thought with its text", [thought("s"), text("a")], [thought("s"), text("a")]],
    ["nothing at all, when there are only thoughts", [thought("s")], []],
  ])("%s", async (_, content, kept) => {
    const { journal, messages } = memoryJournal();
    await runAgent(depsOf(scriptedModel([{ content, stopReason: "end_turn" }]), journal));
    expect(messages.slice(1).flatMap((message) => message.content)).toEqual(kept);
  });
});

describe("a conversation that grows too heavy", () => {
  const summary = {
    type: "compaction",
    content: "what was said",
    encrypted_content: null,
  } as const;

  it("is summarised up to the newest prompt, and goes on from there", async () => {
    const { journal, messages, seen, weigh } = memoryJournal("old");
    messages.push({ role: "assistant", content: [text("older answer")] });
    messages.push({ role: "user", content: [text("new")] });
    weigh(200_000);
    const model = scriptedModel([
      { content: [summary], stopReason: "compaction" },
      { content: [text("done")], stopReason: "end_turn" },
    ]);
    expect(await runAgent(depsOf(model, journal))).toEqual({ stopReason: "end_turn" });
    expect(seen).toContain("compact 2");
    expect(model.calls[0]).toMatchObject({ compaction: true });
    expect(model.calls[1]?.messages.map(({ content }) => content[0]?.type)).toEqual([
      "compaction",
      "text",
    ]);
  });

  it("goes on whole when the summary fails, without paying for another one with every turn", async () => {
    const { journal, messages, weigh } = memoryJournal("old");
    messages.push({ role: "assistant", content: [text("older answer")] });
    messages.push({ role: "user", content: [text("new")] });
    weigh(200_000);
    const model = scriptedModel([
      { content: [], stopReason: "max_tokens" },
      { content: [use("a")], stopReason: "tool_use" },
      { content: [text("done")], stopReason: "end_turn" },
    ]);
    expect(await runAgent(depsOf(model, journal))).toEqual({ stopReason: "end_turn" });
    expect(model.calls.map(({ compaction }) => compaction === true)).toEqual([true, false, false]);
  });

  it("is summarised when the model says that its window is full, or fails when that can't help", async () => {
    const { journal, messages } = memoryJournal("old");
    messages.push({ role: "assistant", content: [text("older answer")] });
    messages.push({ role: "user", content: [text("new")] });
    const model = scriptedModel([
      { content: [text("half")], stopReason: "model_context_window_exceeded" },
      { content: [summary], stopReason: "compaction" },
      { content: [text("half")], stopReason: "model_context_window_exceeded" },
    ]);
    expect(await runAgent(depsOf(model, journal))).toMatchObject({
      stopReason: "error",
      error: { message: expect.stringContaining("context window") },
    });
    expect(messages.map(({ content }) => content[0]?.type)).toEqual(["compaction", "text"]);
  });

  it.each([
    "prompt is too long: 210000 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 199000 + 16384 > 200000",
  ])("is summarised when its prompt is refused (%s), and goes on", async (message) => {
    const { journal, messages, seen } = memoryJournal("old");
    messages.push({ role: "assistant", content: [text("older answer")] });
    messages.push({ role: "user", content: [text("new")] });
    const tooLong = failure({
      type: "invalid_request_error",
      message,
      status: 400,
      retryable: false,
    });
    const model = scriptedModel([
      tooLong,
      { content: [summary], stopReason: "compaction" },
      { content: [text("done")], stopReason: "end_turn" },
    ]);
    expect(await runAgent(depsOf(model, journal))).toEqual({ stopReason: "end_turn" });
    expect(seen).toContain("compact 2");
    expect(messages.map(({ content }) => content[0]?.type)).toEqual(["compaction", "text", "text"]);
  });

  it("fails when its newest prompt alone is too long", async () => {
    const { journal } = memoryJournal("far too long");
    const message = "prompt is too long: 210000 tokens > 200000 maximum";
    const tooLong = failure({ message, status: 400, retryable: false });
    expect(await runAgent(depsOf(scriptedModel([tooLong]), journal))).toMatchObject({
      stopReason: "error",
      error: { message: expect.stringContaining("context window") },
    });
  });

  it("goes on without an earlier prompt that was too long even for a summary", async () => {
    const { journal, messages, seen } = memoryJournal("far too long");
    messages.push({ role: "user", content: [text("new")] });
    const message = "prompt is too long: 210000 tokens > 200000 maximum";
    const tooLong = failure({ message, status: 400, retryable: false });
    const done = { content: [text("done")], stopReason: "end_turn" };
    const model = scriptedModel([tooLong, tooLong, done]);
    expect(await runAgent(depsOf(model, journal))).toEqual({ stopReason: "end_turn" });
    expect(seen).toContain("withdraw 0");
    expect(messages.map(({ content }) => content)).toEqual([
      [text(expect.stringContaining("was refused by the model's API"))],
      [text("new")],
      [text("done")],
    ]);
  });
});
