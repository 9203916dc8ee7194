import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emptyDraft } from "../agent/model/assemble";
import {
  ADMIN,
  ALICE,
  alarmOf,
  aMessage,
  aSpec,
  ask,
  BOB,
  createSession,
  eventsOf,
  newSessionId,
  objectOf,
  read,
  rowOf,
  sessionOf,
  tablesOf,
  until,
  value,
} from "../testing/sessions";
import type { SessionRpc } from "./rpc";
import { SessionStore } from "./storage/store";
import { replayFrames } from "./subscribers";

const dollars = (nanos: number) => nanos / 1e9;

/** Checks what holds for every event log, whatever happened in the session. */
async function checkLog(id: string): Promise<void> {
  const events = await eventsOf(id);
  expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
  const session = await read(id);
  const costs = events.map((event) => ("cost" in event ? Math.round(event.cost * 1e9) : 0));
  expect(costs.reduce((sum, cost) => sum + cost, 0)).toBe(session.totalCostNanos);
  const answered = events.flatMap((e) => (e.type === "tool.completed" ? [e.toolUseId] : []));
  expect(new Set(answered).size).toBe(answered.length);
}

describe("creating a session", () => {
  it("makes it active, and lists it before the create returns", async () => {
    const id = await createSession({ tags: ["a"], description: "one", userId: "user_1" });
    expect(await read(id)).toMatchObject({ status: "active", tags: ["a"], description: "one" });
    expect(await rowOf(id)).toMatchObject({ owner: "alice", status: "active", user_id: "user_1" });
    expect((await eventsOf(id)).map((event) => event.type)).toEqual([
      "session.created",
      "session.started",
    ]);
  });

  it("returns the first session for a repeat, and refuses another body", async () => {
    const spec = aSpec({ requestHash: "one" });
    const session = sessionOf(spec.id);
    const first = value(await session.create(ALICE, spec));
    expect(value(await session.create(ALICE, spec))).toEqual(first);
    expect(await session.create(ALICE, { ...spec, requestHash: "two" })).toMatchObject({
      failure: { code: "idempotency_mismatch" },
    });
  });

  it("is required: calls for an unknown id return not_found and leave no storage", async () => {
    const id = newSessionId();
    const session = sessionOf(id);
    const answers = [
      await session.read(ALICE),
      await session.send(ALICE, aMessage("hello")),
      await session.events(ALICE, { after: 0, limit: 10 }),
      await session.terminate(ALICE, "why"),
      await session.remove(ALICE),
    ];
    for (const answer of answers) expect(answer).toMatchObject({ failure: { code: "not_found" } });
    const watched = await objectOf(id).fetch("https://session/events", {
      headers: { upgrade: "websocket", "x-rigger-caller": JSON.stringify(ALICE) },
    });
    expect(watched.status).toBe(404);
    await watched.text();
    expect(await tablesOf(objectOf(id))).toEqual([]);
    expect(await alarmOf(objectOf(id))).toBeNull();
  });

  it("hides it from other owners, and shows it to an admin", async () => {
    const id = await createSession();
    const session = sessionOf(id);
    const calls: ((s: SessionRpc) => Promise<{ ok: boolean }>)[] = [
      (s) => s.read(BOB),
      (s) => s.update(BOB, { description: "mine" }),
      (s) => s.send(BOB, aMessage("hello")),
      (s) => s.messages(BOB, { after: 0, limit: 10 }),
      (s) => s.events(BOB, { after: 0, limit: 10 }),
      (s) => s.interrupt(BOB),
      (s) => s.terminate(BOB, "mine"),
      (s) => s.remove(BOB),
    ];
    for (const call of calls) {
      expect(await call(session)).toMatchObject({ failure: { code: "not_found" } });
    }
    expect(await session.read(ADMIN)).toMatchObject({ ok: true });
    expect(await read(id)).toMatchObject({ description: null, status: "active" });
  });
});

