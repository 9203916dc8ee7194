import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Prompt, SessionEvent } from "../../events/event";
import { approvalsOf, decide } from "../../testing/approvals";
import {
  ALICE,
  aMessage,
  bash,
  call,
  createSession,
  ended,
  eventsOf,
  lose,
  messageOf,
  NO_LIMITS,
  objectOf,
  sessionOf,
  typesOf,
  until,
  value,
} from "../../testing/sessions";
import { upstream } from "../../testing/upstream";
import type { MessageRequest, MessageRow } from "../rpc";
import { SessionStore } from "../storage/store";

/** Sends a prompt without waiting for its end. */
const send = async (id: string, prompt: Prompt, changes: Partial<MessageRequest> = {}) =>
  value(await sessionOf(id).send(ALICE, aMessage(prompt, changes)));
const steer = (id: string, prompt: Prompt, changes: Partial<MessageRequest> = {}) =>
  send(id, prompt, { onBusy: "steer", ...changes });

const has = async (id: string, type: SessionEvent["type"], times = 1) =>
  (await typesOf(id)).filter((one) => one === type).length >= times;
/** Waits until an event of a type is in the log. */
const reached = (id: string, type: SessionEvent["type"], times = 1) =>
  until(() => has(id, type, times));

/** Returns the texts of an agent's conversation, each with what it is. */
const conversationOf = (id: string, agent = "main") =>
  runInDurableObject(objectOf(id), (_, { storage }) =>
    new SessionStore(storage).history
      .conversation(agent, "claude-sonnet-5-5")
      .flatMap(({ content }) =>
        content.map((block) => (block.type === "text" ? block.text : block.type)),
      ),
  );

/** A command that runs until `release` is called. */
const HELD = bash("while [ ! -f go ]; do sleep 0.05; done; echo one");
const release = (id: string) =>
  env.EMBEDDED_SANDBOXES.getByName(id).writeFile("/workspace/go", new Uint8Array());

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a prompt that steers", () => {
  it("joins the running message after its tool results, with its next call of the model", async () => {
    const id = await createSession();
    const running = await send(id, `${HELD}\n${bash("echo never")}`);
    await reached(id, "tool.started");
    const answer = await steer(id, "/say as you wish", { maxTurns: 1 });
    expect(answer).toMatchObject({
      id: running.id,
      status: "running",
      steerId: expect.any(String),
    });
    const steerId = answer.steerId ?? "";
    expect(await messageOf(id, steerId)).toMatchObject({ status: "queued", joinedMessageId: null });
    await release(id);

    expect(await ended(id, running.id)).toMatchObject({ result: "as you wish", numTurns: 2 });
    expect(await conversationOf(id)).toEqual([
      ...[`${HELD}\n${bash("echo never")}`, "tool_use", "tool_result"],
      ...["/say as you wish", "as you wish"],
    ]);
    const joined = await messageOf(id, steerId);
    expect(joined).toMatchObject({
      ...{ status: "joined", joinedMessageId: running.id, stopReason: null, result: null },
      ...{ costNanos: 0, numTurns: 0, startedAt: null, endedAt: expect.any(Number) },
    });
    const events = await eventsOf(id);
    const types = events.slice(events.findIndex(({ type }) => type === "tool.started"));
    expect(types.map(({ type, messageId }) => [type, messageId === steerId])).toEqual(
      [
        ["tool.started", false],
        ["message.received", true],
        ["tool.completed", false],
        ["message.steered", false],
        ["message.joined", true],
        ["turn.started", false],
        ["assistant.text", false],
        ["turn.completed", false],
        ["message.completed", false],
      ].filter(([type]) => type !== undefined),
    );
    expect(events).toContainEqual(
      expect.objectContaining({
        ...{ type: "message.steered", messageId: running.id, steerId, prompt: "/say as you wish" },
      }),
    );
  });

  it("joins with others in their order, and each once", async () => {
    const id = await createSession();
    const running = await send(id, HELD);
    await reached(id, "tool.started");
    for (const n of [1, 2, 3]) await steer(id, `/say ${n}`);
    await release(id);
    await ended(id, running.id);
    expect(await conversationOf(id)).toEqual([
      ...[HELD, "tool_use", "tool_result", "/say 1", "/say 2", "/say 3", "3"],
    ]);
  });

  it("lets a message that is about to end go on", async () => {
    const id = await createSession();
    const running = await send(id, "/delay 150\n/say first");
    await reached(id, "turn.started");
    await steer(id, "/say second");
    expect(await ended(id, running.id)).toMatchObject({ result: "second", numTurns: 2 });
    expect((await typesOf(id)).filter((type) => type === "message.completed")).toHaveLength(1);
  });

  it("is an ordinary message if nothing runs", async () => {
    const id = await createSession();
    const request = aMessage("/say hi", { onBusy: "steer" });
    const answer = value(await sessionOf(id).ask(ALICE, request));
    expect(answer).toMatchObject({ id: request.id, status: "completed", result: "hi" });
    expect(answer.steerId).toBeUndefined();
  });

  it("is not delivered again when its call is made again", async () => {
    const asked = upstream(() => undefined);
    const id = await createSession();
    const running = await send(id, HELD);
    await reached(id, "tool.started");
    await steer(id, "/fail 529 times=1\n/say joined");
    await release(id);
    await until(async () => (await messageOf(id, running.id)).endedAt !== null, 5_000);
    expect(asked).toHaveLength(3);
    for (const { text } of asked.slice(1)) expect(text.split("/say joined")).toHaveLength(2);
    expect(await has(id, "message.steered", 2)).toBe(false);
  });

  it("waits with a message that waits for approval", async () => {
    const id = await createSession({ config: { askTools: ["Bash"] } });
    const running = await send(id, bash("echo one"));
    await reached(id, "message.waiting");
    const answer = await steer(id, "/say on we go");
    expect(answer).toMatchObject({ id: running.id, status: "waiting" });
    await lose(id);
    const [approval] = await approvalsOf(id, "pending");
    await decide(id, approval?.id ?? "", { decision: "allow", note: null, remember: false });
    expect(await ended(id, running.id)).toMatchObject({ result: "on we go" });
  });
});

