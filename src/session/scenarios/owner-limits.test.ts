import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import type { MessageRequest, SessionSpec } from "../../session/rpc";
import { dayOf } from "../../shared/days";
import { accountFor, accountObject, limit, newOwner } from "../../testing/accounts";
import {
  aMessage,
  aSchedule,
  aSpec,
  loseObject,
  newSessionId,
  objectOf,
  sessionOf,
  until,
  value,
} from "../../testing/sessions";
import { indexOf } from "../deployment";
import { SessionStore } from "../storage/store";

const USD = 1_000_000_000;

async function create(owner: string, changes: Partial<SessionSpec> = {}) {
  const spec = aSpec({ limited: true, ...changes });
  const caller = { owner, admin: false };
  const created = await sessionOf(spec.id).create(caller, spec);
  const ask = async (prompt: string, more: Partial<MessageRequest> = {}) =>
    sessionOf(spec.id).ask(caller, aMessage(prompt, more));
  const send = async (prompt: string) =>
    value(await sessionOf(spec.id).send(caller, aMessage(prompt)));
  const message = async (id: string) => value(await sessionOf(spec.id).message(caller, id));
  return { id: spec.id, caller, created, ask, send, message };
}

/** Waits until the account holds nothing that is not spent. Returns what the owner has used. */
async function settled(owner: string) {
  const account = await accountFor(owner);
  await until(async () => (await account.use()).used?.day.heldNanos === 0, 5_000);
  return (await account.use()).used;
}

const stateOf = (id: string) =>
  runInDurableObject(objectOf(id), (_, { storage }) => new SessionStore(storage).state);

it("a message leases money from its account, and gives back what it does not spend", async () => {
  const owner = newOwner();
  await limit(owner, { maxDailyNanos: 10 * USD });
  const { id, caller, ask } = await create(owner);
  const { costNanos } = value(await ask("hello"));
  expect(costNanos).toBeGreaterThan(0);
  const used = await settled(owner);
  expect(used?.day.spentNanos).toBe(costNanos);
  expect(used?.month.spentNanos).toBe(costNanos);
  expect(used?.activeSessions).toBe(1);
  value(await sessionOf(id).terminate(caller, "done"));
  await until(async () => (await (await accountFor(owner)).use()).used?.activeSessions === 0);
});

it("a call that a day's money can't pay ends its message, and a new message is refused once it is used up", async () => {
  const owner = newOwner();
  await limit(owner, { maxDailyNanos: 1_000 });
  const { ask, created } = await create(owner);
  value(created);
  expect(value(await ask("hello"))).toMatchObject({
    status: "completed",
    stopReason: "budget_limit",
    limit: "owner_daily",
    costNanos: 0,
  });
  await limit(owner, { maxDailyNanos: 0 });
  await settled(owner);
  const refused = await ask("hello again");
  expect(refused).toMatchObject({
    ok: false,
    failure: { code: "spend_limit", details: { limit: "owner_daily" } },
  });
  await limit(owner, { maxDailyNanos: 10 * USD });
  expect(value(await ask("once more"))).toMatchObject({ stopReason: "end_turn", limit: null });
});

it("a session too many is refused, and a repeat of an earlier one is not", async () => {
  const owner = newOwner();
  await limit(owner, { maxActiveSessions: 2, perUser: { maxActiveSessions: 1 } });
  const first = await create(owner, { userId: "eve" });
  expect(first.created.ok).toBe(true);
  expect((await create(owner, { userId: "eve" })).created).toMatchObject({
    failure: { code: "too_many_sessions", details: { limit: "user_active_sessions" } },
  });
  expect((await create(owner, { userId: "adam" })).created.ok).toBe(true);
  expect((await create(owner)).created).toMatchObject({
    failure: { code: "too_many_sessions", details: { limit: "owner_active_sessions" } },
  });
  value(await sessionOf(first.id).terminate(first.caller, "done"));
  await until(async () => (await create(owner, { userId: "eve" })).created.ok);
});

it("a session that is created again under the id of a deleted one counts like any other", async () => {
  const owner = newOwner();
  await limit(owner, { maxActiveSessions: 1 });
  const ids = [newSessionId(), newSessionId()];
  for (const id of ids) {
    const { caller, created } = await create(owner, { id });
    value(created);
    value(await sessionOf(id).remove(caller));
  }
  const account = await accountFor(owner);
  await until(async () => (await account.use()).used?.activeSessions === 0);
  const again = await Promise.all(ids.map((id) => create(owner, { id })));
  expect(again.filter(({ created }) => created.ok)).toHaveLength(1);
  await scheduler.wait(1_200);
  expect((await account.use()).used?.activeSessions).toBe(1);
});