describe("a message", () => {
  it("runs its tools turn by turn, and the costs in its events sum to the session's totals", async () => {
    const id = await createSession();
    const message = await ask(
      id,
      [
        "Have a look around.",
        '/Write {"file_path":"a.txt","content":"one"} & /Write {"file_path":"b.txt","content":"two"}',
        '/Bash {"command":"cat a.txt b.txt"}',
        '/Read {"file_path":"a.txt"} & /Read {"file_path":"b.txt"}',
      ].join("\n"),
    );
    expect(message).toMatchObject({
      status: "completed",
      stopReason: "end_turn",
      numTurns: 4,
      toolsUsed: ["Write", "Bash", "Read"],
      error: null,
    });
    expect(message.result).toContain("onetwo");
    const session = await read(id);
    expect(session).toMatchObject({
      numTurns: 4,
      toolsUsed: ["Write", "Bash", "Read"],
      totalCostNanos: message.costNanos,
      totalTokens: Object.values(message.usage).reduce((sum, count) => sum + count, 0),
    });
    expect(Object.keys(session.usage)).toEqual(["claude-sonnet-5-5"]);
    const types = (await eventsOf(id)).map((event) => event.type);
    expect(types.filter((type) => type === "tool.started")).toHaveLength(5);
    expect(types.filter((type) => type === "tool.completed")).toHaveLength(5);
    expect(types.at(-1)).toBe("message.completed");
    await checkLog(id);
  });

  it("continues the conversation of earlier messages", async () => {
    const id = await createSession();
    await ask(id, "first");
    const usage = (await ask(id, "second")).usage;
    expect(usage.cacheReadTokens).toBeGreaterThan(0);
    const page = value(await sessionOf(id).messages(ALICE, { after: 0, limit: 1 }));
    expect(page).toMatchObject({ messages: [{ prompt: "first" }], next: 1 });
    const rest = value(await sessionOf(id).messages(ALICE, { after: 1, limit: 1 }));
    expect(rest).toMatchObject({ messages: [{ prompt: "second" }], next: null });
  });

  it("is returned for a repeat of its id, and refused for the same id with another body", async () => {
    const id = await createSession();
    const session = sessionOf(id);
    const request = aMessage("/delay 100\nhello");
    const both = await Promise.all([session.ask(ALICE, request), session.ask(ALICE, request)]);
    expect(value(both[0])).toEqual(value(both[1]));
    expect(value(await session.ask(ALICE, request))).toEqual(value(both[0]));
    expect(await read(id)).toMatchObject({ numMessages: 1, numTurns: 1 });
    expect(await session.ask(ALICE, { ...request, requestHash: "other" })).toMatchObject({
      failure: { code: "idempotency_mismatch", details: { messageId: request.id } },
    });
  });

  it("waits for the running one, and queued ones start in the order of their arrival", async () => {
    const id = await createSession();
    const messages = await Promise.all(
      ["/delay 100\none", "two", "three"].map((prompt) => ask(id, prompt)),
    );
    expect(messages.map((message) => message.status)).toEqual(Array(3).fill("completed"));
    const started = messages.map((message) => message.startedAt ?? 0);
    expect(started).toEqual([...started].sort((a, b) => a - b));
    expect(messages[1]?.startedAt).toBeGreaterThanOrEqual(messages[0]?.endedAt ?? 0);
  });

  it("is refused while another runs, if it requests that", async () => {
    const id = await createSession();
    const running = value(await sessionOf(id).send(ALICE, aMessage("/delay 300\none")));
    const refused = await sessionOf(id).send(ALICE, aMessage("two", { onBusy: "reject" }));
    expect(refused).toMatchObject({
      failure: { code: "session_busy", details: { messageId: running.id } },
    });
    expect((await read(id)).numMessages).toBe(1);
    value(await sessionOf(id).send(ALICE, aMessage("three")));
    expect((await read(id)).numMessages).toBe(2);
  });

  it("interrupts the running one, if it requests that, and starts before queued ones", async () => {
    const id = await createSession();
    const first = value(await sessionOf(id).send(ALICE, aMessage("/delay 5000\none")));
    const waiting = value(await sessionOf(id).send(ALICE, aMessage("/delay 5000\nwaiting")));
    const second = await ask(id, "two", { onBusy: "interrupt" });
    expect(second.status).toBe("completed");
    expect(value(await sessionOf(id).message(ALICE, waiting.id)).startedAt).toBeGreaterThanOrEqual(
      second.endedAt ?? 0,
    );
    expect(value(await sessionOf(id).message(ALICE, first.id))).toMatchObject({
      status: "interrupted",
      stopReason: "interrupted",
    });
    await checkLog(id);
  });

  it("is refused if too many are queued", async () => {
    const id = await createSession();
    const session = sessionOf(id);
    await session.send(ALICE, aMessage("/delay 5000\none"));
    const sent = await Promise.all(
      Array.from({ length: 101 }, () => session.send(ALICE, aMessage("more"))),
    );
    expect(sent.filter((result) => result.ok)).toHaveLength(100);
    expect(sent.at(-1)).toMatchObject({ failure: { code: "queue_full" } });
    await session.terminate(ALICE, "enough");
  });

  it("retries a call if the model is overloaded or its stream breaks off, with an event", async () => {
    const id = await createSession();
    const message = await ask(id, "/fail 529\n/Nope {}\n/cut\nhello");
    expect(message.status).toBe("completed");
    const retried = (await eventsOf(id)).filter((event) => event.type === "turn.retried");
    expect(retried).toMatchObject([
      { reason: "overloaded_error", attempt: 1, cost: 0 },
      { reason: "connection_error", attempt: 1 },
    ]);
    // The interrupted reply is charged as far as it arrived. The rest of its bound stays held.
    expect(retried[1]).toHaveProperty("cost", expect.any(Number));
    expect(retried[1]?.type === "turn.retried" && retried[1].cost).toBeGreaterThan(0);
    await checkLog(id);
  });

  it("fails immediately on a permanent error, with the upstream's text and request id", async () => {
    const id = await createSession();
    const message = await ask(id, "/fail 400 times=9\nhello");
    expect(message).toMatchObject({ status: "failed", stopReason: "error", numTurns: 0 });
    expect(message.error).toMatchObject({
      type: "upstream_error",
      upstreamRequestId: expect.stringMatching(/^req_/),
    });
    expect(await ask(id, "still there?")).toMatchObject({ status: "completed" });
    await checkLog(id);
  });
});

