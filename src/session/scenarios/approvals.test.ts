import { runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ALLOW, ANNA, approvalsOf, DENY, decide } from "../../testing/approvals";
import { moveClock } from "../../testing/faults";
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
  objectOf,
  plannedAlarm,
  read,
  resultsOf,
  sessionOf,
  until,
  untilWaiting,
  value,
} from "../../testing/sessions";
import type { ApprovalRow, SessionSpec } from "../rpc";

const BEN = { ...ANNA, keyId: "key_2" };

const asking = (changes: Partial<SessionSpec> = {}): Partial<SessionSpec> => ({
  ...changes,
  config: { askTools: ["Bash"], ...changes.config },
});

const pendingOf = (id: string) => approvalsOf(id, "pending");

async function onlyPending(id: string): Promise<ApprovalRow> {
  const [one, ...others] = await pendingOf(id);
  expect(others).toEqual([]);
  if (!one) throw new Error("nothing is pending");
  return one;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a call that matches askTools", () => {
  it("waits until it is allowed, is made once, and the message goes on", async () => {
    const id = await createSession(asking());
    const asked = await ask(id, bash("echo hello"));
    const approval = await onlyPending(id);
    expect(asked).toMatchObject({
      status: "waiting",
      waitingFor: { type: "approval", approvalIds: [approval.id] },
      endedAt: null,
    });
    expect(approval).toMatchObject({
      ...{ agent: "main", name: "Bash", input: { command: "echo hello" } },
      ...{ expiresAt: null, resolvedAt: null, resolvedBy: null },
    });
    expect(await read(id)).toMatchObject({ status: "active", pendingApprovals: 1 });
    expect(value(await decide(id, approval.id))).toMatchObject({
      status: "allowed",
      resolvedBy: { owner: "alice", via: "key", keyId: "key_1" },
    });
    expect(await ended(id, asked.id)).toMatchObject({
      ...{ status: "completed", stopReason: "end_turn", waitingFor: null },
      toolsUsed: ["Bash"],
    });
    const events = await eventsOf(id);
    expect(resultsOf(events)).toEqual(["hello"]);
    expect(events.map(({ type }) => type)).toEqual([
      ...["session.created", "session.started", "message.received", "message.started"],
      ...["turn.started", "turn.completed", "approval.requested", "message.waiting"],
      ...["approval.resolved", "message.resumed", "tool.started", "tool.completed"],
      ...["turn.started", "assistant.text", "turn.completed", "message.completed"],
    ]);
    expect(await read(id)).toMatchObject({ pendingApprovals: 0 });
  });

  it("is not made if it is denied, and the model reads the note", async () => {
    const id = await createSession(asking());
    const asked = await ask(id, bash("echo hello"));
    const { id: approvalId } = await onlyPending(id);
    value(await decide(id, approvalId, { ...DENY, note: "not on a Friday" }));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed", toolsUsed: [] });
    const [result] = resultsOf(await eventsOf(id));
    expect(result).toContain("was not allowed");
    expect(result).toContain("not on a Friday");
  });

  it("is made with the input that was decided, and both are recorded", async () => {
    const id = await createSession(asking());
    const asked = await ask(id, bash("echo before"));
    const { id: approvalId } = await onlyPending(id);
    const changed = { ...ALLOW, input: { command: "echo after" }, note: "rather this" };
    value(await decide(id, approvalId, changed));
    await ended(id, asked.id);
    const events = await eventsOf(id);
    expect(events.find(({ type }) => type === "tool.started")).toMatchObject({
      input: { command: "echo after" },
    });
    const [result] = resultsOf(events);
    expect(result).toContain('{"command":"echo after"}');
    expect(result).toContain("rather this");
    expect(result).toMatch(/\nafter$/);
    expect(await approvalsOf(id)).toMatchObject([
      { input: { command: "echo before" }, changedInput: { command: "echo after" } },
    ]);
  });

  it("keeps the rules with a changed input, and refuses one that the tool does not take", async () => {
    const id = await createSession(asking({ config: { disallowedTools: ["Bash(rm *)"] } }));
    const asked = await ask(id, bash("echo before"));
    const { id: approvalId } = await onlyPending(id);
    expect(await decide(id, approvalId, { ...ALLOW, input: { wrong: 1 } })).toMatchObject({
      failure: { code: "invalid_request", details: { path: "input" } },
    });
    value(await decide(id, approvalId, { ...ALLOW, input: { command: "rm -rf /" } }));
    await ended(id, asked.id);
    expect((await eventsOf(id)).find(({ type }) => type === "tool.completed")).toMatchObject({
      isError: true,
    });
  });

  it("takes the first of two decisions: the same again changes nothing, another is refused", async () => {
    const id = await createSession(asking());
    const asked = await ask(id, bash("echo hello"));
    const { id: approvalId } = await onlyPending(id);
    const [first, second] = await Promise.all([
      decide(id, approvalId, ALLOW, ANNA),
      decide(id, approvalId, DENY, BEN),
    ]);
    expect(value(first)).toMatchObject({ status: "allowed" });
    expect(second).toMatchObject({ ok: false, failure: { code: "already_resolved" } });
    expect(value(await decide(id, approvalId, ALLOW, BEN))).toMatchObject({
      resolvedBy: { keyId: "key_1" },
    });
    await ended(id, asked.id);
    const events = await eventsOf(id);
    expect(countOf(events, "approval.resolved")).toBe(1);
    expect(resultsOf(events)).toEqual(["hello"]);
  });

  it("runs what needs no leave meanwhile, and several calls wait at once", async () => {
    const id = await createSession(asking());
    const write = call("Write", { file_path: "/workspace/a.txt", content: "a" });
    const asked = await ask(id, `${bash("echo one")} & ${write} & ${bash("echo two")}`);
    const [one, two] = await pendingOf(id);
    expect(resultsOf(await eventsOf(id))).toHaveLength(1);
    value(await decide(id, two?.id ?? ""));
    await until(async () => resultsOf(await eventsOf(id)).includes("two"), 5_000);
    await untilWaiting(id, asked.id);
    expect(await messageOf(id, asked.id)).toMatchObject({
      waitingFor: { type: "approval", approvalIds: [one?.id] },
    });
    value(await decide(id, one?.id ?? "", DENY));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
    expect(resultsOf(await eventsOf(id))).toHaveLength(3);
  });

  it("is decided in the same way again if that is remembered, for the same input only", async () => {
    const id = await createSession(asking());
    const first = await ask(id, bash("echo hello"));
    const { id: approvalId } = await onlyPending(id);
    value(await decide(id, approvalId, { ...ALLOW, remember: true }));
    await ended(id, first.id);
    const same = call("Bash", { description: "says hello", command: "echo hello" });
    expect(await ask(id, same)).toMatchObject({ status: "completed", toolsUsed: ["Bash"] });

    const other = await ask(id, bash("echo other"));
    expect(other.status).toBe("waiting");
    value(await decide(id, (await onlyPending(id)).id, { ...DENY, note: "no", remember: true }));
    await ended(id, other.id);
    expect(await ask(id, bash("echo other"))).toMatchObject({ status: "completed", toolsUsed: [] });
    expect(await approvalsOf(id)).toHaveLength(2);
  });

  it("asks for patterns as they disallow, also if another rule allows the tool", async () => {
    const rules = { allowedTools: ["Bash(git *)", "Bash(echo *)"], askTools: ["Bash(git push *)"] };
    const id = await createSession({ config: rules });
    expect((await ask(id, bash("echo hello"))).status).toBe("completed");
    const asked = await ask(id, bash("echo first && git push origin main"));
    expect(asked.status).toBe("waiting");
    expect((await onlyPending(id)).name).toBe("Bash");
  });
});

