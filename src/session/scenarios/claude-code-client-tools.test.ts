import { runDurableObjectAlarm } from "cloudflare:test";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { ALLOW, approvalsOf, decide } from "../../testing/approvals";
import { answer, LOOKUP, NOTIFY, requestsOf } from "../../testing/client-tools";
import { containerOf, plantPrograms } from "../../testing/fake-claude-code";
import { moveClock, withoutPauses } from "../../testing/faults";
import { faults, forEachSideBySide, plantFaults, play, type Scenario } from "../../testing/losses";
import {
  ALICE,
  aMessage,
  ask,
  bash,
  call,
  countOf,
  createSession,
  ended,
  eventsOf,
  lose,
  messageOf,
  NO_LIMITS,
  objectOf,
  read,
  resultsOf,
  sessionOf,
  typesOf,
  until,
  value,
} from "../../testing/sessions";
import { forgetTranscript } from "../../testing/transcripts";
import type { SessionConfig, SessionSpec } from "../rpc";

let uproot = () => {};
beforeAll(() => {
  uproot = plantPrograms();
});
afterAll(() => uproot());
afterEach(() => {
  vi.restoreAllMocks();
  faults.clear();
  uproot();
  uproot = plantPrograms();
});

const claudeCode = (config: SessionConfig = {}, changes: Partial<SessionSpec> = {}) =>
  createSession({
    ...changes,
    config: { clientTools: [LOOKUP, NOTIFY], ...config, runtime: "claude-code" },
  });

const lookup = (id: number) => call("lookup", { id });

const heard = (id: string): string => JSON.stringify(containerOf(id).sent.at(-1)?.messages);

/** Answers what is requested until a message has ended, each call with the number in its input. Returns the message. */
async function answerAll(id: string, messageId: string) {
  await until(async () => {
    for (const { toolUseId, input } of await requestsOf(id)) {
      value(await answer(id, toolUseId, `thing ${(input as { id: number }).id}`));
    }
    return (await messageOf(id, messageId)).endedAt !== null;
  }, 10_000);
  return messageOf(id, messageId);
}

