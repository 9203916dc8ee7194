import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  ALICE,
  aMessage,
  ask,
  createSession,
  eventsOf,
  lose,
  NO_LIMITS,
  objectOf,
  read,
  sessionOf,
  value,
} from "../testing/sessions";
import { Breaker, MAX_ALARMS } from "./breaker";
import { nextAlarm } from "./rules/deadlines";
import { SessionStore } from "./storage/store";

/** Fires an object's alarm as often as a loop of alarms would. */
async function ring(id: string, times: number): Promise<void> {
  await runInDurableObject(objectOf(id), async (object) => {
    for (let n = 0; n < times; n++) await (object as { alarm(): Promise<void> }).alarm();
  });
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe("the breaker of a session", () => {
  it("fails the session and its message after too many alarms", async () => {
    const id = await createSession();
    const request = aMessage("/delay 60000\nhello");
    value(await sessionOf(id).send(ALICE, request));
    await ring(id, MAX_ALARMS);
    expect(await read(id)).toMatchObject({ status: "active" });
    await ring(id, 1);
    const error = { message: "The session was stopped: more than 120 alarms within a minute." };
    expect(await read(id)).toMatchObject({ status: "error", error });
    expect(value(await sessionOf(id).message(ALICE, request.id))).toMatchObject({
      status: "failed",
      error,
    });
    expect((await eventsOf(id)).at(-1)).toMatchObject({ type: "session.failed", error });
  });

  it("delays further alarms to one per minute", async () => {
    const id = await createSession();
    await runInDurableObject(objectOf(id), (_, { storage }) => {
      const breaker = new Breaker(storage.kv);
      for (let n = 0; n < MAX_ALARMS; n++) breaker.countAlarm(1_000 + n);
      expect(breaker.alarmsFrom(2_000)).toBe(2_000);
      breaker.countAlarm(2_000);
      expect(breaker.alarmsFrom(2_000)).toBe(61_000);
      expect(nextAlarm({ ...TIMING, outboxAt: 2_500 }, 2_000, 61_000)).toBe(61_000);
      expect(breaker.tripped(61_000)).toBeNull();
    });
  });

  it("counts alarms across losses of the object", async () => {
    const id = await createSession({ limits: { ...NO_LIMITS, maxIdleTimeMs: 3_600_000 } });
    await ring(id, MAX_ALARMS);
    void lose(id);
    await vi.waitFor(() => runDurableObjectAlarm(objectOf(id)), { timeout: 2_000 });
    expect(await read(id)).toMatchObject({ status: "error" });
  });

  it("fails the session after too many row writes, so that it accepts no more messages", async () => {
    const { takeWritten } = SessionStore.prototype;
    const id = await createSession();
    await ask(id, "hello");
    expect(await read(id)).toMatchObject({ status: "active" });
    // The test reports each row as a thousand rows.
    vi.spyOn(SessionStore.prototype, "takeWritten").mockImplementation(function (
      this: SessionStore,
    ) {
      return takeWritten.call(this) * 1_000;
    });
    const message = await ask(id, Array(50).fill('/Bash {"command":"true"}').join("\n"));
    const error = {
      message: "The session was stopped: more than 100000 rows written within a minute.",
    };
    expect(message).toMatchObject({ status: "failed", error });
    expect(message.numTurns).toBeLessThan(20);
    expect(await read(id)).toMatchObject({ status: "error", error });
    expect(await sessionOf(id).send(ALICE, aMessage("more"))).toMatchObject({
      failure: { code: "session_ended" },
    });
  });

  it("answers a message whose acceptance was already too much", async () => {
    const id = await createSession();
    vi.spyOn(SessionStore.prototype, "takeWritten").mockReturnValueOnce(200_000);
    expect(await ask(id, "hello")).toMatchObject({ status: "failed" });
  });

  it("counts the rows that are actually written", async () => {
    const id = await createSession();
    await runInDurableObject(objectOf(id), (_, { storage }) => {
      const store = new SessionStore(storage);
      const written = () => storage.sql.exec("SELECT count(*) AS n FROM events").one().n as number;
      const before = written();
      store.transaction(() => {
        for (let n = 0; n < 10; n++) {
          store.log.append({ type: "message.started" }, { messageId: "msg_1" }, Date.now());
        }
      });
      expect(written() - before).toBe(10);
      expect(store.takeWritten()).toBeGreaterThanOrEqual(10);
      expect(store.takeWritten()).toBe(0);
    });
  });
});

const TIMING = {
  lifecycle: { status: "active" as const, startedAt: 0 },
  limits: NO_LIMITS,
  retentionMs: null,
  createdAt: 0,
  lastActivityAt: 0,
  busy: false,
  waits: false,
  paused: false,
  awaitedUntil: null,
  removed: false,
  outboxAt: null,
  pattern: "long-running" as const,
  scheduleAt: null,
  schedulesWait: false,
  scheduleOffsetMs: 0,
  machinePending: false,
};
