import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { afterEach, expect, it, vi } from "vitest";
import { Account } from "../../account/account";
import type { OwnerLimits } from "../../account/limits";
import { MemberTable } from "../../account/members";
import { dayOf } from "../../shared/days";
import { accountFor, accountObject, limit, newOwner } from "../../testing/accounts";
import {
  aMessage,
  aSpec,
  bash,
  call,
  loseObject,
  objectOf,
  sessionOf,
  until,
  value,
} from "../../testing/sessions";
import { SessionStore } from "../storage/store";

// Sessions of one owner work under tight limits, while their objects and the account's are lost and midnight passes.

const USD = 1_000_000_000;
/** Two seconds before the end of a month. Alarms that are set then do not fire by themselves. */
const BEFORE_MIDNIGHT = Date.UTC(2031, 0, 31, 23, 59, 58);

type Step =
  | { do: "create"; user: string | null }
  | { do: "send"; i: number; prompt: string }
  | { do: "lose"; i: number }
  | { do: "lose account" }
  | { do: "midnight" }
  | { do: "wait"; ms: number }
  | { do: "change user"; i: number; user: string | null }
  | { do: "end"; i: number };

const user = fc.constantFrom(null, "eve", "adam");
const i = fc.nat(4);
const PROMPTS = [
  "hello",
  `${bash("sleep 0.05; echo a")}\ndone`,
  `${call("Task", { subagent_type: "helper", prompt: `${bash("sleep 0.02")}\nI am done` })} & ${call("Task", { subagent_type: "helper", prompt: "me too" })}\nall is done`,
];
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant("create" as const), user }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      i,
      prompt: fc.constantFrom(...PROMPTS),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("lose" as const), i }) },
  { weight: 2, arbitrary: fc.constant({ do: "lose account" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "midnight" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 60 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("change user" as const), i, user }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("end" as const), i }) },
);
/** A call may cost half a dollar, and costs much less. */
const cap = fc.option(fc.integer({ min: 1, max: 30 }).map((tenths) => (tenths * USD) / 10));
const limits: fc.Arbitrary<OwnerLimits> = fc.record({
  maxActiveSessions: fc.constant(100),
  maxRunningMessages: fc.option(fc.integer({ min: 1, max: 3 })),
  maxDailyNanos: cap,
  maxMonthlyNanos: cap,
  maxRequestsPerMinute: fc.constant(null),
  perUser: fc.record({ maxActiveSessions: fc.constant(null), maxDailyNanos: cap }),
});

/** Returns what an account's sums are, by user and day. */
const sumsOf = (sql: SqlStorage) =>
  sql
    .exec<{ user_id: string; day: string; granted: number; spent: number; loose: number }>(
      "SELECT * FROM spend ORDER BY user_id, day",
    )
    .toArray();

/** Fails if an account has granted more than a limit, whenever it has answered a report. */
function watchLimits(): string[] {
  const overshot: string[] = [];
  const { sync } = Account.prototype;
  vi.spyOn(Account.prototype, "sync").mockImplementation(async function (
    this: Account,
    report,
    owner,
  ) {
    const reply = await sync.call(this, report, owner);
    const { storage } = (this as unknown as { ctx: DurableObjectState }).ctx;
    const { limits } = await this.use();
    const at = (what: string, sum: number, max: number | null) => {
      if (max !== null && sum > max) overshot.push(`${what}: ${sum} of ${max}`);
    };
    const months = new Map<string, number>();
    if (!new MemberTable(storage.sql).exists()) return reply;
    for (const { user_id, day, granted, spent, loose } of sumsOf(storage.sql)) {
      at(
        `${user_id} ${day}`,
        granted,
        user_id ? limits.perUser.maxDailyNanos : limits.maxDailyNanos,
      );
      if (spent > granted || loose < 0) overshot.push(`${user_id} ${day}: ${spent}, ${loose}`);
      const month = day.slice(0, 7);
      if (!user_id) months.set(month, (months.get(month) ?? 0) + granted);
    }
    for (const [month, sum] of months) at(month, sum, limits.maxMonthlyNanos);
    return reply;
  });
  return overshot;
}

const now = Date.now.bind(Date);

afterEach(() => {
  vi.restoreAllMocks();
});

/** Repeats a call until it is answered, as a client does. */
async function insist<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 0; tries < 200; tries++) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined) return answer;
    await scheduler.wait(10);
  }
  throw new Error("there was no answer");
}

