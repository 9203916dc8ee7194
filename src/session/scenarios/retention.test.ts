import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readConversation } from "../../db/conversations";
import { nextExpiredSessions } from "../../db/retention";
import { settings } from "../../settings";
import { createInContainer } from "../../testing/container-sessions";
import { installFakeContainers } from "../../testing/fake-containers";
import { at } from "../../testing/faults";
import { aSessionRow, emptyMirror, putSessions, summarize } from "../../testing/rows";
import {
  ALICE,
  alarmOf,
  ask,
  bash,
  createSession,
  keysUnder,
  lose,
  loseObject,
  objectOf,
  plannedAlarm,
  read,
  rowOf,
  sessionOf,
  tablesOf,
  until,
  value,
} from "../../testing/sessions";
import { ContainerLifecycle } from "../container/lifecycle";
import { maintain } from "../maintenance";
import type { SessionSpec } from "../rpc";
import type { Session } from "../session";
import { Snapshots } from "../snapshots/snapshots";
import { SnapshotBucket } from "../storage/snapshot-bucket";

const DAY = 86_400_000;
/** Longer than the outbox waits before it repeats what was lost with an object. */
const LATER = 10_000;

// A run of maintenance is limited, and other tests leave many sessions behind.
beforeEach(() => emptyMirror(env.DB));

afterEach(() => {
  settings.SESSION_RETENTION_DAYS = null;
  vi.restoreAllMocks();
});

/** Runs a session's alarm. If the object is lost meanwhile, runs it again, as the platform does. */
const alarm = (id: string): Promise<boolean> =>
  runDurableObjectAlarm(objectOf(id)).catch(async () => {
    await runInDurableObject(objectOf(id), (session) => (session as Session).alarm());
    return true;
  });

/** Creates a session with a file and a snapshot, and ends it. Returns when it ended. */
async function anEndedSession(
  changes: Partial<SessionSpec> = {},
): Promise<{ id: string; endedAt: number; snapshotId: string }> {
  const id = await createSession({ pattern: "hybrid", ...changes });
  await ask(id, bash("echo kept > a.txt"));
  const snapshot = value(await sessionOf(id).snapshot(ALICE));
  const { terminatedAt } = value(await sessionOf(id).terminate(ALICE, "done"));
  return { id, endedAt: terminatedAt ?? 0, snapshotId: snapshot.id };
}

const isGone = async (id: string): Promise<boolean> => (await rowOf(id)) === null;

/** Returns everything that a session can leave behind, besides sums. */
const tracesOf = async (id: string, snapshotId: string | undefined) => ({
  row: await rowOf(id),
  session: await tablesOf(objectOf(id)),
  alarm: await alarmOf(objectOf(id)),
  sandbox: await tablesOf(env.EMBEDDED_SANDBOXES.getByName(id)),
  workspaces: await keysUnder(`workspaces/${id}/`),
  snapshots: await keysUnder(`snapshots/${snapshotId}/`),
});
const NO_TRACES = {
  row: null,
  session: [],
  alarm: null,
  sandbox: [],
  workspaces: [],
  snapshots: [],
};

/** A user and a conversation that no other test has, since sessions of other tests may still change. */
const ITS_OWN = { userId: "of retention", conversationId: 42_007 };
const sums = async () => ({
  all: await summarize(env.DB, { owner: ALICE.owner, userId: ITS_OWN.userId }),
  conversation: await readConversation(env.DB, ALICE.owner, ITS_OWN.conversationId),
});

