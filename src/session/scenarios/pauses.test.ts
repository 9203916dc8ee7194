import { runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { SessionEvent } from "../../events/event";
import { approvalsOf, decide } from "../../testing/approvals";
import { moveClock } from "../../testing/faults";
import {
  ALICE,
  aMessage,
  ask,
  bash,
  call,
  createSession,
  ended,
  eventsOf,
  lose,
  messageOf,
  NO_LIMITS,
  objectOf,
  plannedAlarm,
  read,
  sessionOf,
  typesOf,
  until,
  value,
} from "../../testing/sessions";
import type { SessionPatch, SessionSpec } from "../rpc";
import type { Limits } from "../rules/ledger";

const pausing = (limits: Partial<Limits>, others: Partial<SessionSpec> = {}) => ({
  ...others,
  onLimit: "pause" as const,
  limits: { ...NO_LIMITS, ...limits },
});

const update = (id: string, patch: SessionPatch) => sessionOf(id).update(ALICE, patch);

const ofType = <T extends SessionEvent["type"]>(events: SessionEvent[], type: T) =>
  events.filter((event): event is Extract<SessionEvent, { type: T }> => event.type === type);

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a session that pauses at its limits", () => {
  it("waits when its budget is used up, and goes on with the same message when it is raised", async () => {
    const id = await createSession(pausing({ maxBudgetNanos: 220_000_000 }));
    const write = call("Write", { file_path: "/workspace/a.txt", content: "kept" });
    const steps = Array(8).fill("/tokens 2000\n/Nope {}").join("\n");
    const asked = await ask(id, `${write}\n${steps}\n${bash("cat a.txt")}\n/say the end`);
    expect(asked).toMatchObject({
      ...{ status: "waiting", waitingFor: { type: "limit", limit: "budget" }, endedAt: null },
    });
    const paused = await read(id);
    expect(paused).toMatchObject({ status: "idle", pausedBecause: "budget", expiresAt: null });
    expect(paused.totalCostNanos).toBeLessThanOrEqual(220_000_000);
    expect(await plannedAlarm(id)).toBeNull();
    const before = await eventsOf(id);
    expect(ofType(before, "session.paused")).toMatchObject([{ limit: "budget" }]);
    expect(ofType(before, "limit.warned").at(-1)).toMatchObject({ limit: "budget", part: 1 });

    await lose(id);
    value(await update(id, { maxBudgetNanos: 1_000_000_000 }));
    const end = await ended(id, asked.id);
    expect(end).toMatchObject({ status: "completed", stopReason: "end_turn", numTurns: 11 });
    expect(await read(id)).toMatchObject({ status: "active", pausedBecause: null });
    const events = await eventsOf(id);
    // Each turn is made once and charged once.
    expect(ofType(events, "turn.completed")).toHaveLength(11);
    expect(ofType(events, "message.completed")).toHaveLength(1);
    expect(ofType(events, "tool.completed").at(-1)?.content).toBe("kept");
    const costs = ofType(events, "turn.completed").reduce((sum, { cost }) => sum + cost, 0);
    expect(Math.round(costs * 1e9)).toBe((await read(id)).totalCostNanos);
    expect(end.costNanos).toBe((await read(id)).totalCostNanos);
  });

  it("stays paused if the limit is raised by too little, and pauses again", async () => {
    const id = await createSession(pausing({ maxBudgetNanos: 220_000_000 }));
    const asked = await ask(id, Array(8).fill("/tokens 2000\n/Nope {}").join("\n"));
    expect(asked.status).toBe("waiting");
    const before = await typesOf(id);
    // What raises no limit ends no pause.
    value(await update(id, { tags: ["other"] }));
    expect(await typesOf(id)).toEqual([...before, "session.updated"]);
    value(await update(id, { maxBudgetNanos: 220_000_001 }));
    await until(async () => (await read(id)).pausedBecause === "budget");
    expect((await messageOf(id, asked.id)).status).toBe("waiting");
    value(await update(id, { maxBudgetNanos: null }));
    expect((await ended(id, asked.id)).status).toBe("completed");
  });

  it("waits at its turns in the middle of a message, and at its end", async () => {
    const id = await createSession(pausing({ maxTurns: 2 }));
    const asked = await ask(id, "/Nope {}\n/Nope {}\nthe end");
    expect(asked).toMatchObject({ waitingFor: { type: "limit", limit: "turns" }, numTurns: 2 });
    value(await update(id, { maxTurns: 3 }));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed", numTurns: 3 });
    expect(await read(id)).toMatchObject({ status: "idle", pausedBecause: "turns" });

    const next = aMessage("hello");
    value(await sessionOf(id).send(ALICE, next));
    expect((await messageOf(id, next.id)).status).toBe("queued");
    value(await update(id, { maxTurns: null }));
    expect((await ended(id, next.id)).status).toBe("completed");
    expect(await typesOf(id)).not.toContain("session.terminated");
  });

  it("stops its work at the end of its lifetime, and makes the stopped call again", async () => {
    const id = await createSession(pausing({ maxLifetimeMs: 60_000 }));
    const request = aMessage("/delay 60000\nhello");
    value(await sessionOf(id).send(ALICE, request));
    await until(async () => (await typesOf(id)).includes("turn.started"));
    moveClock(60_001);
    await runDurableObjectAlarm(objectOf(id));
    expect(await messageOf(id, request.id)).toMatchObject({
      ...{ status: "waiting", waitingFor: { type: "limit", limit: "lifetime" } },
    });
    expect(await read(id)).toMatchObject({ status: "idle", pausedBecause: "lifetime" });
    // A limit of another kind does not end the pause.
    value(await update(id, { maxTurns: 100 }));
    expect((await read(id)).pausedBecause).toBe("lifetime");
    value(await sessionOf(id).interrupt(ALICE));
    expect((await messageOf(id, request.id)).status).toBe("interrupted");
    const next = aMessage("hi");
    value(await sessionOf(id).send(ALICE, next));
    value(await update(id, { maxLifetimeMs: 120_000 }));
    expect((await ended(id, next.id)).status).toBe("completed");
  });

  it("pauses while a message waits for approval, which can be decided meanwhile", async () => {
    const id = await createSession(
      pausing({ maxLifetimeMs: 60_000 }, { config: { askTools: ["Bash"] } }),
    );
    const asked = await ask(id, bash("echo hello"));
    moveClock(60_001);
    expect((await read(id)).pausedBecause).toBe("lifetime");
    const [approval] = await approvalsOf(id, "pending");
    value(await decide(id, approval?.id ?? ""));
    expect((await messageOf(id, asked.id)).waitingFor).toEqual({
      type: "limit",
      limit: "lifetime",
    });
    value(await update(id, { maxLifetimeMs: null }));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed", toolsUsed: ["Bash"] });
  });

  it("lets its other agents end what they do before it waits", async () => {
    const task = (prompt: string) =>
      call("Task", { subagent_type: "helper", description: "a task", prompt });
    const id = await createSession(
      pausing({ maxTurns: 4 }, { config: { customAgents: { helper: {} } } }),
    );
    const slow = task(`/Nope {}\n${bash("sleep 0.2; echo slow")}\nI am slow`);
    const asked = await ask(id, `${task("/Nope {}\n/Nope {}\n/Nope {}")} & ${slow}\nall is done`);
    expect(asked).toMatchObject({ status: "waiting", numTurns: 4 });
    value(await update(id, { maxTurns: null }));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
    const results = ofType(await eventsOf(id), "agent.completed").map(
      ({ stopReason }) => stopReason,
    );
    expect(results).toEqual(["end_turn", "end_turn"]);
  });

  it("pauses when a limit is set that is used up already, and ends as others do if it no longer pauses", async () => {
    const id = await createSession(pausing({}));
    await ask(id, "hello");
    value(await update(id, { maxTurns: 1 }));
    expect(await read(id)).toMatchObject({ status: "idle", pausedBecause: "turns" });
    value(await update(id, { onLimit: "terminate" }));
    expect(await read(id)).toMatchObject({ terminationReason: "turn_limit", pausedBecause: null });
  });

  it("is paused at another limit if that is used up when the first is raised", async () => {
    const id = await createSession(pausing({ maxTurns: 1, maxLifetimeMs: 60_000 }));
    const asked = await ask(id, "/Nope {}\nthe end");
    expect(asked.waitingFor).toEqual({ type: "limit", limit: "turns" });
    moveClock(60_001);
    value(await update(id, { maxTurns: 100 }));
    expect(await read(id)).toMatchObject({ status: "idle", pausedBecause: "lifetime" });
    expect((await messageOf(id, asked.id)).waitingFor).toEqual({
      type: "limit",
      limit: "lifetime",
    });
    value(await update(id, { maxLifetimeMs: null }));
    expect((await ended(id, asked.id)).status).toBe("completed");
  });

  it("goes on for good after a loss while one of its agents had reached the limit", async () => {
    const task = (prompt: string) =>
      call("Task", { subagent_type: "helper", description: "a task", prompt });
    const id = await createSession(
      pausing({ maxTurns: 4 }, { config: { customAgents: { helper: {} } } }),
    );
    const first = task(`/Nope {}\n/Nope {}\n${bash("sleep 0.5; echo first")}\nfirst`);
    const second = task(`${bash("sleep 0.4; echo second")}\nsecond`);
    const request = aMessage(`${first} & ${second}\nall is done`);
    value(await sessionOf(id).send(ALICE, request));
    await until(async () => (await read(id)).numTurns === 4);
    await lose(id);
    value(await update(id, { maxTurns: null }));
    expect(await ended(id, request.id)).toMatchObject({ status: "completed" });
    expect(await read(id)).toMatchObject({ status: "active", pausedBecause: null });
    expect(await typesOf(id)).not.toContain("session.paused");
  });

  it("answers a request for a message that is queued while it is paused", async () => {
    const id = await createSession(pausing({ maxTurns: 1 }));
    await ask(id, "/Nope {}\nthe end");
    expect((await ask(id, "hello")).status).toBe("queued");
  });

  it("ends a message at the message's own limits as before", async () => {
    const id = await createSession(pausing({ maxBudgetNanos: 1_000_000_000, maxTurns: 100 }));
    const prompt = Array(8).fill("/tokens 1000\n/Nope {}").join("\n");
    expect(await ask(id, prompt, { maxTurns: 2 })).toMatchObject({ stopReason: "max_turns" });
    const budget = { maxBudgetNanos: 60_000_000 };
    expect(await ask(id, prompt, budget)).toMatchObject({ stopReason: "budget_limit" });
    expect(await read(id)).toMatchObject({ status: "active", pausedBecause: null });
  });
});

