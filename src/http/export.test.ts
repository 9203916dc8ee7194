import { runInDurableObject } from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { Session } from "../session/session";
import { readSettings } from "../settings";
import { aClient } from "../testing/api-client";
import { createInContainer } from "../testing/container-sessions";
import { installFakeContainers } from "../testing/fake-containers";
import { withoutPauses } from "../testing/faults";
import {
  ALICE,
  ask,
  lose,
  newSessionId,
  objectOf,
  sessionOf,
  until,
  value,
} from "../testing/sessions";
import { sha256Hex } from "./ids";

const client = aClient();
const worker = (exports as unknown as { default: Fetcher }).default;
const url = (id: string) => `/api/sessions/${id}/export`;
const Line = z.looseObject({ type: z.string() });

afterEach(() => {
  vi.restoreAllMocks();
});

/** Parses an export. Every line of it, the last one included, ends with a line break. */
function linesOf(text: string) {
  expect(text.endsWith("\n")).toBe(true);
  return text
    .slice(0, -1)
    .split("\n")
    .map((line) => Line.parse(JSON.parse(line)));
}

const exported = async (id: string) => (await client.raw("GET", url(id))).text();
const body = async (path: string) =>
  z.record(z.string(), z.unknown()).parse((await client.get(path)).body);

