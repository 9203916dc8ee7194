import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { NO_USAGE } from "../agent/pricing/usage";
import { aSessionRow, emptyMirror, recording } from "../testing/rows";
import { readCursor, SORTS } from "./cursor";
import { homeOf, type IndexDatabase } from "./databases";
import type { ListQuery } from "./list";
import { Moves } from "./moves";
import { PATTERNS, type SessionRow, STATUSES } from "./schema";
import { SessionIndex } from "./session-index";
import type { UsageGroup } from "./usage";

const MINUTE = 60_000;
const NAMES = ["DB", "DB_2", "DB_3"] as const;
const ALL = NAMES.map((name): IndexDatabase => ({ name, d1: env[name], isLeaving: false }));
const DAY = "2026-11-28";
const OWNERS = Array.from({ length: 5 }, (_, i) => `owner_${i}`);

const named = (...names: string[]): IndexDatabase[] =>
  names.map((name) => {
    const found = ALL.find((one) => one.name === name.replace("-", ""));
    if (!found) throw new Error(`there is no database ${name}`);
    return { ...found, isLeaving: name.startsWith("-") };
  });

beforeAll(async () => {
  for (const { d1 } of ALL) await applyD1Migrations(d1, env.TEST_MIGRATIONS);
});

beforeEach(async () => {
  for (const { d1 } of ALL) await emptyMirror(d1);
});

describe("the home of an owner", () => {
  const owners = Array.from({ length: 3_000 }, (_, i) => `tenant-${i}`);
  const homes = (...names: string[]) => owners.map((owner) => homeOf(owner, named(...names)).name);

  test("is spread evenly", () => {
    const count = (name: string) => homes(...NAMES).filter((one) => one === name).length;
    for (const name of NAMES) expect(Math.abs(count(name) - 1_000)).toBeLessThan(120);
  });

  test("does not depend on the order of the setting", () => {
    expect(homes("DB_3", "DB", "DB_2")).toEqual(homes(...NAMES));
  });

  test("changes only for those who go to a further database, and back when it leaves", () => {
    const [two, three] = [homes("DB", "DB_2"), homes(...NAMES)];
    for (const [i, home] of three.entries()) if (home !== "DB_3") expect(home).toBe(two[i]);
    expect(homes("DB", "DB_2", "-DB_3")).toEqual(two);
  });
});

const some = <T>(values: readonly [T, ...T[]], i: number): T => values[i % values.length] as T;

const aRow = (i: number, changes: Partial<SessionRow> = {}) =>
  aSessionRow({
    owner: some(OWNERS as [string, ...string[]], i),
    status: some(STATUSES, i * 5),
    pattern: some(PATTERNS, i * 3),
    userId: some([null, "u1", "u2"], i),
    conversationId: some([null, 1], i >> 1),
    tags: some([[], ["a"], ["a", "b"]], i),
    description: some([null, "Alpha", "beta"], i),
    createdAt: Date.UTC(2026, 10, 1 + (i % 5)),
    lastActivityAt: Date.UTC(2026, 10, 1 + (i % 7)),
    totalCostNanos: (i % 3) * 1_000_000_000,
    usageDays: usedUntil(1),
    ...changes,
  });

/** Returns usage that grows with every version of a session. */
const usedUntil = (version: number): SessionRow["usageDays"] => ({
  [DAY]: { m: { ...NO_USAGE, costNanos: version } },
});

/** What the index must show: the sessions that were put and not removed, and sums over all. */
class Oracle {
  readonly listed = new Map<string, SessionRow>();
  readonly removed: SessionRow[] = [];

  put(row: SessionRow): void {
    this.listed.set(row.id, row);
  }

  remove(row: SessionRow): void {
    if (this.listed.delete(row.id)) this.removed.push(row);
  }