describe("interrupting and ending", () => {
  it("an interrupt stops the model immediately and leaves a conversation that can continue", async () => {
    const id = await createSession();
    const sent = value(await sessionOf(id).send(ALICE, aMessage("/delay 60000\nhello")));
    await scheduler.wait(30);
    const before = Date.now();
    expect(value(await sessionOf(id).interrupt(ALICE))).toMatchObject({
      id: sent.id,
      status: "interrupted",
    });
    expect(Date.now() - before).toBeLessThan(2_000);
    expect(value(await sessionOf(id).interrupt(ALICE))).toBeNull();
    expect(await ask(id, "go on")).toMatchObject({ status: "completed" });
    await checkLog(id);
  });

  it("an interrupt stops a command and gives every call a result", async () => {
    const id = await createSession();
    const prompt = '/Bash {"command":"sleep 60"} & /Bash {"command":"echo never"}';
    value(await sessionOf(id).send(ALICE, aMessage(prompt)));
    await until(async () => (await eventsOf(id)).some((event) => event.type === "tool.started"));
    const before = Date.now();
    value(await sessionOf(id).interrupt(ALICE));
    expect(Date.now() - before).toBeLessThan(3_000);
    const completed = (await eventsOf(id)).filter((event) => event.type === "tool.completed");
    expect(completed).toMatchObject([{ isError: true }, { isError: true }]);
    expect(await ask(id, "go on")).toMatchObject({ status: "completed" });
    await checkLog(id);
  });

  it("terminating ends the running message and the queued ones, and repeating it changes nothing", async () => {
    const id = await createSession();
    const session = sessionOf(id);
    const running = value(await session.send(ALICE, aMessage("/delay 60000\none")));
    const queued = value(await session.send(ALICE, aMessage("two")));
    const ended = value(await session.terminate(ALICE, "user_requested"));
    expect(ended).toMatchObject({ status: "terminated", terminationReason: "user_requested" });
    expect(value(await session.terminate(ALICE, "again"))).toEqual(ended);
    for (const { id: messageId } of [running, queued]) {
      expect(value(await session.message(ALICE, messageId))).toMatchObject({
        status: "interrupted",
        stopReason: "terminated",
      });
    }
    const events = await eventsOf(id);
    expect(events.at(-1)?.type).toBe("session.terminated");
    expect(await session.send(ALICE, aMessage("more"))).toMatchObject({
      failure: { code: "session_ended", message: expect.stringContaining("user_requested") },
    });
    expect(await rowOf(id)).toMatchObject({ status: "terminated" });
    await checkLog(id);
  });

  it("removing deletes everything, in the object and in the index", async () => {
    const id = await createSession();
    await ask(id, '/Write {"file_path":"a.txt","content":"one"}');
    value(await sessionOf(id).remove(ALICE));
    expect(await sessionOf(id).read(ALICE)).toMatchObject({ failure: { code: "not_found" } });
    expect(await rowOf(id)).toBeNull();
    expect(await tablesOf(objectOf(id))).toEqual([]);
    expect(await alarmOf(objectOf(id))).toBeNull();
  });
});

