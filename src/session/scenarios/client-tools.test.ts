import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ALLOW, approvalsOf, DENY, decide } from "../../testing/approvals";
import { answer, LOOKUP, NOTIFY, requestsOf } from "../../testing/client-tools";
import { moveClock, replaceWrites } from "../../testing/faults";
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
  plannedAlarm,
  read,
  resultsOf,
  rowOf,
  sessionOf,
  typesOf,
  until,
  untilWaiting,
  value,
} from "../../testing/sessions";
import type { SessionSpec, ToolRequestRow } from "../rpc";

const withTools = (changes: Partial<SessionSpec> = {}): Promise<string> =>
  createSession({ ...changes, config: { clientTools: [LOOKUP, NOTIFY], ...changes.config } });

const lookup = (id: number) => call("lookup", { id });

/** Returns the calls of a session that wait, by the numbers in their inputs. */
async function requested(id: string): Promise<Record<number, ToolRequestRow>> {
  const requests = await requestsOf(id);
  return Object.fromEntries(requests.map((one) => [(one.input as { id: number }).id, one]));
}

async function onlyRequest(id: string): Promise<ToolRequestRow> {
  const [one, ...others] = await requestsOf(id);
  expect(others).toEqual([]);
  if (!one) throw new Error("nothing is requested");
  return one;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a call of a client tool", () => {
  it("is requested once, waits for its result, and the message goes on with it", async () => {
    const id = await withTools();
    const asked = await ask(id, lookup(1));
    const request = await onlyRequest(id);
    expect(asked).toMatchObject({
      ...{ status: "waiting", endedAt: null },
      waitingFor: { type: "toolResult", toolUseIds: [request.toolUseId] },
    });
    expect(request).toMatchObject({
      ...{ sessionId: id, messageId: asked.id, agent: "main", name: "lookup" },
      ...{ input: { id: 1 }, expiresAt: null },
    });
    const given = value(await answer(id, request.toolUseId, "a chair"));
    expect(given).toEqual({ taken: [request.toolUseId], awaited: [] });
    expect(await ended(id, asked.id)).toMatchObject({
      ...{ status: "completed", waitingFor: null, toolsUsed: ["lookup"] },
      result: expect.stringContaining("lookup returned: a chair"),
    });
    expect(await typesOf(id)).toEqual([
      ...["session.created", "session.started", "message.received", "message.started"],
      ...["turn.started", "turn.completed", "tool.started", "tool.requested", "message.waiting"],
      ...["tool.completed", "message.resumed"],
      ...["turn.started", "assistant.text", "turn.completed", "message.completed"],
    ]);
  });

  it("takes one result: the same again changes nothing, another one is refused", async () => {
    const id = await withTools();
    const asked = await ask(id, lookup(1));
    const { toolUseId } = await onlyRequest(id);
    const [first, second] = await Promise.all([
      answer(id, toolUseId, "a chair"),
      answer(id, toolUseId, "a table"),
    ]);
    value(first);
    expect(second).toMatchObject({ failure: { code: "already_resolved", details: { toolUseId } } });
    expect(value(await answer(id, toolUseId, "a chair"))).toEqual({
      ...{ taken: [toolUseId], awaited: [] },
    });
    expect(await answer(id, toolUseId, "a chair", true)).toMatchObject({ ok: false });
    await ended(id, asked.id);
    expect(value(await answer(id, toolUseId, "a chair"))).toMatchObject({ taken: [toolUseId] });
    expect(resultsOf(await eventsOf(id))).toEqual(["a chair"]);
  });

  it("may be one of several, whose results come in any order, together or not", async () => {
    const id = await withTools();
    const asked = await ask(id, [1, 2, 3].map(lookup).join(" & "));
    const calls = await requested(id);
    const ids = [1, 2, 3].map((n) => calls[n]?.toolUseId ?? "");
    expect(asked.waitingFor).toEqual({ type: "toolResult", toolUseIds: ids });
    expect(value(await answer(id, ids[1] ?? "", "two"))).toEqual({
      ...{ taken: [ids[1]], awaited: [ids[0], ids[2]] },
    });
    expect(await messageOf(id, asked.id)).toMatchObject({
      ...{ status: "waiting", waitingFor: { toolUseIds: [ids[0], ids[2]] } },
    });
    const results = ["three", "two", "one"].map((content, n) => ({
      ...{ toolUseId: ids[2 - n] ?? "", content, isError: content === "one" },
    }));
    value(await sessionOf(id).answerTools(ALICE, results));
    const { result } = await ended(id, asked.id);
    expect(result).toMatch(/lookup failed: one\nlookup returned: two\nlookup returned: three$/);
  });

  it("is not answered if another result of the same request is refused", async () => {
    const id = await withTools();
    const asked = await ask(id, lookup(1));
    const { toolUseId } = await onlyRequest(id);
    const results = [toolUseId, "toolu_none"].map((one) => ({
      ...{ toolUseId: one, content: "x", isError: false },
    }));
    expect(await sessionOf(id).answerTools(ALICE, results)).toMatchObject({
      failure: { code: "invalid_request", details: { path: "results.1.toolUseId" } },
    });
    expect((await messageOf(id, asked.id)).status).toBe("waiting");
    expect(await requestsOf(id)).toHaveLength(1);
  });

  it("is an error for the model, and no request, if its input does not fit", async () => {
    const id = await withTools();
    const asked = await ask(id, `${call("lookup", { id: "one" })} & ${call("lookup", {})}`);
    expect(asked).toMatchObject({ status: "completed", toolsUsed: [] });
    const events = await eventsOf(id);
    expect(countOf(events, "tool.requested")).toBe(0);
    expect(resultsOf(events)).toEqual([
      expect.stringContaining("lookup can't use this input: at /id"),
      expect.stringContaining("lookup can't use this input"),
    ]);
  });

  it("is requested while other tools work, and holds none of them up", async () => {
    const id = await withTools();
    const asked = await ask(id, `${bash("echo one")} & ${lookup(1)} & ${bash("echo two")}`);
    expect(asked.status).toBe("waiting");
    expect(resultsOf(await eventsOf(id))).toEqual(["one", "two"]);
    value(await answer(id, (await onlyRequest(id)).toolUseId));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
  });

  it("gives images to the model", async () => {
    const id = await withTools();
    const asked = await ask(id, lookup(1));
    const data =
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    const source = { type: "base64" as const, media_type: "image/png", data };
    const content = [
      { type: "text" as const, text: "Look:" },
      { type: "image" as const, source },
    ];
    value(await answer(id, (await onlyRequest(id)).toolUseId, content));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
    expect(resultsOf(await eventsOf(id))).toEqual(["Look:\n[image]"]);
  });

  it.each<[string, SessionSpec["config"]]>([
    ["disallowed", { disallowedTools: ["lookup"] }],
    ["not allowed", { allowedTools: ["Bash", "notify"] }],
  ])("is not requested if it is %s", async (_, config) => {
    const id = await withTools({ config });
    expect(await ask(id, lookup(1))).toMatchObject({ status: "completed", toolsUsed: [] });
    expect(resultsOf(await eventsOf(id))[0]).toMatch(/^lookup is (dis|not )allowed/);
  });

  it("that has to be approved is requested after that, with the input that was decided", async () => {
    const id = await withTools({ config: { askTools: ["lookup"] } });
    const asked = await ask(id, `${lookup(1)} & ${lookup(2)} & ${lookup(3)}`);
    expect(asked).toMatchObject({ waitingFor: { type: "approval" } });
    expect(await requestsOf(id)).toEqual([]);
    const [one, two, three] = await approvalsOf(id, "pending");
    const wrong = { ...ALLOW, input: { id: "four" } };
    expect(await decide(id, one?.id ?? "", wrong)).toMatchObject({
      failure: { code: "invalid_request", details: { path: "input" } },
    });
    value(await decide(id, one?.id ?? "", { ...ALLOW, input: { id: 4 }, note: "rather this" }));
    const { toolUseId } = await onlyRequest(id);
    // It has not run for that.
    expect(await messageOf(id, asked.id)).toMatchObject({
      status: "waiting",
      waitingFor: { type: "approval", approvalIds: [two?.id, three?.id], toolUseIds: [toolUseId] },
    });
    value(await decide(id, two?.id ?? "", DENY));
    value(await answer(id, toolUseId, "four"));
    expect((await messageOf(id, asked.id)).waitingFor).toEqual({
      ...{ type: "approval", approvalIds: [three?.id] },
    });
    value(await decide(id, three?.id ?? ""));
    value(await answer(id, (await onlyRequest(id)).toolUseId, "three"));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
    const events = await eventsOf(id);
    expect(events.filter(({ type }) => type === "tool.requested")).toMatchObject([
      { input: { id: 4 } },
      { input: { id: 3 } },
    ]);
    expect(resultsOf(events)).toEqual([
      expect.stringContaining("was not allowed"),
      expect.stringMatching(/\{"id":4\}.*\n.*rather this.*\nfour$/),
      "three",
    ]);
    expect(countOf(events, "message.resumed")).toBe(1);
  });
});

