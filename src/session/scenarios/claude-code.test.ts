import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { SessionEvent } from "../../events/event";
import { createApp } from "../../http/app";
import { containerOf, plantPrograms } from "../../testing/fake-claude-code";
import { withoutPauses } from "../../testing/faults";
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
import { encryption, upstream } from "../deployment";
import type { SessionConfig } from "../rpc";

let uproot = () => {};
beforeAll(() => {
  uproot = plantPrograms();
});
afterAll(() => uproot());

const claudeCode = (config: SessionConfig = {}) =>
  createSession({ config: { ...config, runtime: "claude-code" } });
const task = (prompt: string, tool = "Task", type = "writer") =>
  call(tool, { subagent_type: type, prompt, description: "a task" });

/** Returns an event without the fields that differ between sessions. */
function wordsOf(event: SessionEvent): string {
  const fields = event as unknown as Record<string, unknown>;
  const named = [
    "agent",
    "type",
    "turnId",
    "kind",
    "name",
    "isError",
    "stopReason",
    "model",
    "block",
  ];
  return named.flatMap((name) => (fields[name] === undefined ? [] : [fields[name]])).join(" ");
}

describe("a message to Claude Code", () => {
  it.each([
    ["tools", `${bash("echo one")}\n${bash("false")}\nsome words\n${bash("cat x")}\nall done`],
    ["thoughts", "/think let me see\nall done"],
    ["a try that fails", "/fail 529 times=1\nall done"],
    ["a reply that is cut off", "/cut times=1\nall done"],
    ["a model that gives up", "/fail 400\nall done"],
  ])("has the events of the loop (%s)", async (_, prompt) => {
    const [loop, claude] = [await createSession(), await claudeCode()];
    const [of, message] = await withoutPauses(async () => [
      await ask(loop, prompt),
      await ask(claude, prompt),
    ]);
    expect((await eventsOf(claude)).map(wordsOf)).toEqual((await eventsOf(loop)).map(wordsOf));
    const { status, stopReason, numTurns, toolsUsed } = of;
    expect(message).toMatchObject({ status, stopReason, numTurns, toolsUsed });
    expect(message.error?.type).toBe(of.error?.type);
  });

  it.each([[[]], [["k1"]]])(
    "runs with the session's environment, with the encryption keys %j",
    async (ids) => {
      encryption.keys = ids.map((id) => ({ id, base64: btoa("k".repeat(32)) }));
      try {
        const TOKEN = { secret: "a secret", hosts: ["api.github.com"] };
        const id = await claudeCode({ env: { PLAIN: "plain", TOKEN } });
        expect(await ask(id, "hello")).toMatchObject({ status: "completed" });
        expect(containerOf(id).environments).toEqual([
          expect.objectContaining({
            PLAIN: "plain",
            TOKEN: expect.stringMatching(/^rigger_secret_/),
          }),
        ]);
      } finally {
        encryption.keys = [];
      }
    },
  );

  it("continues if the process stops retrying the model too soon", async () => {
    const id = await claudeCode();
    const message = await withoutPauses(() => ask(id, "/cut times=3\nall done"));
    expect(message).toMatchObject({ status: "completed", numTurns: 1 });
    const types = await typesOf(id);
    expect(types.filter((type) => type === "turn.retried")).toHaveLength(2);
    expect(types.filter((type) => type === "turn.started")).toHaveLength(1);
    expect(JSON.stringify(containerOf(id).sent.at(-1)?.messages)).toContain("could not be reached");
  });

  it("has the same events as in the loop if agents work on it", async () => {
    const config = { customAgents: { writer: { model: "claude-haiku-5-5" } } };
    const [loop, claude] = [await createSession({ config }), await claudeCode(config)];
    const inner = `${bash("echo inner")}\nwritten`;
    await ask(loop, `${task(inner)}\nall done`);
    await ask(claude, `${task(inner, "Agent")}\nall done`);
    expect((await eventsOf(claude)).map(wordsOf)).toEqual((await eventsOf(loop)).map(wordsOf));
    const events = await eventsOf(claude);
    const completed = events.find(({ type }) => type === "agent.completed");
    expect(completed).toMatchObject({ agent: "writer", stopReason: "end_turn" });
    expect(JSON.stringify(completed)).toContain("written");
  });

  it("runs agents concurrently, and names the agent in each of their events", async () => {
    const id = await claudeCode({ customAgents: { writer: {} } });
    const both = `${task("/delay 30\nfirst", "Agent")} & ${task("/delay 10\nsecond", "Agent")}\nend`;
    expect(await ask(id, both)).toMatchObject({ status: "completed", numTurns: 4 });
    const events = await eventsOf(id);
    const said = events.flatMap((e) => (e.type === "assistant.text" && e.agent ? [e] : []));
    expect(said.map(({ agent }) => agent)).toEqual(["writer-2", "writer"]);
    expect(said[0]?.text).toContain("second");
    expect(events.filter(({ type }) => type === "agent.completed")).toHaveLength(2);
  });

  it("is handled by the same process as the messages before it, which it knows", async () => {
    const id = await claudeCode();
    await ask(id, "one");
    await ask(id, "two");
    const third = await ask(id, "three");
    expect(third).toMatchObject({ status: "completed", numTurns: 1 });
    const machine = containerOf(id);
    expect(machine.started).toHaveLength(1);
    expect(JSON.stringify(machine.sent.at(-1)?.messages)).toMatch(/one.*two.*three/s);
  });

  it("costs the sum of its model calls, each counted once", async () => {
    const id = await claudeCode({ customAgents: { writer: { model: "claude-haiku-5-5" } } });
    await ask(
      id,
      `/WebSearch {"query":"x"} & /WebFetch {"url":"https://a.b"}\n${bash("echo")}\nend`,
    );
    await ask(id, `${task("written", "Agent")}\nend`);
    const session = await read(id);
    const events = await eventsOf(id);
    const costs = events.map((event) => ("cost" in event ? Math.round(event.cost * 1e9) : 0));
    expect(costs.reduce((sum, cost) => sum + cost, 0)).toBe(session.totalCostNanos);
    expect(session.totalCostNanos).toBeGreaterThan(0);
    expect(session).toMatchObject({ numTurns: 6 });
    expect(Object.keys(session.usage).sort()).toEqual(["claude-haiku-5-5", "claude-sonnet-5-5"]);
    const kinds = events.flatMap((e) => (e.type === "turn.completed" ? [e.kind] : []));
    expect(kinds.filter((kind) => kind !== "reply").sort()).toEqual(["helper", "web_search"]);
    expect([...session.toolsUsed].sort()).toEqual(["Bash", "Task", "WebFetch", "WebSearch"]);
  });

  it("uses the thinking and the output format of the session's config, and only the deployment's key", async () => {
    if (!upstream) throw new Error("there is no model");
    const asked = vi.spyOn(upstream, "fetch");
    const outputSchema = { type: "object", properties: { a: { type: "number" } } };
    const thinking = { type: "enabled", budget_tokens: 2_000 };
    const id = await claudeCode({ model: "claude-haiku-4-5", thinking, outputSchema });
    await ask(id, "hi");
    const [url, init] = asked.mock.calls[0] ?? [];
    asked.mockRestore();
    expect(url).toBe("https://api.anthropic.com/v1/messages?beta=true");
    expect(JSON.parse(String(init?.body))).toMatchObject({
      model: "claude-haiku-4-5",
      max_tokens: 16_384,
      thinking,
      output_config: { format: { type: "json_schema", schema: { type: "object" } } },
    });
    const headers = new Headers(init?.headers);
    expect(headers.get("x-api-key")).toBe("offline");
    expect(headers.get("authorization")).toBeNull();
    expect(headers.get("anthropic-version")).toBe("2023-06-01");
    expect(headers.get("x-claude-code-session-id")).toBeNull();
  });

  it("can't be addressed to another agent than the main one", async () => {
    const id = await claudeCode({ customAgents: { writer: {} } });
    const refused = await sessionOf(id).send(ALICE, aMessage("hi", { agent: "writer" }));
    expect(refused).toMatchObject({
      failure: { code: "invalid_request", details: { path: "agent" } },
    });
    expect(await ask(id, "hi", { agent: "main" })).toMatchObject({ status: "completed" });
  });

  it("that begins with a slash is not taken for a command of Claude Code", async () => {
    const id = await claudeCode();
    await ask(id, "/compact now");
    expect(JSON.stringify(containerOf(id).sent[0]?.messages)).toContain("\\n/compact now");
  });
});

