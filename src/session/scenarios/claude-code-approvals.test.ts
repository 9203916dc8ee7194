import { runDurableObjectAlarm } from "cloudflare:test";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ALLOW, approvalsOf, DENY, decide } from "../../testing/approvals";
import { containerOf, plantPrograms } from "../../testing/fake-claude-code";
import { withoutPauses } from "../../testing/faults";
import {
  ALICE,
  aMessage,
  ask,
  bash,
  call,
  countOf,
  createSession,
  eventsOf,
  lose,
  messageOf,
  NO_LIMITS,
  objectOf,
  read,
  resultsOf,
  sessionOf,
  until,
  value,
} from "../../testing/sessions";
import { upstream } from "../deployment";
import type { ApprovalRow, Decision, MessageRow, SessionConfig } from "../rpc";

let uproot = () => {};
beforeAll(() => {
  uproot = plantPrograms();
});
afterAll(() => uproot());

const claudeCode = (config: SessionConfig = {}) =>
  createSession({ config: { askTools: ["Bash"], ...config, runtime: "claude-code" } });

/** Decides about what is pending until a message has ended. Returns the message. */
async function decideAll(
  id: string,
  messageId: string,
  decision: (approval: ApprovalRow) => Decision = () => ALLOW,
): Promise<MessageRow> {
  await until(async () => {
    for (const one of await approvalsOf(id, "pending")) {
      value(await decide(id, one.id, decision(one)));
    }
    return (await messageOf(id, messageId)).endedAt !== null;
  }, 10_000);
  return messageOf(id, messageId);
}

/** Returns the body of the last model call that arrives while something is done. */
async function lastCallDuring(act: () => Promise<unknown>): Promise<string> {
  if (!upstream) throw new Error("there is no model");
  const { fetch } = upstream;
  let last = "";
  const spy = vi.spyOn(upstream, "fetch").mockImplementation((input, init) => {
    last = String(init?.body);
    return fetch(input, init);
  });
  await act();
  spy.mockRestore();
  return last;
}

const heard = (id: string): string => JSON.stringify(containerOf(id).sent.at(-1)?.messages);