describe("a decision about a client call that is remembered", () => {
  it("is made again for the same input only, descriptions included", async () => {
    const id = await withTools({ config: { askTools: ["notify"] } });
    const mail = (description: string) => call("notify", { text: "hi", description });
    const first = await ask(id, mail("to Ann"));
    const [approval] = await approvalsOf(id, "pending");
    value(await decide(id, approval?.id ?? "", { ...ALLOW, remember: true }));
    value(await answer(id, (await onlyRequest(id)).toolUseId));
    await ended(id, first.id);
    expect(await ask(id, mail("to Ann"))).toMatchObject({ waitingFor: { type: "toolResult" } });
    const other = await ask(id, mail("to Ben"), { onBusy: "interrupt" });
    expect(other).toMatchObject({ waitingFor: { type: "approval" } });
  });
});

describe("the number of calls that wait", () => {
  const indexed = async (id: string) => (await rowOf(id))?.pending_tool_requests;

  it("is in the session and in the index, whatever ends the wait", async () => {
    const id = await withTools({ config: { askTools: ["Bash"] } });
    await ask(id, [lookup(1), lookup(2), lookup(3), bash("echo asked")].join(" & "));
    const counts = { pendingApprovals: 1, pendingToolRequests: 3 };
    expect(await read(id)).toMatchObject(counts);
    await until(async () => (await indexed(id)) === 3);
    // The message waits on. With the second result, nothing else of the session changes.
    const calls = await requested(id);
    for (const n of [1, 2]) {
      value(await answer(id, calls[n]?.toolUseId ?? ""));
      expect(await read(id)).toMatchObject({ ...counts, pendingToolRequests: 3 - n });
      await until(async () => (await indexed(id)) === 3 - n);
    }
    value(await sessionOf(id).interrupt(ALICE));
    expect(await read(id)).toMatchObject({ pendingApprovals: 0, pendingToolRequests: 0 });
    await until(async () => (await indexed(id)) === 0);
  });

  it("reaches the index also if the object is lost before it has told it", async () => {
    const id = await withTools();
    await until(async () => (await rowOf(id)) !== null);
    replaceWrites(() => new Promise(() => {}));
    await ask(id, lookup(1));
    await lose(id);
    vi.restoreAllMocks();
    expect(await indexed(id)).toBe(0);
    moveClock(60_000);
    await runDurableObjectAlarm(objectOf(id));
    expect(await indexed(id)).toBe(1);
  });

  it("is put right by the reconciliation, in a row from before it was counted", async () => {
    const id = await withTools();
    await ask(id, lookup(1));
    await until(async () => (await indexed(id)) === 1);
    const former = { ...(await read(id)), pendingToolRequests: 0 };
    await env.DB.prepare("UPDATE agent_sessions SET pending_tool_requests = 0 WHERE id = ?")
      .bind(id)
      .run();
    expect(await sessionOf(id).reconcile(former)).toBe("wrong");
    expect(await indexed(id)).toBe(1);
  });
});

