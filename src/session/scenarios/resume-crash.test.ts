import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { SqliteFs } from "../../sandbox/disk/sqlite-fs";
import type { Result } from "../../shared/result";
import {
  ALICE,
  alarmOf,
  aSpec,
  ask,
  createSession,
  keysUnder,
  loseObject,
  objectOf,
  sessionOf,
  tablesOf,
  value,
} from "../../testing/sessions";
import { SnapshotBucket } from "../storage/snapshot-bucket";
import { SessionStore } from "../storage/store";

// Objects are lost at each step of a copy in turn. Afterwards the new session or snapshot is either complete or
// does not exist, and a repeated call creates it.

/** The steps of a copy: each write to the bucket, and each file. */
const STEPS: [object, string][] = [
  ...["putPart", "putManifest", "manifest", "part", "remove"].map((name): [object, string] => [
    SnapshotBucket.prototype,
    name,
  ]),
  [SqliteFs.prototype, "readFileBuffer"],
  [SqliteFs.prototype, "writeFile"],
];

type Victim = "session" | "sandbox";

let steps: string[] = [];

/** Aborts objects when the step with a number starts; with null, only counts the steps. */
function plantFault(at: number | null, victims: () => DurableObjectStub[]): void {
  vi.restoreAllMocks();
  steps = [];
  for (const [prototype, name] of STEPS) {
    const methods = prototype as Record<string, (...args: unknown[]) => Promise<unknown>>;
    const original = methods[name];
    if (!original) throw new Error(`there is no ${name}`);
    vi.spyOn(methods, name).mockImplementation(async function (this: unknown, ...args) {
      steps.push(name);
      if (steps.length === at) {
        await Promise.all(victims().map(loseObject));
        // A lost object does not continue.
        await scheduler.wait(5);
      }
      return original.apply(this, args);
    });
  }
}

const objectsOf = (id: string, victim: Victim): DurableObjectStub[] =>
  victim === "session" ? [objectOf(id)] : [env.EMBEDDED_SANDBOXES.getByName(id)];

afterEach(() => {
  vi.restoreAllMocks();
});

const attempt = <T>(ask: () => Promise<Result<T>>): Promise<Result<T> | null> =>
  ask().catch(() => null);

/** Repeats a call until it is answered, as a client does. */
async function insist<T>(ask: () => Promise<Result<T>>): Promise<T> {
  for (let tries = 0; tries < 50; tries++) {
    const answer = await attempt(ask);
    if (answer?.ok) return answer.value;
    if (answer && answer.failure.code !== "unavailable") return value(answer);
    await scheduler.wait(10);
  }
  throw new Error("there was no answer");
}

async function anOrigin(): Promise<string> {
  const id = await createSession({ pattern: "hybrid" });
  await ask(id, '/Bash {"command":"echo one > a.txt; mkdir d; echo two > d/b.txt"}');
  return id;
}

const insides = (id: string) =>
  runInDurableObject(objectOf(id), async (_, { storage }) => ({
    conversation: new SessionStore(storage).history
      .conversation("", "claude-sonnet-5-5")
      .map(({ role, content }) => ({ role, content })),
    messages: storage.sql.exec("SELECT id FROM messages ORDER BY position").toArray(),
  }));

const filesOf = async (id: string) =>
  (await ask(id, '/Bash {"command":"cat a.txt d/b.txt; find . | sort"}')).result;

const tracesOf = async (id: string) => ({
  session: await tablesOf(objectOf(id)),
  alarm: await alarmOf(objectOf(id)),
  sandbox: await tablesOf(env.EMBEDDED_SANDBOXES.getByName(id)),
});
const NO_TRACES = { session: [], alarm: null, sandbox: [] };