it("no limit is ever overshot, nobody waits for ever, and in the end the sums are those of the calls", async () => {
  const overshot = watchLimits();
  await fc.assert(
    fc.asyncProperty(
      limits,
      fc.array(step, { minLength: 8, maxLength: 30 }),
      async (given, steps) => {
        let ahead = BEFORE_MIDNIGHT - now();
        vi.spyOn(Date, "now").mockImplementation(() => now() + ahead);
        const owner = newOwner();
        const caller = { owner, admin: false };
        await limit(owner, structuredClone({ ...given, perUser: { ...given.perUser } }));
        const ids: string[] = [];
        const sent: { id: string; messageId: string }[] = [];
        const create = async (userId: string | null) => {
          const config = { customAgents: { helper: {} } };
          const spec = aSpec({ limited: true, userId, config, requestHash: "hash" });
          value(await insist(() => sessionOf(spec.id).create(caller, spec)));
          ids.push(spec.id);
        };
        await create("eve");
        for (const step of steps) {
          const id = ids["i" in step ? step.i % ids.length : 0] ?? "";
          switch (step.do) {
            case "create":
              if (ids.length < 5) await create(step.user);
              break;
            case "send": {
              const request = aMessage(step.prompt, { background: true });
              const accepted = await insist(() => sessionOf(id).send(caller, request));
              if (accepted.ok) sent.push({ id, messageId: request.id });
              else expect(["spend_limit", "session_ended"]).toContain(accepted.failure.code);
              break;
            }
            case "lose":
              await loseObject(objectOf(id));
              break;
            case "lose account":
              await loseObject(await accountObject(owner));
              break;
            case "midnight":
              ahead += 86_400_000;
              break;
            case "wait":
              await scheduler.wait(step.ms);
              break;
            case "change user":
              await insist(() => sessionOf(id).update(caller, { userId: step.user }));
              break;
            case "end":
              await insist(() => sessionOf(id).terminate(caller, "done"));
          }
          expect(overshot).toEqual([]);
        }
        // As the alarms do, which may have to report again.
        const report = () =>
          Promise.all(ids.map((one) => insist(() => sessionOf(one).reportToAccount())));
        for (const { id, messageId } of sent) {
          await until(async () => {
            const message = value(await insist(() => sessionOf(id).message(caller, messageId)));
            if (message.status === "queued") await report();
            return message.endedAt !== null;
          }, 20_000);
        }
        await Promise.all(ids.map((id) => insist(() => sessionOf(id).terminate(caller, "done"))));
        const object = await accountObject(owner);
        const sumsNow = () => runInDurableObject(object, (_, { storage }) => sumsOf(storage.sql));
        await until(async () => {
          await report();
          const { used } = await insist(async () => (await accountFor(owner)).use());
          const isQuiet = used?.activeSessions === 0 && used.runningMessages === 0;
          return isQuiet && (await sumsNow()).every(({ loose }) => loose === 0);
        }, 5_000);
        expect(overshot).toEqual([]);

        const spent = new Map<string, number>();
        for (const id of ids) {
          const calls = await runInDurableObject(objectOf(id), (_, { storage }) => {
            expect(
              new SessionStore(storage).state.account?.leases.every(
                ({ open }) => Object.keys(open).length === 0,
              ),
            ).not.toBe(false);
            return storage.sql.exec("SELECT begun_at, cost_nanos, held_nanos FROM calls").toArray();
          });
          const { events } = value(await sessionOf(id).events(caller, { after: 0, limit: 1_000 }));
          const costs = events.map((event) => ("cost" in event ? Math.round(event.cost * 1e9) : 0));
          const sum = calls.reduce((all, { cost_nanos }) => all + Number(cost_nanos), 0);
          expect(costs.reduce((all, cost) => all + cost, 0)).toBe(sum);
          for (const { begun_at, cost_nanos, held_nanos } of calls) {
            const day = dayOf(Number(begun_at));
            spent.set(`${day} spent`, (spent.get(`${day} spent`) ?? 0) + Number(cost_nanos));
            spent.set(`${day} held`, (spent.get(`${day} held`) ?? 0) + Number(held_nanos));
          }
        }
        const sums = await sumsNow();
        for (const { user_id, day, granted, spent: known } of sums) {
          if (user_id !== "") continue;
          expect(known, day).toBe(spent.get(`${day} spent`) ?? 0);
          expect(granted - known, day).toBe(spent.get(`${day} held`) ?? 0);
        }
        const ofUsers = sums.filter(({ user_id }) => user_id !== "");
        const ofAll = sums.filter(({ user_id }) => user_id === "");
        const total = (some: typeof sums) => some.reduce((sum, row) => sum + row.spent, 0);
        expect(total(ofUsers)).toBeLessThanOrEqual(total(ofAll));
      },
    ),
    { numRuns: 8, endOnFailure: true },
  );
}, 120_000);