it("a message too many waits, also through a loss of its objects, and starts when another has ended", async () => {
  const owner = newOwner();
  await limit(owner, { maxRunningMessages: 1 });
  const [one, two] = [await create(owner), await create(owner)];
  const slow = await one.send('/Bash {"command":"sleep 0.7"}\ndone');
  await until(async () => (await one.message(slow.id)).status === "running");
  const waits = await two.send("hello");
  await scheduler.wait(100);
  expect((await two.message(waits.id)).status).toBe("queued");
  await loseObject(objectOf(two.id));
  await loseObject(await accountObject(owner));
  expect((await two.message(waits.id)).status).toBe("queued");
  await until(async () => (await two.message(waits.id)).status === "completed", 5_000);
  expect((await one.message(slow.id)).status).toBe("completed");
});

it("a schedule sends nothing while the money is used up, and goes on when there is some again", async () => {
  const owner = newOwner();
  await limit(owner, { maxDailyNanos: 1_000 });
  const { id, caller, ask } = await create(owner);
  expect(value(await ask("hello"))).toMatchObject({ limit: "owner_daily" });
  await settled(owner);
  const tick = aSchedule("tick", { when: { everyMs: 1_000 } });
  value(await sessionOf(id).addSchedule(caller, tick));
  const typesOf = async () => {
    const { events } = value(await sessionOf(id).events(caller, { after: 0, limit: 1_000 }));
    return events.map((event) =>
      "reason" in event ? `${event.type} ${event.reason}` : event.type,
    );
  };
  const received = async () =>
    (await typesOf()).filter((type) => type === "message.received").length;
  await until(async () => (await typesOf()).includes("schedule.skipped spend_limit"), 5_000);
  expect(await received()).toBe(1);
  await limit(owner, { maxDailyNanos: 10 * USD });
  await sessionOf(id).reportToAccount();
  await until(async () => (await received()) > 1, 5_000);
  value(await sessionOf(id).terminate(caller, "enough"));
});

it("a session that nobody has told of limits learns of them from the index", async () => {
  const owner = newOwner();
  const { id, ask } = await create(owner, { limited: false });
  value(await ask("hello"));
  await limit(owner, { maxDailyNanos: 0 });
  await indexOf(env).setLimited(owner, true);
  const slow = await ask(
    '/Bash {"command":"sleep 0.4"}\n/Bash {"command":"sleep 2.5"}\nnever said',
  );
  expect(value(slow)).toMatchObject({ stopReason: "budget_limit", limit: "owner_daily" });
  expect((await settled(owner))?.activeSessions).toBe(1);
  expect((await stateOf(id)).account).toBeDefined();
  await limit(owner, {});
  await indexOf(env).setLimited(owner, false);
  value(await ask("free again"));
  await until(async () => (await stateOf(id)).account === undefined, 5_000);
});

it("what a deleted session has spent is counted, and nothing of it is left to ask", async () => {
  const owner = newOwner();
  await limit(owner, { maxDailyNanos: 10 * USD, maxActiveSessions: 5 });
  const { id, caller, ask } = await create(owner);
  const { costNanos } = value(await ask("hello"));
  await loseObject(await accountObject(owner));
  value(await sessionOf(id).remove(caller));
  const used = await settled(owner);
  expect(used).toMatchObject({ activeSessions: 0, day: { spentNanos: costNanos } });
});

it("a silent session is asked, and what an account is told of one that does not exist is undone", async () => {
  const owner = newOwner();
  await limit(owner, { maxDailyNanos: 10 * USD });
  const account = await accountFor(owner);
  const lease = { day: dayOf(Date.now()), user: null, spentNanos: 5, keptNanos: 0 };
  const report = {
    ...{ session: newSessionId(), n: 1, user: null, wanted: null },
    live: "new" as const,
    work: "running" as const,
    leases: [{ ...lease, grantedNanos: USD }],
  };
  await account.sync(report, owner);
  expect((await account.use()).used).toMatchObject({ activeSessions: 1, runningMessages: 1 });
  const object = await accountObject(owner);
  await runInDurableObject(object, (_, { storage }) =>
    storage.sql.exec("UPDATE members SET check_at = 0"),
  );
  await runDurableObjectAlarm(object);
  expect((await account.use()).used).toMatchObject({
    ...{ activeSessions: 0, runningMessages: 0 },
    // It may have been spent.
    day: { spentNanos: 5, heldNanos: USD - 5 },
  });
});

it("a session without limits makes no call of an account", async () => {
  const owner = newOwner();
  const { id, ask } = await create(owner, { limited: false });
  value(await ask("hello"));
  expect((await stateOf(id)).account).toBeUndefined();
  const tables = await runInDurableObject(await accountObject(owner), (_, { storage }) =>
    storage.sql.exec("SELECT name FROM sqlite_master").toArray(),
  );
  expect(tables).toEqual([]);
});