describe("a message that waits for results of its caller", () => {
  it.each(["ephemeral", "hybrid"] as const)(
    "becomes idle in a session of the pattern %s, with no alarm, and goes on a week later",
    async (pattern) => {
      const id = await withTools({ pattern, limits: { ...NO_LIMITS, maxIdleTimeMs: 60_000 } });
      const write = call("Write", { file_path: "/workspace/kept.txt", content: "kept" });
      const asked = await ask(id, `${write}\n${lookup(1)}\n${bash("cat kept.txt")}`);
      expect(asked.status).toBe("waiting");
      const moveOn = moveClock(60_001);
      await runDurableObjectAlarm(objectOf(id));
      expect(await read(id)).toMatchObject({ status: "idle", expiresAt: null });
      expect(await plannedAlarm(id)).toBeNull();
      moveOn(7 * 86_400_000);
      await lose(id);
      expect(await plannedAlarm(id)).toBeNull();
      value(await answer(id, (await onlyRequest(id)).toolUseId));
      expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
      expect(resultsOf(await eventsOf(id))).toContain("kept");
    },
  );

  it("reads that nobody has answered when the time of a call is over", async () => {
    const id = await withTools({ config: { clientToolTimeoutMs: 60_000 } });
    const asked = await ask(id, `${lookup(1)} & ${lookup(2)}`);
    const { 1: one, 2: two } = await requested(id);
    expect(one?.expiresAt).toBe((one?.requestedAt ?? 0) + 60_000);
    value(await answer(id, two?.toolUseId ?? "", "two"));
    moveClock(60_001);
    await runDurableObjectAlarm(objectOf(id));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
    expect(resultsOf(await eventsOf(id))).toEqual(["two", "Nobody has answered the call in time."]);
    const late = await answer(id, one?.toolUseId ?? "");
    expect(late).toMatchObject({ failure: { code: "already_resolved" } });
    expect(late).toMatchObject({ failure: { message: expect.stringContaining("time was over") } });
  });

  it("is ended by an interrupt: a later result is refused, and the next message goes on", async () => {
    const id = await withTools();
    const asked = await ask(id, lookup(1));
    const { toolUseId } = await onlyRequest(id);
    const next = aMessage("hi");
    value(await sessionOf(id).send(ALICE, next));
    expect(value(await sessionOf(id).interrupt(ALICE))).toMatchObject({
      ...{ id: asked.id, status: "interrupted", waitingFor: null },
    });
    expect(await ended(id, next.id)).toMatchObject({ status: "completed" });
    expect(await requestsOf(id)).toEqual([]);
    expect(await answer(id, toolUseId)).toMatchObject({
      failure: {
        code: "already_resolved",
        message: expect.stringContaining("its message has ended"),
      },
    });
  });

  it("is ended by the end of its session, and a later result is refused with how that ended", async () => {
    const id = await withTools();
    const asked = await ask(id, lookup(1));
    const { toolUseId } = await onlyRequest(id);
    value(await sessionOf(id).terminate(ALICE, "enough"));
    expect(await messageOf(id, asked.id)).toMatchObject({ stopReason: "terminated" });
    expect(await answer(id, toolUseId)).toMatchObject({
      failure: { code: "session_ended", details: { terminationReason: "enough" } },
    });
  });
});

