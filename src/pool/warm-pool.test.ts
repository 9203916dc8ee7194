import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { maintain } from "../session/maintenance";
import { at, withoutPauses } from "../testing/faults";
import { aFleet, emptyPool, failing } from "../testing/fleet";
import {
  ALICE,
  alarmOf,
  ask,
  createSession,
  lose,
  loseObject,
  newSessionId,
  sessionOf,
  until,
  value,
} from "../testing/sessions";
import { warmPool } from "./setup";

const MINUTE = 60_000;

let fleet: ReturnType<typeof aFleet>;
let name = "";
const pool = () => env.WARM_POOL.getByName(name);
const state = () => pool().state();
const alarmAt = () => alarmOf(pool());
const ring = () => runDurableObjectAlarm(pool());
const settles = (expected: object) =>
  until(async () => {
    const now = await state();
    return Object.entries(expected).every(([key, wanted]) => Reflect.get(now, key) === wanted);
  });

/** A pool that holds what it is to hold. */
async function aPool(target: number): Promise<void> {
  warmPool.target = target;
  await pool().tend();
  await settles({ ready: target, starting: 0, leaving: 0 });
}

beforeEach(() => {
  fleet = aFleet(0);
  name = `pool-${crypto.randomUUID()}`;
});
afterEach(() => {
  fleet.stop();
  vi.restoreAllMocks();
});

describe("a warm pool", () => {
  it("starts as many sandboxes as it is to hold, a few at a time", async () => {
    let [atOnce, most] = [0, 0];
    fleet.before.start = async () => {
      most = Math.max(most, ++atOnce);
      await scheduler.wait(1);
      atOnce--;
    };
    await aPool(12);
    expect(fleet.running.size).toBe(12);
    expect(most).toBe(5);
    expect(new Set(fleet.started).size).toBe(12);
  });

  it("hands each out once, without a wait, and starts another in its place", async () => {
    await aPool(3);
    const { promise, resolve } = Promise.withResolvers<void>();
    fleet.before.start = () => promise;
    const sessions = Array.from({ length: 5 }, newSessionId);
    const taken = await Promise.all(sessions.map((session) => pool().take(session)));
    const ids = taken.filter((id) => id !== null);
    expect(new Set(ids).size).toBe(3);
    expect(ids).toHaveLength(3);
    expect(await state()).toMatchObject({ ready: 0, starting: 3, handedOut: 3, missed: 2 });
    resolve();
    await settles({ ready: 3, starting: 0 });
    expect(fleet.running.size).toBe(6);
    expect(fleet.destroyed).toEqual([]);
  });

  it("gives a session that asks again what it was given, for an hour, also after a loss", async () => {
    await aPool(2);
    const session = newSessionId();
    const taken = await pool().take(session);
    await loseObject(pool());
    expect(await pool().take(session)).toBe(taken);
    expect(await state()).toMatchObject({ handedOut: 1 });
    await at(Date.now() + 61 * MINUTE, () => pool().tend());
    expect(await pool().take(session)).not.toBe(taken);
  });

  it("looks at each every minute, and one that died is started anew", async () => {
    await aPool(2);
    const [dead = ""] = fleet.running.keys();
    fleet.running.delete(dead);
    fleet.started.length = 0;
    await at(Date.now() + 59_000, ring);
    expect(fleet.started).toEqual([]);
    await at(Date.now() + 61_000, ring);
    await until(() => fleet.running.has(dead));
    expect(fleet.started).toHaveLength(2);
    expect(await state()).toMatchObject({ ready: 2, leaving: 0 });
  });

  it("gives back one that can't be started anew, and starts another", async () => {
    await aPool(2);
    const [dead = ""] = fleet.running.keys();
    fleet.running.delete(dead);
    fleet.before.start = (id) => (id === dead ? failing() : Promise.resolve());
    await at(Date.now() + 61_000, ring);
    await settles({ ready: 2, leaving: 0 });
    expect(fleet.destroyed).toEqual([dead]);
    expect([...fleet.running.keys()]).not.toContain(dead);
  });

  it("lets one alone that is handed out while it looks at it, whatever it finds", async () => {
    await aPool(1);
    const looked = Promise.withResolvers<void>();
    fleet.before.start = () => looked.promise.then(failing);
    await at(Date.now() + 61_000, ring);
    const taken = await pool().take(newSessionId());
    fleet.before.start = async () => {};
    looked.resolve();
    await settles({ ready: 1, leaving: 0 });
    expect(fleet.running.has(String(taken))).toBe(true);
    expect(fleet.destroyed).not.toContain(taken);
  });

  it("replaces those that nobody took for six hours, one after the other", async () => {
    await aPool(3);
    const before = [...fleet.running.keys()].toSorted();
    const ready: number[] = [];
    fleet.before.start = async () => {
      ready.push((await state()).ready);
    };
    await at(Date.now() + 361 * MINUTE, async () => {
      await ring();
      await until(() => fleet.destroyed.length === 3);
      await settles({ ready: 3, starting: 0, leaving: 0 });
    });
    expect(fleet.destroyed.toSorted()).toEqual(before);
    expect(Math.min(...ready)).toBe(2);
  });

  it("gives back all that are of another version, and hands none of them out", async () => {
    await aPool(2);
    const old = [...fleet.running.keys()];
    warmPool.version = "next";
    expect(await pool().take(newSessionId())).toBeNull();
    await settles({ ready: 2, leaving: 0 });
    expect(fleet.destroyed.toSorted()).toEqual(old.toSorted());
    expect(old).not.toContain(await pool().take(newSessionId()));
  });

  it("gives back what is too much when its target falls, and sleeps for good when that is nothing", async () => {
    await aPool(3);
    warmPool.target = 1;
    await ring();
    await settles({ ready: 1, leaving: 0 });
    warmPool.target = 0;
    await ring();
    await settles({ ready: 0, leaving: 0 });
    expect(fleet.running.size).toBe(0);
    expect(await alarmAt()).toBeNull();
    expect(await pool().take(newSessionId())).toBeNull();
    expect(fleet.started).toHaveLength(3);
  });

  it("tries again to give one back, ten times at most", async () => {
    await aPool(1);
    fleet.before.destroy = failing;
    warmPool.target = 0;
    let now = Date.now();
    for (let tries = 1; tries <= 10; tries++) {
      now += MINUTE + 1;
      await at(now, ring);
      await until(() => fleet.destroyed.length === tries);
    }
    await settles({ leaving: 0 });
    expect(await alarmAt()).toBeNull();
  });
});