describe("an ephemeral session", () => {
  const ephemeral = { pattern: "ephemeral" } as const;

  it("completes with its message, accepts no other, and is deleted 60 s later", async () => {
    const id = await createSession(ephemeral);
    await ask(id, "one task");
    const session = await read(id);
    expect(session).toMatchObject({ status: "completed", expiresBecause: "cleanup" });
    expect(session.expiresAt).toBe((session.completedAt ?? 0) + 60_000);
    expect(await sessionOf(id).send(ALICE, aMessage("another"))).toMatchObject({
      failure: { code: "session_ended" },
    });
    await makeDue(id);
    expect(await sessionOf(id).read(ALICE)).toMatchObject({ failure: { code: "not_found" } });
    expect(await rowOf(id)).toBeNull();
  });

  it("refuses a second message while the first runs", async () => {
    const id = await createSession(ephemeral);
    const first = value(await sessionOf(id).send(ALICE, aMessage("/delay 200\none")));
    expect(await sessionOf(id).send(ALICE, aMessage("two"))).toMatchObject({
      failure: { code: "session_busy", details: { messageId: first.id } },
    });
  });

  it("fails with its message", async () => {
    const id = await createSession(ephemeral);
    await ask(id, "/fail 401 times=9\nhello");
    expect(await read(id)).toMatchObject({
      status: "error",
      error: { type: "unavailable_error" },
      expiresBecause: "cleanup",
    });
    expect((await eventsOf(id)).at(-1)?.type).toBe("session.failed");
  });

  it("keeps an unread background result, even if a limit ended it", async () => {
    const id = await createSession(ephemeral);
    await sessionOf(id).send(ALICE, aMessage("/delay 60000\none", { background: true }));
    const ended = value(await sessionOf(id).terminate(ALICE, "enough"));
    expect(ended.expiresAt).toBe((ended.terminatedAt ?? 0) + 3_600_000);
  });

  it("keeps a background result for an hour until it is read, then for 60 s", async () => {
    const id = await createSession(ephemeral);
    const sent = value(await sessionOf(id).send(ALICE, aMessage("one", { background: true })));
    await until(async () => (await read(id)).status === "completed");
    const unread = await read(id);
    expect(unread.expiresAt).toBe((unread.completedAt ?? 0) + 3_600_000);
    value(await sessionOf(id).message(ALICE, sent.id));
    expect((await read(id)).expiresAt).toBeLessThanOrEqual(Date.now() + 60_000);
  });
});

/** Fires the session's alarm with the clock 100 days ahead, so that its next deadline is due. */
async function makeDue(id: string): Promise<void> {
  const far = Date.now() + 100 * 86_400_000;
  const now = Date.now;
  Date.now = () => far;
  try {
    await runDurableObjectAlarm(objectOf(id));
  } finally {
    Date.now = now;
  }
}

