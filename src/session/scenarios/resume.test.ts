import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  ADMIN,
  ALICE,
  alarmOf,
  aMessage,
  aSpec,
  ask,
  BOB,
  call,
  createSession,
  eventsOf,
  keysUnder,
  lose,
  newSessionId,
  objectOf,
  read,
  rowOf,
  sessionOf,
  tablesOf,
  typesOf,
  until,
  value,
} from "../../testing/sessions";
import { maintain } from "../maintenance";
import type { SessionConfig, SessionRpc, SessionSpec } from "../rpc";
import { MAX_SNAPSHOTS } from "../snapshots/snapshots";
import { SnapshotBucket } from "../storage/snapshot-bucket";
import { SessionStore, type State } from "../storage/store";

const MINUTE = 60_000;
const DAY = 86_400_000;

const bash = async (id: string, command: string) =>
  (await ask(id, call("Bash", { command }))).result ?? "";
const messagesOf = async (id: string) =>
  value(await sessionOf(id).messages(ALICE, { after: 0, limit: 100 })).messages;
const promptsOf = async (id: string) => (await messagesOf(id)).map(({ prompt }) => prompt);

/** Creates a session with a file and a history of three turns. */
async function aWorked(changes: Partial<SessionSpec> = {}): Promise<string> {
  const id = await createSession({ pattern: "hybrid", ...changes });
  await ask(id, 'Note this.\n/Write {"file_path":"notes/plan.md","content":"the plan\\n"}');
  await ask(id, '/Bash {"command":"cd notes; ls"}');
  return id;
}

const startFrom = (config: SessionConfig, changes: Partial<SessionSpec> = {}) =>
  createSession({ pattern: "hybrid", ...changes, config });

const tryFrom = (config: SessionConfig, changes: Partial<SessionSpec> = {}, caller = ALICE) => {
  const spec = aSpec({ pattern: "hybrid", ...changes, config });
  return sessionOf(spec.id).create(caller, spec);
};

const conversationOf = (id: string, model = "claude-sonnet-5-5") =>
  runInDurableObject(objectOf(id), (_, { storage }) =>
    new SessionStore(storage).history
      .conversation("", model)
      .map(({ role, content }) => ({ role, content })),
  );