describe("Claude Code that is stopped", () => {
  const running = async (id: string, type: string) =>
    until(async () => (await eventsOf(id)).some((event) => event.type === type));

  it.each([
    ["in a command", bash("while :; do sleep 0.01; done"), "tool.started"],
    ["in a reply", "/delay 60000\nnever", "turn.started"],
  ])("%s continues with the next message", async (_, prompt, type) => {
    const id = await claudeCode();
    const request = aMessage(prompt);
    value(await sessionOf(id).send(ALICE, request));
    await running(id, type);
    expect(value(await sessionOf(id).interrupt(ALICE))).toMatchObject({ id: request.id });
    expect(value(await sessionOf(id).message(ALICE, request.id))).toMatchObject({
      status: "interrupted",
      stopReason: "interrupted",
    });
    expect(await ask(id, "go on")).toMatchObject({ status: "completed", stopReason: "end_turn" });
    const machine = containerOf(id);
    expect(machine.started).toHaveLength(1);
    expect(JSON.stringify(machine.sent.at(-1)?.messages)).toContain("Request interrupted");
  });

  it("leaves nothing running that the message has started, unlike earlier ones", async () => {
    const id = await claudeCode();
    await ask(id, "the first");
    value(await sessionOf(id).send(ALICE, aMessage(bash("while :; do sleep 0.01; done"))));
    await running(id, "tool.started");
    value(await sessionOf(id).interrupt(ALICE));
    await ask(id, "go on");
    const machine = containerOf(id);
    // The second line of input was the prompt of the second message.
    expect(machine.ended).toEqual([{ id: machine.started[0], n: 2 }]);
    expect(machine.started).toHaveLength(1);
  });

  it("is killed if what the message has started can't be ended", async () => {
    const id = await claudeCode();
    containerOf(id).stuck = true;
    value(await sessionOf(id).send(ALICE, aMessage(bash("while :; do sleep 0.01; done"))));
    await running(id, "tool.started");
    value(await sessionOf(id).interrupt(ALICE));
    expect(await ask(id, "go on")).toMatchObject({ status: "completed" });
    expect(containerOf(id).started).toHaveLength(2);
  });

  it("is killed if it does not react, and keeps the earlier conversation", async () => {
    const id = await claudeCode();
    await ask(id, "the first");
    containerOf(id).deaf = true;
    value(await sessionOf(id).send(ALICE, aMessage(bash("while :; do sleep 0.01; done"))));
    await running(id, "tool.started");
    const message = await withoutPauses(async () => {
      value(await sessionOf(id).interrupt(ALICE));
      return ask(id, "go on");
    }, 1 / 10);
    expect(message).toMatchObject({ status: "completed", stopReason: "end_turn" });
    const machine = containerOf(id);
    expect(machine.started).toHaveLength(2);
    expect(JSON.stringify(machine.sent.at(-1)?.messages)).toMatch(/the first.*interrupted.*go on/s);
  });

  it("by another message answers only that one", async () => {
    const id = await claudeCode();
    value(await sessionOf(id).send(ALICE, aMessage("/delay 60000\nnever")));
    await running(id, "turn.started");
    const message = await ask(id, "now!", { onBusy: "interrupt" });
    expect(message).toMatchObject({ status: "completed" });
    expect(message.result).toContain("now!");
  });

  it("makes no model calls after the message has ended", async () => {
    const id = await claudeCode();
    await ask(id, "one");
    const cost = (await read(id)).totalCostNanos;
    const { program } = containerOf(id);
    const body = {
      model: "claude-sonnet-5-5",
      max_tokens: 10,
      stream: true,
      messages: [{ role: "user", content: "x" }],
    };
    const response = await program?.call(body);
    expect(response?.status).toBe(402);
    expect((await read(id)).totalCostNanos).toBe(cost);
  });
});