describe("agents side by side", () => {
  const config = {
    askTools: ["Bash"],
    customAgents: {
      helper: { description: "helps" },
      other: { description: "helps too", disallowedTools: ["lookup"] },
    },
  };
  const task = (type: string, prompt: string, more = {}) =>
    call("Task", { subagent_type: type, description: "a task", prompt, ...more });

  it("call client tools by their rules, and the message waits once nothing of it can go on", async () => {
    const id = await withTools({ config });
    const asked = await ask(
      id,
      [
        task("helper", lookup(1)),
        task(
          "other",
          `${lookup(2)}\n/delay 100\n${call("Write", { file_path: "b", content: "b" })}`,
        ),
        lookup(3),
        bash("echo asked"),
      ].join(" & "),
    );
    expect(asked.waitingFor).toMatchObject({ type: "approval", toolUseIds: { length: 2 } });
    const calls = await requested(id);
    expect(Object.values(calls).map(({ agent }) => agent)).toEqual(
      expect.arrayContaining(["helper", "main"]),
    );
    const before = await eventsOf(id);
    expect(resultsOf(before)).toContain("lookup is disallowed.");
    expect(countOf(before, "agent.completed")).toBe(1);
    expect(countOf(before, "message.waiting")).toBe(1);
    value(await answer(id, calls[1]?.toolUseId ?? "", "one"));
    // The helper goes on, and nothing else.
    await untilWaiting(id, asked.id);
    expect(countOf(await eventsOf(id), "agent.completed")).toBe(2);
    const [{ id: approvalId } = { id: "" }] = await approvalsOf(id, "pending");
    value(await decide(id, approvalId));
    await untilWaiting(id, asked.id);
    expect((await messageOf(id, asked.id)).waitingFor).toEqual({
      ...{ type: "toolResult", toolUseIds: [calls[3]?.toolUseId] },
    });
    value(await answer(id, calls[3]?.toolUseId ?? "", "three"));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
    expect(resultsOf(await eventsOf(id))).toEqual(
      expect.arrayContaining(["one", "three", "asked"]),
    );
  });

  it("work on while a background agent waits, and its result reaches it without a wait", async () => {
    const id = await withTools({ config });
    const background = task("helper", lookup(1), { run_in_background: true });
    const request = aMessage(`${background}\n/delay 300\n${task("other", "/delay 300\nhi")}`);
    value(await sessionOf(id).send(ALICE, request));
    await until(async () => (await requestsOf(id)).length === 1, 5_000);
    expect((await messageOf(id, request.id)).status).toBe("running");
    value(await answer(id, (await onlyRequest(id)).toolUseId, "one"));
    expect(await ended(id, request.id)).toMatchObject({ status: "completed" });
    const events = await eventsOf(id);
    expect(resultsOf(events)).toContain("one");
    expect(countOf(events, "message.waiting")).toBe(0);
  });
});