/** Returns everything stored for an id outside of its object. */
const tracesOf = async (id: string) => ({
  tables: await tablesOf(objectOf(id)),
  alarm: await alarmOf(objectOf(id)),
  sandbox: await tablesOf(env.EMBEDDED_SANDBOXES.getByName(id)),
  row: await rowOf(id),
});
const NO_TRACES = { tables: [], alarm: null, sandbox: [], row: null };

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a resumed session", () => {
  it("has the history, the files and the working directory, and continues with them", async () => {
    const origin = await aWorked();
    const id = await startFrom({ resumeSessionId: origin });
    expect(await conversationOf(id)).toEqual(await conversationOf(origin));
    expect(await promptsOf(id)).toEqual(await promptsOf(origin));
    expect(await bash(id, "pwd; cat plan.md")).toContain("/workspace/notes\nthe plan");
    expect((await ask(id, "and now?")).usage.cacheReadTokens).toBeGreaterThan(0);
    const roles = (await conversationOf(id)).map(({ role }) => role);
    expect(roles.slice(0, 7)).toEqual([
      "user",
      "assistant",
      "user",
      "assistant",
      "user",
      "assistant",
      "user",
    ]);
  });

  it("keeps the `sessionId`, and counts its own cost, turns and events from 0", async () => {
    const origin = await aWorked();
    const id = await startFrom({ resumeSessionId: origin });
    expect(await read(id)).toMatchObject({
      sessionId: (await read(origin)).sessionId,
      status: "active",
      totalCostNanos: 0,
      totalTokens: 0,
      numMessages: 0,
      numTurns: 0,
      toolsUsed: [],
      usage: {},
      config: { resumeSessionId: origin },
    });
    expect(await typesOf(id)).toEqual(["session.created", "session.started"]);
    const message = await ask(id, "again");
    expect(await read(id)).toMatchObject({
      totalCostNanos: message.costNanos,
      numMessages: 1,
      numTurns: 1,
    });
  });

  it("of a version that did not count messages counts its own", async () => {
    const id = await startFrom({ resumeSessionId: await aWorked() });
    await ask(id, "mine");
    await runInDurableObject(objectOf(id), (_, { storage }) => {
      const { numMessages: _count, ...former } = storage.kv.get<State>("state") as State;
      storage.kv.put("state", former);
    });
    await lose(id);
    expect((await read(id)).numMessages).toBe(1);
    await ask(id, "mine too");
    expect((await read(id)).numMessages).toBe(2);
  });

  it("lists inherited messages unchanged, each with the session to which it was sent", async () => {
    const origin = await aWorked();
    const id = await startFrom({ resumeSessionId: origin });
    const inherited = await messagesOf(id);
    expect(inherited).toEqual(await messagesOf(origin));
    expect(inherited[0]).toMatchObject({ sessionId: origin, costNanos: expect.any(Number) });
    const own = await ask(id, "mine");
    expect(own).toMatchObject({ sessionId: id, position: 3 });
    const third = await startFrom({ resumeSessionId: id });
    const sentTo = (await messagesOf(third)).map(({ sessionId }) => sessionId);
    expect(sentTo).toEqual([origin, origin, id]);
    expect(value(await sessionOf(third).message(ALICE, own.id))).toEqual(own);
  });

  it("has its own turns, which are not confused with inherited ones", async () => {
    const origin = await aWorked();
    const id = await startFrom({ resumeSessionId: origin });
    await bash(id, "echo only once");
    const conversation = await conversationOf(id);
    const results = conversation.flatMap(({ content }) =>
      content.filter(({ type }) => type === "tool_result"),
    );
    const calls = conversation.flatMap(({ content }) =>
      content.filter(({ type }) => type === "tool_use"),
    );
    expect(results).toHaveLength(3);
    expect(calls).toHaveLength(3);
    const again = await startFrom({ resumeSessionId: id });
    expect(await conversationOf(again)).toEqual(conversation);
  });

  it("does not change its source, and both continue independently", async () => {
    const origin = await aWorked();
    const before = await read(origin);
    const log = await eventsOf(origin);
    const id = await startFrom({ resumeSessionId: origin });
    await bash(id, "echo changed > plan.md");
    expect(await read(origin)).toEqual(before);
    expect(await eventsOf(origin)).toEqual(log);
    expect(await bash(origin, "cat plan.md")).toContain("the plan");
    expect(await bash(id, "cat plan.md")).toContain("changed");
    expect(await promptsOf(id)).not.toContain("cat plan.md");
  });

  it("has its own config, and inherits only the environment, which is not shown", async () => {
    const config = { systemPrompt: "Be brief.", env: { TOKEN: "secret", PLACE: "old" } };
    const origin = await aWorked({ config });
    const id = await startFrom({ resumeSessionId: origin, env: { PLACE: "new" } });
    expect((await read(id)).config).toEqual({ resumeSessionId: origin });
    expect(await bash(id, "echo $TOKEN-$PLACE")).toContain("secret-new");
    const third = await startFrom({ resumeSessionId: id });
    expect(JSON.stringify(await read(third))).not.toContain("secret");
    expect(await bash(third, "echo $TOKEN-$PLACE")).toContain("secret-new");
  });

  it("has its own limits", async () => {
    const origin = await aWorked();
    const limits = { maxIdleTimeMs: null, maxLifetimeMs: null, maxBudgetNanos: null, maxTurns: 2 };
    const id = await startFrom({ resumeSessionId: origin }, { limits });
    await bash(id, "true");
    expect(await read(id)).toMatchObject({ status: "terminated", terminationReason: "turn_limit" });
  });

  it("can be ephemeral, since inherited messages do not count as its one message", async () => {
    const origin = await aWorked();
    const id = await startFrom({ resumeSessionId: origin }, { pattern: "ephemeral" });
    expect((await ask(id, "sum it up")).status).toBe("completed");
    expect(await read(id)).toMatchObject({ status: "completed" });
  });

  it("can start from a session without messages", async () => {
    const id = await startFrom({ resumeSessionId: await createSession() });
    expect(await messagesOf(id)).toEqual([]);
    expect(await bash(id, "pwd; ls")).toContain("/workspace");
  });

  it.each(["idle", "terminated", "error"])("can start from one that is %s", async (status) => {
    const limits = { maxIdleTimeMs: 10, maxLifetimeMs: null, maxBudgetNanos: null, maxTurns: null };
    const origin = await aWorked();
    if (status === "terminated") value(await sessionOf(origin).terminate(ALICE, "enough"));
    if (status === "idle") value(await sessionOf(origin).update(ALICE, limits));
    if (status === "error") {
      await runInDurableObject(objectOf(origin), (_, { storage }) => {
        const minute = { startedAt: Date.now(), alarms: 1_000, rows: 0 };
        storage.kv.put("breaker", minute);
      });
      await abortAllDurableObjects();
      await runDurableObjectAlarm(objectOf(origin));
      await sessionOf(origin).update(ALICE, { description: "woken" });
    }
    await until(async () => (await read(origin)).status === status);
    const id = await startFrom({ resumeSessionId: origin });
    expect(await bash(id, "cat plan.md")).toContain("the plan");
    expect((await read(origin)).status).toBe(status);
  });

  it("can start from one whose objects were all lost from memory", async () => {
    const origin = await aWorked();
    await abortAllDurableObjects();
    const id = await startFrom({ resumeSessionId: origin });
    await abortAllDurableObjects();
    expect(await bash(id, "cat plan.md")).toContain("the plan");
    expect(await messagesOf(id)).toHaveLength(3);
  });

  it("can itself be resumed, even after its source was deleted", async () => {
    const origin = await aWorked();
    const id = await startFrom({ resumeSessionId: origin });
    value(await sessionOf(origin).remove(ALICE));
    expect(await bash(id, "cat plan.md")).toContain("the plan");
    const third = await startFrom({ resumeSessionId: id });
    expect(await bash(third, "cat plan.md")).toContain("the plan");
  });

  it("leaves no temporary copy behind", async () => {
    const before = await keysUnder("copies/");
    await startFrom({ resumeSessionId: await aWorked() });
    await until(async () => (await keysUnder("copies/")).length === before.length);
  });

  it("has no thinking blocks of the source, even with the same model", async () => {
    const thinking = { type: "adaptive", display: "summarized" };
    const origin = await createSession({ pattern: "hybrid", config: { thinking } });
    await ask(origin, "/think hard about it\nhello");
    const thoughts = (blocks: Awaited<ReturnType<typeof conversationOf>>) =>
      blocks.flatMap(({ content }) => content.filter(({ type }) => type === "thinking"));
    expect(thoughts(await conversationOf(origin))).not.toEqual([]);
    for (const model of ["claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5"]) {
      const id = await startFrom({ resumeSessionId: origin, model });
      expect(thoughts(await conversationOf(id, "claude-sonnet-5-5"))).toEqual([]);
      expect(await ask(id, "again")).toMatchObject({ status: "completed" });
      expect(Object.keys((await read(id)).usage)).toEqual([model]);
    }
  });

  it("keeps a summary that replaces the older part of its history", async () => {
    const origin = await createSession({
      pattern: "hybrid",
      config: { model: "claude-haiku-4-5" },
    });
    await ask(origin, `long\n${"word ".repeat(120_000)}`);
    await ask(origin, "more");
    expect(await typesOf(origin)).toContain("context.compacted");
    const id = await startFrom({ resumeSessionId: origin, model: "claude-haiku-4-5" });
    expect(await conversationOf(id)).toEqual(await conversationOf(origin));
    expect(await ask(id, "again")).toMatchObject({ status: "completed" });
  });
});

