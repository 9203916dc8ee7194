import { abortAllDurableObjects } from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { aClient } from "../testing/api-client";

const client = aClient();
// The type is known only in the main module.
const worker = (exports as unknown as { default: Fetcher }).default;
const asStream = { Accept: "text/event-stream" };
const EventPage = z.object({
  events: z.array(z.looseObject({ seq: z.int(), type: z.string() })),
  hasMore: z.boolean(),
});

/** Returns the records of an SSE stream, without comments. */
function recordsOf(text: string) {
  const field = (record: string, name: string) =>
    record.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1];
  return text
    .split("\n\n")
    .filter((record) => record !== "" && !record.startsWith(":"))
    .map((record) => ({
      id: field(record, "id"),
      event: field(record, "event"),
      data: z.looseObject({ type: z.string() }).parse(JSON.parse(field(record, "data") ?? "")),
    }));
}
const typesOf = (text: string) => recordsOf(text).map(({ event }) => event);
const idsOf = (text: string) =>
  recordsOf(text).flatMap(({ id }) => (id === undefined ? [] : [Number(id)]));

/** Reads a stream until its text satisfies a condition, then disconnects. */
async function readUntil(response: Response, satisfied: (text: string) => boolean) {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (satisfied(text)) break;
  }
  return text;
}

describe("GET /api/sessions/:id/events", () => {
  it("pages through the log", async () => {
    const { id } = await client.create();
    await client.ask(id, { prompt: "hello" });
    const page = async (query: string) =>
      EventPage.parse((await client.get(`/api/sessions/${id}/events${query}`)).body);
    const { events, hasMore } = await page("");
    expect(hasMore).toBe(false);
    expect(events[0]).toMatchObject({ seq: 1, type: "session.created" });
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(await page("?after=1&limit=2")).toEqual({ events: events.slice(1, 3), hasMore: true });
  });

  it("streams the log, continues live, and closes with the session's last event", async () => {
    const { id } = await client.create();
    const response = await client.raw("GET", `/api/sessions/${id}/events`, { headers: asStream });
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toBe("text/event-stream; charset=utf-8");
    expect(response.headers.get("Cache-Control")).toBe("no-cache, no-transform");
    expect(response.headers.get("X-Request-Id")).toMatch(/^req_/);
    const text = response.text();
    await client.ask(id, { prompt: "hello" });
    await client.post(`/api/sessions/${id}/terminate`);

    const ids = idsOf(await text);
    expect(ids).toEqual(ids.map((_, index) => index + 1));
    const types = typesOf(await text);
    expect(types[0]).toBe("session.created");
    expect(types).toContain("assistant.delta");
    expect(types.at(-1)).toBe("session.terminated");
    for (const { event, data } of recordsOf(await text)) expect(data.type).toBe(event);
  });

  it("replays the events after Last-Event-ID", async () => {
    const { id } = await client.create();
    await client.ask(id, { prompt: "hello" });
    await client.post(`/api/sessions/${id}/terminate`);
    const url = `/api/sessions/${id}/events`;
    const read = async (path: string, headers: Record<string, string> = {}) =>
      idsOf(await (await client.raw("GET", path, { headers: { ...asStream, ...headers } })).text());
    const all = await read(url);
    expect(await read(`${url}?after=3`)).toEqual(all.slice(3));
    expect(await read(url, { "Last-Event-ID": "4" })).toEqual(all.slice(4));
    expect(await read(`${url}?after=1`, { "Last-Event-ID": "4" })).toEqual(all.slice(4));
    expect(await read(url, { "Last-Event-ID": String(all.length) })).toEqual([]);
  });

  it("refuses an invalid Last-Event-ID, and answers HEAD without a stream", async () => {
    const { id } = await client.create();
    const url = `/api/sessions/${id}/events`;
    const bad = await client.get(url, { headers: { ...asStream, "Last-Event-ID": "x" } });
    expect(bad).toMatchObject({
      status: 400,
      body: { error: { issues: [{ path: "Last-Event-ID" }] } },
    });
    const head = await client.raw("HEAD", url, { headers: asStream });
    expect(head.status).toBe(200);
    expect(await head.text()).toBe("");
  });

  it("survives a loss of the object without gaps or duplicates", async () => {
    const { id } = await client.create();
    const response = await client.raw("GET", `/api/sessions/${id}/events`, { headers: asStream });
    const text = response.text();
    await client.ask(id, { prompt: "one" });
    await abortAllDurableObjects();
    await client.ask(id, { prompt: "two" });
    await abortAllDurableObjects();
    await client.post(`/api/sessions/${id}/terminate`);
    const ids = idsOf(await text);
    expect(ids).toEqual(ids.map((_, index) => index + 1));
    expect(typesOf(await text).filter((type) => type === "message.completed")).toHaveLength(2);
  });

  it("works through the Worker itself, and the client may disconnect at any time", async () => {
    const { id } = await client.create();
    const url = `https://rigger.test/api/sessions/${id}/events`;
    const response = await worker.fetch(url, { headers: asStream });
    const text = await readUntil(response, (text) => text.includes("session.started"));
    expect(idsOf(text)).toEqual([1, 2]);
    expect((await client.ask(id, { prompt: "still there" })).status).toBe("completed");
  });
});

describe("a streamed message", () => {
  it("has the message's events, from its first to its last", async () => {
    const { id } = await client.create();
    await client.ask(id, { prompt: "before" });
    const body = { prompt: "/delay 100\nhello", streaming: true };
    const response = await client.raw("POST", `/api/sessions/${id}/message`, { body });
    expect(response.headers.get("Content-Type")).toContain("text/event-stream");
    const text = await response.text();
    const types = typesOf(text);
    expect(types[0]).toBe("message.received");
    expect(types.at(-1)).toBe("message.completed");
    const deltas = recordsOf(text).filter(({ event }) => event === "assistant.delta");
    const whole = recordsOf(text).find(({ event }) => event === "assistant.text");
    expect(deltas.map(({ data }) => data.text).join("")).toBe(whole?.data.text);
  });

  it("is replayed from Last-Event-ID when its idempotency key is used again", async () => {
    const { id } = await client.create();
    const send = async (more: Record<string, string>) => {
      const headers = { "Idempotency-Key": "stream-1", ...more };
      const body = { prompt: "hello", streaming: true };
      const url = `/api/sessions/${id}/message`;
      return (await client.raw("POST", url, { body, headers })).text();
    };
    const ids = idsOf(await send({}));
    expect(idsOf(await send({}))).toEqual(ids);
    expect(idsOf(await send({ "Last-Event-ID": String(ids[2]) }))).toEqual(ids.slice(3));
  });

  it("ends with the event of its failure", async () => {
    const { id } = await client.create();
    const body = { prompt: "/fail 400 times=9\nhello", streaming: true };
    const response = await client.raw("POST", `/api/sessions/${id}/message`, { body });
    expect(response.status).toBe(200);
    expect(typesOf(await response.text()).at(-1)).toBe("message.failed");
  });

  it("is refused with an error status before it begins", async () => {
    const { id } = await client.create();
    await client.post(`/api/sessions/${id}/terminate`);
    const body = { prompt: "hello", streaming: true };
    expect((await client.post(`/api/sessions/${id}/message`, body)).status).toBe(409);
  });
});