describe("a message that waits for approval", () => {
  it("goes on with its call whatever limits are used up, when anything else of its session changes", async () => {
    const limits = { maxIdleTimeMs: null, maxLifetimeMs: null, maxBudgetNanos: null, maxTurns: 1 };
    const id = await createSession(asking({ limits }));
    const asked = await ask(id, bash("echo hello"));
    value(await sessionOf(id).update(ALICE, { tags: ["other"] }));
    expect((await messageOf(id, asked.id)).status).toBe("waiting");
    value(await decide(id, (await onlyPending(id)).id));
    expect(await ended(id, asked.id)).toMatchObject({ stopReason: "turn_limit" });
    expect(resultsOf(await eventsOf(id))).toEqual(["hello"]);
  });

  it("answers a request for another message, which is queued behind it", async () => {
    const id = await createSession(asking());
    await ask(id, bash("echo hello"));
    expect((await ask(id, "hi")).status).toBe("queued");
  });

  it("is ended by an interrupt, which cancels what is pending and starts the next message", async () => {
    const id = await createSession(asking());
    const asked = await ask(id, bash("echo hello"));
    const next = aMessage("hi");
    value(await sessionOf(id).send(ALICE, next));
    expect(await messageOf(id, next.id)).toMatchObject({ status: "queued" });
    expect(value(await sessionOf(id).interrupt(ALICE))).toMatchObject({
      ...{ id: asked.id, status: "interrupted", waitingFor: null },
    });
    expect(await ended(id, next.id)).toMatchObject({ status: "completed" });
    expect(await approvalsOf(id)).toMatchObject([{ status: "cancelled", resolvedBy: null }]);
    const [{ id: approvalId } = { id: "" }] = await approvalsOf(id);
    expect(await decide(id, approvalId)).toMatchObject({ failure: { code: "already_resolved" } });
    expect(resultsOf(await eventsOf(id))).toEqual(["The call was not made (interrupted)."]);
  });

  it("is ended by the end of its session", async () => {
    const id = await createSession(asking());
    const asked = await ask(id, bash("echo hello"));
    value(await sessionOf(id).terminate(ALICE, "enough"));
    expect(await messageOf(id, asked.id)).toMatchObject({ stopReason: "terminated" });
    expect(await approvalsOf(id)).toMatchObject([{ status: "cancelled" }]);
    expect(await read(id)).toMatchObject({ status: "terminated", pendingApprovals: 0 });
  });

  it("gives way to a message that interrupts, and is in the way of one that does not wait", async () => {
    const id = await createSession(asking());
    const asked = await ask(id, bash("echo hello"));
    const rejected = await sessionOf(id).send(ALICE, aMessage("hi", { onBusy: "reject" }));
    expect(rejected).toMatchObject({
      failure: { code: "session_busy", details: { messageId: asked.id } },
    });
    expect((await ask(id, "hi", { onBusy: "interrupt" })).status).toBe("completed");
    expect((await messageOf(id, asked.id)).status).toBe("interrupted");
  });

  it("is denied when its time is over, if nobody has decided", async () => {
    const id = await createSession(asking({ config: { approvalTimeoutMs: 60_000 } }));
    const asked = await ask(id, bash("echo hello"));
    const { expiresAt, requestedAt } = await onlyPending(id);
    expect(expiresAt).toBe(requestedAt + 60_000);
    moveClock(60_001);
    await runDurableObjectAlarm(objectOf(id));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed", toolsUsed: [] });
    expect(await approvalsOf(id)).toMatchObject([{ status: "expired" }]);
    expect(resultsOf(await eventsOf(id))[0]).toContain("nobody has decided");
  });

  it("ends its session when its time is over, if the config wants that", async () => {
    const config = { approvalTimeoutMs: 60_000, onApprovalTimeout: "terminate" as const };
    const id = await createSession(asking({ config }));
    const asked = await ask(id, bash("echo hello"));
    moveClock(60_001);
    // A call finds it out too, whether or not the alarm has fired.
    expect(await read(id)).toMatchObject({
      ...{ status: "terminated", terminationReason: "approval_timeout" },
    });
    expect(await messageOf(id, asked.id)).toMatchObject({ stopReason: "terminated" });
  });

  it.each(["ephemeral", "long-running", "hybrid", "single-container"] as const)(
    "becomes idle in a session of the pattern %s, with no alarm, and goes on a week later",
    async (pattern) => {
      const limits = {
        maxIdleTimeMs: 60_000,
        maxLifetimeMs: null,
        maxBudgetNanos: null,
        maxTurns: null,
      };
      const id = await createSession(asking({ pattern, limits }));
      const write = call("Write", { file_path: "/workspace/kept.txt", content: "kept" });
      const asked = await ask(id, `${write}\n${bash("cat kept.txt")}`);
      expect(asked.status).toBe("waiting");
      const moveOn = moveClock(60_001);
      await runDurableObjectAlarm(objectOf(id));
      expect(await read(id)).toMatchObject({ status: "idle", expiresAt: null });
      expect(await plannedAlarm(id)).toBeNull();
      moveOn(7 * 86_400_000);
      await lose(id);
      expect(await plannedAlarm(id)).toBeNull();
      value(await decide(id, (await onlyPending(id)).id));
      expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
      expect(resultsOf(await eventsOf(id))).toContain("kept");
    },
  );

  it("keeps a session from ending when it is idle, until the wait is over", async () => {
    const limits = {
      maxIdleTimeMs: 60_000,
      maxLifetimeMs: null,
      maxBudgetNanos: null,
      maxTurns: null,
    };
    const id = await createSession(asking({ limits }));
    await ask(id, bash("echo hello"));
    const moveOn = moveClock(60_001);
    expect(await read(id)).toMatchObject({ status: "idle" });
    value(await sessionOf(id).interrupt(ALICE));
    expect(await read(id)).toMatchObject({ status: "idle" });
    moveOn(60_999);
    expect(await read(id)).toMatchObject({ terminationReason: "idle_timeout" });
  });

  it("sends a watcher's stream on with a socket, and the stream ends with the message", async () => {
    const id = await createSession(asking());
    const request = aMessage(bash("echo hello"));
    const body = value(await sessionOf(id).stream(ALICE, request, 0));
    const text = await new Response(body).text();
    expect(text.trimEnd().split("\n\n").at(-1)).toContain("event: message.waiting");
    expect((await messageOf(id, request.id)).status).toBe("waiting");
  });
});