describe("a warm pool whose starts fail", () => {
  it("rests, ever longer, says until when, and goes on when one succeeds", async () => {
    fleet.before.start = failing;
    warmPool.target = 1;
    await pool().tend();
    await until(async () => (await state()).breaker.state === "open");
    expect(fleet.started).toHaveLength(3);
    await until(() => fleet.destroyed.length === 3);

    for (const [tries, restMs] of [15_000, 30_000, 60_000].entries()) {
      const { failures, retryAt } = (await state()).breaker;
      expect(failures).toBe(tries + 3);
      const next = Number(retryAt);
      expect(next - Date.now()).toBeLessThanOrEqual(restMs + 2 * MINUTE);
      await at(next - 1, ring);
      expect(fleet.started).toHaveLength(tries + 3);
      expect(await alarmAt()).toBe(next);
      await at(next, ring);
      await until(async () => (await state()).breaker.failures === tries + 4);
    }
    fleet.before.start = async () => {};
    const { retryAt } = (await state()).breaker;
    await at(Number(retryAt), ring);
    await settles({ ready: 1 });
    expect((await state()).breaker).toEqual({ state: "closed", failures: 0, retryAt: null });
  });

  it("hands out what it still has", async () => {
    await aPool(2);
    fleet.before.start = failing;
    const taken = [await pool().take(newSessionId()), await pool().take(newSessionId())];
    expect(taken).not.toContain(null);
    await until(async () => (await state()).breaker.state === "open");
    expect(taken.filter((id) => fleet.destroyed.includes(id ?? ""))).toEqual([]);
  });
});