describe("a Claude Code process that exits or is lost", () => {
  it("in a command is started again, and told to continue", async () => {
    const id = await claudeCode();
    const request = aMessage(`${bash("sleep 60")}\nnever`);
    value(await sessionOf(id).send(ALICE, request));
    await until(async () => (await eventsOf(id)).some(({ type }) => type === "tool.started"));
    const { program } = containerOf(id);
    if (program) program.dead = true;
    const end = async () => value(await sessionOf(id).message(ALICE, request.id));
    await until(async () => (await end()).endedAt !== null);
    expect(await end()).toMatchObject({ status: "completed", numTurns: 2 });
    const events = await eventsOf(id);
    expect(events.find(({ type }) => type === "tool.completed")).toMatchObject({ isError: true });
    expect(JSON.stringify(containerOf(id).sent.at(-1)?.messages)).toContain("Go on where you were");
  });

  it("with its container has the transcript that was saved", async () => {
    const id = await claudeCode();
    await ask(id, "the first");
    containerOf(id).replace();
    const message = await ask(id, "the second");
    expect(message).toMatchObject({ status: "completed", numTurns: 1 });
    const machine = containerOf(id);
    expect(machine.started).toHaveLength(2);
    expect(JSON.stringify(machine.sent.at(-1)?.messages)).toMatch(/the first.*the second/s);
  });

  it("only seemingly, because its output breaks off, continues, and no line is processed twice", async () => {
    const id = await claudeCode();
    containerOf(id).cut = 3;
    const message = await withoutPauses(() => ask(id, `${bash("echo a")}\n${bash("echo b")}\nend`));
    expect(message).toMatchObject({ status: "completed", numTurns: 3 });
    expect(containerOf(id).started).toHaveLength(1);
    const ends = (await eventsOf(id)).filter(({ type }) => type === "tool.completed");
    expect(ends).toHaveLength(2);
  });

  it("since it gave up reaching the session, is started again and goes on", async () => {
    const id = await claudeCode();
    await ask(id, "the first");
    const machine = containerOf(id);
    machine.isCutOff = true;
    const asked = ask(id, "the second");
    await until(() => machine.started.length === 2);
    machine.isCutOff = false;
    expect(await asked).toMatchObject({ status: "completed", numTurns: 1 });
    expect(JSON.stringify(machine.sent.at(-1)?.messages)).toMatch(/the first.*the second/s);
  });

  it("since it can never reach the session, fails its message with that reason", async () => {
    const id = await claudeCode();
    containerOf(id).isCutOff = true;
    const message = await withoutPauses(() => ask(id, "hi"));
    expect(message).toMatchObject({ status: "failed", error: { type: "unavailable_error" } });
    expect(message.error?.message).toContain("Connection refused");
    expect(containerOf(id).started).toHaveLength(3);
  });

  it("repeatedly fails its message, with its last output as the reason", async () => {
    const id = await claudeCode();
    containerOf(id).broken = true;
    const message = await withoutPauses(() => ask(id, "hi"));
    expect(message).toMatchObject({ status: "failed", error: { type: "unavailable_error" } });
    expect(message.error?.message).toContain("claude: not found");
  });
});

describe("the path for model calls of the process", () => {
  it.each([
    ["GET", "/model/v1/messages"],
    ["POST", "/model/v1/messages/count_tokens"],
    ["POST", "/model/api/event_logging/v2/batch"],
    ["HEAD", "/model/"],
  ])("leads to no other endpoint (%s %s)", async (method, path) => {
    const id = await claudeCode();
    const body = method === "POST" ? "{}" : null;
    const request = new Request(`https://session${path}`, { method, body });
    expect((await objectOf(id).fetch(request)).status).toBe(404);
  });

  it.each(["/model/v1/messages", "/v1/messages", "/_model/v1/messages"])(
    "does not exist for clients (%s)",
    async (path) => {
      const app = createApp();
      for (const place of [path, `/api/sessions/${await claudeCode()}${path}`]) {
        const init = { method: "POST", body: "{}" };
        expect((await app.request(place, init, env)).status).toBe(404);
      }
    },
  );

  it("leaves no storage for an id that does not exist", async () => {
    const request = new Request("https://session/model/v1/messages", {
      method: "POST",
      body: "{}",
    });
    expect((await objectOf(`sess_${"0".repeat(32)}`).fetch(request)).status).toBe(404);
  });
});