describe("an ended session with retentionDays", () => {
  const config = { retentionDays: 2 };

  it("is deleted so many days after its end, not before, and stays in the sums", async () => {
    const logged = vi.spyOn(console, "log");
    const { id, endedAt, snapshotId } = await anEndedSession({ config, ...ITS_OWN });
    const goesAt = endedAt + 2 * DAY;
    expect(await read(id)).toMatchObject({ expiresAt: goesAt, expiresBecause: "retention" });
    expect(await plannedAlarm(id)).toBe(goesAt);
    const before = await sums();
    await at(goesAt - 1, () => alarm(id));
    expect(await at(goesAt - 1, () => read(id))).toMatchObject({ status: "terminated" });
    await at(goesAt, async () => {
      expect(await alarm(id)).toBe(true);
      expect(await sessionOf(id).read(ALICE)).toMatchObject({ failure: { code: "not_found" } });
      await until(() => isGone(id));
    });
    await until(async () => (await tablesOf(objectOf(id))).length === 0);
    expect(await tracesOf(id, snapshotId)).toEqual(NO_TRACES);
    expect(await sums()).toEqual(before);
    const lines = logged.mock.calls.map(([line]) => String(line));
    expect(lines.filter((line) => line.includes("session.expired"))).toEqual([
      JSON.stringify({ event: "session.expired", session: id }),
    ]);
  });

  it("is not found from that time on, even if its alarm has not fired", async () => {
    const { id, endedAt } = await anEndedSession({ config });
    await at(endedAt + 2 * DAY, async () => {
      expect(await sessionOf(id).read(ALICE)).toMatchObject({ failure: { code: "not_found" } });
      await until(() => isGone(id));
    });
  });

  it("goes by its own value, whether the deployment's setting is shorter or longer", async () => {
    for (const days of [1, 30]) {
      settings.SESSION_RETENTION_DAYS = days;
      const { id, endedAt } = await anEndedSession({ config });
      expect(await read(id)).toMatchObject({ expiresAt: endedAt + 2 * DAY });
      await maintain(env, endedAt + 2 * DAY - 1);
      expect(await rowOf(id)).not.toBeNull();
    }
  });

  it("does not take the sessions along that were created from it or its snapshot", async () => {
    const { id, endedAt, snapshotId } = await anEndedSession({ config });
    const others = [
      await createSession({ pattern: "hybrid", config: { resumeSessionId: id } }),
      await createSession({ pattern: "hybrid", config: { snapshotId } }),
    ];
    await at(endedAt + 2 * DAY, async () => {
      await alarm(id);
      await until(() => isGone(id));
      for (const other of others) {
        expect((await ask(other, bash("cat a.txt"))).result).toContain("kept");
      }
    });
  });

  it("leaves nothing behind, and no sum is wrong, if it is lost at any step of its deletion", async () => {
    installFakeContainers();
    const STEPS: [object, string][] = [
      [Object.getPrototypeOf(env.DB), "batch"],
      [ContainerLifecycle.prototype, "erase"],
      [Snapshots.prototype, "removeAll"],
      [SnapshotBucket.prototype, "remove"],
      [SnapshotBucket.prototype, "removeSaved"],
    ];
    /** Deletes a session that is lost before or after a step, and its sandbox at every other one. Returns the steps. */
    const play = async (inContainer: boolean, lost: number | null) => {
      const made = { pattern: "hybrid", config, ...ITS_OWN } as const;
      const { id } = inContainer ? await createInContainer(made, () => {}) : { id: "" };
      const ended = inContainer ? await endedIn(id) : await anEndedSession(made);
      const before = await sums();
      const steps: string[] = [];
      const spies = STEPS.map(([prototype, name]) => {
        const methods = prototype as Record<string, (...args: unknown[]) => Promise<unknown>>;
        const original = methods[name] as (...args: unknown[]) => Promise<unknown>;
        return vi.spyOn(methods, name).mockImplementation(async function (this: unknown, ...args) {
          const visit = async () => {
            steps.push(name);
            if (steps.length !== lost) return;
            if (steps.length % 2 === 0) {
              await loseObject(env.EMBEDDED_SANDBOXES.getByName(ended.id));
            }
            await lose(ended.id);
            await scheduler.wait(5);
          };
          await visit();
          const result = await original.apply(this, args);
          await visit();
          return result;
        });
      });
      // Each further alarm is what the platform repeats.
      for (let tries = 0; tries < 4; tries++) {
        await at(ended.endedAt + 2 * DAY + tries * LATER, async () => {
          await alarm(ended.id);
          await scheduler.wait(20);
        });
      }
      for (const spy of spies) spy.mockRestore();
      const point = `lost at step ${lost}, ${steps[(lost ?? 0) - 1]}`;
      expect(await tracesOf(ended.id, ended.snapshotId), point).toEqual(NO_TRACES);
      expect(await sums(), point).toEqual(before);
      return steps;
    };
    const endedIn = async (id: string) => {
      await ask(id, bash("echo kept > a.txt"));
      const snapshot = value(await sessionOf(id).snapshot(ALICE));
      const { terminatedAt } = value(await sessionOf(id).terminate(ALICE, "done"));
      await until(async () => (await read(id)).sandbox.state === "suspended");
      await until(async () => !(await sessionOf(id).needsContainer(id)));
      return { id, endedAt: terminatedAt ?? 0, snapshotId: snapshot.id };
    };
    for (const inContainer of [false, true]) {
      const steps = await play(inContainer, null);
      expect(new Set(steps).size).toBe(inContainer ? 5 : 4);
      for (let step = 1; step <= steps.length; step++) await play(inContainer, step);
    }
  }, 60_000);
});

describe("a session that has not ended", () => {
  it.each([
    ["sleeps", 60_000],
    ["is active", null],
  ])("never goes by retention: it %s", async (_, maxIdleTimeMs) => {
    settings.SESSION_RETENTION_DAYS = 1;
    const limits = { maxIdleTimeMs, maxLifetimeMs: null, maxBudgetNanos: null, maxTurns: null };
    const config = { retentionDays: 1 };
    const id = await createSession({ pattern: "hybrid", limits, config });
    await ask(id, "hello");
    await at(Date.now() + 400 * DAY, async () => {
      await alarm(id);
      await maintain(env, Date.now());
      expect(await read(id)).toMatchObject({
        status: maxIdleTimeMs === null ? "active" : "idle",
        expiresAt: null,
      });
    });
  });
});