describe("a session that is created from another", () => {
  const VICTIMS: [string, (origin: string, id: string) => DurableObjectStub[]][] = [
    ["the new session", (_, id) => objectsOf(id, "session")],
    ["its sandbox", (_, id) => objectsOf(id, "sandbox")],
    ["the source", (origin) => objectsOf(origin, "session")],
    ["the source's sandbox", (origin) => objectsOf(origin, "sandbox")],
    [
      "everything",
      (origin, id) =>
        [origin, id].flatMap((one) => [...objectsOf(one, "session"), ...objectsOf(one, "sandbox")]),
    ],
  ];

  it.each(VICTIMS)(
    "is complete or does not exist if %s is lost at any step",
    async (_, victims) => {
      const origin = await anOrigin();
      const before = await insides(origin);
      const files = await filesOf(await resumed(origin));
      plantFault(null, () => []);
      await resumed(origin);
      await scheduler.wait(20);
      const count = steps.length;
      expect(new Set(steps).size).toBe(STEPS.length);

      for (let at = 1; at <= count; at++) {
        const spec = aSpec({ pattern: "hybrid", config: { resumeSessionId: origin } });
        const { id } = spec;
        const create = () => sessionOf(id).create(ALICE, spec);
        plantFault(at, () => victims(origin, id));
        const step = () => `step ${at}, ${steps[at - 1]}`;
        const first = await attempt(create);
        vi.restoreAllMocks();
        const seen = await attempt(() => sessionOf(id).read(ALICE));
        if (first?.ok || seen?.ok) {
          expect(await insides(id), step()).toEqual(before);
        } else {
          expect(seen, step()).toMatchObject({ failure: { code: "not_found" } });
          if (at % 2 === 0) {
            await runDurableObjectAlarm(objectOf(id));
            expect(await tracesOf(id), step()).toEqual(NO_TRACES);
          }
        }
        await insist(create);
        expect(await insides(id), step()).toEqual(before);
        expect(await filesOf(id), step()).toEqual(files);
        expect(await insides(origin), step()).toMatchObject({ messages: before.messages });
      }
    },
    60_000,
  );

  async function resumed(origin: string): Promise<string> {
    return createSession({ pattern: "hybrid", config: { resumeSessionId: origin } });
  }
});

describe("a snapshot of a session", () => {
  it.each<Victim>(["session", "sandbox"])(
    "is complete or does not exist if its %s is lost at any step",
    async (victim) => {
      const prefix = "snapshots/";
      const origin = await anOrigin();
      const session = sessionOf(origin);
      const take = () => session.snapshot(ALICE);
      plantFault(null, () => []);
      value(await take());
      const count = steps.length;
      expect(count).toBeGreaterThan(3);
      const before = (await insides(origin)).conversation;

      for (let at = 1; at <= count; at++) {
        const known = value(await sessionOf(origin).snapshots(ALICE));
        plantFault(at, () => objectsOf(origin, victim));
        const first = await attempt(() => sessionOf(origin).snapshot(ALICE));
        vi.restoreAllMocks();
        const listed = value(await sessionOf(origin).snapshots(ALICE));
        expect(listed).toEqual(first?.ok ? [first.value, ...known] : known);
        const { id } = await insist(() => sessionOf(origin).snapshot(ALICE));
        const made = await createSession({ config: { snapshotId: id } });
        expect((await insides(made)).conversation).toEqual(before);
      }
      const own = value(await sessionOf(origin).snapshots(ALICE));
      const kept = new Set(own.map(({ id }) => id));
      const idOf = (key: string) => key.split("/")[1] ?? "";
      const times = own.map(({ id }) => id).sort();
      const ofThisTest = (await keysUnder(prefix)).filter((key) => idOf(key) >= (times[0] ?? ""));
      // The next snapshot removes the incomplete one.
      expect(ofThisTest.filter((key) => !kept.has(idOf(key)))).toEqual([]);
      value(await sessionOf(origin).remove(ALICE));
      expect((await keysUnder(prefix)).filter((key) => kept.has(idOf(key)))).toEqual([]);
    },
    60_000,
  );

  it("that is incomplete when its session is removed leaves nothing behind", async () => {
    const origin = await anOrigin();
    plantFault(2, () => objectsOf(origin, "session"));
    const known = await keysUnder("snapshots/");
    expect(await attempt(() => sessionOf(origin).snapshot(ALICE))).toBeNull();
    vi.restoreAllMocks();
    value(await sessionOf(origin).remove(ALICE));
    expect(await keysUnder("snapshots/")).toEqual(known);
  });
});