describe("a large session to resume", () => {
  it("is copied in parts if it has a long history with large results", async () => {
    const origin = await createSession({ pattern: "hybrid" });
    await ask(origin, "begin");
    await runInDurableObject(objectOf(origin), (_, { storage }) => {
      const { history, tools } = new SessionStore(storage);
      for (let n = 0; n < 600; n++) {
        const turnId = `turn_${n + 1_000}`;
        const run = { agent: "", runId: "run" };
        const text = `thing ${n} ${n % 200 === 0 ? 'ü\\"'.repeat(200_000) : ""}`;
        const tool = { id: `toolu_${n}`, name: "Bash", input: { command: text } };
        const content = [{ type: "tool_use" as const, ...tool }];
        history.addPrompt({ ...run, prompt: text });
        history.add({ ...run, turnId, model: "m", role: "assistant", content });
        tools.add({ ...tool, runId: "run", turnId });
        tools.finish("run", tool.id, { content: text });
      }
    });
    const { id: snapshotId, sizeBytes } = value(await sessionOf(origin).snapshot(ALICE));
    expect(sizeBytes).toBeGreaterThan(5 << 20);
    expect((await keysUnder(`snapshots/${snapshotId}/transcript`)).length).toBeGreaterThan(2);
    for (const config of [{ snapshotId }, { resumeSessionId: origin }]) {
      const id = await startFrom(config);
      const [had, has] = [await conversationOf(origin), await conversationOf(id)];
      expect(has).toHaveLength(had.length);
      // Compared as text, because printing the difference would take longer than the test.
      expect(JSON.stringify(has) === JSON.stringify(had)).toBe(true);
      expect((await read(id)).status).toBe("active");
    }
  }, 60_000);

  it("is copied with many files, and the new session works", async () => {
    const origin = await createSession({ pattern: "hybrid" });
    await bash(origin, "mkdir many; seq 150 | split -l 1 -a 3 -d - many/");
    await env.EMBEDDED_SANDBOXES.getByName(origin).writeFile(
      "/workspace/large",
      new Uint8Array(8 << 20).fill(7),
    );
    const id = await startFrom({ resumeSessionId: origin });
    const look = "ls many | wc -l; stat -c %s large; cat many/149";
    expect(await bash(id, look)).toMatch(/150\s+8388608\s+150/);
  }, 30_000);
});