describe("limits", () => {
  const limited = (limits: Partial<ReturnType<typeof aSpec>["limits"]>) => ({
    limits: { ...aSpec().limits, ...limits },
  });

  it("the idle timeout ends a session, but not while a message runs", async () => {
    const id = await createSession(limited({ maxIdleTimeMs: 150 }));
    await ask(id, "/delay 400\nstill working");
    expect(await read(id)).toMatchObject({ status: "active" });
    await until(async () => (await read(id)).status === "terminated");
    expect(await read(id)).toMatchObject({ terminationReason: "idle_timeout" });
    await checkLog(id);
  });

  it("the idle timeout makes a hybrid session idle, and a message resumes it with its conversation", async () => {
    const id = await createSession({ pattern: "hybrid", ...limited({ maxIdleTimeMs: 700 }) });
    await ask(id, '/Bash {"command":"echo kept > note.txt; cd /tmp"}');
    await until(async () => (await read(id)).status === "idle");
    const woken = await ask(id, '/Bash {"command":"pwd; cat /workspace/note.txt"}');
    expect(woken.result).toContain("/tmp\nkept");
    const types = (await eventsOf(id)).map((event) => event.type);
    expect(types.filter((type) => type.startsWith("session."))).toEqual([
      "session.created",
      "session.started",
      "session.idled",
      "session.resumed",
    ]);
  });

  it("the lifetime limit ends a running message first, then the session", async () => {
    const id = await createSession(limited({ maxLifetimeMs: 400 }));
    const message = await ask(id, '/Bash {"command":"sleep 60"}\n/Bash {"command":"echo never"}');
    expect(message).toMatchObject({ status: "interrupted", stopReason: "lifetime_limit" });
    expect(await read(id)).toMatchObject({
      status: "terminated",
      terminationReason: "lifetime_limit",
    });
    await checkLog(id);
  });

  it("config.maxTurns ends the message, and the session continues", async () => {
    const id = await createSession({ config: { maxTurns: 2 } });
    const message = await ask(id, "/Nope {}\n/Nope {}\n/Nope {}");
    expect(message).toMatchObject({ status: "completed", stopReason: "max_turns", numTurns: 2 });
    expect(await ask(id, "hello")).toMatchObject({ stopReason: "end_turn" });
    const once = await ask(id, "/Nope {}\n/Nope {}", { maxTurns: 1 });
    expect(once).toMatchObject({ stopReason: "max_turns", numTurns: 1 });
  });

  it("top-level maxTurns terminates the session", async () => {
    const id = await createSession(limited({ maxTurns: 2 }));
    const message = await ask(id, "/Nope {}\n/Nope {}\n/Nope {}");
    expect(message).toMatchObject({ status: "completed", stopReason: "turn_limit", numTurns: 2 });
    expect(await read(id)).toMatchObject({
      status: "terminated",
      terminationReason: "turn_limit",
      numTurns: 2,
    });
    const types = (await eventsOf(id)).map((event) => event.type);
    expect(types).toContain("limit.warned");
    expect(types.at(-1)).toBe("session.terminated");
  });

  it("a message that finishes with the session's last turn completes, and the session ends", async () => {
    const id = await createSession(limited({ maxTurns: 1 }));
    expect(await ask(id, "hello")).toMatchObject({ stopReason: "end_turn" });
    expect(await read(id)).toMatchObject({ terminationReason: "turn_limit" });
  });

  it("a budget ends the session before it is exceeded", async () => {
    const id = await createSession(limited({ maxBudgetNanos: 50_000_000 }));
    const lines = Array(50).fill("/tokens 2000\n/Nope {}").join("\n");
    const message = await ask(id, lines);
    expect(message).toMatchObject({ status: "completed", stopReason: "budget_limit" });
    const session = await read(id);
    expect(session).toMatchObject({ status: "terminated", terminationReason: "budget_limit" });
    expect(session.totalCostNanos).toBeLessThanOrEqual(50_000_000);
    expect(session.totalCostNanos).toBeGreaterThan(25_000_000);
    await checkLog(id);
  });

  it("a message's own budget ends the message, and the session continues", async () => {
    const id = await createSession(limited({ maxBudgetNanos: 1e9 }));
    const lines = Array(50).fill("/tokens 2000\n/Nope {}").join("\n");
    const message = await ask(id, lines, { maxBudgetNanos: 30_000_000 });
    expect(message).toMatchObject({ status: "completed", stopReason: "budget_limit" });
    expect(message.costNanos).toBeLessThanOrEqual(30_000_000);
    expect(await ask(id, "hello")).toMatchObject({ stopReason: "end_turn" });
  });

  it("the spent amount stays within the budget and is the sum of the events' costs, for any messages", async () => {
    const line = fc.oneof(
      fc.nat(6_000).map((tokens) => `/tokens ${tokens}`),
      fc.constantFrom("/Nope {}", "/fail 529", "/cut", "/cut times=2", "text", "/think deep"),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 150_000_000 }),
        fc.array(fc.array(line, { maxLength: 6 }), { minLength: 1, maxLength: 3 }),
        async (maxBudgetNanos, prompts) => {
          const id = await createSession(limited({ maxBudgetNanos }));
          for (const lines of prompts) {
            await sessionOf(id).ask(ALICE, aMessage(`go\n${lines.join("\n")}`));
          }
          const session = await read(id);
          expect(session.totalCostNanos).toBeLessThanOrEqual(maxBudgetNanos);
          await checkLog(id);
        },
      ),
      { numRuns: 12 },
    );
  }, 60_000);

  it("changed limits apply immediately", async () => {
    const id = await createSession();
    await ask(id, "/tokens 4000");
    const spent = (await read(id)).totalCostNanos;
    const updated = value(
      await sessionOf(id).update(ALICE, { maxBudgetNanos: spent - 1, tags: ["b"] }),
    );
    expect(updated).toMatchObject({
      status: "terminated",
      terminationReason: "budget_limit",
      tags: ["b"],
    });
    expect(await rowOf(id)).toMatchObject({ status: "terminated", tags: '["b"]' });
  });
});

