import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";
import { NO_USAGE } from "../agent/pricing/usage";
import { aSessionRow, putSessions } from "../testing/rows";
import {
  ALICE,
  aSpec,
  ask,
  bash,
  newSessionId,
  objectOf,
  rowOf,
  sessionOf,
  value,
} from "../testing/sessions";
import {
  INDEX_BYTES,
  INDEX_ROWS,
  OBJECT_BYTES,
  OBJECT_ROWS,
  ROWS_READ,
  SANDBOX_BYTES,
} from "./measured.ts";

// If a test here fails, a session costs more rows or bytes than docs/scale.md says. Correct `measured.ts`, run
// `npm run simulate`, and put its tables into the page.

afterEach(() => {
  vi.restoreAllMocks();
});

const bytesOf = (object: DurableObjectStub): Promise<number> =>
  runInDurableObject(object, (_, { storage }) => storage.sql.databaseSize);

type Methods = Record<string, (...args: unknown[]) => unknown>;

/** Calls `after` with the result of each call of some methods. */
function watch(prototype: Methods, names: string[], after: (result: unknown) => void): void {
  for (const name of names) {
    const original = prototype[name] as Methods[string];
    vi.spyOn(prototype, name).mockImplementation(function (this: unknown, ...args) {
      const result = original.apply(this, args);
      after(result);
      return result;
    });
  }
}

// Sessions of other tests, which live in the same Worker, may write meanwhile. That can only add to what is measured.
const DISTURBED = { retry: 5 };

it("a session writes and reads no more rows than the simulation assumes", DISTURBED, async () => {
  const index = { written: 0, read: 0, writes: 0 };
  const object = { written: 0, read: 0 };
  const spec = aSpec({
    pattern: "hybrid",
    tags: ["a", "b"],
    userId: "u",
    conversationId: 9_007,
    description: "some words that describe it",
  });
  const countIndex = async (result: unknown) => {
    for (const { meta } of [await (result as Promise<D1Result | D1Result[]>)].flat()) {
      index.written += meta.rows_written;
      index.read += meta.rows_read;
    }
    index.writes += 1;
  };
  watch(Object.getPrototypeOf(env.DB.prepare("select 1")), ["run"], countIndex);
  watch(Object.getPrototypeOf(env.DB), ["batch"], countIndex);
  await runInDurableObject(objectOf(spec.id), (_, { storage }) => {
    const one = () => {
      object.written += 1;
    };
    watch(Object.getPrototypeOf(storage.sql), ["exec"], (cursor) => {
      object.written += (cursor as SqlStorageCursor<never>).rowsWritten;
      object.read += (cursor as SqlStorageCursor<never>).rowsRead;
    });
    watch(Object.getPrototypeOf(storage.kv), ["put", "delete"], one);
    watch(Object.getPrototypeOf(storage), ["setAlarm", "deleteAlarm"], one);
  });
  /** Returns what an action costs, once the index has the session's last version. */
  const costOf = async (act: () => Promise<unknown>) => {
    Object.assign(index, { written: 0, read: 0, writes: 0 });
    Object.assign(object, { written: 0, read: 0 });
    await act();
    const used = { ...object };
    const isIndexed = async () =>
      (await rowOf(spec.id))?.version === value(await sessionOf(spec.id).read(ALICE)).version;
    for (let tries = 0; tries < 300 && !(await isIndexed()); tries++) await scheduler.wait(10);
    return { object: used, index: { ...index, each: index.written / index.writes } };
  };
  const created = await costOf(async () => value(await sessionOf(spec.id).create(ALICE, spec)));
  expect(created.index.written).toBeLessThanOrEqual(INDEX_ROWS.create);
  expect(created.object.written).toBeLessThanOrEqual(OBJECT_ROWS.create);
  await ask(spec.id, bash("true"));
  const message = await costOf(() => ask(spec.id, "hello again"));
  expect(message.object.written).toBeLessThanOrEqual(OBJECT_ROWS.message);
  expect(message.index.each).toBeLessThanOrEqual(INDEX_ROWS.update);
  expect(message.index.read / message.index.writes).toBeLessThanOrEqual(ROWS_READ.write);
  const withTool = await costOf(() => ask(spec.id, bash("echo hi")));
  expect(message.object.read).toBeLessThanOrEqual(ROWS_READ.message);
  expect(withTool.object.read).toBeLessThanOrEqual(ROWS_READ.message + ROWS_READ.turn);
  expect(withTool.object.written).toBeLessThanOrEqual(OBJECT_ROWS.message + OBJECT_ROWS.turn);
  const ended = await costOf(async () => value(await sessionOf(spec.id).terminate(ALICE, "done")));
  expect(ended.index.written).toBeLessThanOrEqual(INDEX_ROWS.status);
  expect(ended.object.written).toBeLessThanOrEqual(OBJECT_ROWS.status);
  expect(await bytesOf(objectOf(spec.id))).toBeLessThanOrEqual(OBJECT_BYTES * 1.2);
  const sandbox = env.EMBEDDED_SANDBOXES.getByName(spec.id);
  expect(await bytesOf(sandbox)).toBeLessThanOrEqual(SANDBOX_BYTES * 1.2);
  index.written = 0;
  value(await sessionOf(spec.id).remove(ALICE));
  expect(index.written).toBeLessThanOrEqual(INDEX_ROWS.remove);
  expect(index.written).toBeGreaterThan(0);
});

const USED = { "claude-sonnet-5-5": { ...NO_USAGE, inputTokens: 12_345, costNanos: 8_222_500 } };

it("a session takes no more bytes of the index than the simulation assumes", async () => {
  const size = async () => (await env.DB.prepare("SELECT 1").run()).meta.size_after;
  const rows = Array.from({ length: 1_000 }, (_, n) =>
    aSessionRow({
      id: newSessionId(),
      sessionId: `sdk_sess_${crypto.randomUUID()}`,
      tags: ["a", "b"],
      userId: `user_${n % 50}`,
      conversationId: n,
      description: "some words that describe it",
      usage: USED,
      usageDays: { "2026-11-20": USED },
    }),
  );
  await putSessions(env.DB, rows.slice(0, 100));
  const before = await size();
  await putSessions(env.DB, rows.slice(100));
  expect(((await size()) - before) / 900).toBeLessThanOrEqual(INDEX_BYTES * 1.1);
});
