import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { SessionEvent } from "../../events/event";
import { at, replaceWrites } from "../../testing/faults";
import { poison } from "../../testing/poison";
import {
  ALICE,
  alarmOf,
  aMessage,
  aSchedule,
  ask,
  createSession,
  eventsOf,
  lose,
  objectOf,
  sessionOf,
  until,
  value,
} from "../../testing/sessions";
import type { MessageRow } from "../rpc";
import { SURVIVAL_MS } from "../rules/recovery";
import { SessionStore } from "../storage/store";

const HOUR = 3_600_000;
const CRASH_LOOP = { type: "unavailable_error", reason: "crash_loop" };

afterEach(() => vi.restoreAllMocks());

/** Returns whether a reply or a tool result was journaled during the work, and not at the message's end. */
const isReply = (events: SessionEvent[]) =>
  events.some((event) => event.type === "turn.completed" && event.stopReason !== "error");
const has = (type: SessionEvent["type"]) => (events: SessionEvent[]) =>
  events.some((event) => event.type === type);

/** Returns an ended message. Repeats the call while the object is lost, as a client does. */
async function ended(id: string, messageId: string): Promise<MessageRow> {
  for (let tries = 0; tries < 400; tries++) {
    const message = await sessionOf(id)
      .message(ALICE, messageId)
      .catch(() => null);
    if (message?.ok && message.value.endedAt !== null) return message.value;
    await scheduler.wait(10);
  }
  throw new Error("the message does not end");
}

async function send(id: string, prompt: string): Promise<string> {
  const request = aMessage(prompt);
  await sessionOf(id)
    .send(ALICE, request)
    .catch(() => {});
  return request.id;
}

const inside = <T>(id: string, look: (store: SessionStore) => T): Promise<T> =>
  runInDurableObject(objectOf(id), (_, { storage }) => look(new SessionStore(storage)));

/** Returns the log lines from now on with an event name. */
function logs() {
  const spy = vi.spyOn(console, "log");
  return (event: string) =>
    spy.mock.calls.map(([line]) => JSON.parse(String(line))).filter((line) => line.event === event);
}