describe("a prompt that was to steer", () => {
  const cases: [string, Partial<MessageRequest>, string, MessageRow["stopReason"]][] = [
    ["is interrupted", {}, `${HELD}\nx`, "interrupted"],
    ["fails", {}, "/delay 150\n/fail 400", "error"],
    ["reaches its turns", { maxTurns: 1 }, `${HELD}\nx`, "max_turns"],
    [
      "reaches its budget",
      { maxBudgetNanos: 40_000_000 },
      `/tokens 2000\n${HELD}\nx`,
      "budget_limit",
    ],
    ["has no turn left when it ends", { maxTurns: 1 }, "/delay 150\n/say x", "end_turn"],
  ];
  it.each(cases)(
    "runs by itself if the message %s first",
    async (_, limits, prompt, stopReason) => {
      const id = await createSession();
      const running = await send(id, prompt, limits);
      await reached(id, prompt.includes("Bash") ? "tool.started" : "turn.started");
      const queued = await send(id, "/say queued");
      const answers = [await steer(id, "/say A"), await steer(id, "/say B")];
      if (stopReason === "interrupted") value(await sessionOf(id).interrupt(ALICE));
      else await release(id);
      expect(await ended(id, running.id)).toMatchObject({ stopReason });
      const ids = [queued.id, ...answers.map(({ steerId = "" }) => steerId)];
      for (const [n, result] of ["queued", "A", "B"].entries()) {
        const message = await ended(id, ids[n] ?? "");
        expect(message).toMatchObject({ status: "completed", result, joinedMessageId: null });
      }
      const events = await eventsOf(id);
      const started = events.filter(({ type }) => type === "message.started");
      expect(started.map(({ messageId }) => messageId)).toEqual([running.id, ...ids]);
      expect(await has(id, "message.steered")).toBe(false);
      const texts = (await conversationOf(id)).filter((text) => /^\/say [AB]$/.test(text));
      expect(texts).toEqual(["/say A", "/say B"]);
    },
  );

  it("ends with its session", async () => {
    const id = await createSession({ pattern: "ephemeral" });
    const running = await send(id, HELD);
    await reached(id, "tool.started");
    const { steerId = "" } = await steer(id, "/say A");
    value(await sessionOf(id).interrupt(ALICE));
    expect(await messageOf(id, running.id)).toMatchObject({ status: "interrupted" });
    expect(await messageOf(id, steerId)).toMatchObject({ stopReason: "terminated" });
  });
});

