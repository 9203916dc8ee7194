import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  ALICE,
  alarmOf,
  aMessage,
  aSchedule,
  ask,
  BOB,
  createSession,
  eventsOf,
  lose,
  NO_LIMITS,
  objectOf,
  plannedAlarm,
  read,
  sessionOf,
  typesOf,
  until,
  value,
} from "../../testing/sessions";
import type { ScheduleRequest, SessionSpec } from "../rpc";
import { scheduleOffset } from "../rules/deadlines";
import { SessionStore } from "../storage/store";
import { MAX_SCHEDULES } from "../transactions/schedules";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.UTC(2030, 0, 7, 12);

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Sets the clock that sessions read. Real alarms and pauses follow the clock of the machine. */
function setClock(at: number): void {
  vi.useFakeTimers({ toFake: ["Date"] });
  vi.setSystemTime(at);
}

const list = async (id: string) => value(await sessionOf(id).schedules(ALICE));
const add = async (id: string, prompt: string, changes: Partial<ScheduleRequest> = {}) =>
  value(await sessionOf(id).addSchedule(ALICE, aSchedule(prompt, changes)));
/** Expects the object's alarm to be set to a time. */
const alarmIs = async (id: string, at: number | null) => expect(await plannedAlarm(id)).toBe(at);

/** Returns the alarm for a schedule's run, with the session's offset within a second. */
const alarmRuns = (id: string, at: number) => alarmIs(id, at + scheduleOffset(id));

/** Returns the prompts of a session's messages, without running what is due. */
const prompts = (id: string) =>
  runInDurableObject(objectOf(id), (_, { storage }) =>
    new SessionStore(storage).messages.rowsAfter(0, 1_000).map(({ prompt }) => prompt),
  );

/** Fires the object's alarm, and waits until no message runs. */
async function ring(id: string): Promise<void> {
  await runDurableObjectAlarm(objectOf(id));
  await atRest(id);
}

/** Waits until a session has a number of messages. Its alarm may fire up to two seconds later. */
const untilSent = (id: string, count: number) =>
  vi.waitFor(async () => expect(await prompts(id)).toHaveLength(count), 5_000);

const atRest = (id: string) =>
  until(() =>
    runInDurableObject(objectOf(id), (_, { storage }) => {
      const store = new SessionStore(storage);
      return store.state.running === null && store.messages.queuedIds().length === 0;
    }),
  );

/** Creates a session with a schedule of one message per hour. */
async function hourly(changes: Partial<SessionSpec> = {}): Promise<string> {
  setClock(START);
  const id = await createSession(changes);
  await add(id, "tick");
  return id;
}

