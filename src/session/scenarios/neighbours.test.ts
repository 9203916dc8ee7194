import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { at, replaceWrites, withoutPauses } from "../../testing/faults";
import {
  ALICE,
  aMessage,
  ask,
  createSession,
  eventsOf,
  objectOf,
  read,
  rowOf,
  sessionOf,
  tablesOf,
  until,
  value,
} from "../../testing/sessions";
import { SessionStore } from "../storage/store";

afterEach(() => vi.restoreAllMocks());

const outboxOf = (id: string) =>
  runInDurableObject(objectOf(id), (_, state) => new SessionStore(state.storage).outbox);
const ring = (id: string) => runDurableObjectAlarm(objectOf(id));

/** Checks that the list shows a session as its object returns it. */
async function expectListed(id: string): Promise<void> {
  const { version, status, totalCostNanos, numTurns, description } = await read(id);
  const row = {
    version,
    status,
    total_cost_nanos: totalCostNanos,
    num_turns: numTurns,
    description,
  };
  expect(await rowOf(id)).toMatchObject(row);
}

describe("an index that fails", () => {
  it("for an hour is retried less and less often while sessions continue, and is then updated", async () => {
    const ids = [await createSession(), await createSession()];
    const first = ids[0] ?? "";
    const tried: number[] = [];
    let down = true;
    replaceWrites(async ({ id }, run) => {
      if (id === first) tried.push(Date.now());
      if (ids.includes(id) && down) throw new Error("D1_ERROR: down");
      return run();
    });
    const begun = Date.now();
    for (const id of ids) await ask(id, "hello");
    for (const id of ids) value(await sessionOf(id).update(ALICE, { description: "one" }));

    let [now, attempts, asked] = [begun, 0, false];
    while (now < begun + 3_600_000) {
      for (const id of ids) {
        const outbox = await outboxOf(id);
        if (!outbox) throw new Error("it has nothing to send");
        await at(outbox.nextAt - 1, () => ring(id));
        await at(outbox.nextAt, () => ring(id));
        if (id !== first) continue;
        [now, attempts] = [outbox.nextAt, outbox.attempts + 1];
      }
      if (attempts < 5 || asked) continue;
      asked = true;
      await at(now, () => ask(first, "more"));
    }
    expect(await outboxOf(first)).toMatchObject({ attempts });
    expect(tried).toHaveLength(attempts);
    tried.slice(1).forEach((instant, n) => {
      const waited = instant - (tried[n] ?? 0);
      expect(waited).toBeGreaterThanOrEqual(Math.min(500 * 2 ** n, 150_000));
    });
    expect(attempts).toBeLessThan(40);
    expect(await read(first)).toMatchObject({ numTurns: 2, status: "active" });
    expect(await rowOf(first)).toMatchObject({ num_turns: 0 });

    down = false;
    for (const id of ids) {
      const next = await outboxOf(id);
      await at(next?.nextAt ?? 0, () => ring(id));
      expect(await outboxOf(id)).toBeNull();
      await expectListed(id);
    }
  });

  it("for one session's row does not affect other sessions", async () => {
    const id = await createSession();
    const other = await createSession();
    replaceWrites((row, run) =>
      row.id === id ? Promise.reject(new Error("D1_ERROR: no")) : run(),
    );
    const changes = { description: "changed" };
    for (const each of [id, other]) {
      expect(value(await sessionOf(each).update(ALICE, changes))).toMatchObject(changes);
    }
    expect(await rowOf(id)).toMatchObject({ description: null });
    await expectListed(other);
    expect(await ask(id, "hello")).toMatchObject({ status: "completed" });
  });

  it("delays the erasure of a removed session until the list no longer has it", async () => {
    const id = await createSession();
    const batch = vi.spyOn(env.DB, "batch").mockRejectedValue(new Error("D1_ERROR: down"));
    value(await sessionOf(id).remove(ALICE));
    expect(await sessionOf(id).read(ALICE)).toMatchObject({ failure: { code: "not_found" } });
    expect(await rowOf(id)).not.toBeNull();
    batch.mockRestore();
    const outbox = await outboxOf(id);
    await at(outbox?.nextAt ?? 0, () => ring(id));
    expect(await rowOf(id)).toBeNull();
    expect(await tablesOf(objectOf(id))).toEqual([]);
  });
});