describe("a message that crashes its object", () => {
  const GREP =
    '/Write {"file_path":"/workspace/a.txt","content":"one"}\n/Grep {"pattern":"one"}\ndone';

  it.each<[string, string, (events: SessionEvent[]) => boolean]>([
    ["before its first model call", "hello", has("turn.started")],
    ["when a reply arrives", "hello", isReply],
    [
      "in a tool",
      GREP,
      (events) =>
        events.some((e) => e.type === "tool.completed" && e.name === "Grep" && !e.isError),
    ],
    ["at its end", "hello", has("message.completed")],
  ])(
    "%s fails after two restarts, with a reason, and is not run a third time",
    async (_, prompt, isDeadly) => {
      const logged = logs();
      const id = await createSession();
      const poisoned = poison(id, isDeadly);
      const messageId = await send(id, prompt);
      expect(await ended(id, messageId)).toMatchObject({ status: "failed", error: CRASH_LOOP });
      // The object crashed once, and again after the first restart.
      expect(poisoned.deaths).toBe(2);
      const session = id;
      expect(logged("message.given_up")).toMatchObject([{ session, messageId, restarts: 2 }]);

      vi.restoreAllMocks();
      expect(await ask(id, "go on")).toMatchObject({ status: "completed", stopReason: "end_turn" });
      expect(await inside(id, ({ calls }) => calls.countOpen())).toBe(0);
      const events = await eventsOf(id);
      expect(events.filter(({ type }) => type === "message.failed")).toHaveLength(1);
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, n) => n + 1));
    },
  );

  it("fails with a consistent session if everything was lost twice during the same model call", async () => {
    const id = await createSession();
    const messageId = await send(id, "/delay 60000\nhello");
    const calls = (count: number) =>
      until(() =>
        inside(id, ({ calls }) => calls.openOf(messageId)[0]?.attempt === count).catch(() => false),
      );
    await calls(1);
    await abortAllDurableObjects();
    value(await sessionOf(id).read(ALICE));
    await calls(2);
    await abortAllDurableObjects();
    expect(await ended(id, messageId)).toMatchObject({
      status: "failed",
      stopReason: "error",
      error: CRASH_LOOP,
    });
    const { totalCostNanos } = value(await sessionOf(id).read(ALICE));
    const costs = (await eventsOf(id)).map((event) => ("cost" in event ? event.cost : 0));
    expect(Math.round(costs.reduce((sum, cost) => sum + cost, 0) * 1e9)).toBe(totalCostNanos);
    expect(await ask(id, "go on")).toMatchObject({ status: "completed" });
  });

  it("may be lost at every step if it makes progress each time", async () => {
    const id = await createSession();
    const reached = new Set<string>();
    // Each reply and each result crashes the object when it is journaled for the first time.
    const poisoned = poison(id, (events) => {
      const step = events.find((e) => e.type === "turn.completed" || e.type === "tool.completed");
      if (!step || !("turnId" in step)) return false;
      const name = `${step.type} ${step.turnId}`;
      return !reached.has(name) && reached.add(name) !== undefined;
    });
    const read = '/Read {"file_path":"/workspace/a.txt"}';
    const messageId = await send(id, `${Array(10).fill(read).join("\n")}\nall is done`);
    expect(await ended(id, messageId)).toMatchObject({ status: "completed", numTurns: 11 });
    expect(poisoned.deaths).toBe(21);
  });

  it("is still failed if other calls change its session meanwhile", async () => {
    const id = await createSession();
    const poisoned = poison(id, isReply);
    const messageId = await send(id, "hello");
    const others = async () => {
      for (let n = 0; n < 20; n++) {
        await send(id, `more ${n}`);
        await sessionOf(id)
          .update(ALICE, { description: `${n}` })
          .catch(() => {});
      }
    };
    const [message] = await Promise.all([ended(id, messageId), others()]);
    expect(message).toMatchObject({ error: CRASH_LOOP });
    expect(poisoned.deaths).toBeLessThanOrEqual(4);
  });

  it("is not counted as resumed if other messages were interrupted before they started", async () => {
    const id = await createSession();
    await send(id, "/delay 60000\nhello");
    const requests = ["/delay 60000\none", "/delay 60000\ntwo", "three"].map((prompt) =>
      aMessage(prompt, { onBusy: "interrupt" }),
    );
    await Promise.all(requests.map((request) => sessionOf(id).send(ALICE, request)));
    expect(await ended(id, requests[2]?.id ?? "")).toMatchObject({ status: "completed" });
    expect(await inside(id, ({ recovery }) => recovery)).toBeNull();
  });

  it("is not failed because of restarts that it survived", async () => {
    const id = await createSession();
    const messageId = await send(id, "/delay 60000\nhello");
    const restarts = (count: number) =>
      until(() => inside(id, ({ recovery }) => recovery?.restarts === count).catch(() => false));
    for (let n = 1; n <= 4; n++) {
      await scheduler.wait(20);
      await lose(id);
      value(await sessionOf(id).read(ALICE));
      await restarts(n);
      // The heartbeat finds it still running a long time after the restart.
      const now = Date.now() + SURVIVAL_MS;
      await at(now, async () => {
        await runDurableObjectAlarm(objectOf(id));
      });
      expect(await inside(id, ({ recovery }) => recovery)).toMatchObject({
        restarts: n,
        survived: n,
      });
    }
    expect(value(await sessionOf(id).message(ALICE, messageId)).status).toBe("running");
    await lose(id);
    expect(await ended(id, messageId)).toMatchObject({ error: CRASH_LOOP });
  });
});