describe("after a loss of the object or of the index", () => {
  it("a message is resumed, and its lost reply is withdrawn", async () => {
    const id = await createSession();
    const request = aMessage('/Bash {"command":"echo one >> log.txt"}\n/delay 400\nsay something');
    value(await sessionOf(id).send(ALICE, request));
    await until(async () =>
      (await eventsOf(id)).some((e) => e.type === "turn.started" && e.turnId === "turn_2"),
    );
    await abortAllDurableObjects();
    await until(async () => value(await sessionOf(id).message(ALICE, request.id)).endedAt !== null);
    const message = value(await sessionOf(id).message(ALICE, request.id));
    expect(message).toMatchObject({ status: "completed", numTurns: 2 });
    const events = await eventsOf(id);
    expect(events.filter((event) => event.type === "turn.retried")).toMatchObject([
      { turnId: "turn_2", reason: "restarted" },
    ]);
    expect(events.filter((event) => event.type === "tool.started")).toHaveLength(1);
    await checkLog(id);
    const look = await ask(id, '/Bash {"command":"cat log.txt"}');
    expect(look.result).toContain("Bash returned: one");
  });

  it("a message is resumed by the alarm alone, without a call", async () => {
    const id = await createSession();
    const request = aMessage("/delay 300\nhello");
    value(await sessionOf(id).send(ALICE, request));
    await abortAllDurableObjects();
    await runDurableObjectAlarm(objectOf(id));
    await scheduler.wait(600);
    await runInDurableObject(objectOf(id), (_, state) => {
      const rows = state.storage.sql.exec("SELECT status FROM messages").toArray();
      expect(rows).toEqual([{ status: "completed" }]);
    });
  });

  it("a session works without the index, which is updated when it is back", async () => {
    const id = await createSession();
    await env.DB.exec("ALTER TABLE agent_sessions RENAME TO away");
    try {
      expect(await ask(id, "hello")).toMatchObject({ status: "completed" });
      await runDurableObjectAlarm(objectOf(id));
      expect(await read(id)).toMatchObject({ numTurns: 1 });
    } finally {
      await env.DB.exec("ALTER TABLE away RENAME TO agent_sessions");
    }
    await until(async () => {
      await runDurableObjectAlarm(objectOf(id));
      return (await rowOf(id))?.num_turns === 1;
    });
    expect(await rowOf(id)).toMatchObject({ version: (await read(id)).version });
  });
});

