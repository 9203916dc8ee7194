import { applyD1Migrations, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { homeOf } from "../db/databases";
import { nextReconcileBatch } from "../db/reconcile-cursor";
import { putSession } from "../db/sessions";
import { settings } from "../settings";
import { aSessionRow, emptyMirror } from "../testing/rows";
import {
  ALICE,
  alarmOf,
  aMessage,
  aSchedule,
  ask,
  createSession,
  newSessionId,
  objectOf,
  rowOf,
  sessionOf,
  until,
  value,
} from "../testing/sessions";
import { indexOf } from "./deployment";
import { maintain } from "./maintenance";

const MINUTE = 60_000;
const DAY = 86_400_000;
const HOUR_AHEAD = () => Date.now() + 60 * MINUTE;

const set = (id: string, what: string) =>
  env.DB.prepare(`UPDATE agent_sessions SET ${what} WHERE id = ?`).bind(id).run();

// A run of maintenance is limited, and other tests leave many sessions behind.
beforeEach(async () => {
  await emptyMirror(env.DB);
  await env.DB.exec("DELETE FROM rounds");
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const tombstones = async (id: string) =>
  (await env.DB.prepare("SELECT id FROM session_tombstones WHERE id = ?").bind(id).all()).results;

it("a tombstone is removed after seven days", async () => {
  const id = await createSession();
  value(await sessionOf(id).remove(ALICE));
  await maintain(env, Date.now() + 6 * DAY);
  expect(await tombstones(id)).toHaveLength(1);
  await maintain(env, Date.now() + 8 * DAY);
  expect(await tombstones(id)).toEqual([]);
});

describe("a row of the index that differs from its object", () => {
  it("is repaired, whatever its version is", async () => {
    const id = await createSession({ tags: ["kept"] });
    await ask(id, "hello");
    for (const wrong of [
      "total_cost_nanos = 7, tags = '[\"wrong\"]', version = 1",
      "status = 'idle', num_turns = 99, version = version + 1000000",
      "description = 'of the same version'",
    ]) {
      await set(id, wrong);
      await maintain(env, HOUR_AHEAD());
      const session = value(await sessionOf(id).read(ALICE));
      expect(await rowOf(id)).toMatchObject({
        status: "active",
        description: null,
        tags: '["kept"]',
        num_turns: 1,
        version: session.version,
        total_cost_nanos: session.totalCostNanos,
      });
    }
  });

  it("counts as equal if it differs only in text that D1 can't store unchanged", async () => {
    const id = await createSession({ description: "a\ud800", userId: "\udc00", tags: ["\ud800"] });
    const row = await rowOf(id);
    for (let round = 0; round < 2; round++) await maintain(env, HOUR_AHEAD());
    expect(await rowOf(id)).toEqual(row);
  });

  it("is removed if its object does not exist, while the totals keep its cost", async () => {
    const row = aSessionRow({ id: newSessionId(), totalCostNanos: 5 });
    await putSession(env.DB, row);
    await maintain(env, HOUR_AHEAD());
    expect(await rowOf(row.id)).toBeNull();
    expect(await tombstones(row.id)).toHaveLength(1);
  });

  it("is skipped if it was written recently", async () => {
    const id = await createSession();
    await set(id, "num_turns = 99");
    await maintain(env, Date.now());
    expect(await rowOf(id)).toMatchObject({ num_turns: 99 });
  });
});

describe("with several databases", () => {
  const names = ["DB", "DB_2", "DB_3"] as const;
  // Sessions of other tests may write their rows meanwhile.
  const countOf = async (d1: D1Database) => {
    const count = "SELECT count(*) AS count FROM agent_sessions WHERE owner LIKE 'mover-%'";
    return (await d1.prepare(count).first<{ count: number }>())?.count;
  };

  beforeEach(async () => {
    for (const name of names) {
      await applyD1Migrations(env[name], env.TEST_MIGRATIONS);
      await emptyMirror(env[name]);
    }
  });

  it("a run moves owners to their homes, and reports it", async () => {
    const logged = vi.spyOn(console, "log");
    const owners = Array.from({ length: 9 }, (_, i) => `mover-${i}`);
    for (const owner of owners) {
      await putSession(env.DB, aSessionRow({ owner, status: "completed" }));
    }
    const { INDEX_DATABASES } = settings;
    settings.INDEX_DATABASES = names.map((name) => ({ name, isLeaving: false }));
    try {
      const several = { ...env };
      for (const minutes of [0, 11, 14]) await maintain(several, Date.now() + minutes * MINUTE);
      const { databases } = indexOf(several);
      for (const { name, d1 } of databases) {
        const home = owners.filter((owner) => homeOf(owner, databases).name === name);
        expect(await countOf(d1)).toBe(home.length);
      }
      const moved = owners.filter((owner) => homeOf(owner, databases).name !== "DB");
      const lines = logged.mock.calls.filter(
        ([line]) => `${line}`.includes("index.moved") && `${line}`.includes("mover-"),
      );
      expect(lines).toHaveLength(moved.length);
    } finally {
      settings.INDEX_DATABASES = INDEX_DATABASES;
    }
  });

  it("one that does not exist is an error that names it", () => {
    const { INDEX_DATABASES } = settings;
    settings.INDEX_DATABASES = [{ name: "DB_9", isLeaving: false }];
    try {
      expect(() => indexOf({ ...env })).toThrow("DB_9");
    } finally {
      settings.INDEX_DATABASES = INDEX_DATABASES;
    }
  });
});

describe("a run of maintenance", () => {
  it("resumes the message of a session whose alarm was lost", async () => {
    const id = await createSession();
    const request = aMessage("/delay 200\nhello");
    value(await sessionOf(id).send(ALICE, request));
    runInDurableObject(objectOf(id), async (_, state) => {
      await state.storage.deleteAlarm();
      state.abort("lost");
    }).catch(() => {});
    await scheduler.wait(50);
    await maintain(env, HOUR_AHEAD());
    await until(async () => {
      const row = await rowOf(id);
      return row?.num_turns === 1;
    });
  });

  it("resumes a session whose alarm was set by a clock that was set back since", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + 365 * 24 * 3_600_000);
    const id = await createSession();
    value(await sessionOf(id).addSchedule(ALICE, aSchedule("tick")));
    await until(async () => (await rowOf(id))?.updated_at === Date.now());
    vi.useRealTimers();
    await maintain(env, Date.now());
    const alarm = await alarmOf(objectOf(id));
    expect(alarm).toBeLessThan(Date.now() + 3_700_000);
  });

  it("continues where the previous run stopped, and starts again after the last row", async () => {
    await env.DB.exec("DELETE FROM agent_sessions");
    await env.DB.exec("DELETE FROM rounds");
    const ids: string[] = [];
    for (let n = 0; n < 7; n++) {
      const row = aSessionRow({ id: newSessionId(), status: n === 6 ? "terminated" : "active" });
      await putSession(env.DB, row);
      if (n < 6) ids.push(row.id);
    }
    const seen: string[][] = [];
    for (let run = 0; run < 4; run++) {
      const rows = await nextReconcileBatch(env.DB, {
        before: HOUR_AHEAD(),
        after: HOUR_AHEAD(),
        limit: 4,
      });
      seen.push(rows.map(({ id }) => id));
    }
    ids.sort();
    expect(seen).toEqual([ids.slice(0, 4), ids.slice(4), ids.slice(0, 4), ids.slice(4)]);
  });

  it("reads only the rows of sessions that are ephemeral or have not ended", async () => {
    const plan = await env.DB.prepare(
      `EXPLAIN QUERY PLAN SELECT * FROM agent_sessions WHERE id > ?1 AND (updated_at < ?2 OR updated_at > ?3)
       AND (status in ('initializing', 'active', 'idle') or pattern = 'ephemeral') is true ORDER BY id LIMIT 9`,
    )
      .bind("", 1, 2)
      .all();
    expect(JSON.stringify(plan.results)).toContain("sessions_awaited");
  });
});