/** Appends events, of a size in characters, to a session's log. */
const fill = (id: string, count: number, characters: number) =>
  runInDurableObject(objectOf(id), (_, { storage }) =>
    storage.sql.exec(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
       INSERT INTO events (type, body) SELECT 'session.updated', json_object(
         'type', 'session.updated', 'at', '2026-11-23T09:33:14.772Z', 'changed', json_array(hex(zeroblob(?)))
       ) FROM n`,
      count,
      characters / 2,
    ),
  );

describe("GET /api/sessions/:id/export", () => {
  it("returns the session, its messages and its events as the API shows them, and counts them at the end", async () => {
    const { id } = await client.create({ pattern: "hybrid" });
    await client.ask(id, { prompt: "one" });
    await client.ask(id, { prompt: 'two\n/Bash {"command":"echo hi"}' });
    await client.post(`/api/sessions/${id}/terminate`);
    const response = await client.raw("GET", url(id));
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toBe("application/x-ndjson; charset=utf-8");
    const session = await body(`/api/sessions/${id}`);
    const { messages } = await body(`/api/sessions/${id}/messages`);
    const { events } = await body(`/api/sessions/${id}/events`);
    const [first, ...rest] = linesOf(await response.text());
    expect(first).toEqual({ type: "session", ...session });
    const all = [
      ...z
        .array(z.looseObject({}))
        .parse(messages)
        .map((one) => ({ type: "message", ...one })),
      ...z.array(z.looseObject({})).parse(events),
    ];
    expect(rest.slice(0, -1)).toEqual(all);
    expect(rest.at(-1)).toEqual({ type: "end", messages: 2, events: all.length - 2 });
  });

  it("needs the rights that reading the session needs", async () => {
    const { id } = await client.create();
    const head = await client.raw("HEAD", url(id));
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(head.headers.get("Content-Type")).toBe("application/x-ndjson; charset=utf-8");
    for (const unknown of [newSessionId(), "nothing"]) {
      for (const method of ["GET", "HEAD"]) {
        expect((await client.raw(method, url(unknown))).status).toBe(404);
      }
    }
    const key = { name: "k", owner: "eve", sha256: await sha256Hex("key") };
    const settings = readSettings({ API_KEYS: JSON.stringify([key]) });
    const eve = aClient(settings, { Authorization: "Bearer key" });
    expect((await eve.get(url(id))).status).toBe(404);
    expect((await aClient(settings).get(url(id))).status).toBe(401);
    expect((await eve.post(url(id))).status).toBe(405);
  });

  it("ends with the events that were there when it began", async () => {
    const { id } = await client.create({ pattern: "hybrid" });
    await client.ask(id, { prompt: "before" });
    await fill(id, 2_000, 2_000);
    const { body: stream } = await client.raw("GET", url(id));
    const reader = (stream as ReadableStream<Uint8Array>).getReader();
    const first = await reader.read();
    await client.ask(id, { prompt: "meanwhile" });
    const chunks = [first.value];
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      chunks.push(next.value);
    }
    const text = new TextDecoder().decode(await new Blob(chunks as Uint8Array[]).arrayBuffer());
    expect(text).not.toContain("meanwhile");
    const lines = linesOf(text);
    const events = lines.filter((line) => "seq" in line);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, n) => n + 1));
    expect(lines.at(-1)).toEqual({ type: "end", messages: 1, events: events.length });
    expect(linesOf(await exported(id)).at(-1)).toMatchObject({ messages: 2 });
  });

  it("does not wake a sleeping session's container", async () => {
    installFakeContainers();
    const limits = { maxIdleTimeMs: 1, maxLifetimeMs: null, maxBudgetNanos: null, maxTurns: null };
    const { id, machine } = await createInContainer({ pattern: "hybrid", limits }, () => {});
    await ask(id, "hello");
    await until(async () => !(await sessionOf(id).needsContainer(id)));
    const steps = [...machine.steps];
    const lines = linesOf(await exported(id));
    expect(lines[0]).toMatchObject({ status: "idle" });
    expect(lines.at(-1)).toMatchObject({ type: "end", messages: 1 });
    expect(machine.steps).toEqual(steps);
    expect(value(await sessionOf(id).read(ALICE)).status).toBe("idle");
  });
});

describe("the export of a large session", () => {
  const EVENTS = 10_000;
  const CHARACTERS = 2_000;
  /** A page, the events that were there before, and what JSON adds. */
  const MAX_CHUNK = 1.2 * 1024 * 1024;

  async function aLargeSession(): Promise<string> {
    const { id } = await client.create({ pattern: "hybrid" });
    await client.ask(id, { prompt: "x".repeat(400_000) });
    await client.ask(id, { prompt: "y".repeat(900_000) });
    await fill(id, EVENTS, CHARACTERS);
    return id;
  }

  it("comes in pieces of limited size, each fetched when the client has read the one before", async () => {
    const id = await aLargeSession();
    const calls = vi.spyOn(Session.prototype, "events");
    const { body: stream } = await client.raw("GET", url(id));
    const reader = (stream as ReadableStream<Uint8Array>).getReader();
    let bytes = 0;
    let chunks = 0;
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      expect(next.value.byteLength).toBeLessThan(MAX_CHUNK);
      bytes += next.value.byteLength;
      chunks += 1;
      if (chunks === 6) {
        // A client that does not read: nothing is fetched beyond the next piece.
        await scheduler.wait(50);
        const before = calls.mock.calls.length;
        await scheduler.wait(50);
        expect(calls.mock.calls.length).toBe(before);
        expect(before).toBeLessThan(6);
      }
    }
    expect(bytes).toBeGreaterThan(EVENTS * CHARACTERS);
    expect(chunks).toBeGreaterThan(20);
  });

  it("goes on where it was if the object is lost, at any page, also while a page is read", async () => {
    const id = await aLargeSession();
    const undisturbed = await exported(id);
    expect(linesOf(undisturbed).at(-1)).toMatchObject({ type: "end", messages: 2 });
    let calls = 0;
    for (const name of ["messages", "events"] as const) {
      const original = Session.prototype[name] as (...args: unknown[]) => Promise<never>;
      vi.spyOn(Session.prototype, name).mockImplementation(async function (this: Session, ...args) {
        calls += 1;
        if (calls % 3 === 0) {
          await lose(id);
          await scheduler.wait(5);
        }
        return original.apply(this, args);
      });
    }
    const disturbed = await withoutPauses(() => exported(id), 1 / 100);
    expect(calls).toBeGreaterThan(20);
    expect(disturbed === undisturbed).toBe(true);
  });

  it("breaks off without its last line if the session is deleted meanwhile", async () => {
    const id = await aLargeSession();
    const { body: stream } = await client.raw("GET", url(id));
    let text = "";
    const read = async () => {
      for await (const chunk of stream as ReadableStream<Uint8Array>) {
        text += new TextDecoder().decode(chunk);
        if (text.includes('"seq":')) await client.delete(`/api/sessions/${id}`);
      }
    };
    await expect(read()).rejects.toThrow();
    expect(text).not.toContain('{"type":"end"');
  });

  it("stops when the client leaves", async () => {
    const id = await aLargeSession();
    const calls = vi.spyOn(Session.prototype, "events");
    const response = await worker.fetch(`https://rigger.test${url(id)}`);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    while (calls.mock.calls.length === 0) await reader.read();
    await reader.cancel();
    await scheduler.wait(50);
    const left = calls.mock.calls.length;
    await scheduler.wait(100);
    expect(calls.mock.calls.length).toBe(left);
    expect(left).toBeLessThan(10);
  });
});
