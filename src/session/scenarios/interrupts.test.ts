import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ALICE,
  aMessage,
  ask,
  createSession,
  eventsOf,
  objectOf,
  sessionOf,
  tablesOf,
  until,
  value,
} from "../../testing/sessions";
import { SessionStore } from "../storage/store";

/** Returns the size in bytes of a file in a session's sandbox; -1 if it does not exist. */
async function sizeOf(id: string, path: string): Promise<number> {
  const read = await env.EMBEDDED_SANDBOXES.getByName(id).readFile(path);
  return read.ok && read.value ? read.value.byteLength : -1;
}

describe("a command that is stopped", () => {
  it.each(["interrupt", "terminate", "another message"] as const)(
    "by %s has no further effect",
    async (how) => {
      const id = await createSession();
      const session = sessionOf(id);
      const ticking = "while :; do echo x >> ticks; sleep 0.005; done";
      const prompt = `/Bash {"command":"${ticking}"} & /Bash {"command":"echo never > next"}`;
      value(await session.send(ALICE, aMessage(prompt)));
      await until(async () => (await sizeOf(id, "/workspace/ticks")) > 0);
      if (how === "interrupt") value(await session.interrupt(ALICE));
      if (how === "terminate") value(await session.terminate(ALICE, "why"));
      if (how === "another message") await ask(id, "now!", { onBusy: "interrupt" });
      // A call that sends a message does not wait for the work that it stopped.
      if (how === "another message") await scheduler.wait(100);
      const ticks = await sizeOf(id, "/workspace/ticks");
      await scheduler.wait(100);
      expect(await sizeOf(id, "/workspace/ticks")).toBe(ticks);
      expect(await sizeOf(id, "/workspace/next")).toBe(-1);
    },
  );

  it("by deleting its session leaves no file", async () => {
    const id = await createSession();
    const ticking = "while :; do echo x >> ticks; sleep 0.005; done";
    value(await sessionOf(id).send(ALICE, aMessage(`/Bash {"command":"${ticking}"}`)));
    await until(async () => (await sizeOf(id, "/workspace/ticks")) > 0);
    value(await sessionOf(id).remove(ALICE));
    await scheduler.wait(50);
    expect(await tablesOf(env.EMBEDDED_SANDBOXES.getByName(id))).toEqual([]);
  });
});

describe("an interrupt at any time", () => {
  const line = fc.constantFrom(
    '/Bash {"command":"sleep 0.01; echo a >> a"} & /Bash {"command":"echo b >> a"}',
    '/Read {"file_path":"a"} & /Glob {"pattern":"*"} & /Grep {"pattern":"a"}',
    '/WebSearch {"query":"/delay 5"} & /TodoWrite {"todos":[]}',
    '/delay 8\n/Write {"file_path":"a","content":"c"}',
    "/think of it\n/tokens 200\n/Nope {}",
    '/fail 529\n/Bash {"command":"sleep 1"}',
  );

  it("leaves a conversation that the API accepts, in which every tool call has one result", async () => {
    const moment = fc.array(fc.nat(25), { minLength: 1, maxLength: 3 });
    const property = fc.asyncProperty(
      fc.array(line, { minLength: 1, maxLength: 4 }),
      moment,
      async (lines, moments) => {
        const id = await createSession();
        const session = sessionOf(id);
        for (const ms of moments) {
          value(await session.send(ALICE, aMessage(lines.join("\n"))));
          await scheduler.wait(ms);
          value(await session.interrupt(ALICE));
        }
        // The model refuses a conversation with a tool call that has no result.
        expect(await ask(id, "go on")).toMatchObject({ status: "completed", error: null });

        const events = await eventsOf(id);
        expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
        const started = events.flatMap((e) => (e.type === "tool.started" ? [e.toolUseId] : []));
        const ended = events.flatMap((e) => (e.type === "tool.completed" ? [e.toolUseId] : []));
        expect(ended.toSorted()).toEqual(started.toSorted());
        await runInDurableObject(objectOf(id), (_, { storage }) => {
          const { running, balance } = new SessionStore(storage).state;
          expect(running).toBeNull();
          const count = (sql: string) => storage.sql.exec(sql).one().n;
          expect(count("SELECT count(*) AS n FROM calls WHERE settled = 0")).toBe(0);
          expect(count("SELECT count(*) AS n FROM tools WHERE state <> 'done'")).toBe(0);
          expect(count("SELECT count(*) AS n FROM runs WHERE open")).toBe(0);
          expect(balance.heldNanos).toBe(count("SELECT sum(held_nanos) AS n FROM calls"));
          expect(balance.spentNanos).toBe(count("SELECT sum(cost_nanos) AS n FROM calls"));
        });
      },
    );
    await fc.assert(property, { numRuns: 15 });
  }, 30_000);
});