describe("a call of Claude Code that matches askTools", () => {
  it("waits until it is allowed, while the process stays as it is", async () => {
    const id = await claudeCode();
    const asked = await ask(id, `${bash("echo hello")}\nall done`);
    expect(asked).toMatchObject({ status: "waiting", waitingFor: { type: "approval" } });
    const [approval] = await approvalsOf(id, "pending");
    expect(approval).toMatchObject({ name: "Bash", agent: "main" });
    value(await decide(id, approval?.id ?? "", { ...ALLOW, note: "for once" }));
    const lastCall = await lastCallDuring(() => decideAll(id, asked.id));
    expect(await decideAll(id, asked.id)).toMatchObject({
      ...{ status: "completed", toolsUsed: ["Bash"], numTurns: 2 },
    });
    const events = await eventsOf(id);
    expect(resultsOf(events)).toEqual(["[Note of who allowed the call: for once]\nhello"]);
    expect(lastCall).toContain("for once");
    expect(containerOf(id).started).toHaveLength(1);
    expect(events.map(({ type }) => type)).toEqual([
      ...["session.created", "session.started", "message.received", "message.started"],
      ...["turn.started", "turn.completed", "approval.requested", "message.waiting"],
      ...["approval.resolved", "message.resumed", "tool.started", "tool.completed"],
      ...["turn.started", "assistant.text", "turn.completed", "message.completed"],
    ]);
  });

  it("is asked for together with the others of its turn, and each is decided for itself", async () => {
    const id = await claudeCode();
    const calls = [bash("echo one"), bash("echo two"), bash("echo three")].join(" & ");
    const asked = await ask(id, `${calls}\nall done`);
    expect(await approvalsOf(id, "pending")).toHaveLength(3);
    const ended = await decideAll(id, asked.id, ({ input }) => {
      const { command } = input as { command: string };
      if (command === "echo two") return { ...DENY, note: "not this" };
      return command === "echo one" ? ALLOW : { ...ALLOW, input: { command: "echo 3" } };
    });
    expect(ended).toMatchObject({ status: "completed" });
    const results = resultsOf(await eventsOf(id));
    expect(results).toHaveLength(3);
    expect(results).toEqual(
      expect.arrayContaining([
        "one",
        expect.stringContaining("not this"),
        expect.stringMatching(/\{"command":"echo 3"\}.*\n3$/),
      ]),
    );
    expect(heard(id)).toContain("not this");
  });

  it("is decided by the rule of the session: what does not match it is allowed at once", async () => {
    const id = await claudeCode({ askTools: ["Bash(git push *)"], allowedTools: ["Bash"] });
    expect(await ask(id, `${bash("echo hello")}\nall done`)).toMatchObject({ status: "completed" });
    const asked = await ask(id, `${bash("cd /tmp && git push origin")}\nall done`);
    expect(asked.status).toBe("waiting");
    await decideAll(id, asked.id, () => DENY);
    expect(resultsOf(await eventsOf(id))).toEqual([
      "hello",
      expect.stringContaining("not allowed"),
    ]);
  });

  it("is answered after a loss of the object, at any time", async () => {
    const id = await claudeCode();
    const asked = await ask(id, `${bash("echo once >> log.txt; cat log.txt")}\nall done`);
    await lose(id);
    const [approval] = await approvalsOf(id, "pending");
    value(await decide(id, approval?.id ?? ""));
    await lose(id);
    expect(await decideAll(id, asked.id)).toMatchObject({ status: "completed" });
    expect(resultsOf(await eventsOf(id))).toEqual(["once"]);
    expect(countOf(await eventsOf(id), "approval.requested")).toBe(1);
    expect(containerOf(id).started).toHaveLength(1);
  });

  it.each([
    ["before", "allow"],
    ["after", "allow"],
    ["before", "deny"],
  ] as const)(
    "is asked for once if its container is lost %s the decision (%s)",
    async (when, decision) => {
      const id = await claudeCode();
      // The offline model follows a text with calls, as it would make the call again.
      const again = bash("echo once >> log.txt; cat log.txt");
      const asked = await ask(id, `${again}\nall done`);
      const [approval] = await approvalsOf(id, "pending");
      if (when === "before") containerOf(id).replace();
      const decided = decide(id, approval?.id ?? "", { ...ALLOW, decision });
      if (when === "after") containerOf(id).replace();
      value(await decided);
      const ended = await withoutPauses(() => decideAll(id, asked.id));
      expect(ended).toMatchObject({ status: "completed" });
      const events = await eventsOf(id);
      expect(countOf(events, "approval.requested")).toBe(1);
      expect(heard(id)).toContain(decision === "allow" ? "is allowed now" : "was not allowed");
      expect(await approvalsOf(id)).toMatchObject([
        { status: decision === "allow" ? "allowed" : "denied" },
      ]);
    },
  );

  it("gives its container back while it waits, and goes on with another process", async () => {
    const id = await createSession({
      config: { askTools: ["Bash"], runtime: "claude-code" },
      limits: { ...NO_LIMITS, maxIdleTimeMs: 60_000 },
    });
    const asked = await ask(id, `${bash("echo hello")}\nall done`);
    const { now } = Date;
    const clock = vi.spyOn(Date, "now").mockImplementation(() => now() + 60_001);
    await runDurableObjectAlarm(objectOf(id));
    expect(await read(id)).toMatchObject({ status: "idle", pendingApprovals: 1 });
    containerOf(id).replace();
    clock.mockRestore();
    expect(await decideAll(id, asked.id)).toMatchObject({ status: "completed" });
    expect(containerOf(id).started.length).toBeGreaterThan(1);
  });

  it("is held to the rules with another input", async () => {
    const id = await claudeCode({ disallowedTools: ["Bash(rm *)"] });
    await ask(id, `${bash("echo hello")}\nall done`);
    const [approval] = await approvalsOf(id, "pending");
    const changed = { ...ALLOW, input: { command: "cd /; rm -rf *" } };
    const answer = await decide(id, approval?.id ?? "", changed);
    expect(answer).toMatchObject({
      failure: { code: "invalid_request", details: { path: "input" } },
    });
  });

  it("ends with an interrupt, and the next message goes on", async () => {
    const id = await claudeCode();
    const asked = await ask(id, `${bash("echo hello")}\nall done`);
    expect(value(await sessionOf(id).interrupt(ALICE))).toMatchObject({
      ...{ id: asked.id, status: "interrupted" },
    });
    expect(await approvalsOf(id)).toMatchObject([{ status: "cancelled" }]);
    expect(await ask(id, "hello")).toMatchObject({ status: "completed" });
  });

  it("of an agent waits while others work on", async () => {
    const task = (prompt: string) =>
      call("Agent", { subagent_type: "writer", prompt, description: "a task" });
    const id = await claudeCode({ customAgents: { writer: {} } });
    const asked = await ask(id, `${task(`${bash("echo inner")}\nwritten`)}\nall done`);
    expect(asked.status).toBe("waiting");
    expect(await approvalsOf(id, "pending")).toMatchObject([{ agent: "writer" }]);
    expect(await decideAll(id, asked.id)).toMatchObject({ status: "completed" });
    expect(resultsOf(await eventsOf(id))).toContain("inner");
  });
});

describe("a session of Claude Code that pauses", () => {
  it("goes on with another process when its limit is raised", async () => {
    const id = await createSession({
      config: { runtime: "claude-code" },
      onLimit: "pause",
      limits: { ...NO_LIMITS, maxTurns: 1 },
    });
    const request = aMessage(`${bash("echo one")}\n${bash("echo two")}\nall done`);
    value(await sessionOf(id).send(ALICE, request));
    const message = async () => value(await sessionOf(id).message(ALICE, request.id));
    await until(async () => (await message()).status === "waiting", 5_000);
    expect(await message()).toMatchObject({ waitingFor: { type: "limit", limit: "turns" } });
    expect(await read(id)).toMatchObject({ status: "idle", pausedBecause: "turns" });
    value(await sessionOf(id).update(ALICE, { maxTurns: null }));
    await until(async () => (await message()).endedAt !== null, 5_000);
    expect(await message()).toMatchObject({ status: "completed", stopReason: "end_turn" });
    expect(containerOf(id).started.length).toBe(2);
  });
});
