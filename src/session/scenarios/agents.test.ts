import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Block } from "../../agent/messages";
import type { ModelCall, ModelReply } from "../../agent/model/model";
import type { SessionEvent } from "../../events/event";
import {
  ALICE,
  aMessage,
  ask,
  bash,
  call,
  createSession,
  eventsOf,
  objectOf,
  read,
  sessionOf,
  typesOf,
  until,
  value,
} from "../../testing/sessions";
import { model } from "../deployment";
import type { SessionConfig } from "../rpc";
import { SessionStore } from "../storage/store";

const PLAYERS: SessionConfig["customAgents"] = {
  player1: { systemPrompt: "You are player 1." },
  player2: { systemPrompt: "You are player 2." },
};

const crew = (config: SessionConfig = {}) =>
  createSession({ pattern: "single-container", config: { customAgents: PLAYERS, ...config } });

const task = (type: string, prompt: string, more: object = {}) =>
  call("Task", { subagent_type: type, prompt, ...more });

const of = (events: SessionEvent[], type: string) => events.filter((event) => event.type === type);

/** Makes the model answer as a test requires: with tool calls, or with text and a stop reason. */
function answerWith(answer: (call: ModelCall, agent: string) => Promise<Block[] | string>): void {
  if (!model) throw new Error("tests have a model");
  vi.spyOn(model, "call").mockImplementation(async (call): Promise<ModelReply> => {
    const agent = /You are the agent "([^"]+)"/.exec(call.system)?.[1] ?? "main";
    const answered = await answer(call, agent);
    const usage = { start: null, delta: null };
    if (typeof answered !== "string") {
      return { ok: true, content: answered, stopReason: "tool_use", usage };
    }
    return { ok: true, content: [{ type: "text", text: "so be it" }], stopReason: answered, usage };
  });
}

let uses = 0;
const use = (name: string, input: object): Block[] => [
  { type: "tool_use", id: `toolu_${++uses}`, name, input },
];

afterEach(() => vi.restoreAllMocks());

/** Returns an agent's conversation as its model would receive it. */
const conversationOf = (id: string, agent: string): Promise<string> =>
  runInDurableObject(objectOf(id), (_, { storage }) =>
    JSON.stringify(new SessionStore(storage).history.conversation(agent, "claude-sonnet-5-5")),
  );

async function checkTotals(id: string): Promise<void> {
  const events = await eventsOf(id);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  const costs = events.map((event) => ("cost" in event ? Math.round(event.cost * 1e9) : 0));
  const session = await read(id);
  expect(costs.reduce((sum, cost) => sum + cost, 0)).toBe(session.totalCostNanos);
  const replies = of(events, "turn.completed").filter(
    (event) => "kind" in event && event.kind === "reply",
  );
  expect(session.numTurns).toBe(replies.length);
}