describe("schedules", () => {
  it("can be created, listed, paused, resumed and removed", async () => {
    setClock(START);
    const id = await createSession();
    const request = aSchedule("good morning", {
      when: { cron: "0 9 * * *", timeZone: "Europe/Berlin" },
    });
    const made = value(await sessionOf(id).addSchedule(ALICE, request));
    expect(made).toEqual({
      id: request.id,
      when: { kind: "cron", ...request.when },
      prompt: "good morning",
      paused: false,
      nextRunAt: Date.UTC(2030, 0, 8, 8),
      lastRunAt: null,
      lastMessageId: null,
      createdAt: START,
    });
    const other = await add(id, "tick");
    expect(await list(id)).toEqual([made, other]);
    await alarmRuns(id, START + HOUR);

    const session = sessionOf(id);
    const pause = { paused: true };
    const paused = value(await session.updateSchedule(ALICE, other.id, pause));
    expect(paused).toEqual({ ...other, paused: true, nextRunAt: null });
    expect(value(await session.updateSchedule(ALICE, other.id, pause))).toEqual(paused);
    setClock(START + 90 * MINUTE);
    const resumed = value(await session.updateSchedule(ALICE, other.id, { paused: false }));
    expect(resumed).toEqual({ ...other, nextRunAt: START + 2 * HOUR });

    expect(value(await session.removeSchedule(ALICE, other.id))).toBeNull();
    expect(await list(id)).toEqual([made]);
    for (const answer of [
      await session.removeSchedule(ALICE, other.id),
      await session.updateSchedule(ALICE, other.id, pause),
    ]) {
      expect(answer).toMatchObject({ failure: { code: "not_found" } });
    }
    const changes = (await eventsOf(id)).filter(({ type }) => type === "session.updated");
    expect(changes).toHaveLength(5);
    expect(changes[0]).toMatchObject({ changed: ["schedules"] });
  });

  it("are created once, and a repeat returns the first one", async () => {
    const id = await createSession();
    const request = aSchedule("tick");
    const made = value(await sessionOf(id).addSchedule(ALICE, request));
    expect(value(await sessionOf(id).addSchedule(ALICE, request))).toEqual(made);
    expect(await list(id)).toHaveLength(1);
    const other = await sessionOf(id).addSchedule(ALICE, { ...request, requestHash: "other" });
    expect(other).toMatchObject({
      failure: { code: "idempotency_mismatch", details: { scheduleId: request.id } },
    });
  });

  it("are limited in number", async () => {
    const id = await createSession();
    for (let n = 0; n < MAX_SCHEDULES; n++) await add(id, `tick ${n}`);
    expect(await sessionOf(id).addSchedule(ALICE, aSchedule("one more"))).toMatchObject({
      failure: { code: "too_many_schedules" },
    });
    const woken = await ask(id, '/wake {"delayMs":5000,"prompt":"one more"}');
    expect(woken.result).toContain("wake failed: No wake-up was set: The session has 20 schedules");
  });

  it("are refused for ephemeral sessions and for ended ones", async () => {
    const ephemeral = await createSession({ pattern: "ephemeral" });
    expect(await sessionOf(ephemeral).addSchedule(ALICE, aSchedule("tick"))).toMatchObject({
      failure: { code: "invalid_request" },
    });
    expect(await list(ephemeral)).toEqual([]);

    const id = await createSession();
    const { id: scheduleId } = await add(id, "tick");
    value(await sessionOf(id).terminate(ALICE, "enough"));
    const session = sessionOf(id);
    for (const answer of [
      await session.addSchedule(ALICE, aSchedule("tick")),
      await session.updateSchedule(ALICE, scheduleId, { paused: true }),
      await session.removeSchedule(ALICE, scheduleId),
    ]) {
      expect(answer).toMatchObject({
        failure: { code: "session_ended", details: { terminationReason: "enough" } },
      });
    }
    expect(await list(id)).toMatchObject([{ id: scheduleId, nextRunAt: null }]);
  });

  it("are hidden from other owners", async () => {
    const id = await createSession();
    const { id: scheduleId } = await add(id, "tick");
    const session = sessionOf(id);
    for (const answer of [
      await session.schedules(BOB),
      await session.addSchedule(BOB, aSchedule("mine")),
      await session.updateSchedule(BOB, scheduleId, { paused: true }),
      await session.removeSchedule(BOB, scheduleId),
    ]) {
      expect(answer).toMatchObject({ failure: { code: "not_found" } });
    }
    expect(await list(id)).toMatchObject([{ prompt: "tick", paused: false }]);
  });
});