describe("the source of a session", () => {
  it("can be named by its id or by its `sessionId`, which names the newest", async () => {
    const origin = await aWorked();
    const { sessionId } = await read(origin);
    const second = await startFrom({ resumeSessionId: sessionId });
    await bash(second, "echo newer > plan.md");
    const third = await startFrom({ resumeSessionId: sessionId });
    expect(await bash(third, "cat plan.md")).toContain("newer");
    const fromFirst = await startFrom({ resumeSessionId: origin });
    expect(await bash(fromFirst, "cat plan.md")).toContain("the plan");
    expect(await read(fromFirst)).toMatchObject({ sessionId });
    // An ephemeral session with the same `sessionId` is not taken as the newest.
    await startFrom({ resumeSessionId: origin }, { pattern: "ephemeral" });
    expect(await tryFrom({ resumeSessionId: sessionId })).toMatchObject({ ok: true });
  });

  it("is the newest session of the conversation for `continueSession`", async () => {
    const conversationId = Math.floor(Math.random() * 2 ** 50);
    const first = await aWorked({ conversationId });
    await createSession({ conversationId, pattern: "ephemeral" });
    const second = await startFrom({ continueSession: true }, { conversationId });
    await bash(second, "echo newer > plan.md");
    const third = await startFrom({ continueSession: true }, { conversationId });
    expect(await bash(third, "cat plan.md")).toContain("newer");
    expect(await read(third)).toMatchObject({ sessionId: (await read(first)).sessionId });
    const foreign = await tryFrom({ continueSession: true }, { conversationId }, BOB);
    expect(foreign).toMatchObject({ failure: { code: "not_found" } });
    const other = await tryFrom({ continueSession: true }, { conversationId: conversationId + 1 });
    expect(other).toMatchObject({ failure: { code: "not_found" } });
  });

  it("can be forked, which gives the new session its own `sessionId`", async () => {
    const origin = await aWorked();
    const before = await read(origin);
    const fork = await startFrom({ resumeSessionId: origin, forkSession: true });
    expect((await read(fork)).sessionId).toMatch(/^sdk_sess_/);
    expect((await read(fork)).sessionId).not.toBe(before.sessionId);
    expect(await conversationOf(fork)).toEqual(await conversationOf(origin));
    await bash(fork, "echo forked > plan.md");
    expect(await bash(origin, "cat plan.md")).toContain("the plan");
    expect(await bash(fork, "cat plan.md")).toContain("forked");
    const newest = await startFrom({ resumeSessionId: before.sessionId });
    expect(await bash(newest, "cat plan.md")).toContain("the plan");
  });

  it("is the first one of those that the config names", async () => {
    const origin = await aWorked();
    const config = { continueSession: true, snapshotId: "snap_0", resumeSessionId: origin };
    expect(await messagesOf(await startFrom(config))).toHaveLength(2);
  });

  it.each([
    ["an unknown id", "sess_ffffffffffffffffffffffffffffffff"],
    ["an invalid id", "sess_xyz123"],
    ["an unknown `sessionId`", "sdk_sess_none"],
    ["an empty text", ""],
  ])("can't be %s", async (_, resumeSessionId) => {
    const spec = aSpec({ config: { resumeSessionId } });
    expect(await sessionOf(spec.id).create(ALICE, spec)).toMatchObject({
      failure: { code: "not_found", message: expect.stringContaining(`"${resumeSessionId}"`) },
    });
    expect(await tracesOf(spec.id)).toEqual(NO_TRACES);
  });

  it("can't be a session of another owner, unless the caller is an admin", async () => {
    const origin = await aWorked();
    const { sessionId } = await read(origin);
    const snapshotId = value(await sessionOf(origin).snapshot(ALICE)).id;
    for (const config of [
      { resumeSessionId: origin },
      { resumeSessionId: sessionId },
      { snapshotId },
    ]) {
      expect(await tryFrom(config, {}, BOB)).toMatchObject({ failure: { code: "not_found" } });
      expect(await tryFrom(config, {}, ADMIN)).toMatchObject({ ok: true, value: { owner: "ops" } });
    }
  });

  it("can't be a deleted session", async () => {
    const origin = await aWorked();
    const { sessionId } = await read(origin);
    value(await sessionOf(origin).remove(ALICE));
    for (const resumeSessionId of [origin, sessionId]) {
      expect(await tryFrom({ resumeSessionId })).toMatchObject({ failure: { code: "not_found" } });
    }
  });

  it("can't be an ephemeral session, and the refusal says why", async () => {
    const origin = await createSession({ pattern: "ephemeral" });
    expect(await tryFrom({ resumeSessionId: origin })).toMatchObject({
      failure: {
        code: "invalid_request",
        message: expect.stringContaining("ephemeral"),
        details: { path: "config.resumeSessionId" },
      },
    });
  });

  it("can't be a session with a running message, which the refusal names", async () => {
    const origin = await aWorked();
    const running = value(await sessionOf(origin).send(ALICE, aMessage("/delay 3000\nslow")));
    expect(await tryFrom({ resumeSessionId: origin })).toMatchObject({
      failure: { code: "session_busy", details: { messageId: running.id, originId: origin } },
    });
    expect(await sessionOf(origin).snapshot(ALICE)).toMatchObject({
      failure: { code: "session_busy", details: { messageId: running.id } },
    });
    value(await sessionOf(origin).interrupt(ALICE));
    expect(await tryFrom({ resumeSessionId: origin })).toMatchObject({ ok: true });
  });

  it("is found by its id even without the index, and by other names only when the index is back", async () => {
    const origin = await aWorked();
    const { sessionId } = await read(origin);
    await env.DB.exec("ALTER TABLE agent_sessions RENAME TO away");
    try {
      expect(await tryFrom({ resumeSessionId: sessionId })).toMatchObject({
        failure: { code: "unavailable" },
      });
      expect(await tryFrom({ resumeSessionId: origin })).toMatchObject({ ok: true });
    } finally {
      await env.DB.exec("ALTER TABLE away RENAME TO agent_sessions");
    }
    expect(await tryFrom({ resumeSessionId: sessionId })).toMatchObject({ ok: true });
  });

  it("can't be found by `continueSession` without a conversation id", async () => {
    expect(await tryFrom({ continueSession: true })).toMatchObject({
      failure: { code: "invalid_request", details: { path: "config.continueSession" } },
    });
  });
});