describe("the end of a message or session", () => {
  it("because of too many restarts leaves a conversation that can continue, and its events show every held amount", async () => {
    const id = await createSession({ config: { maxTurns: 3 } });
    const request = aMessage('/Bash {"command":"sleep 60"}');
    value(await sessionOf(id).send(ALICE, request));
    await until(async () => (await eventsOf(id)).some((event) => event.type === "tool.started"));
    await runInDurableObject(objectOf(id), (_, state) => {
      const store = new SessionStore(state.storage);
      const seq = store.log.progressOf(request.id);
      store.transaction(() => {
        store.recovery = { messageId: request.id, seq, restarts: 1, survived: 0 };
      });
    });
    await abortAllDurableObjects();
    await until(async () => value(await sessionOf(id).message(ALICE, request.id)).endedAt !== null);
    expect(value(await sessionOf(id).message(ALICE, request.id))).toMatchObject({
      status: "failed",
      error: { type: "unavailable_error" },
    });
    expect(await ask(id, "go on")).toMatchObject({ status: "completed", stopReason: "end_turn" });
    await runInDurableObject(objectOf(id), (_, state) => {
      const open = state.storage.sql.exec("SELECT id FROM calls WHERE settled = 0").toArray();
      expect(open).toEqual([]);
    });
    await checkLog(id);
  });

  it("keeps the caller's reason, even if the interrupted turn was the last one", async () => {
    const limits = { ...aSpec().limits, maxTurns: 1 };
    const id = await createSession({ limits });
    value(await sessionOf(id).send(ALICE, aMessage("/delay 60000\nhello")));
    await scheduler.wait(50);
    expect(value(await sessionOf(id).terminate(ALICE, "mine"))).toMatchObject({
      terminationReason: "mine",
    });
  });

  it("does not return the text of a search as the agent's result", async () => {
    const id = await createSession();
    const request = aMessage('/WebSearch {"query":"/delay 60000"}');
    value(await sessionOf(id).send(ALICE, request));
    await until(async () =>
      (await eventsOf(id)).some((e) => e.type === "turn.started" && e.kind === "web_search"),
    );
    await scheduler.wait(20);
    const cut = value(await sessionOf(id).interrupt(ALICE));
    expect(cut).toMatchObject({ status: "interrupted", result: null });
    expect((await eventsOf(id)).filter((event) => event.type === "assistant.text")).toEqual([]);
    expect(await ask(id, "go on")).toMatchObject({ status: "completed" });
    await checkLog(id);
  });

  it("by two concurrent callers answers both", async () => {
    const id = await createSession();
    const session = sessionOf(id);
    const answers = await Promise.all([
      session.update(ALICE, { description: "one" }),
      session.terminate(ALICE, "why"),
      session.remove(ALICE),
      session.read(ALICE),
    ]);
    expect(answers.map((answer) => answer.ok)).toEqual([true, true, true, false]);
  });
});

describe("the number of turns", () => {
  it("counts replies of the agent, and not searches, which are charged and shown", async () => {
    const id = await createSession({ config: { maxTurns: 2 } });
    const message = await ask(id, '/WebSearch {"query":"cats"}\nwhat did you find?');
    expect(message).toMatchObject({ stopReason: "end_turn", numTurns: 2 });
    expect(message.usage.webSearchRequests).toBe(1);
    const kinds = (await eventsOf(id)).flatMap((e) =>
      e.type === "turn.completed" ? [e.kind] : [],
    );
    expect(kinds).toEqual(["reply", "web_search", "reply"]);
    await checkLog(id);
  });

  it("does not count replies that were stopped before any text arrived", async () => {
    const id = await createSession();
    value(await sessionOf(id).send(ALICE, aMessage("/delay 60000\nhello")));
    await scheduler.wait(30);
    value(await sessionOf(id).interrupt(ALICE));
    expect(await read(id)).toMatchObject({ numTurns: 0 });
    await checkLog(id);
  });
});