describe("a task for an agent", () => {
  it("runs in the same sandbox, and the agent's last text is the result", async () => {
    const id = await crew();
    const message = await ask(id, task("player1", `${bash("echo x > move.txt")}\nI moved`));
    expect(message).toMatchObject({
      status: "completed",
      numTurns: 4,
      toolsUsed: ["Bash", "Task"],
    });
    expect(message.result).toContain("You said: I moved");
    const events = await eventsOf(id);
    expect(of(events, "agent.started")).toMatchObject([
      { agent: "player1", toolUseId: expect.any(String) },
    ]);
    expect(of(events, "agent.completed")).toMatchObject([
      { agent: "player1", stopReason: "end_turn", result: expect.stringContaining("I moved") },
    ]);
    const tools = of(events, "tool.completed").map((event) => [
      "name" in event && event.name,
      event.agent,
    ]);
    expect(tools).toEqual([
      ["Bash", "player1"],
      ["Task", undefined],
    ]);
    expect((await ask(id, bash("cat move.txt"))).result).toContain("Bash returned: x");
    await checkTotals(id);
  });

  it("continues the agent's conversation, which no other agent sees", async () => {
    const id = await crew();
    await ask(id, task("player1", "remember the word kiwi"));
    await ask(id, task("player1", "which word?"));
    expect(await conversationOf(id, "player1")).toContain("kiwi");
    expect(await conversationOf(id, "player2").catch(() => "")).not.toContain("kiwi");
    expect(await conversationOf(id, "player1")).not.toContain("Task");
  });

  it("runs concurrently with other tasks of the same reply, even of the same type", async () => {
    const id = await crew();
    const wait = (name: string) =>
      `${bash(`echo ${name} >> order.txt; sleep 0.2; cat order.txt`)}\nok`;
    const tasks = [
      task("player1", wait("a")),
      task("player2", wait("b")),
      task("player1", wait("c")),
    ];
    const message = await ask(id, tasks.join(" & "));
    expect(message.status).toBe("completed");
    const events = await eventsOf(id);
    expect(of(events, "agent.started").map(({ agent }) => agent)).toEqual([
      "player1",
      "player2",
      "player1-2",
    ]);
    for (const event of of(events, "tool.completed")) {
      if ("content" in event && event.type === "tool.completed" && event.name === "Bash") {
        expect(event.content.split("\n").sort()).toEqual(["a", "b", "c"]);
      }
    }
    await checkTotals(id);
  });

  it("gets a name that does not belong to an agent of another type", async () => {
    const id = await crew({ customAgents: { player: {}, "player-2": {} } });
    await ask(id, `${task("player", "a")} & ${task("player", "b")} & ${task("player-2", "c")}`);
    const names = of(await eventsOf(id), "agent.started").map(({ agent }) => agent);
    expect(names).toEqual(["player", "player-3", "player-2"]);
  });

  it("in the background does not block the main agent, which is notified of its end", async () => {
    const id = await crew();
    const inBackground = { run_in_background: true };
    const message = await ask(id, task("player1", `${bash("sleep 0.2")}\nfinally`, inBackground));
    expect(message.status).toBe("completed");
    expect(message.result).toContain("player1 has ended (end_turn)");
    const events = await typesOf(id);
    expect(events.indexOf("agent.completed")).toBeLessThan(events.indexOf("message.completed"));
    expect(events.at(-1)).toBe("message.completed");
    await checkTotals(id);
  });

  it("returns an error with the reason if it can't be started", async () => {
    const id = await crew();
    const message = await ask(
      id,
      [
        task("player3", "x"),
        task("player1", "x", { name: "main" }),
        task("player1", "x", { name: "player2" }),
        task("player1", " \n "),
      ].join("\n"),
    );
    expect(message.result).toContain("Task can't use this input");
    expect(message.result).toContain(
      'There is no agent \\"player3\\". There are: player1, player2.'.replaceAll("\\", ""),
    );
    expect(message.result?.match(/another agent's name/g)).toHaveLength(2);
    expect(of(await eventsOf(id), "agent.started")).toEqual([]);
  });

  it("is not offered in a session without agent types, nor to other agents than the main one", async () => {
    const alone = await createSession();
    expect((await ask(alone, task("player1", "x"))).result).toMatch(/no other agents|no tool/i);
    const id = await crew();
    const nested = await ask(id, task("player1", `${task("player2", "x")}\ndone`));
    expect(nested.result).toContain("Task is disallowed");
    expect(of(await eventsOf(id), "agent.started")).toHaveLength(1);
  });
});

describe("an agent", () => {
  it("has its own model, tools and turns", async () => {
    const id = await crew({
      customAgents: {
        reader: { model: "claude-haiku-4-5", allowedTools: ["Read"], maxTurns: 2 },
      },
    });
    const refused = await ask(id, task("reader", `${bash("ls")}\nok`));
    expect(refused.result).toContain("Bash is not allowed");
    const tired = await ask(
      id,
      task(
        "reader",
        Array(5)
          .fill(call("Read", { file_path: "a" }))
          .join("\n"),
      ),
    );
    expect(tired.status).toBe("completed");
    expect(tired.result).toContain("did not come to its end (max_turns)");
    expect(Object.keys((await read(id)).usage).sort()).toEqual(
      expect.arrayContaining([expect.stringContaining("haiku"), "claude-sonnet-5-5"]),
    );
    await checkTotals(id);
  });

  it("can be addressed by a client, and answers instead of the main agent", async () => {
    const id = await crew();
    await ask(id, task("player1", "remember the word kiwi"));
    const message = await ask(id, "are you there?", { agent: "player1" });
    expect(message).toMatchObject({ agent: "player1", status: "completed" });
    expect(message.result).toContain("are you there?");
    expect(await conversationOf(id, "player1")).toContain("kiwi");
    expect(await conversationOf(id, "")).not.toContain("are you there?");
    for (const nobody of ["nobody", "constructor", "__proto__"]) {
      expect(await sessionOf(id).send(ALICE, aMessage("x", { agent: nobody }))).toMatchObject({
        failure: { code: "invalid_request" },
      });
      const unsent = await ask(id, call("SendMessage", { to: nobody, message: "x" }));
      expect(unsent.result).toContain(`There is no agent "${nobody}".`);
    }
  });

  it("does not exist in a session that inherited it without its type", async () => {
    const origin = await crew();
    await ask(origin, task("player1", "hello", { name: "bob" }));
    const bob = () => aMessage("x", { agent: "bob" });
    const customAgents = { player1: {}, player2: {} };
    const config = { resumeSessionId: origin };
    const same = await createSession({ config: { ...config, customAgents } });
    expect(await sessionOf(same).send(ALICE, bob())).toMatchObject({ ok: true });
    const other = { ...config, customAgents: { player2: {} } };
    const without = await createSession({ config: other });
    expect(await sessionOf(without).send(ALICE, bob())).toMatchObject({
      failure: { code: "invalid_request" },
    });
    const mail = await ask(without, call("SendMessage", { to: "bob", message: "x" }));
    expect(mail.result).toContain('There is no agent "bob". There are: main, player2.');
  });

  it("receives a message after its current step, and is started by one if it is not working", async () => {
    const id = await crew();
    const hello = call("SendMessage", { to: "player2", message: "hello from one" });
    const awake = await ask(
      id,
      `${task("player1", `${bash("sleep 0.1")}\n${hello}\nsent`)} & ${task("player2", `${bash("sleep 0.4")}\nwaited`)}`,
    );
    expect(awake.status).toBe("completed");
    expect(await conversationOf(id, "player2")).toContain("Message from player1:\\nhello from one");
    expect(of(await eventsOf(id), "agent.started")).toHaveLength(2);

    const woken = await ask(id, task("player1", `${hello}\nsent again`));
    expect(woken.status).toBe("completed");
    expect(of(await eventsOf(id), "agent.started")).toHaveLength(4);
    const nobody = call("SendMessage", { to: "nobody", message: "x" });
    expect((await ask(id, nobody)).result).toContain("There are: main, player1, player2.");
    await checkTotals(id);
  });
});

describe("a main agent that waits for other agents", () => {
  it("immediately receives a message of an agent in the background", async () => {
    const id = await crew();
    const write = call("Write", { file_path: "answer.txt", content: "forty-two" });
    const question = call("SendMessage", { to: "main", message: `${write}\nanswered` });
    const asks = `${bash("sleep 0.1")}\n${question}\n${bash("sleep 0.4; cat answer.txt")}\nok`;
    await ask(id, `${task("player1", asks, { run_in_background: true })}\nI wait`);
    expect(await conversationOf(id, "player1")).toContain('"content":"forty-two"}');
    await checkTotals(id);
  });
});

describe("an inbox", () => {
  it("of any size is delivered, in parts that fit into a row", async () => {
    const id = await crew();
    const large = (n: number) => `${"字".repeat(99_000)} number ${n},`;
    await runInDurableObject(objectOf(id), (_, { storage }) => {
      const { agents } = new SessionStore(storage);
      for (let n = 0; n < 30; n++) {
        agents.addToInbox({ id: `mail ${n}`, from: "player1", to: "main", content: large(n) });
      }
    });
    answerWith(async () => "end_turn");
    expect(await ask(id, "hello")).toMatchObject({ status: "completed" });
    const conversation = await conversationOf(id, "");
    const numbers = conversation.match(/(?<=number )\d+/g)?.map(Number);
    expect(numbers).toEqual(Array.from({ length: 30 }, (_, n) => n));
  });
});

describe("the end of a message", () => {
  it("ends its agents exactly once, at any step of theirs", async () => {
    for (let steps = 0; steps < 12; steps++) {
      // Both get their replies at once. The agent takes some more steps than the main one.
      let both: PromiseWithResolvers<void> | undefined;
      let asked = 0;
      answerWith(async ({ messages }, agent) => {
        const background = { subagent_type: "player1", prompt: "x", run_in_background: true };
        if (agent === "main" && messages.length === 1) return use("Task", background);
        both ??= Promise.withResolvers<void>();
        const { promise, resolve } = both;
        if (++asked === 2) setTimeout(resolve, 1);
        await promise;
        if (agent === "main") return "refusal";
        for (let step = 0; step < steps; step++) await null;
        return "end_turn";
      });
      const id = await crew();
      expect(await ask(id, "go")).toMatchObject({ stopReason: "refusal" });
      const types = await typesOf(id);
      expect(types.at(-1), `after ${steps} steps`).toBe("message.completed");
      expect(types.filter((type) => type === "agent.completed")).toHaveLength(1);
    }
  });
});

describe("the agent that started another agent", () => {
  const wake = call("SendMessage", { to: "player2", message: "ping" });
  // Only at the beginning of a message, since an agent may repeat the text later.
  const told = '"text":"player2 has ended (end_turn)';

  it("is notified of its end instead of the main agent", async () => {
    const id = await crew();
    await ask(id, task("player1", `${wake}\n${bash("sleep 0.3")}\nok`));
    expect(await conversationOf(id, "player1")).toContain(told);
    expect(await conversationOf(id, "")).not.toContain(told);
  });

  it("is replaced by the main agent as receiver of that notification if it ended before", async () => {
    const id = await crew();
    const slow = call("SendMessage", { to: "player2", message: "/delay 200\npong" });
    await ask(id, task("player1", `${slow}\nok`));
    expect(await conversationOf(id, "player1")).not.toContain(told);
    expect(await conversationOf(id, "")).toContain(told);
  });
});

describe("limits over all agents", () => {
  const many = (turns: number) => Array(turns).fill(bash("true")).join("\n");

  it("end the message when its turns are used up, without shortening a reply", async () => {
    const id = await crew({ maxTurns: 6 });
    const message = await ask(id, `${task("player1", many(9))} & ${task("player2", many(9))}`);
    expect(message).toMatchObject({ stopReason: "max_turns", numTurns: 6 });
    expect(await read(id)).toMatchObject({ status: "active", numTurns: 6 });
    await checkTotals(id);
  });

  it("wait for amounts held by other agents before they end the session, and are never exceeded", async () => {
    const limits = { maxIdleTimeMs: null, maxLifetimeMs: null, maxTurns: null };
    const id = await createSession({
      pattern: "single-container",
      config: { customAgents: PLAYERS },
      limits: { ...limits, maxBudgetNanos: 300_000_000 },
    });
    const tasks = ["player1", "player2", "player1", "player2"].map((type) =>
      task(type, `/delay 100\n${bash("true")}\ndone`),
    );
    const message = await ask(id, tasks.join(" & "));
    expect(message).toMatchObject({ status: "completed", stopReason: "end_turn" });
    expect(await read(id)).toMatchObject({ status: "active" });

    const dear = await ask(
      id,
      tasks.map((one) => one.replace("/delay 100", "/tokens 9000")).join(" & "),
    );
    const session = await read(id);
    expect(session.totalCostNanos).toBeLessThanOrEqual(300_000_000);
    expect(dear.status).toBe("completed");
    await checkTotals(id);
  });

  it("shorten no reply because of amounts that other agents only hold", async () => {
    const limits = { maxIdleTimeMs: null, maxLifetimeMs: null, maxTurns: null };
    // Enough for two replies of the maximum length and a shorter one.
    const id = await createSession({
      pattern: "single-container",
      config: { customAgents: PLAYERS },
      limits: { ...limits, maxBudgetNanos: 450_000_000 },
    });
    const long = ["player1", "player2", "player1"].map((type) =>
      task(type, "/delay 100\n/tokens 6000\n"),
    );
    expect(await ask(id, long.join(" & "))).toMatchObject({ stopReason: "end_turn" });
    const ends = of(await eventsOf(id), "agent.completed");
    expect(ends.map((event) => "stopReason" in event && event.stopReason)).toEqual(
      Array(3).fill("end_turn"),
    );
    await checkTotals(id);
  });

  it("and interrupts apply to every agent, and leave no tool call without a result", async () => {
    const id = await crew();
    const slow = `${bash("sleep 30; echo late > late.txt")}\nok`;
    const request = aMessage(`${task("player1", slow)} & ${task("player2", slow)}`);
    value(await sessionOf(id).send(ALICE, request));
    await until(async () => of(await eventsOf(id), "tool.started").length === 4);
    value(await sessionOf(id).interrupt(ALICE));
    const ended = value(await sessionOf(id).message(ALICE, request.id));
    expect(ended).toMatchObject({ status: "interrupted" });
    const events = await eventsOf(id);
    expect(of(events, "tool.completed")).toHaveLength(4);
    expect(of(events, "agent.completed")).toMatchObject([
      { stopReason: "interrupted" },
      { stopReason: "interrupted" },
    ]);
    const next = await ask(id, `${task("player1", "go on")} & ${task("player2", "go on")}`);
    expect(next.status).toBe("completed");
    await checkTotals(id);
  });
});

describe("files that agents share", () => {
  const write = (content: string) => call("Write", { file_path: "board.txt", content });
  const edit = (from: string, to: string) =>
    call("Edit", { file_path: "board.txt", old_string: from, new_string: to });
  const look = call("Read", { file_path: "board.txt" });

  it("can be changed only by an agent that has seen their current content", async () => {
    const id = await crew();
    const message = await ask(
      id,
      [
        write("a\nb\n"),
        task("player1", `${write("mine\n")}\n${edit("a", "A")}\n${look}\n${edit("a", "A")}\nok`),
        edit("b", "B"),
        look,
        edit("b", "B"),
      ].join("\n"),
    );
    expect(message.result).toContain("you have not read it, or it has changed");
    const refused = of(await eventsOf(id), "tool.completed").filter(
      (event) => event.type === "tool.completed" && event.isError,
    );
    expect(refused.map(({ agent }) => agent)).toEqual(["player1", "player1", undefined]);
    expect((await ask(id, bash("cat board.txt"))).result).toContain("A\nB");
  });

  it("lose no change if all agents write at once", async () => {
    const id = await crew();
    const lines = Array.from({ length: 6 }, (_, n) => `line${n}`);
    await ask(id, write(`${lines.join("\n")}\n`));
    // Each edits its own line. If another agent was faster, it reads the file again and retries.
    const player = (n: number) =>
      `${Array(8)
        .fill(`${look}\n${edit(`line${n}\n`, `done${n}\n`)}`)
        .join("\n")}\nok`;
    const tasks = lines.map((_, n) => task(n % 2 ? "player1" : "player2", player(n)));
    await ask(id, tasks.join(" & "));
    const events = await eventsOf(id);
    const done = new Set(
      events.flatMap((event) =>
        event.type === "tool.completed" && event.name === "Edit" && !event.isError
          ? [/done\d/.exec(event.content)?.[0]]
          : [],
      ),
    );
    const board = (await ask(id, bash("cat board.txt"))).result ?? "";
    expect(done.size).toBeGreaterThan(0);
    for (const [n] of lines.entries()) {
      expect(board).toMatch(new RegExp(`(line|done)${n}`));
    }
    const changed = board.match(/done\d/g) ?? [];
    expect(changed.length).toBeGreaterThanOrEqual(done.size);
  });
});