describe("an index that never answers a write", () => {
  it("delays a create only up to a timeout, is retried, and reverts nothing when it answers late", async () => {
    let slow = true;
    const woken: (() => Promise<unknown>)[] = [];
    replaceWrites((_, run) => {
      if (!slow) return run();
      woken.push(run);
      return new Promise(() => {});
    });
    const id = await withoutPauses(async () => {
      const id = await createSession({ description: "old" });
      // The write has not timed out yet, so the create did not wait for that.
      expect(await outboxOf(id)).toMatchObject({ attempts: 0 });
      await vi.waitFor(async () => expect(await outboxOf(id)).toMatchObject({ attempts: 1 }));
      return id;
    }, 1 / 20);
    expect(await rowOf(id)).toBeNull();
    expect(await ask(id, "hello")).toMatchObject({ status: "completed" });
    slow = false;
    value(await sessionOf(id).update(ALICE, { description: "new" }));
    await expectListed(id);

    expect(woken.length).toBeGreaterThan(0);
    await runInDurableObject(objectOf(id), () => Promise.all(woken.map((run) => run())));
    await expectListed(id);
  });
});

/** Makes calls of sandbox objects return this answer until mocks are restored. */
function sandboxesThat(answer: () => Promise<never>, ...only: string[]) {
  const getByName = env.EMBEDDED_SANDBOXES.getByName.bind(env.EMBEDDED_SANDBOXES);
  const spy = vi.spyOn(env.EMBEDDED_SANDBOXES, "getByName").mockImplementation(
    (name) =>
      new Proxy(getByName(name), {
        get(object, method) {
          const broken = vi.isMockFunction(env.EMBEDDED_SANDBOXES.getByName);
          if (broken && (only.length === 0 || only.includes(String(method)))) return answer;
          return (...args: unknown[]) => Reflect.get(object, method)(...args);
        },
      }),
  );
  return spy;
}

/** Runs a prompt that uses the sandbox in a new session, and checks that the session still works. */
async function withSandbox(prompt: string, whileItRuns: (id: string) => Promise<unknown>) {
  const id = await createSession();
  const sent = value(await sessionOf(id).send(ALICE, aMessage(prompt)));
  await whileItRuns(id);
  await until(async () => value(await sessionOf(id).message(ALICE, sent.id)).endedAt !== null);
  const message = value(await sessionOf(id).message(ALICE, sent.id));
  const results = (await eventsOf(id)).flatMap((e) => (e.type === "tool.completed" ? [e] : []));
  vi.restoreAllMocks();
  const next = await ask(id, '/Bash {"command":"echo back"}');
  expect(next.result).toMatch(/returned: back$/);
  return { id, message, results };
}

const tools = [
  '/Bash {"command":"echo hi","timeout":300}',
  '/Read {"file_path":"a.txt"}',
  '/Write {"file_path":"a.txt","content":"a"}',
  '/Edit {"file_path":"a.txt","old_string":"","new_string":"a"}',
  '/Glob {"pattern":"*"}',
  '/Grep {"pattern":"a"}',
].join("\n");

describe("a failing sandbox", () => {
  it("that crashes during a command causes an error result for the model", async () => {
    const command = '/Bash {"command":"echo x > begun; sleep 60"}';
    const { message, results } = await withSandbox(command, async (id) => {
      const sandbox = env.EMBEDDED_SANDBOXES.getByName(id);
      const begun = async () => {
        const answer = await sandbox.readFile("/workspace/begun");
        return answer.ok && answer.value !== null;
      };
      await until(begun);
      await runInDurableObject(sandbox, (_, state) => state.abort("out of memory")).catch(() => {});
    });
    expect(message).toMatchObject({ status: "completed", numTurns: 2, toolsUsed: ["Bash"] });
    expect(message.result).toContain("Bash failed: The sandbox could not do this");
    expect(results).toMatchObject([{ isError: true }]);
  });

  it.each([
    ["does not start", () => Promise.reject(new Error("no capacity"))],
    ["never answers", () => new Promise<never>(() => {})],
  ])("that %s causes an error result of every tool that needs it", async (_, answer) => {
    sandboxesThat(answer);
    const { message, results } = await withoutPauses(() => withSandbox(tools, async () => {}));
    expect(message).toMatchObject({ status: "completed", numTurns: 7 });
    expect(results).toHaveLength(6);
    for (const { isError, content } of results) {
      expect(isError).toBe(true);
      expect(content).toMatch(/^The sandbox could not do this: .*(no capacity|did not answer)/);
    }
  });

  it("that can't be destroyed keeps a removed session, hidden, until a retry succeeds", async () => {
    const id = await createSession();
    const busy = sandboxesThat(() => Promise.reject(new Error("busy")), "destroy");
    value(await sessionOf(id).remove(ALICE));
    expect(await sessionOf(id).read(ALICE)).toMatchObject({ failure: { code: "not_found" } });
    busy.mockRestore();
    const outbox = await outboxOf(id);
    await at(outbox?.nextAt ?? 0, () => ring(id));
    expect(await tablesOf(objectOf(id))).toEqual([]);
  });
});