  list({ owner, sort, tags, search, status }: ListQuery): string[] {
    const key = {
      createdAt: "createdAt",
      lastActivityAt: "lastActivityAt",
      totalCost: "totalCostNanos",
    } as const;
    const by = key[sort.replace("-", "") as keyof typeof key];
    const sign = sort.startsWith("-") ? -1 : 1;
    return [...this.listed.values()]
      .filter((row) => owner === null || row.owner === owner)
      .filter((row) => !tags || tags.every((tag) => row.tags.includes(tag)))
      .filter((row) => !status || status.includes(row.status))
      .filter((row) => !search || row.description?.toLowerCase().includes(search))
      .sort((a, b) => sign * (a[by] - b[by] || a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)))
      .map(({ id }) => id);
  }

  sums(owner: string | null) {
    const all = [...this.listed.values(), ...this.removed].filter(
      (row) => owner === null || row.owner === owner,
    );
    return {
      totalSessions: all.length,
      totalCost: all.reduce((sum, row) => sum + row.totalCostNanos, 0) / 1_000_000_000,
    };
  }

  /** Returns the usage by group, in the order of the groups. */
  #usage(owner: string | null, groupsOf: (row: SessionRow) => string[]): [string, number][] {
    const sums = new Map<string, number>();
    for (const row of [...this.listed.values(), ...this.removed]) {
      if (owner !== null && row.owner !== owner) continue;
      for (const group of groupsOf(row)) sums.set(group, (sums.get(group) ?? 0) + row.version);
    }
    return [...sums].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  async #expectUsageBy(index: SessionIndex): Promise<void> {
    const of = async (owner: string | null, groupBy: UsageGroup[]) =>
      (await index.usage({ owner, from: DAY, to: DAY, groupBy })).map(
        (row) => [groupBy.map((group) => row[group]).join(" "), row.costNanos] as const,
      );
    for (const owner of [null, OWNERS[0] ?? ""]) {
      expect(await of(owner, ["owner", "model"])).toEqual(
        this.#usage(owner, (row) => [`${row.owner} m`]),
      );
      expect(await of(owner, ["user"])).toEqual(
        this.#usage(owner, ({ userId }) => (userId === null ? [] : [userId])),
      );
      expect(await of(owner, ["tag"])).toEqual(this.#usage(owner, ({ tags }) => tags));
      const [all] = await of(owner, []);
      expect(all?.[1]).toBe(this.#usage(owner, () => [""])[0]?.[1] ?? 0);
    }
  }

  async expectShownBy(index: SessionIndex, queries: ListQuery[]): Promise<void> {
    await this.#expectUsageBy(index);
    for (const query of queries) expect(await walk(index, query)).toEqual(this.list(query));
    for (const owner of [null, ...OWNERS]) {
      expect(await index.summarize({ owner })).toMatchObject(this.sums(owner));
    }
    expect((await index.summarize({ owner: null, userId: "u1" })).totalSessions).toBe(
      [...this.listed.values(), ...this.removed].filter(({ userId }) => userId === "u1").length,
    );
    const inConversation = [...this.listed.values(), ...this.removed].filter(
      ({ conversationId }) => conversationId === 1,
    );
    expect((await index.conversation(null, 1))?.sessionCount ?? 0).toBe(inConversation.length);
  }
}

async function walk(index: SessionIndex, query: ListQuery): Promise<string[]> {
  const found: string[] = [];
  let cursor: ListQuery["cursor"];
  for (;;) {
    const { rows, total, totalIsExact, nextCursor } = await index.list({ ...query, cursor });
    if (!cursor && totalIsExact) expect(total).toBeGreaterThanOrEqual(rows.length);
    found.push(...rows.map(({ id }) => id));
    if (nextCursor === null) return found;
    cursor = readCursor(nextCursor, query.sort) ?? undefined;
    if (!cursor) throw new Error("a cursor of the list itself must be readable");
  }
}

const query: fc.Arbitrary<ListQuery> = fc.record({
  owner: fc.constantFrom(null, null, ...OWNERS),
  tags: fc.constantFrom(undefined, ["a"], ["a", "b"]),
  status: fc.constantFrom(undefined, ["active", "idle"] as const),
  search: fc.constantFrom(undefined, "alpha", "et"),
  sort: fc.constantFrom(...SORTS),
  pageSize: fc.integer({ min: 1, max: 9 }),
});

