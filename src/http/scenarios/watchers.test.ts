import { runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { aClient } from "../../testing/api-client";
import { lose } from "../../testing/sessions";

const client = aClient();
const asStream = { Accept: "text/event-stream" };
// The type is known only in the main module.
const worker = (exports as unknown as { default: Fetcher }).default;
const EventPage = z.object({
  events: z.array(
    z.looseObject({ seq: z.int(), type: z.string(), messageId: z.string().optional() }),
  ),
});

afterEach(() => vi.restoreAllMocks());

const idsOf = (text: string) => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));

/** Returns everything that a session's object holds: its rows, its keys, its alarm and its sockets. */
function holdingsOf(id: string) {
  return runInDurableObject(env.SESSIONS.getByName(id), async (_, state) => {
    const { sql } = state.storage;
    const names = sql.exec("SELECT name FROM sqlite_master WHERE type = 'table'").toArray();
    const rows = names
      .map(({ name }) => String(name))
      .filter((name) => !name.startsWith("_"))
      .map((name) => [name, sql.exec(`SELECT count(*) AS n FROM "${name}"`).one().n]);
    return {
      rows: Object.fromEntries(rows),
      keys: [...state.storage.kv.list()].map(([key]) => key),
      alarm: await state.storage.getAlarm(),
      sockets: state.getWebSockets().length,
    };
  });
}

describe("a watcher that stops reading", () => {
  it("is sent only what fits, and gets every event in order from the log when it reads again", async () => {
    const { id } = await client.create({ maxBudgetUsd: null });
    const url = `https://rigger.test/api/sessions/${id}/events`;
    const stalled = await worker.fetch(url, { headers: asStream });
    const quick = worker.fetch(url, { headers: asStream }).then((response) => response.text());
    for (let n = 0; n < 12; n++) {
      await client.ask(id, { prompt: `${"x".repeat(300_000)}\n/tokens 10000` });
      // A model without any delay leaves no time for the sockets.
      await scheduler.wait(10);
    }
    // Its socket is closed, so new events stay in the log. The other watcher has read all events.
    await vi.waitFor(async () => expect((await holdingsOf(id)).sockets).toBe(1));
    await client.ask(id, { prompt: "one more" });
    await client.post(`/api/sessions/${id}/terminate`);

    const page = await client.get(`/api/sessions/${id}/events`);
    const log = EventPage.parse(page.body).events.map(({ seq }) => seq);
    expect(log.length).toBeGreaterThan(5 * 12);
    const late = idsOf(await stalled.text());
    expect(late).toEqual(late.map((_, index) => index + 1));
    expect(late.slice(0, log.length)).toEqual(log);
    expect(idsOf(await quick)).toEqual(late);
  }, 30_000);
});

describe("the stream of a message", () => {
  const streamed = (id: string, prompt: string) =>
    client.raw("POST", `/api/sessions/${id}/message`, { body: { prompt, streaming: true } });
  const logOf = async (id: string) =>
    EventPage.parse((await client.get(`/api/sessions/${id}/events?limit=500`)).body).events;

  it("needs no socket of the session", async () => {
    const { id } = await client.create();
    const response = await streamed(id, "/delay 300\nhello");
    expect((await holdingsOf(id)).sockets).toBe(0);
    expect(idsOf(await response.text())).toContain((await logOf(id)).at(-1)?.seq);
  });

  it("goes on after the session's object was lost, without a gap", async () => {
    const { id } = await client.create();
    const response = await streamed(id, '/Bash {"command":"true"}\n/delay 500\nhello');
    await vi.waitFor(async () =>
      expect((await logOf(id)).map(({ type }) => type)).toContain("tool.completed"),
    );
    await lose(id);
    const text = await response.text();
    const log = await logOf(id);
    expect(text).toContain("event: message.completed");
    const first = log.find(({ type }) => type === "message.received")?.seq ?? 0;
    const own = log.filter(({ seq, messageId }) => seq >= first && messageId !== undefined);
    expect(idsOf(text)).toEqual(own.map(({ seq }) => seq));
  });

  it("whose reader stops is broken off, and goes on from the log", async () => {
    const { id } = await client.create({ maxBudgetUsd: null });
    // More than what waits in the object and in the Worker together, in live events.
    const turns = Array.from({ length: 10 }, () => '/tokens 16000\n/Glob {"pattern":"*"}');
    const stalled = await streamed(id, turns.join("\n"));
    await vi.waitFor(
      async () =>
        expect((await client.get(`/api/sessions/${id}/messages`)).body).toMatchObject({
          messages: [{ status: "completed" }],
        }),
      { timeout: 20_000 },
    );
    const own = (await logOf(id)).filter(({ messageId }) => messageId !== undefined);
    expect(idsOf(await stalled.text())).toEqual(own.map(({ seq }) => seq));
  }, 30_000);
});

describe("a thousand watchers that connect and disconnect", () => {
  it("leave no socket, no timer and no row behind", async () => {
    const { id } = await client.create();
    await client.ask(id, { prompt: "hello" });
    // A patch is answered when the index has it, so nothing remains to be sent.
    await client.patch(`/api/sessions/${id}`, { tags: ["watched"] });
    const before = await holdingsOf(id);
    const timers = new Set<unknown>();
    const [set, clear] = [setTimeout, clearTimeout];
    vi.spyOn(globalThis, "setTimeout").mockImplementation(((then: () => void, ms?: number) => {
      const timer = set(() => {
        timers.delete(timer);
        then();
      }, ms);
      if (ms && ms >= 5_000) timers.add(timer);
      return timer;
    }) as typeof setTimeout);
    vi.spyOn(globalThis, "clearTimeout").mockImplementation((timer) => {
      timers.delete(timer);
      clear(timer as number);
    });

    const comeAndGo = async (n: number) => {
      const response = await client.raw("GET", `/api/sessions/${id}/events`, { headers: asStream });
      const reader = response.body?.getReader();
      // Some disconnect immediately, some after the first event.
      if (n % 3 > 0) expect((await reader?.read())?.done).toBe(false);
      await reader?.cancel();
    };
    for (let n = 0; n < 1_000; n += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => comeAndGo(n + index)));
    }
    await vi.waitFor(async () => expect((await holdingsOf(id)).sockets).toBe(0));
    expect(await holdingsOf(id)).toEqual(before);
    await vi.waitFor(() => expect(timers.size).toBe(0));
  }, 30_000);
});
