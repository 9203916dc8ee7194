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

/** Sets up a pool that has reached its target. */
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
  it("starts sandboxes up to its target, a few at a time", async () => {
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

  it("hands each sandbox out once, without delay, and starts a replacement", async () => {
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

  it("returns the same sandbox to a session that asks again, for an hour, even after a loss", async () => {
    await aPool(2);
    const session = newSessionId();
    const taken = await pool().take(session);
    await loseObject(pool());
    expect(await pool().take(session)).toBe(taken);
    expect(await state()).toMatchObject({ handedOut: 1 });
    await at(Date.now() + 61 * MINUTE, () => pool().tend());
    expect(await pool().take(session)).not.toBe(taken);
  });

  it("checks each sandbox every minute, and restarts one that died", async () => {
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

  it("destroys one that can't be restarted, and starts another", async () => {
    await aPool(2);
    const [dead = ""] = fleet.running.keys();
    fleet.running.delete(dead);
    fleet.before.start = (id) => (id === dead ? failing() : Promise.resolve());
    await at(Date.now() + 61_000, ring);
    await settles({ ready: 2, leaving: 0 });
    expect(fleet.destroyed).toEqual([dead]);
    expect([...fleet.running.keys()]).not.toContain(dead);
  });

  it("does not change one that is handed out during its check", async () => {
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

  it("replaces those older than six hours, one after the other", async () => {
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

  it("destroys all of another version, and hands none of them out", async () => {
    await aPool(2);
    const old = [...fleet.running.keys()];
    warmPool.version = "next";
    expect(await pool().take(newSessionId())).toBeNull();
    await settles({ ready: 2, leaving: 0 });
    expect(fleet.destroyed.toSorted()).toEqual(old.toSorted());
    expect(old).not.toContain(await pool().take(newSessionId()));
  });

  it("destroys the excess when its target is lowered, and sets no alarm when it is empty and off", async () => {
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

  it("retries to destroy one, ten times at most", async () => {
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
  it("pauses with increasing delays, reports the retry time, and resumes when one succeeds", async () => {
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

  it("still hands out its ready sandboxes", async () => {
    await aPool(2);
    fleet.before.start = failing;
    const taken = [await pool().take(newSessionId()), await pool().take(newSessionId())];
    expect(taken).not.toContain(null);
    await until(async () => (await state()).breaker.state === "open");
    expect(taken.filter((id) => fleet.destroyed.includes(id ?? ""))).toEqual([]);
  });
});

describe("a loss of the pool's object", () => {
  it("during starts loses no sandbox: the alarm continues with the same ones", async () => {
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

  it("during destruction loses no sandbox", async () => {
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

  it("at any time while sandboxes are taken never hands one out twice", async () => {
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

  /** Replaces the pool's `take` for sessions. */
  const poolThat = (take: (session: string) => Promise<string | null>) =>
    vi
      .spyOn(env.WARM_POOL, "getByName")
      .mockImplementation(() => ({ take }) as unknown as ReturnType<typeof pool>);

  const sandboxOf = async (id: string) => value(await sessionOf(id).read(ALICE)).sandbox.id;

  it("takes a ready sandbox, works in it and destroys it when it is deleted", async () => {
    await aPool(1);
    const [ready = ""] = fleet.running.keys();
    const id = await createSession();
    expect(await sandboxOf(id)).toBe(ready);
    expect((await ask(id, '/Bash {"command":"echo hi"}')).result).toContain("hi");
    await settles({ ready: 1 });
    value(await sessionOf(id).remove(ALICE));
    expect(fleet.destroyed).toEqual([ready]);
  });

  it("that starts from another one takes one too", async () => {
    const origin = await createSession({ pattern: "hybrid" });
    await ask(origin, '/Bash {"command":"echo kept > a.txt"}');
    await aPool(1);
    const [ready = ""] = fleet.running.keys();
    const id = await createSession({ config: { resumeSessionId: origin } });
    expect(await sandboxOf(id)).toBe(ready);
    expect((await ask(id, '/Bash {"command":"cat a.txt"}')).result).toContain("kept");
  });

  it("starts its own if none is ready, if the pool fails and if there is no pool", async () => {
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

  it("that was lost after it took one gets the same one when it is created again", async () => {
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

  it("does not take a second one when its creation is repeated", async () => {
    await aPool(2);
    const id = await createSession({ requestHash: "same" });
    const before = await sandboxOf(id);
    await createSession({ id, requestHash: "same" });
    expect(await sandboxOf(id)).toBe(before);
    expect((await state()).ready).toBeGreaterThanOrEqual(1);
  });
});

it("the maintenance fills the pool after a deploy, and makes no call if there is no pool", async () => {
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