describe("agents side by side", () => {
  const config = {
    askTools: ["Bash"],
    customAgents: { helper: { description: "helps" }, other: { description: "helps too" } },
  };
  const task = (type: string, prompt: string) =>
    call("Task", { subagent_type: type, description: "a task", prompt });

  it("work on while one of them waits, and the message waits once all do", async () => {
    const id = await createSession({ config });
    const write = call("Write", { file_path: "/workspace/b.txt", content: "b" });
    const asked = await ask(
      id,
      `${task("helper", bash("echo helped"))} & ${task("other", `/delay 200\n${write}`)}`,
    );
    expect(asked.status).toBe("waiting");
    const before = await eventsOf(id);
    expect(countOf(before, "agent.started")).toBe(2);
    expect(countOf(before, "agent.completed")).toBe(1);
    expect(countOf(before, "message.waiting")).toBe(1);
    const approval = await onlyPending(id);
    expect(approval.agent).toBe("helper");
    value(await decide(id, approval.id));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
    const events = await eventsOf(id);
    expect(countOf(events, "agent.completed")).toBe(2);
    expect(resultsOf(events)).toContain("helped");
  });

  it("wait, with a call that was allowed and comes after an agent that waits", async () => {
    const id = await createSession({ config });
    const asked = await ask(id, `${task("helper", bash("echo inner"))} & ${bash("echo outer")}`);
    const [first, second] = await pendingOf(id);
    const outer = [first, second].find((one) => one?.agent === "main");
    const inner = [first, second].find((one) => one?.agent === "helper");
    value(await decide(id, outer?.id ?? ""));
    await untilWaiting(id, asked.id);
    expect((await messageOf(id, asked.id)).waitingFor).toMatchObject({ approvalIds: [inner?.id] });
    value(await decide(id, inner?.id ?? ""));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
    expect(resultsOf(await eventsOf(id))).toEqual(expect.arrayContaining(["inner", "outer"]));
  });

  it("wait if more of them ask than can work at once", async () => {
    const id = await createSession({ config });
    const tasks = Array.from({ length: 18 }, (_, n) => task("helper", bash(`echo ${n}`)));
    const asked = await ask(id, tasks.join(" & "));
    expect(asked.status).toBe("waiting");
    for (;;) {
      const pending = await pendingOf(id);
      if (pending.length === 0 && (await messageOf(id, asked.id)).endedAt !== null) break;
      for (const one of pending) value(await decide(id, one.id));
      await scheduler.wait(20);
    }
    expect((await messageOf(id, asked.id)).status).toBe("completed");
    expect(resultsOf(await eventsOf(id))).toContain("17");
  });

  it("wait for agents in the background, and a decision while others work reaches the one that waits", async () => {
    const id = await createSession({ config });
    const background = call("Task", {
      ...{ subagent_type: "helper", description: "a task", prompt: bash("echo helped") },
      run_in_background: true,
    });
    const request = aMessage(`${background}\n/delay 400\n${task("other", "/delay 300\nhi")}`);
    value(await sessionOf(id).send(ALICE, request));
    await until(async () => (await pendingOf(id)).length === 1, 5_000);
    expect((await messageOf(id, request.id)).status).toBe("running");
    value(await decide(id, (await onlyPending(id)).id));
    expect(await ended(id, request.id)).toMatchObject({ status: "completed" });
    const events = await eventsOf(id);
    expect(resultsOf(events)).toContain("helped");
    expect(countOf(events, "message.waiting")).toBe(0);
  });
});