describe("subscribing to events", () => {
  /** Collects the frames of a session's WebSocket until it closes. */
  async function watch(id: string, query: string) {
    const response = await objectOf(id).fetch(`https://session/events?${query}`, {
      headers: { upgrade: "websocket", "x-rigger-caller": JSON.stringify(ALICE) },
    });
    const socket = response.webSocket;
    if (!socket) throw new Error(`no socket: ${response.status}`);
    const frames: string[] = [];
    const closed = Promise.withResolvers<number>();
    socket.addEventListener("message", ({ data }) => {
      frames.push(...String(data).split(/(?<=\n\n)/));
    });
    socket.addEventListener("close", ({ code }) => closed.resolve(code));
    socket.accept();
    return { frames, closed: closed.promise, close: () => socket.close() };
  }
  const idOf = (frame: string) => Number(/^id: (\d+)/.exec(frame)?.[1] ?? 0);

  it("replays from any seq and continues live, without a gap or a repeat, while a message runs", async () => {
    const id = await createSession();
    const request = aMessage("/delay 50\n/Nope {}\n/delay 50\n/Nope {}\n/delay 50\nbye");
    value(await sessionOf(id).send(ALICE, request));
    const watchers = await Promise.all(
      [0, 1, 3, 4].map((after) => watch(id, `after=${after}&message=${request.id}`)),
    );
    const codes = await Promise.all(watchers.map((watcher) => watcher.closed));
    expect(codes).toEqual([1000, 1000, 1000, 1000]);
    const all = (await eventsOf(id)).filter((event) => event.messageId === request.id);
    watchers.forEach(({ frames }, index) => {
      const after = [0, 1, 3, 4][index] ?? 0;
      const stored = frames.map(idOf).filter((seq) => seq > 0);
      expect(stored).toEqual(all.map((event) => event.seq).filter((seq) => seq > after));
    });
  });

  it("sends the deltas of a reply as they arrive, each at the offset where the previous one ended", async () => {
    const id = await createSession();
    const { frames, close } = await watch(id, "");
    const message = await ask(id, "/think about it\nhello");
    await until(() => frames.some((frame) => frame.includes("event: message.completed")));
    const deltas = frames
      .filter((frame) => frame.startsWith("event: assistant.delta"))
      .map((frame) => JSON.parse(frame.slice(frame.indexOf("{"))));
    const blocks: string[] = [];
    for (const { block, offset, text } of deltas) {
      expect(offset).toBe(blocks[block]?.length ?? 0);
      blocks[block] = (blocks[block] ?? "") + text;
    }
    expect(blocks).toEqual(["about it", message.result]);
    close();
  });

  it("sends the text so far to a subscriber that joins in the middle of a reply", async () => {
    const id = await createSession();
    const request = aMessage("/delay 1000\nhello");
    value(await sessionOf(id).send(ALICE, request));
    await runInDurableObject(objectOf(id), (_, state) => {
      const store = new SessionStore(state.storage);
      const content = [
        { type: "thinking" as const, thinking: "hm", signature: "" },
        { type: "text" as const, text: "so far" },
      ];
      const scope = { messageId: request.id };
      const draft = { draft: { ...emptyDraft(), content }, scope, live: true };
      const joined = replayFrames(store, request.id, 0, new Map([["turn_1", draft]]));
      const deltas = joined.frames
        .filter((frame) => frame.startsWith("event: assistant.delta"))
        .map((frame) => JSON.parse(frame.slice(frame.indexOf("{"))));
      expect(deltas).toMatchObject([
        { turnId: "turn_1", block: 0, kind: "thinking", offset: 0, text: "hm" },
        { turnId: "turn_1", block: 1, kind: "text", offset: 0, text: "so far" },
      ]);
    });
    value(await sessionOf(id).terminate(ALICE, "done"));
  });

  it("closes the socket after the session's last event, even for later subscribers", async () => {
    const id = await createSession();
    const early = await watch(id, "");
    await ask(id, "hello");
    value(await sessionOf(id).terminate(ALICE, "done"));
    expect(await early.closed).toBe(1000);
    const late = await watch(id, "after=2");
    expect(await late.closed).toBe(1000);
    expect(late.frames.map(idOf)).toEqual(early.frames.map(idOf).filter((seq) => seq > 2));
    const nothing = await watch(id, "after=999");
    expect(await nothing.closed).toBe(1000);
  });
});

describe("a page of messages or events", () => {
  it("ends early if it would be too large for a response, and the next page continues from there", async () => {
    const id = await createSession();
    const large = "x".repeat(1 << 20);
    await sessionOf(id).send(ALICE, aMessage("/delay 60000"));
    for (let n = 0; n < 20; n++) await sessionOf(id).send(ALICE, aMessage(large));
    const seen: number[] = [];
    let after = 0;
    for (let pages = 0; pages < 10; pages++) {
      const page = value(await sessionOf(id).messages(ALICE, { after, limit: 100 }));
      seen.push(...page.messages.map((message) => message.position));
      if (page.next === null) break;
      after = page.next;
    }
    expect(seen).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
    const events = value(await sessionOf(id).events(ALICE, { after: 0, limit: 1_000 }));
    expect(events.hasMore).toBe(true);
    value(await sessionOf(id).terminate(ALICE, "done"));
  });
});

describe("a long conversation", () => {
  it("is summarized before it exceeds the model's window, with an event", async () => {
    const id = await createSession();
    for (let n = 0; n < 11; n++) await ask(id, "/tokens 16000");
    expect(await ask(id, "and now?")).toMatchObject({ status: "completed" });
    const events = await eventsOf(id);
    const compacted = events.filter((event) => event.type === "context.compacted");
    expect(compacted).toHaveLength(1);
    expect(compacted[0]).toMatchObject({ tokensBefore: expect.any(Number) });
    expect(events).toContainEqual(
      expect.objectContaining({ type: "turn.completed", kind: "compaction" }),
    );
    const last = await ask(id, "still there?");
    expect(dollars(last.costNanos)).toBeLessThan(0.02);
    await checkLog(id);
  }, 30_000);
});