describe("a call of a client tool by Claude Code", () => {
  it("is requested once, under its own name, and its result is given to the process that has waited", async () => {
    const id = await claudeCode();
    const asked = await ask(id, `${lookup(1)} & ${lookup(2)}\nall done`);
    const [one, two] = await requestsOf(id);
    expect(asked).toMatchObject({
      status: "waiting",
      waitingFor: { type: "toolResult", toolUseIds: [one?.toolUseId, two?.toolUseId] },
    });
    expect(one).toMatchObject({ name: "lookup", input: { id: 1 }, agent: "main" });
    value(await answer(id, two?.toolUseId ?? "", "a table"));
    expect((await messageOf(id, asked.id)).status).toBe("waiting");
    value(await answer(id, one?.toolUseId ?? "", "no chair", true));
    const { result, toolsUsed } = await ended(id, asked.id);
    expect(toolsUsed).toEqual(["lookup"]);
    expect(result).toMatch(/lookup failed: no chair\n.*lookup returned: a table/);
    expect(containerOf(id).started).toHaveLength(1);
    expect(containerOf(id).sent[0]?.tools).toContainEqual({
      name: "mcp__client__lookup",
      description: LOOKUP.description,
      input_schema: LOOKUP.inputSchema,
    });
    expect(await typesOf(id)).toEqual([
      ...["session.created", "session.started", "message.received", "message.started"],
      ...["turn.started", "turn.completed"],
      ...["tool.started", "tool.requested", "tool.started", "tool.requested", "message.waiting"],
      ...["tool.completed", "tool.completed", "message.resumed"],
      ...["turn.started", "assistant.text", "turn.completed", "message.completed"],
    ]);
  });

  it("is no request if its input does not fit or the rules do not allow it", async () => {
    const id = await claudeCode({ disallowedTools: ["notify"] });
    const wrong = call("lookup", { id: "one" });
    const asked = await ask(id, `${wrong} & ${call("mcp__client__notify", {})}\nall done`);
    expect(asked).toMatchObject({ status: "completed", toolsUsed: [] });
    const events = await eventsOf(id);
    expect(countOf(events, "tool.requested")).toBe(0);
    expect(resultsOf(events)).toEqual([
      expect.stringContaining("lookup can't use this input"),
      "notify is disallowed.",
    ]);
  });

  it("is requested once it was allowed, and not before", async () => {
    const id = await claudeCode({ askTools: ["lookup"] });
    const asked = await ask(id, `${lookup(1)}\nall done`);
    expect(asked).toMatchObject({ waitingFor: { type: "approval" } });
    expect(await requestsOf(id)).toEqual([]);
    const [approval] = await approvalsOf(id, "pending");
    value(await decide(id, approval?.id ?? "", { ...ALLOW, note: "for once" }));
    expect(await messageOf(id, asked.id)).toMatchObject({
      ...{ status: "waiting", waitingFor: { type: "toolResult" } },
    });
    const done = await answerAll(id, asked.id);
    expect(done.result).toMatch(/lookup returned: .*for once.*\n?.*thing 1/);
    expect(countOf(await eventsOf(id), "tool.requested")).toBe(1);
  });

  it("is answered after losses of the object, at any time", async () => {
    const id = await claudeCode();
    const asked = await ask(id, `${lookup(1)}\n${lookup(2)}\nall done`);
    for (const n of [1, 2]) {
      await lose(id);
      await until(async () => (await requestsOf(id)).length > 0, 5_000);
      const [request] = await requestsOf(id);
      value(await answer(id, request?.toolUseId ?? "", `thing ${n}`));
      await lose(id);
    }
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
    const events = await eventsOf(id);
    expect(resultsOf(events)).toEqual(["thing 1", "thing 2"]);
    expect(countOf(events, "tool.requested")).toBe(2);
    expect(containerOf(id).started).toHaveLength(1);
  });

  it("is requested and answered once if the object is lost after any commit", async () => {
    plantFaults();
    const scenario: Scenario = {
      config: { clientTools: [LOOKUP], runtime: "claude-code" },
      prompts: [`${lookup(1)} & ${lookup(2)}\nall done`],
      async meanwhile(id) {
        const [request] = await requestsOf(id);
        if (!request || (await messageOf(id, request.messageId)).status !== "waiting") return;
        const { id: thing } = request.input as { id: number };
        value(await answer(id, request.toolUseId, `thing ${thing}`));
      },
    };
    const { fault, outcome } = await play(scenario, null, "object at once");
    expect(outcome.messages[0]?.result).toMatch(/thing 1\n.*thing 2/);
    // How many lines of output are committed together depends on timing.
    const points = [...fault.commits].filter((point) => !point.startsWith(" "));
    expect(points.length).toBeGreaterThan(6);
    await forEachSideBySide(points, async (point) => {
      const { outcome: lost } = await play(scenario, point, "object before its next commit");
      expect(lost, `lost after ${point}`).toEqual(outcome);
    });
  }, 60_000);

  it.each(["before", "after"])(
    "is requested once if the container is lost %s the answer, and the next process is told the result",
    async (when) => {
      const id = await claudeCode();
      const asked = await ask(id, `${lookup(1)} & ${bash("echo cut off")}\nall done`);
      const [request] = await requestsOf(id);
      if (when === "before") containerOf(id).replace();
      const answered = answer(id, request?.toolUseId ?? "", "a chair");
      if (when === "after") containerOf(id).replace();
      value(await answered);
      expect(await withoutPauses(() => answerAll(id, asked.id))).toMatchObject({
        status: "completed",
      });
      const events = await eventsOf(id);
      expect(countOf(events, "tool.requested")).toBe(1);
      expect(resultsOf(events)).toContain("a chair");
      expect(heard(id)).toContain('Your call lookup {\\"id\\":1} has this result:\\na chair');
    },
  );

  it("gets its result without another request if the next process begins anew", async () => {
    const id = await claudeCode();
    const asked = await ask(id, `${lookup(1)}\n${lookup(2)}\nall done`);
    const [request] = await requestsOf(id);
    containerOf(id).replace();
    // Nothing of its transcript was saved.
    await forgetTranscript(id);
    value(await answer(id, request?.toolUseId ?? "", "a chair"));
    const done = await withoutPauses(() => answerAll(id, asked.id));
    expect(done.result).toMatch(/lookup returned: a chair\n.*lookup returned: thing 2/);
    expect(countOf(await eventsOf(id), "tool.requested")).toBe(2);
  });

  it("gives its container back while it waits, and goes on with another process", async () => {
    const limits = { ...NO_LIMITS, maxIdleTimeMs: 60_000 };
    const id = await claudeCode({}, { limits });
    const asked = await ask(id, `${lookup(1)} & ${lookup(2)}\nall done`);
    moveClock(60_001);
    await runDurableObjectAlarm(objectOf(id));
    expect(await read(id)).toMatchObject({ status: "idle" });
    containerOf(id).replace();
    expect(await answerAll(id, asked.id)).toMatchObject({ status: "completed" });
    expect(containerOf(id).started).toHaveLength(2);
    expect(countOf(await eventsOf(id), "tool.requested")).toBe(2);
    expect(heard(id)).toMatch(/thing 1.*thing 2/);
  });

  it("keeps the next process from starting until the others of its turn have their results", async () => {
    const id = await claudeCode();
    const asked = await ask(id, `${lookup(1)} & ${bash("echo next")} & ${lookup(3)}\nall done`);
    const [one, three] = await requestsOf(id);
    containerOf(id).replace();
    value(await answer(id, one?.toolUseId ?? "", "thing 1"));
    const waits = async () => (await messageOf(id, asked.id)).status === "waiting";
    await withoutPauses(() => until(waits, 5_000));
    expect(containerOf(id).started).toHaveLength(1);
    value(await answer(id, three?.toolUseId ?? "", "thing 3"));
    expect(await withoutPauses(() => ended(id, asked.id))).toMatchObject({ status: "completed" });
    expect(containerOf(id).started).toHaveLength(2);
    expect(heard(id)).toMatch(/thing 1.*thing 3/);
    expect(countOf(await eventsOf(id), "tool.requested")).toBe(2);
  });

  it("is answered while its session is paused, and the process after the pause has the result", async () => {
    const changes = { onLimit: "pause" as const, limits: { ...NO_LIMITS, maxTurns: 2 } };
    const id = await claudeCode({ customAgents: { writer: {} } }, changes);
    const prompt = `${bash("echo one")}\n${bash("echo two")}\nwritten`;
    const task = call("Agent", { subagent_type: "writer", prompt, description: "a task" });
    const asked = await ask(id, `${task} & ${lookup(1)}\nall done`);
    expect(asked).toMatchObject({ waitingFor: { type: "limit", limit: "turns" } });
    const [request] = await requestsOf(id);
    value(await answer(id, request?.toolUseId ?? "", "a chair"));
    expect(await messageOf(id, asked.id)).toMatchObject({ waitingFor: { type: "limit" } });
    value(await sessionOf(id).update(ALICE, { maxTurns: null }));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
    expect(heard(id)).toContain("a chair");
    expect(countOf(await eventsOf(id), "tool.requested")).toBe(1);
  });

  it("ends with an interrupt, and the next message goes on", async () => {
    const id = await claudeCode();
    const asked = await ask(id, `${lookup(1)}\nall done`);
    const [request] = await requestsOf(id);
    expect(value(await sessionOf(id).interrupt(ALICE))).toMatchObject({
      ...{ id: asked.id, status: "interrupted" },
    });
    expect(await answer(id, request?.toolUseId ?? "")).toMatchObject({ ok: false });
    const next = aMessage(`${lookup(2)}\nall done`);
    value(await sessionOf(id).send(ALICE, next));
    expect(await answerAll(id, next.id)).toMatchObject({
      ...{ status: "completed", result: expect.stringContaining("thing 2") },
    });
  });

  it("of an agent waits while others work on", async () => {
    const task = (prompt: string) =>
      call("Agent", { subagent_type: "writer", prompt, description: "a task" });
    const id = await claudeCode({ customAgents: { writer: {} } });
    const asked = await ask(id, `${task(`${lookup(1)}\nwritten`)}\nall done`);
    expect(asked.status).toBe("waiting");
    expect(await requestsOf(id)).toMatchObject([{ agent: "writer" }]);
    expect(await answerAll(id, asked.id)).toMatchObject({ status: "completed" });
    expect(resultsOf(await eventsOf(id))).toContain("thing 1");
  });
});