describe("the message after one that crashed its object", () => {
  it("is run, but messages after two crashed ones in a row are not", async () => {
    const id = await createSession();
    const poisoned = poison(id, isReply);
    const [first = "", second = "", ...rest] = await Promise.all(
      ["one", "two", "three", "four"].map((prompt) => send(id, prompt)),
    );
    for (const messageId of [first, second, ...rest]) {
      expect(await ended(id, messageId)).toMatchObject({ status: "failed", error: CRASH_LOOP });
    }
    expect(poisoned.deaths).toBe(4);
    vi.restoreAllMocks();
    expect(await ask(id, "go on")).toMatchObject({ status: "completed" });
  });

  it("is not sent by the same schedule, which is paused", async () => {
    const id = await createSession();
    const session = () => sessionOf(id);
    const tick = value(await session().addSchedule(ALICE, aSchedule("/delay 60000\ntick")));
    const began = Date.now();
    const ring = (hours: number) =>
      at(began + hours * HOUR, () => runDurableObjectAlarm(objectOf(id)));
    await ring(1);
    await ring(2);
    value(await session().addSchedule(ALICE, aSchedule("other")));
    await send(id, "hello");
    const [first, second, client] = value(
      await session().messages(ALICE, { after: 0, limit: 9 }),
    ).messages.map((message) => message.id);
    for (const restarts of [1, 2]) {
      await scheduler.wait(20);
      await lose(id);
      value(await session().read(ALICE));
      await until(() => inside(id, (store) => store.recovery?.restarts === restarts));
    }
    for (const messageId of [first, second]) {
      expect(await ended(id, messageId ?? "")).toMatchObject({ error: CRASH_LOOP });
    }
    expect(await ended(id, client ?? "")).toMatchObject({ status: "completed" });
    expect(value(await session().schedules(ALICE))).toMatchObject([
      { id: tick.id, paused: true, nextRunAt: null },
      { prompt: "other", paused: false },
    ]);
    expect((await eventsOf(id)).filter(({ type }) => type === "schedule.paused")).toMatchObject([
      { scheduleId: tick.id, reason: "crash_loop" },
    ]);
    const resumed = await session().updateSchedule(ALICE, tick.id, { paused: false });
    expect(value(resumed)).toMatchObject({ paused: false });
  });
});

describe("work that an object does by itself", () => {
  const begun = (id: string) =>
    runInDurableObject(objectOf(id), (_, { storage }) => storage.kv.get("begun"));
  /** Fires the alarm at a given time, and again after a loss, as the platform does. */
  const ring = (id: string, now: number) => {
    const alarm = (object: unknown) => (object as { alarm(): Promise<void> }).alarm();
    return at(now, () =>
      Promise.race([runInDurableObject(objectOf(id), alarm), scheduler.wait(100)]),
    ).catch(() => {});
  };

  /** Makes each write of the session's row crash its object. */
  function poisonIndex(id: string): { deaths: number } {
    const count = { deaths: 0 };
    replaceWrites((row, run) => {
      if (row.id !== id) return run();
      count.deaths++;
      void lose(id);
      return new Promise(() => {});
    });
    return count;
  }

  it("is paused after it crashed the object twice, while the session answers calls, and is tried again later", async () => {
    const logged = logs();
    const id = await createSession();
    const poisoned = poisonIndex(id);
    value(await sessionOf(id).addSchedule(ALICE, aSchedule("tick")));
    await lose(id);
    const due = Date.now() + 10_000;
    for (let n = 0; n < 5; n++) {
      await ring(id, due + n);
      await lose(id);
    }
    expect(poisoned.deaths).toBe(2);
    await ring(id, due + 10);
    const alarm = await alarmOf(objectOf(id));
    expect(alarm).toBeGreaterThanOrEqual(due + HOUR);
    expect(logged("task.given_up")[0]).toMatchObject({ session: id, task: "alarm", deaths: 2 });
    expect(await ask(id, "hello")).toMatchObject({ status: "completed" });
    expect(value(await sessionOf(id).update(ALICE, { description: "one" }))).toMatchObject({
      description: "one",
    });
    await scheduler.wait(250);
    expect(poisoned.deaths).toBe(2);

    // It crashes again, and is paused for twice as long.
    await ring(id, due + HOUR + 10);
    await lose(id);
    await ring(id, due + 2 * HOUR);
    expect(poisoned.deaths).toBe(3);
    vi.mocked(env.DB.batch).mockRestore();
    await ring(id, due + 3 * HOUR + 20);
    await until(() => inside(id, ({ outbox }) => outbox === null));
    expect(await begun(id)).toBeUndefined();
  });

  it("is not paused if it fails without crashing the object, and leaves no record", async () => {
    const id = await createSession();
    value(await sessionOf(id).addSchedule(ALICE, aSchedule("tick")));
    const spy = vi.spyOn(SessionStore.prototype, "transaction").mockImplementation(() => {
      throw new Error("no");
    });
    for (let n = 0; n < 4; n++) await ring(id, Date.now() + HOUR);
    spy.mockRestore();
    expect(await begun(id)).toBeUndefined();
    await ring(id, Date.now() + HOUR);
    await until(async () => has("message.completed")(await eventsOf(id)));
  });
});