describe("an index in three databases", () => {
  const index = new SessionIndex(ALL);

  async function fill(count: number): Promise<Oracle> {
    const oracle = new Oracle();
    for (let i = 0; i < count; i++) {
      const row = aRow(i);
      await index.put(row);
      oracle.put(row);
    }
    return oracle;
  }

  test("has each owner's sessions at its home only", async () => {
    await fill(24);
    for (const { name, d1 } of ALL) {
      const { results } = await d1
        .prepare("select distinct owner from agent_sessions")
        .all<{ owner: string }>();
      for (const { owner } of results) expect(homeOf(owner, ALL).name).toBe(name);
    }
  });

  test("lists and sums as one would, for an owner and for all", async () => {
    const oracle = await fill(40);
    for (const row of [...oracle.listed.values()].slice(0, 6)) {
      await index.remove({ ...row, version: 2 }, 0);
      oracle.remove(row);
    }
    await fc.assert(
      fc.asyncProperty(fc.array(query, { minLength: 1, maxLength: 2 }), async (queries) => {
        for (const one of queries) expect(await walk(index, one)).toEqual(oracle.list(one));
      }),
      { numRuns: 15 },
    );
    await oracle.expectShownBy(index, []);
  }, 20_000);

  test("has the pages of merged lists by number, with the number of all sessions", async () => {
    const oracle = await fill(30);
    const query: ListQuery = { owner: null, sort: "-totalCost", pageSize: 7 };
    for (let page = 1; page <= 5; page++) {
      const { rows, total, totalIsExact } = await index.list({ ...query, page });
      expect(rows.map(({ id }) => id)).toEqual(oracle.list(query).slice((page - 1) * 7, page * 7));
      expect({ total, totalIsExact }).toEqual({ total: 30, totalIsExact: true });
    }
  });

  test("finds the newest session of a history in any of them", async () => {
    const history = { sessionId: "sdk_sess_x", conversationId: 7 };
    const rows = OWNERS.map((owner, i) => aSessionRow({ ...history, owner, createdAt: 1_000 + i }));
    for (const row of rows) await index.put(row);
    const last = { id: rows.at(-1)?.id };
    expect(await index.newestBySessionId(null, "sdk_sess_x")).toMatchObject(last);
    expect(await index.newestOfConversation(null, 7)).toMatchObject(last);
    expect(await index.newestBySessionId("owner_2", "sdk_sess_x")).toMatchObject({
      id: rows[2]?.id,
    });
    expect(await index.newestBySessionId("nobody", "sdk_sess_x")).toBeNull();
  });
});

test("an index in one database asks no more than lists without databases do", async () => {
  const { queries, database } = recording(env.DB);
  const index = new SessionIndex([{ name: "DB", d1: database, isLeaving: false }]);
  await index.put(aRow(0));
  expect(queries).toHaveLength(3);
  await index.list({ owner: "owner_0", sort: "createdAt", pageSize: 5 });
  expect(queries).toHaveLength(5);
  await index.list({ owner: null, sort: "createdAt", pageSize: 5 });
  expect(queries).toHaveLength(7);
  await index.summarize({ owner: null });
  expect(queries).toHaveLength(8);
});