describe("a loss of the pool's object", () => {
  it("in the middle of starts loses no sandbox: the alarm goes on with the same ones", async () => {
    const stuck = new Promise<void>(() => {});
    fleet.before.start = () => stuck;
    warmPool.target = 3;
    await pool().tend();
    await until(() => fleet.started.length === 3);
    const begun = fleet.started.toSorted();
    await loseObject(pool());
    fleet.before.start = async () => {};
    expect(await alarmAt()).toBeLessThan(Date.now() + 31_000);
    await ring();
    await settles({ ready: 3 });
    expect([...fleet.running.keys()].toSorted()).toEqual(begun);
  });

  it("in the middle of giving back loses no sandbox either", async () => {
    await aPool(2);
    const stuck = new Promise<void>(() => {});
    fleet.before.destroy = () => stuck;
    warmPool.target = 0;
    await ring();
    await until(() => fleet.destroyed.length === 2);
    await loseObject(pool());
    fleet.before.destroy = async () => {};
    await ring();
    await until(() => fleet.running.size === 0);
  });

  it("at any time while sandboxes are taken hands none out twice", async () => {
    await aPool(6);
    const holders = new Map<string, Set<string>>();
    const insist = async (session: string) => {
      for (let tries = 0; tries < 20; tries++) {
        const taken = await pool()
          .take(session)
          .catch(() => undefined);
        if (taken) holders.set(taken, (holders.get(taken) ?? new Set()).add(session));
        if (taken !== undefined) return;
      }
    };
    const losing = (async () => {
      for (let times = 0; times < 8; times++) {
        await loseObject(pool());
        await scheduler.wait(3);
      }
    })();
    const sessions = Array.from({ length: 30 }, newSessionId);
    await Promise.all([losing, ...sessions.map(insist)]);
    expect(holders.size).toBeGreaterThanOrEqual(6);
    expect([...holders.values()].filter(({ size }) => size > 1)).toEqual([]);
    expect(fleet.destroyed).toEqual([]);
  });
});

describe("a new session", () => {
  beforeEach(async () => {
    name = "pool";
  });
  afterEach(emptyPool);

  /** Has sessions find a pool that answers so when one is taken. */
  const poolThat = (take: (session: string) => Promise<string | null>) =>
    vi
      .spyOn(env.WARM_POOL, "getByName")
      .mockImplementation(() => ({ take }) as unknown as ReturnType<typeof pool>);

  const sandboxOf = async (id: string) => value(await sessionOf(id).read(ALICE)).sandbox.id;

  it("gets a sandbox that is ready, works in it and gives it back with itself", async () => {
    await aPool(1);
    const [ready = ""] = fleet.running.keys();
    const id = await createSession();
    expect(await sandboxOf(id)).toBe(ready);
    expect((await ask(id, '/Bash {"command":"echo hi"}')).result).toContain("hi");
    await settles({ ready: 1 });
    value(await sessionOf(id).remove(ALICE));
    expect(fleet.destroyed).toEqual([ready]);
  });

  it("that is made from another gets one too", async () => {
    const origin = await createSession({ pattern: "hybrid" });
    await ask(origin, '/Bash {"command":"echo kept > a.txt"}');
    await aPool(1);
    const [ready = ""] = fleet.running.keys();
    const id = await createSession({ config: { resumeSessionId: origin } });
    expect(await sandboxOf(id)).toBe(ready);
    expect((await ask(id, '/Bash {"command":"cat a.txt"}')).result).toContain("kept");
  });

  it("has its own where none is ready, where the pool is broken and where there is none", async () => {
    const off = await createSession();
    expect(await sandboxOf(off)).toBe(off);
    expect(fleet.started).toEqual([]);

    fleet.before.start = failing;
    warmPool.target = 1;
    const cold = await createSession();
    expect(await sandboxOf(cold)).toBe(cold);

    for (const take of [failing, () => new Promise<never>(() => {})]) {
      const asked = poolThat(take);
      const alone = await withoutPauses(() => createSession());
      expect(asked).toHaveBeenCalled();
      expect(await sandboxOf(alone)).toBe(alone);
      asked.mockRestore();
    }
  });

  it("that was lost when it had taken one gets the same when it is made again", async () => {
    await aPool(2);
    const id = newSessionId();
    let taken: string | null = null;
    const getByName = env.WARM_POOL.getByName.bind(env.WARM_POOL);
    const asked = poolThat(async (session) => {
      taken = await getByName(name).take(session);
      await lose(id);
      return taken;
    });
    await expect(createSession({ id })).rejects.toThrow();
    asked.mockRestore();
    await createSession({ id });
    expect(taken).not.toBeNull();
    expect(await sandboxOf(id)).toBe(taken);
    expect(await state()).toMatchObject({ handedOut: 1 });
  });

  it("does not take another when its creation is repeated", async () => {
    await aPool(2);
    const id = await createSession({ requestHash: "same" });
    const before = await sandboxOf(id);
    await createSession({ id, requestHash: "same" });
    expect(await sandboxOf(id)).toBe(before);
    expect((await state()).ready).toBeGreaterThanOrEqual(1);
  });
});

it("the housekeeping fills the pool after a deploy, and asks nobody where there is none", async () => {
  name = "pool";
  const asked = vi.spyOn(env.WARM_POOL, "getByName");
  await maintain(env, Date.now());
  expect(asked).not.toHaveBeenCalled();
  asked.mockRestore();
  warmPool.target = 2;
  await maintain(env, Date.now());
  await settles({ ready: 2 });
  await emptyPool();
});