describe("a run of a schedule", () => {
  it("is started by the alarm alone, as a normal message", async () => {
    const id = await createSession();
    const before = Date.now();
    await add(id, "tick", { when: { everyMs: 1_000 } });
    await untilSent(id, 1);
    expect(Date.now() - before).toBeGreaterThanOrEqual(1_000);
    const [schedule] = await list(id);
    await sessionOf(id).removeSchedule(ALICE, schedule?.id ?? "");
    await atRest(id);
    const events = await eventsOf(id);
    const received = events.find(({ type }) => type === "message.received");
    expect(received).toMatchObject({ prompt: "tick", scheduleId: schedule?.id });
    expect(schedule?.lastMessageId).toMatch(/^msg_[0-9a-f]{32}$/);
    const row = value(await sessionOf(id).message(ALICE, received?.messageId ?? ""));
    expect(row).toMatchObject({ status: "completed", stopReason: "end_turn", numTurns: 1 });
    expect((await read(id)).totalCostNanos).toBeGreaterThanOrEqual(row.costNanos);
  });

  it("happens once for any number of missed runs, and the next one is computed from now", async () => {
    const id = await hourly();
    setClock(START + 7.5 * HOUR);
    await ring(id);
    expect(await prompts(id)).toEqual(["tick"]);
    expect(await list(id)).toMatchObject([
      { lastRunAt: START + 7.5 * HOUR, nextRunAt: START + 8 * HOUR },
    ]);
    await alarmRuns(id, START + 8 * HOUR);
    setClock(START + 8 * HOUR);
    await ring(id);
    expect(await prompts(id)).toEqual(["tick", "tick"]);
  });

  it("happens once if the object is lost between its due time and its alarm", async () => {
    const id = await hourly();
    await lose(id);
    setClock(START + 3 * DAY + 1);
    await lose(id);
    await ring(id);
    expect(await prompts(id)).toEqual(["tick"]);
  });

  it("is not repeated if the object is lost right after it was committed", async () => {
    const id = await hourly();
    setClock(START + HOUR);
    const { transaction } = SessionStore.prototype;
    let commits = 0;
    vi.spyOn(SessionStore.prototype, "transaction").mockImplementation(function <T>(
      this: SessionStore,
      change: () => T,
    ): T {
      if (this.exists() && this.identity.id === id && commits > 0) throw new Error("dead");
      commits++;
      return transaction.call(this, change) as T;
    });
    await runDurableObjectAlarm(objectOf(id));
    await lose(id);
    vi.restoreAllMocks();
    expect(commits).toBe(1);
    await ring(id);
    await ring(id);
    expect(await prompts(id)).toEqual(["tick"]);
    expect(value(await sessionOf(id).messages(ALICE, { after: 0, limit: 9 }))).toMatchObject({
      messages: [{ status: "completed" }],
    });
  });

  it("is started by any request if the alarm is late", async () => {
    const id = await hourly();
    setClock(START + HOUR);
    await read(id);
    expect(await prompts(id)).toEqual(["tick"]);
    await atRest(id);
  });

  it("waits for a running message, and is merged with a run that is queued", async () => {
    const id = await hourly();
    const session = sessionOf(id);
    const running = value(await session.send(ALICE, aMessage("/delay 60000\nbusy")));
    for (const hours of [1, 2, 3]) {
      setClock(START + hours * HOUR);
      await runDurableObjectAlarm(objectOf(id));
      expect(await list(id)).toMatchObject([
        { lastRunAt: START + HOUR, nextRunAt: START + (hours + 1) * HOUR },
      ]);
    }
    expect(await prompts(id)).toEqual(["/delay 60000\nbusy", "tick"]);
    expect(value(await session.message(ALICE, running.id)).status).toBe("running");
    await session.interrupt(ALICE);
    await atRest(id);
    setClock(START + 4 * HOUR);
    await ring(id);
    expect(await prompts(id)).toEqual(["/delay 60000\nbusy", "tick", "tick"]);
  });

  it("is skipped with an event if the queue is full, and the schedule continues", async () => {
    const id = await hourly();
    const session = sessionOf(id);
    await ask(id, '/wake {"delayMs":3600000,"prompt":"awake"}');
    await session.send(ALICE, aMessage("/delay 60000\nbusy"));
    for (let n = 0; n < 100; n++) await session.send(ALICE, aMessage(`more ${n}`));
    setClock(START + HOUR);
    await runDurableObjectAlarm(objectOf(id));
    const [tick, awake] = await list(id);
    expect(tick).toMatchObject({ lastRunAt: null, nextRunAt: START + 2 * HOUR });
    // A one-time run is not lost.
    expect(awake).toMatchObject({ lastRunAt: null, nextRunAt: START + HOUR + MINUTE });
    const skipped = (await eventsOf(id)).filter(({ type }) => type === "schedule.skipped");
    expect(skipped).toMatchObject([
      { scheduleId: tick?.id, reason: "queue_full" },
      { scheduleId: awake?.id },
    ]);
    await session.terminate(ALICE, "enough");
  });

  it("waits while the message of another schedule is queued, and the longest due run is sent first", async () => {
    setClock(START);
    const id = await createSession();
    const names = ["c", "a", "d", "b"];
    const delays: Record<string, number> = { a: 1, b: 2, c: 3, d: 4 };
    for (const name of names) {
      await add(id, name, { when: { everyMs: HOUR + (delays[name] ?? 0) * MINUTE } });
    }
    await sessionOf(id).send(ALICE, aMessage("/delay 60000\nbusy"));
    setClock(START + 2 * HOUR - MINUTE);
    for (let n = 0; n < 3; n++) await runDurableObjectAlarm(objectOf(id));
    expect(await prompts(id)).toEqual(["/delay 60000\nbusy", "a"]);
    const due = (await list(id)).filter(({ nextRunAt }) => (nextRunAt ?? 0) < Date.now());
    expect(due.map(({ prompt }) => prompt)).toEqual(["c", "d", "b"]);
    // Only the end of a message makes room. Until then, the alarm fires only for the heartbeat of the message.
    const alarm = () => alarmOf(objectOf(id));
    expect(await alarm()).toBeGreaterThanOrEqual(Date.now() + 1_000);

    await sessionOf(id).interrupt(ALICE);
    await atRest(id);
    for (let n = 0; n < 3; n++) await ring(id);
    expect(await prompts(id)).toEqual(["/delay 60000\nbusy", "a", "b", "c", "d"]);
    await ring(id);
    expect(await prompts(id)).toHaveLength(5);
  });

  it("starts alone, even if many are due at once", async () => {
    setClock(START);
    const id = await createSession();
    for (let n = 0; n < MAX_SCHEDULES; n++) await add(id, `/delay 60000\n${n}`);
    setClock(START + HOUR);
    await runDurableObjectAlarm(objectOf(id));
    expect(await prompts(id)).toEqual(["/delay 60000\n0"]);
    await runDurableObjectAlarm(objectOf(id));
    await runDurableObjectAlarm(objectOf(id));
    expect(await prompts(id)).toEqual(["/delay 60000\n0", "/delay 60000\n1"]);
    await sessionOf(id).terminate(ALICE, "enough");
  });

  it("does not happen while its schedule is paused, or after it was removed", async () => {
    const id = await hourly();
    const gone = await add(id, "gone");
    const [schedule] = await list(id);
    const session = sessionOf(id);
    value(await session.updateSchedule(ALICE, schedule?.id ?? "", { paused: true }));
    value(await session.removeSchedule(ALICE, gone.id));
    setClock(START + 5 * HOUR);
    await ring(id);
    await read(id);
    expect(await prompts(id)).toEqual([]);
    await alarmIs(id, null);
  });

  it("follows a clock that was set back", async () => {
    const id = await hourly();
    await add(id, "daily", { when: { cron: "0 12 * * *", timeZone: "UTC" } });
    setClock(START + 365 * DAY);
    await ring(id);
    await ring(id);
    setClock(START + 10 * MINUTE);
    await lose(id);
    await read(id);
    expect(await list(id)).toMatchObject([{ nextRunAt: START + HOUR }, { nextRunAt: START + DAY }]);
    await alarmRuns(id, START + HOUR);
    setClock(START + HOUR);
    await ring(id);
    expect(await prompts(id)).toEqual(["tick", "daily", "tick"]);
  });

  it("does not happen twice because clocks differ a little", async () => {
    const id = await hourly();
    setClock(START + HOUR + 5);
    await ring(id);
    setClock(START + HOUR - 5);
    await ring(id);
    setClock(START + HOUR + 5);
    await ring(id);
    expect(await prompts(id)).toEqual(["tick"]);
  });
});

