import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SessionRow } from "../db/schema";
import { retryAt } from "../shared/backoff";
import { createSession, objectOf } from "../testing/sessions";
import { Outbox } from "./outbox";
import { SessionStore } from "./storage/store";
import { change } from "./transactions/state";

/** Creates an outbox over a real session's store, with an index whose next writes fail a given number of times. */
async function withOutbox(
  failures: number,
  act: (outbox: Outbox, store: SessionStore, sent: number[]) => Promise<void>,
): Promise<void> {
  const id = await createSession();
  await runInDurableObject(objectOf(id), async (_, state) => {
    const store = new SessionStore(state.storage);
    const sent: number[] = [];
    const put = async (row: SessionRow) => {
      if (failures-- > 0) throw new Error("the index is away");
      sent.push(row.version);
    };
    const deps = { put, remove: put, forget: async () => {}, reschedule: () => {} };
    await act(new Outbox(store, deps), store, sent);
  });
}

const touch = (store: SessionStore) => store.transaction(() => change(store, {}, Date.now()));

describe("the outbox", () => {
  it("sends the newest state once for any number of changes", async () => {
    await withOutbox(0, async (outbox, store, sent) => {
      touch(store);
      touch(store);
      await Promise.all([outbox.drain(), outbox.drain()]);
      expect(sent).toEqual([store.state.version]);
      expect(store.outbox).toBeNull();
      await outbox.drain();
      expect(sent).toHaveLength(1);
    });
  });

  it("waits for its retry time after a failure, whatever changes meanwhile", async () => {
    await withOutbox(1, async (outbox, store, sent) => {
      touch(store);
      await outbox.drain();
      expect(store.outbox).toMatchObject({ attempts: 1 });
      const nextAt = store.outbox?.nextAt ?? 0;
      expect(nextAt).toBeGreaterThan(Date.now());
      touch(store);
      outbox.drainSoon();
      await outbox.drainDue(nextAt - 1);
      await scheduler.wait(300);
      expect(sent).toEqual([]);
      await outbox.drainDue(nextAt);
      expect(sent).toEqual([store.state.version]);
    });
  });

  it("waits longer after each failure, up to five minutes, with jitter", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (attempts, random) => {
          const wait = retryAt(0, attempts, random);
          expect(wait).toBeGreaterThanOrEqual(Math.min(500 * 2 ** (attempts - 1), 150_000));
          expect(wait).toBeLessThanOrEqual(300_000);
        },
      ),
    );
  });
});