describe("a change of the databases", () => {
  /** Wraps a database so that it is lost at its n-th query from now on. */
  class Fault {
    left = Number.POSITIVE_INFINITY;

    wrap = (database: IndexDatabase): IndexDatabase => {
      const tick = () => {
        this.left -= 1;
        if (this.left < 0) throw new Error("killed");
      };
      const { d1 } = database;
      const bound = (statement: D1PreparedStatement): D1PreparedStatement =>
        new Proxy(statement, {
          get(target, name) {
            const value = Reflect.get(target, name, target);
            if (typeof value !== "function") return value;
            return (...args: unknown[]) => {
              if (name === "bind") {
                const made = bound(Reflect.apply(value, target, args));
                originals.set(made, Reflect.apply(value, target, args));
                return made;
              }
              tick();
              return Reflect.apply(value, target, args);
            };
          },
        });
      const originals = new WeakMap<D1PreparedStatement, D1PreparedStatement>();
      const wrapped = {
        prepare: (sql: string) => bound(d1.prepare(sql)),
        batch: (statements: D1PreparedStatement[]) => {
          tick();
          return d1.batch(statements.map((one) => originals.get(one) ?? one));
        },
      };
      return { ...database, d1: wrapped as unknown as D1Database };
    };
  }

  const SETTINGS = [
    ["DB"],
    ["DB", "DB_2"],
    ["DB", "DB_2", "DB_3"],
    ["-DB", "DB_2", "DB_3"],
    ["DB", "-DB_2", "DB_3"],
  ];

  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("put" as const), i: fc.nat(20) }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("change" as const), i: fc.nat(20), cost: fc.nat(9) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("remove" as const), i: fc.nat(20) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("move" as const),
        minutes: fc.constantFrom(1, 3, 11),
        kill: fc.option(fc.nat(30), { nil: undefined }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("look" as const), query }) },
  );

  type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

  /** Runs moves until nothing is left to be done. */
  async function settle(databases: readonly IndexDatabase[], from: number): Promise<void> {
    for (let run = 0; run < 8; run++) {
      await new Moves(databases).run(from + run * 11 * MINUTE, () => false);
    }
  }

  /** Sessions that change while the databases of a setting become those of another one. */
  class Trial {
    readonly #oracle = new Oracle();
    readonly #fault = new Fault();
    readonly #rows = new Map<number, SessionRow>();
    readonly #former: SessionIndex;
    readonly #databases: readonly IndexDatabase[];
    #index: SessionIndex;
    #now = Date.now();

    constructor(before: readonly string[], after: readonly string[]) {
      const plain = (name: string) => name.replace("-", "");
      // A database that has sessions can only be left out after it was emptied.
      const left = before.map(plain).filter((name) => !after.map(plain).includes(name));
      this.#former = new SessionIndex(named(...before));
      this.#databases = named(...after, ...left.map((name) => `-${name}`)).map(this.#fault.wrap);
      this.#index = new SessionIndex(this.#databases);
    }

    async begin(): Promise<void> {
      for (let i = 0; i < 10; i++) {
        const row = aRow(i, { updatedAt: 0 });
        this.#rows.set(i, row);
        await this.#former.put(row);
        this.#oracle.put(row);
      }
    }

    async take(step: Step): Promise<void> {
      if (step.do === "move") await this.#move(step.minutes, step.kill);
      else if (step.do === "look") await this.#oracle.expectShownBy(this.#index, [step.query]);
      else if (step.do === "put") await this.#put(step.i);
      else await this.#change(step.i, step.do === "change" ? step.cost : undefined);
    }

    async end(): Promise<void> {
      const all: ListQuery[] = [{ owner: null, sort: "createdAt", pageSize: 5 }];
      await this.#oracle.expectShownBy(this.#index, all);
      await settle(this.#databases, this.#now + 20 * MINUTE);
      this.#index = new SessionIndex(this.#databases);
      await this.#oracle.expectShownBy(this.#index, all);
      for (const { name, d1 } of this.#databases) {
        const { results } = await d1
          .prepare("select distinct owner from session_totals where owner <> ''")
          .all<{ owner: string }>();
        for (const { owner } of results) expect(homeOf(owner, this.#databases).name).toBe(name);
      }
    }

    async #move(minutes: number, kill = Number.POSITIVE_INFINITY): Promise<void> {
      this.#now += minutes * MINUTE;
      this.#fault.left = kill;
      await new Moves(this.#databases).run(this.#now, () => false).catch(() => {});
      this.#fault.left = Number.POSITIVE_INFINITY;
      this.#index = new SessionIndex(this.#databases);
    }

    async #put(i: number): Promise<void> {
      if (this.#rows.has(i)) return;
      const row = aRow(i, { updatedAt: this.#now });
      this.#rows.set(i, row);
      await this.#write(() => this.#index.put(row));
      this.#oracle.put(row);
    }

    /** Changes a session; without a cost, removes it. */
    async #change(i: number, cost?: number): Promise<void> {
      const known = this.#rows.get(i);
      if (!known || !this.#oracle.listed.has(known.id)) return;
      const row: SessionRow = {
        ...known,
        version: known.version + 1,
        status: "idle",
        totalCostNanos: cost === undefined ? known.totalCostNanos : cost * 1_000_000_000,
        usageDays: usedUntil(known.version + 1),
        updatedAt: this.#now,
      };
      this.#rows.set(i, row);
      if (cost === undefined) {
        await this.#write(() => this.#index.remove(row, this.#now));
        this.#oracle.remove(row);
      } else {
        await this.#write(() => this.#index.put(row));
        this.#oracle.put(row);
      }
    }

    /** Writes; if the owner is being moved, when that is over, as an object does. */
    async #write(act: () => Promise<unknown>): Promise<void> {
      const isDone = await act().then(
        () => true,
        () => false,
      );
      if (isDone) return;
      await settle(this.#databases, this.#now + 20 * MINUTE);
      this.#now += 200 * MINUTE;
      await act();
    }
  }

  test("takes a session along that was written late, however long ago it changed", async () => {
    const owner = OWNERS.find((one) => homeOf(one, named("DB", "DB_2")).name === "DB_2") ?? "";
    const active = { owner, status: "active", updatedAt: 0 } as const;
    const [first, late] = [aRow(0, active), aRow(1, active)];
    await new SessionIndex(named("DB")).put(first);
    const databases = named("DB", "DB_2");
    const index = new SessionIndex(databases);
    const now = Date.now();
    await new Moves(databases).run(now, () => false);
    // Cut off when the copy has gone by active sessions, which are the first.
    let asked = 0;
    await new Moves(databases).run(now + 11 * MINUTE, () => ++asked > 2);
    await index.put(late);
    await settle(databases, now + 12 * MINUTE);
    const { rows } = await new SessionIndex(databases).list({
      owner,
      sort: "createdAt",
      pageSize: 9,
    });
    expect(rows.map(({ id }) => id).sort()).toEqual([first.id, late.id].sort());
  });

  test("never hides a session or shows one twice, whatever is written and wherever it is killed", {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SETTINGS),
        fc.constantFrom(...SETTINGS),
        fc.array(step, { minLength: 4, maxLength: 14 }),
        async (before, after, steps) => {
          for (const { d1 } of ALL) await emptyMirror(d1);
          const trial = new Trial(before, after);
          await trial.begin();
          for (const one of steps) await trial.take(one);
          await trial.end();
        },
      ),
      { numRuns: 8 },
    );
  });
});