describe("a repeat of a request that steers", () => {
  it("is answered with the same message before and after the prompt has joined it", async () => {
    const id = await createSession();
    const running = await send(id, `${HELD}\nx`);
    await reached(id, "tool.started");
    const request = aMessage("/say A", { onBusy: "steer" });
    const answers: MessageRow[] = [];
    for (const _ of [1, 2]) answers.push(value(await sessionOf(id).ask(ALICE, request)));
    await release(id);
    await ended(id, running.id);
    answers.push(value(await sessionOf(id).ask(ALICE, request)));
    for (const one of answers) expect(one).toMatchObject({ id: running.id, steerId: request.id });
    expect(await has(id, "message.steered", 2)).toBe(false);
    const other = aMessage("/say B", { id: request.id, requestHash: "other", onBusy: "steer" });
    expect(await sessionOf(id).send(ALICE, other)).toMatchObject({ ok: false });
  });
});

describe("an agent", () => {
  const config = { customAgents: { writer: {}, reader: {} } };
  const task = (prompt: string, background = false) =>
    call("Task", { subagent_type: "writer", prompt, run_in_background: background });

  it("is steered by its name while it works on the message", async () => {
    const id = await createSession({ config });
    const running = await send(id, `${task(`${HELD}\nnever`)}\nall done`);
    await until(async () =>
      (await eventsOf(id)).some(({ type, agent }) => type === "tool.started" && agent === "writer"),
    );
    const { steerId } = await steer(id, "/say written", { agent: "writer" });
    await release(id);
    expect(await ended(id, running.id)).toMatchObject({
      result: expect.stringContaining("written"),
    });
    const steered = (await eventsOf(id)).find(({ type }) => type === "message.steered");
    expect(steered).toMatchObject({ agent: "writer", messageId: running.id, steerId });
    expect(await conversationOf(id, "writer")).toContain("/say written");
    expect(await conversationOf(id)).not.toContain("/say written");
  });

  it("that does not work on the message gets the prompt as a message of its own", async () => {
    const id = await createSession({ config });
    const running = await send(id, `${HELD}\nall done`);
    await reached(id, "tool.started");
    const { steerId = "" } = await steer(id, "/say read", { agent: "reader" });
    await release(id);
    expect((await ended(id, running.id)).result).toContain("all done");
    expect(await ended(id, steerId)).toMatchObject({ agent: "reader", result: "read" });
  });

  it("that waits for others at work in the background is woken", async () => {
    const id = await createSession({ config });
    const running = await send(id, `${task(bash("sleep 0.4; echo late"), true)}\n/say waiting`);
    await until(async () =>
      (await eventsOf(id)).some(({ type, agent }) => type === "assistant.text" && !agent),
    );
    await steer(id, "/say steered");
    await reached(id, "message.steered");
    expect(await has(id, "agent.completed")).toBe(false);
    await ended(id, running.id);
  });

  it("that answers the message is the one that is steered", async () => {
    const id = await createSession({ config });
    const running = await send(id, `${HELD}\nall done`, { agent: "writer" });
    await reached(id, "tool.started");
    await steer(id, "/say steered");
    await release(id);
    expect(await ended(id, running.id)).toMatchObject({ result: "steered" });
  });
});

describe("limits", () => {
  it("count undelivered prompts as queued ones", async () => {
    const id = await createSession({ limits: NO_LIMITS });
    const running = await send(id, bash("sleep 1"));
    await reached(id, "tool.started");
    await Promise.all(Array.from({ length: 100 }, () => steer(id, "x")));
    const refused = await sessionOf(id).send(ALICE, aMessage("y", { onBusy: "steer" }));
    expect(refused).toMatchObject({ ok: false, failure: { code: "queue_full" } });
    value(await sessionOf(id).terminate(ALICE, "done"));
    expect(await messageOf(id, running.id)).toMatchObject({ status: "interrupted" });
  });
});
