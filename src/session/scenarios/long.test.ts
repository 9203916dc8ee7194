import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import {
  ALICE,
  ask,
  createSession,
  lose,
  objectOf,
  plannedAlarm,
  sessionOf,
  value,
} from "../../testing/sessions";
import type { Call } from "../storage/calls";
import { SessionStore } from "../storage/store";

/** Counts the rows that an object reads and writes for an action, which does not depend on the load of the machine. */
async function rowsOf(id: string, act: () => Promise<unknown>) {
  const cursors: { rowsRead: number; rowsWritten: number }[] = [];
  const sql = await runInDurableObject(objectOf(id), (_, { storage }) => storage.sql);
  const prototype = Object.getPrototypeOf(sql) as { exec: (...query: unknown[]) => never };
  const { exec } = prototype;
  prototype.exec = function (this: unknown, ...query) {
    const cursor = exec.apply(this, query);
    cursors.push(cursor);
    return cursor;
  };
  try {
    await act();
  } finally {
    prototype.exec = exec;
  }
  const sum = (what: "rowsRead" | "rowsWritten") =>
    cursors.reduce((total, cursor) => total + cursor[what], 0);
  return { read: sum("rowsRead"), written: sum("rowsWritten") };
}

/** Gives a session a history of a number of turns, summarized except for the last few. */
async function live(id: string, turns: number): Promise<void> {
  await runInDurableObject(objectOf(id), (_, { storage }) => {
    const store = new SessionStore(storage);
    storage.transactionSync(() => {
      for (let n = 0; n < turns; n++) {
        const scope = { messageId: `msg_${n}` };
        store.messages.add({
          id: scope.messageId,
          requestHash: "",
          prompt: "hello",
          agent: null,
          options: { background: false, maxTurns: null, maxBudgetNanos: null },
          firstSeq: store.log.append({ type: "message.started" }, scope, n),
          createdAt: n,
          startedAt: null,
        });
        storage.sql.exec(
          "UPDATE messages SET status = 'completed', ended_at = 1 WHERE id = ?",
          scope.messageId,
        );
        const run = { id: scope.messageId, messageId: scope.messageId, agent: "" };
        store.runs.add({ ...run, parentToolUseId: null, background: false });
        store.runs.close(run.id);
        const call: Call & { messageId: string } = {
          ...{
            id: `past_${n}.1`,
            turnId: `past_${n}`,
            attempt: 1,
            runId: run.id,
            kind: "reply",
            ref: "",
          },
          ...{
            model: "claude-sonnet-5-5",
            leastTokens: 0,
            likelyTokens: 1,
            begunAt: n,
            messageId: run.id,
          },
          ...{ boundNanos: 0, heldNanos: 0, costNanos: 0, settled: false },
        };
        store.calls.add(call);
        const settled = { boundNanos: 0, heldNanos: 0, costNanos: 0, settled: true };
        store.calls.settle(call, settled, true);
        store.history.addPrompt({ agent: "", runId: run.id, prompt: "hello" });
        const said = {
          role: "assistant" as const,
          content: [{ type: "text" as const, text: "hi" }],
        };
        const place = { agent: "", runId: run.id, turnId: `past_${n}`, model: "claude-sonnet-5-5" };
        const upTo = store.history.add({ ...place, ...said });
        const summary = { type: "compaction" as const, content: "so far", encrypted_content: null };
        if (n === turns - 5) store.history.saveSummary("", summary, upTo);
      }
    });
  });
}

describe("a session of ten thousand turns", () => {
  it("reads and writes no more rows for a message or a page than a session of ten turns", async () => {
    const costs = [];
    for (const turns of [10, 10_000]) {
      const id = await createSession();
      await ask(id, "hello");
      await live(id, turns);
      void lose(id);
      await scheduler.wait(20);
      const session = sessionOf(id);
      costs.push({
        waking: await rowsOf(id, () => session.read(ALICE)),
        message: await rowsOf(id, () => ask(id, "and now?")),
        page: await rowsOf(id, async () =>
          value(await session.messages(ALICE, { after: 5, limit: 5 })),
        ),
        events: await rowsOf(id, async () =>
          value(await session.events(ALICE, { after: 5, limit: 5 })),
        ),
      });
      // Otherwise its alarm could fire while the other session is measured.
      await plannedAlarm(id);
    }
    const [short, long] = costs;
    for (const what of ["waking", "message", "page", "events"] as const) {
      const [some, same] = [short?.[what], long?.[what]];
      expect(some?.read, what).toBeGreaterThan(0);
      // The count may differ by a row, depending on what the alarm does meanwhile.
      expect(same?.read, what).toBeLessThan((some?.read ?? 0) + 10);
      expect(same?.written, what).toBeLessThan((some?.written ?? 0) + 10);
    }
  }, 60_000);
});