describe("a session with a schedule", () => {
  const IDLE = { ...NO_LIMITS, maxIdleTimeMs: 10 * MINUTE };

  it.each(["long-running", "single-container"] as const)(
    "has no idle timeout if it is %s, until the schedule is paused or removed",
    async (pattern) => {
      const id = await hourly({ pattern, limits: IDLE });
      expect(await read(id)).toMatchObject({ expiresAt: null });
      setClock(START + 50 * MINUTE);
      expect(await read(id)).toMatchObject({ status: "active", expiresAt: null });
      const [schedule] = await list(id);
      value(await sessionOf(id).updateSchedule(ALICE, schedule?.id ?? "", { paused: true }));
      // Pausing counts as activity, so the whole idle time starts then.
      const expiresAt = START + 60 * MINUTE;
      expect(await read(id)).toMatchObject({ expiresAt, expiresBecause: "idle_timeout" });
      await alarmIs(id, expiresAt);
      setClock(expiresAt);
      expect(await read(id)).toMatchObject({ terminationReason: "idle_timeout" });
    },
  );

  it("becomes idle if it is hybrid, and is resumed by a run", async () => {
    const id = await hourly({ pattern: "hybrid", limits: IDLE });
    setClock(START + 10 * MINUTE);
    await ring(id);
    await alarmRuns(id, START + HOUR);
    setClock(START + HOUR);
    await ring(id);
    expect(await read(id)).toMatchObject({ status: "active", numTurns: 1 });
    const types = await typesOf(id);
    expect(types.filter((type) => /idled|resumed|received/.test(type))).toEqual([
      "session.idled",
      "message.received",
      "session.resumed",
    ]);
  });

  it("ends at its lifetime limit, and has no runs after that", async () => {
    const id = await hourly({ limits: { ...NO_LIMITS, maxLifetimeMs: 90 * MINUTE } });
    setClock(START + 5 * HOUR);
    await ring(id);
    expect(await read(id)).toMatchObject({ terminationReason: "lifetime_limit" });
    setClock(START + 6 * HOUR);
    await ring(id);
    expect(await prompts(id)).toEqual([]);
    await alarmIs(id, null);
  });

  it("ends when its runs have used up a limit", async () => {
    const id = await hourly({ limits: { ...NO_LIMITS, maxTurns: 2 } });
    for (const hours of [1, 2, 3]) {
      setClock(START + hours * HOUR);
      await ring(id);
    }
    expect(await prompts(id)).toEqual(["tick", "tick"]);
    expect(await read(id)).toMatchObject({ terminationReason: "turn_limit", numTurns: 2 });
  });
});