describe("limit.warned", () => {
  const warned = async (id: string) =>
    ofType(await eventsOf(id), "limit.warned").map(({ limit, part }) => [limit, part]);

  it("falls at half, four fifths and all of a limit, once each", async () => {
    const id = await createSession({ limits: { ...NO_LIMITS, maxTurns: 10 } });
    await ask(id, Array(12).fill("/Nope {}").join("\n"));
    expect(await warned(id)).toEqual([
      ["turns", 0.5],
      ["turns", 0.8],
      ["turns", 1],
    ]);
  });

  it("falls at the parts that the config names", async () => {
    const limits = { ...NO_LIMITS, maxTurns: 10 };
    const id = await createSession({ limits, config: { warnAt: [0.3] } });
    await ask(id, Array(12).fill("/Nope {}").join("\n"));
    expect(await warned(id)).toEqual([["turns", 0.3]]);
    const silent = await createSession({ limits, config: { warnAt: [] } });
    await ask(silent, Array(12).fill("/Nope {}").join("\n"));
    expect(await warned(silent)).toEqual([]);
  });

  it("falls at the whole budget when a call needs more than what is left", async () => {
    const id = await createSession({ limits: { ...NO_LIMITS, maxBudgetNanos: 60_000_000 } });
    await ask(id, Array(50).fill("/tokens 2000\n/Nope {}").join("\n"));
    expect((await warned(id)).at(-1)).toEqual(["budget", 1]);
    expect((await warned(id)).filter(([, part]) => part === 1)).toHaveLength(1);
    expect((await typesOf(id)).at(-1)).toBe("session.terminated");
  });
});