describe("a create that is repeated", () => {
  it("returns the first session, even if the source was deleted", async () => {
    const origin = await aWorked();
    const spec = aSpec({ config: { resumeSessionId: origin }, requestHash: "one" });
    const session = sessionOf(spec.id);
    const [first, beside] = await Promise.all([
      session.create(ALICE, spec),
      session.create(ALICE, spec),
    ]);
    expect(value(beside)).toEqual(value(first));
    value(await sessionOf(origin).remove(ALICE));
    expect(value(await session.create(ALICE, spec))).toEqual(value(first));
    expect(await session.create(ALICE, { ...spec, requestHash: "two" })).toMatchObject({
      failure: { code: "idempotency_mismatch" },
    });
    expect(await messagesOf(spec.id)).toHaveLength(2);
  });
});

describe("a snapshot", () => {
  it("preserves a point in time, from which any number of sessions can start", async () => {
    const origin = await aWorked({ config: { env: { TOKEN: "secret" } } });
    const snapshot = value(await sessionOf(origin).snapshot(ALICE));
    expect(snapshot).toMatchObject({
      id: expect.stringMatching(/^snap_[0-9a-f]{32}$/),
      sessionId: origin,
      numMessages: 2,
      sizeBytes: expect.any(Number),
      expiresAt: snapshot.createdAt + 30 * DAY,
    });
    const past = await conversationOf(origin);
    await bash(origin, "echo later > plan.md");
    for (let times = 0; times < 2; times++) {
      const id = await startFrom({ snapshotId: snapshot.id });
      expect(await conversationOf(id)).toEqual(past);
      expect(await bash(id, "cat plan.md; echo $TOKEN")).toContain("the plan\nsecret");
      expect((await read(id)).sessionId).not.toBe((await read(origin)).sessionId);
    }
    expect(value(await sessionOf(origin).snapshots(ALICE))).toEqual([snapshot]);
  });

  it("makes a message that arrives meanwhile wait, and does not contain it", async () => {
    const origin = await aWorked();
    const session = sessionOf(origin);
    const put = SnapshotBucket.prototype.putPart;
    const paused = Promise.withResolvers<void>();
    vi.spyOn(SnapshotBucket.prototype, "putPart").mockImplementation(async function (
      this: SnapshotBucket,
      ...args
    ) {
      await paused.promise;
      return put.apply(this, args);
    });
    const taken = session.snapshot(ALICE);
    await scheduler.wait(100);
    const sent = value(await session.send(ALICE, aMessage('/Bash {"command":"rm plan.md"}')));
    await scheduler.wait(200);
    expect(value(await session.message(ALICE, sent.id))).toMatchObject({ numTurns: 0 });
    paused.resolve();
    const { id: snapshotId, numMessages } = value(await taken);
    expect(numMessages).toBe(2);
    await until(async () => value(await session.message(ALICE, sent.id)).status === "completed");
    const id = await startFrom({ snapshotId });
    expect(await bash(id, "cat plan.md")).toContain("the plan");
    expect(await messagesOf(id)).toHaveLength(3);
  });

  it("waits for another one that is being taken", async () => {
    const origin = await aWorked();
    const session = sessionOf(origin);
    const taken = await Promise.all([1, 2, 3].map(() => session.snapshot(ALICE)));
    const ids = taken.map((one) => value(one).id);
    expect(new Set(ids).size).toBe(3);
    expect(
      value(await session.snapshots(ALICE))
        .map(({ id }) => id)
        .sort(),
    ).toEqual(ids.sort());
  });

  it("is removed if there are too many newer ones", async () => {
    const origin = await createSession();
    const session = sessionOf(origin);
    const ids: string[] = [];
    for (let n = 0; n <= MAX_SNAPSHOTS; n++) ids.push(value(await session.snapshot(ALICE)).id);
    const kept = value(await session.snapshots(ALICE)).map(({ id }) => id);
    expect(kept).toEqual(ids.slice(1).reverse());
    expect(await keysUnder(`snapshots/${ids[0]}/`)).toEqual([]);
    expect(await tryFrom({ snapshotId: ids[0] ?? "" })).toMatchObject({
      failure: { code: "not_found" },
    });
  });

  it("is removed with its session", async () => {
    const origin = await aWorked();
    const { id } = value(await sessionOf(origin).snapshot(ALICE));
    expect(await keysUnder(`snapshots/${id}/`)).not.toEqual([]);
    value(await sessionOf(origin).remove(ALICE));
    expect(await keysUnder(`snapshots/${id}/`)).toEqual([]);
    expect(await tryFrom({ snapshotId: id })).toMatchObject({ failure: { code: "not_found" } });
  });

  it("is removed after thirty days, and a forgotten copy after one day", async () => {
    const origin = await aWorked();
    const { id } = value(await sessionOf(origin).snapshot(ALICE));
    const copy = `copies/copy_${id.slice("snap_".length)}`;
    value(await sessionOf(origin).copyTo(ALICE, copy));
    const expire = (inMs: number) =>
      new SnapshotBucket(env.SNAPSHOTS).removeExpired(Date.now() + inMs);
    await expire(DAY - MINUTE);
    expect(await keysUnder(copy)).not.toEqual([]);
    await expire(DAY + MINUTE);
    expect(await keysUnder(copy)).toEqual([]);
    await expire(30 * DAY - MINUTE);
    expect(await keysUnder(`snapshots/${id}/`)).not.toEqual([]);
    const later = Date.now() + 30 * DAY + MINUTE;
    vi.spyOn(Date, "now").mockReturnValue(later);
    expect(value(await sessionOf(origin).snapshots(ALICE))).toEqual([]);
    expect(await tryFrom({ snapshotId: id })).toMatchObject({ failure: { code: "not_found" } });
    vi.restoreAllMocks();
    await maintain(env, later);
    expect(await keysUnder(`snapshots/${id}/`)).toEqual([]);
  });

  it("is refused to other owners, and for an ephemeral session", async () => {
    const origin = await aWorked();
    const calls: ((s: SessionRpc) => Promise<{ ok: boolean }>)[] = [
      (s) => s.snapshot(BOB),
      (s) => s.snapshots(BOB),
      (s) => s.copyTo(BOB, "copies/bob"),
    ];
    for (const call of calls) {
      expect(await call(sessionOf(origin))).toMatchObject({ failure: { code: "not_found" } });
      expect(await call(sessionOf(newSessionId()))).toMatchObject({
        failure: { code: "not_found" },
      });
    }
    const ephemeral = await createSession({ pattern: "ephemeral" });
    expect(await sessionOf(ephemeral).snapshot(ALICE)).toMatchObject({
      failure: { code: "invalid_request" },
    });
  });
});