describe("a wake-up", () => {
  it("is set by the agent and runs once, by the alarm alone", async () => {
    const id = await createSession();
    const message = await ask(id, '/wake {"delayMs":1000,"prompt":"hello again"}');
    expect(message).toMatchObject({ status: "completed", toolsUsed: ["wake"] });
    const [wakeUp] = await list(id);
    expect(wakeUp).toMatchObject({
      prompt: "hello again",
      when: { kind: "once", delayMs: 1_000, at: wakeUp?.nextRunAt },
    });
    expect(message.result).toContain(
      `You will be woken at ${new Date(wakeUp?.nextRunAt ?? 0).toISOString()}.`,
    );
    await untilSent(id, 2);
    await atRest(id);
    expect(await list(id)).toEqual([]);
    const received = (await eventsOf(id)).filter(({ type }) => type === "message.received");
    expect(received).toMatchObject([{}, { prompt: "hello again", scheduleId: wakeUp?.id }]);
    await ring(id);
    expect(await prompts(id)).toHaveLength(2);
  });

  it("goes to the agent that set it, and to no other", async () => {
    setClock(START);
    const id = await createSession({ config: { customAgents: { watcher: {} } } });
    const prompt = '/wake {"delayMs":60000,"prompt":"look"}\nI will';
    await ask(id, `/Task ${JSON.stringify({ subagent_type: "watcher", prompt })}`);
    expect(await list(id)).toMatchObject([{ prompt: "look" }]);
    setClock(START + MINUTE);
    await ring(id);
    const { messages } = value(await sessionOf(id).messages(ALICE, { after: 0, limit: 10 }));
    expect(messages).toMatchObject([{ agent: null }, { agent: "watcher", prompt: "look" }]);
  });

  it("can be set for a time, between a second and a year from now", async () => {
    setClock(START);
    const id = await createSession();
    const at = (at: number) =>
      ask(id, `/wake {"at":"${new Date(at).toISOString()}","prompt":"look"}`);
    expect((await at(START + 500)).result).toContain("between one second and one year");
    expect((await at(START + 367 * DAY)).result).toContain("it is 2030-01-07T12:00:00.000Z now");
    await at(START + HOUR);
    expect(await list(id)).toMatchObject([{ nextRunAt: START + HOUR }]);
    await alarmRuns(id, START + HOUR);
  });

  it("is not lost if it was paused at its time", async () => {
    setClock(START);
    const id = await createSession();
    await ask(id, '/wake {"delayMs":60000,"prompt":"look"}');
    const [wakeUp] = await list(id);
    const session = sessionOf(id);
    value(await session.updateSchedule(ALICE, wakeUp?.id ?? "", { paused: true }));
    setClock(START + HOUR);
    value(await session.updateSchedule(ALICE, wakeUp?.id ?? "", { paused: false }));
    await ring(id);
    expect(await prompts(id)).toContain("look");
    expect(await list(id)).toEqual([]);
  });

  it.each(["before", "after"] as const)(
    "is set once if the object is lost before its tool call has a result, %s it ran",
    async (when) => {
      setClock(START);
      const id = await createSession();
      const request = aMessage('/wake {"delayMs":60000,"prompt":"look"}');
      const { transaction } = SessionStore.prototype;
      let dead: SessionStore | null = null;
      vi.spyOn(SessionStore.prototype, "transaction").mockImplementation(function <T>(
        this: SessionStore,
        change: () => T,
      ): T {
        if (this === dead) throw new Error("dead");
        const result = transaction.call(this, change) as T;
        if (this.identity.id === id && this.schedules.all().length > 0) dead = this;
        return result;
      });
      value(await sessionOf(id).send(ALICE, request));
      await until(() => dead !== null);
      vi.restoreAllMocks();
      await lose(id);
      if (when === "after") setClock(START + HOUR);
      await ring(id);
      setClock(START + 2 * HOUR);
      await ring(id);
      setClock(START + 3 * HOUR);
      await ring(id);
      expect(await prompts(id)).toEqual([request.prompt, "look"]);
      expect(await list(id)).toEqual([]);
      const first = value(await sessionOf(id).message(ALICE, request.id));
      expect(first).toMatchObject({ status: "completed", toolsUsed: ["wake"] });
      expect(first.result).toContain("wake returned: You will be woken at");
    },
  );

  it("with a delay does not wait longer because the clock was set back", async () => {
    setClock(START + 365 * DAY);
    const id = await createSession();
    await ask(id, '/wake {"delayMs":60000,"prompt":"look"}');
    setClock(START);
    await read(id);
    expect(await list(id)).toMatchObject([{ nextRunAt: START + MINUTE }]);
    setClock(START + MINUTE);
    await ring(id);
    expect(await prompts(id)).toContain("look");
  });

  it("is neither offered nor possible in an ephemeral session", async () => {
    const id = await createSession({ pattern: "ephemeral" });
    const message = await ask(id, '/wake {"delayMs":1000,"prompt":"hello again"}');
    expect(message.result).toMatch(/wake/);
    expect(message).toMatchObject({ status: "completed" });
    expect(await list(id)).toEqual([]);
  });
});