describe("the deployment's retention", () => {
  it("reaches sessions that ended before it was set or shortened, by maintenance", async () => {
    const { id, endedAt } = await anEndedSession();
    const own = await anEndedSession({ config: { retentionDays: 90 } });
    expect(await read(id)).toMatchObject({ expiresAt: null, expiresBecause: null });
    await at(endedAt + 40 * DAY, () => maintain(env, Date.now()));
    expect(await rowOf(id)).not.toBeNull();
    settings.SESSION_RETENTION_DAYS = 30;
    expect(await read(id)).toMatchObject({ expiresAt: endedAt + 30 * DAY });
    await at(endedAt + 30 * DAY - 1, () => maintain(env, Date.now()));
    expect(await rowOf(id)).not.toBeNull();
    await at(endedAt + 30 * DAY, async () => {
      await maintain(env, Date.now());
      expect(await isGone(id)).toBe(true);
      await until(async () => (await tablesOf(objectOf(id))).length === 0);
      expect(await rowOf(own.id)).not.toBeNull();
    });
  });

  it("that is lengthened or removed keeps sessions whose alarm was set for the old one", async () => {
    settings.SESSION_RETENTION_DAYS = 1;
    const { id, endedAt } = await anEndedSession();
    expect(await plannedAlarm(id)).toBe(endedAt + DAY);
    settings.SESSION_RETENTION_DAYS = 5;
    await at(endedAt + DAY, () => alarm(id));
    expect(await alarmOf(objectOf(id))).toBe(endedAt + 5 * DAY);
    settings.SESSION_RETENTION_DAYS = null;
    await at(endedAt + 5 * DAY, () => alarm(id));
    expect(await alarmOf(objectOf(id))).toBeNull();
    expect(await read(id)).toMatchObject({ status: "terminated", expiresAt: null });
  });

  it("removes a row of the index whose session says that it is not due from the next rounds", async () => {
    const { id, endedAt } = await anEndedSession();
    await env.DB.prepare("UPDATE agent_sessions SET terminated_at = 5 WHERE id = ?").bind(id).run();
    settings.SESSION_RETENTION_DAYS = 30;
    const due = async () =>
      (await nextExpiredSessions(env.DB, { now: endedAt, days: 30, limit: 9 })).map(({ id }) => id);
    expect(await due()).toEqual([id]);
    await maintain(env, endedAt);
    expect(await due()).toEqual([]);
    expect(await rowOf(id)).toMatchObject({ terminated_at: endedAt });
  });
});

describe("a round of retention", () => {
  it("takes a limited number, those that have been due longest first, and no session that has not ended", async () => {
    const ended = (daysAgo: number, retentionDays: number | null = null) =>
      aSessionRow({
        status: "terminated",
        terminatedAt: NOW - daysAgo * DAY,
        retentionDays,
      });
    const NOW = 1_000 * DAY;
    const failed = aSessionRow({ status: "error", completedAt: NOW - 11 * DAY });
    const due = [ended(12), failed, ended(10)];
    const own = [ended(9, 1), ended(3, 3)];
    const kept = [
      ended(9),
      ended(99, 100),
      aSessionRow({ status: "idle", createdAt: NOW - 99 * DAY, retentionDays: 1 }),
      aSessionRow({ status: "completed", completedAt: 1, pattern: "ephemeral" }),
    ];
    await putSessions(env.DB, [...kept, ...due, ...own].reverse());
    const next = async (days: number | null, limit: number) =>
      (await nextExpiredSessions(env.DB, { now: NOW, days, limit })).map(({ id }) => id);
    const ids = [...own, ...due].map(({ id }) => id);
    expect(await next(10, 100)).toEqual(ids);
    expect(await next(10, 4)).toEqual(ids.slice(0, 4));
    expect(await next(10, 1)).toEqual(ids.slice(0, 1));
    expect(await next(null, 100)).toEqual(ids.slice(0, 2));
  });

  it("reads only the rows that are due, from an index", async () => {
    const plans: string[] = [];
    const prepare = env.DB.prepare.bind(env.DB);
    vi.spyOn(Object.getPrototypeOf(env.DB), "prepare").mockImplementation(((sql: string) => {
      plans.push(sql);
      return prepare(sql);
    }) as never);
    await nextExpiredSessions(env.DB, { now: DAY, days: 1, limit: 5 });
    vi.restoreAllMocks();
    expect(plans).toHaveLength(2);
    for (const sql of plans) {
      const plan = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`).bind(1, 2, 3).all();
      const steps = JSON.stringify(plan.results);
      expect(steps).toContain("SEARCH agent_sessions USING INDEX sessions_kept");
      expect(steps).not.toContain("TEMP B-TREE");
    }
  });
});
