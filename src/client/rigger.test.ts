import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createApp } from "../http/app";
import { sha256Hex } from "../http/ids";
import { readSettings } from "../settings";
import { LOOKUP, NOTIFY } from "../testing/client-tools";
import { requireDescribedEvent } from "../testing/contract";
import { lose } from "../testing/sessions";
import type { StreamedEvent } from "./api.ts";
import { Rigger, RiggerError } from "./rigger.ts";

type Fetch = typeof fetch;

const WITH_TOOLS = { pattern: "hybrid" as const, config: { clientTools: [LOOKUP, NOTIFY] } };

const app = createApp(readSettings({ ALLOW_ANONYMOUS: "true" }));
const direct: Fetch = async (input, init) => {
  const request = new Request(input, init);
  const response = await app.fetch(request, env);
  if (!response.body) return response;
  // As with a network, an abort breaks off the answer.
  const { signal } = init ?? {};
  const abortable = new TransformStream<Uint8Array, Uint8Array>({
    start: (controller) => signal?.addEventListener("abort", () => controller.error(signal.reason)),
  });
  return new Response(response.body.pipeThrough(abortable), response);
};

/** Returns a client whose requests pass through `send`. */
const aRigger = (send: Fetch = direct, options = {}) =>
  new Rigger({ url: "http://rigger.test/", fetch: send, retryMs: 1, ...options });

/** Returns a body that breaks off after so many records of a stream; null for none. */
function cutAfter(records: number, body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  let left = records;
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        for (const piece of decoder.decode(chunk, { stream: true }).split(/(?<=\n\n)/)) {
          if (left === 0) return controller.error(new TypeError("network connection lost"));
          controller.enqueue(encoder.encode(piece));
          if (piece.endsWith("\n\n")) left--;
        }
      },
    }),
  );
}

/** Returns a `fetch` whose streams are cut: the nth one after `cuts[n]` records. */
function cutting(cuts: (stream: number) => number | undefined, send: Fetch = direct) {
  const streams: Request[] = [];
  const cut: Fetch = async (input, init) => {
    const request = new Request(input, init);
    const response = await send(request, init);
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) return response;
    const records = cuts(streams.push(request) - 1);
    if (records === undefined || !response.body) return response;
    return new Response(cutAfter(records, response.body), response);
  };
  return { streams, fetch: cut };
}

async function collect(events: AsyncIterable<StreamedEvent>): Promise<StreamedEvent[]> {
  const all: StreamedEvent[] = [];
  for await (const event of events) {
    requireDescribedEvent(event);
    all.push(event);
  }
  return all;
}

const storedOf = (events: StreamedEvent[]) => events.filter((event) => "seq" in event);

/** Returns the text of each block, as its deltas join to it; a retried turn begins anew. */
function joined(events: StreamedEvent[]): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const event of events) {
    if (event.type === "turn.retried") {
      for (const key of Object.keys(texts)) {
        if (key.startsWith(`${event.turnId}/`)) delete texts[key];
      }
    }
    if (event.type !== "assistant.delta") continue;
    const key = `${event.turnId}/${event.block}/${event.kind}`;
    expect(event.offset).toBe(texts[key]?.length ?? 0);
    texts[key] = (texts[key] ?? "") + event.text;
  }
  return texts;
}

const completeTexts = (events: StreamedEvent[]) =>
  Object.fromEntries(
    events.flatMap((event) => {
      if (event.type === "assistant.text")
        return [[`${event.turnId}/${event.block}/text`, event.text]];
      return event.type === "assistant.thinking"
        ? [[`${event.turnId}/${event.block}/thinking`, event.text]]
        : [];
    }),
  );

const PROMPT = 'Look.\n/Bash {"command":"echo hi"}\n/tokens 60\ndone';
/** The same, with a turn that is cut off in the middle and tried again. */
const RETRIED = PROMPT.replace("/Bash", "/tokens 60\n/cut\n/Bash");

/** Sends the prompt through cuts, and requires that the reply is as if there had been none. */
async function requireWhole(
  cuts: (stream: number) => number | undefined,
  prompt = PROMPT,
): Promise<number> {
  const { fetch, streams } = cutting(cuts);
  const session = await aRigger(fetch).create({ pattern: "long-running" });
  const events = await collect(session.send(prompt));
  const log = (await eventsOfMessage(session.id)).map(({ seq }) => seq);
  expect(storedOf(events).map((event) => "seq" in event && event.seq)).toEqual(log);
  expect(joined(events)).toEqual(completeTexts(events));
  expect(events.at(-1)).toMatchObject({ type: "message.completed", stopReason: "end_turn" });
  return streams.length;
}

async function eventsOfMessage(id: string) {
  const session = aRigger().session(id);
  const log = [];
  for await (const event of session.log()) log.push(event);
  return log.filter(({ messageId }) => messageId !== undefined);
}

describe("the reply to a message", () => {
  it("is the same wherever its connection is cut once", async () => {
    let cuts = 0;
    // Until the cut would be behind the last event.
    while ((await requireWhole((stream) => (stream === 0 ? cuts : undefined))) === 2) cuts++;
    expect(cuts).toBeGreaterThan(12);
  });

  it("is the same if every connection is cut after its first event", async () => {
    const connections = await requireWhole((stream) => (stream < 40 ? 1 : undefined), RETRIED);
    expect(connections).toBeGreaterThan(5);
  });

  it("goes on while the session's object is lost", async () => {
    const session = await aRigger().create({ pattern: "long-running" });
    const events: StreamedEvent[] = [];
    for await (const event of session.send('/Bash {"command":"echo hi"}\n/delay 50\ndone')) {
      events.push(event);
      if (event.type === "tool.completed") await lose(session.id);
    }
    expect(events.at(-1)).toMatchObject({ type: "message.completed" });
    expect(joined(events)).toEqual(completeTexts(events));
  });

  it("sends the same message again, with the last event that it has", async () => {
    const { fetch, streams } = cutting((stream) => (stream < 3 ? 2 : undefined));
    const session = await aRigger(fetch).create({ pattern: "long-running" });
    await session.send(PROMPT).message();
    const keys = streams.map(({ headers }) => headers.get("Idempotency-Key"));
    expect(new Set(keys).size).toBe(1);
    const last = streams.map(({ headers }) => Number(headers.get("Last-Event-ID")));
    expect(last[0]).toBe(0);
    expect(last).toEqual([...last].sort((a, b) => a - b));
    expect(last.at(-1)).toBeGreaterThan(0);
    const { messages } = await aRigger().get("/api/sessions/{id}/messages", {
      path: { id: session.id },
    });
    expect(messages).toHaveLength(1);
  });

  it("returns the message, with its result and its cost", async () => {
    const session = await aRigger().create({ pattern: "ephemeral" });
    const message = await session.send("/say hello").message();
    expect(message).toMatchObject({
      status: "completed",
      result: "hello",
      cost: expect.any(Number),
    });
    expect(message.cost).toBeGreaterThan(0);
  });

  it("ends with why the message has failed", async () => {
    const session = await aRigger().create({ pattern: "long-running" });
    const events = await collect(session.send("/fail 400"));
    expect(events.at(-1)).toMatchObject({
      type: "message.failed",
      error: { type: "upstream_error" },
    });
  });

  it("brings what waits for approval, which can be decided while it is read", async () => {
    const session = await aRigger().create({ pattern: "hybrid", config: { askTools: ["Bash"] } });
    const prompt = '/Bash {"command":"echo allowed"}\n/Bash {"command":"echo denied"}\ndone';
    const decided: unknown[] = [];
    for await (const event of session.send(prompt)) {
      if (event.type === "approval.resolved") decided.push(event.status);
      if (event.type !== "approval.requested") continue;
      if (decided.length === 0) await session.allow(event.approvalId, { note: "once" });
      else await session.deny(event.approvalId);
    }
    expect(decided).toEqual(["allowed", "denied"]);
  });

  it("answers the calls of client tools with handlers, each once, whatever happens to connections", async () => {
    const { fetch } = cutting((stream) => (stream < 8 ? 9 : undefined));
    const session = await aRigger(fetch).create(WITH_TOOLS);
    const made: unknown[] = [];
    const tools = {
      lookup: async ({ id }: { id: number }) => {
        made.push(id);
        await scheduler.wait(5);
        if (id === 2) throw new Error("it is gone");
        return { id, name: "chair" };
      },
      notify: (input: unknown, { name }: { name: string }) => `${name} ${JSON.stringify(input)}`,
    };
    const prompt = '/lookup {"id":1} & /lookup {"id":2}\n/notify {"text":"hi"}\ndone';
    const message = await session.send(prompt, { tools }).message();
    expect(message.result).toContain(
      'lookup returned: {"id":1,"name":"chair"}\nlookup failed: it is gone\nnotify returned: notify {"text":"hi"}',
    );
    expect(made).toEqual([1, 2]);
  });

  it("makes no call again that was answered, when it is read again with its key", async () => {
    const session = await aRigger().create(WITH_TOOLS);
    const made: number[] = [];
    const lookup = ({ id }: { id: number }) => {
      made.push(id);
      return id === 2 ? new Promise(() => {}) : "one";
    };
    const prompt = '/lookup {"id":1} & /lookup {"id":2}';
    const sent = { idempotencyKey: crypto.randomUUID(), tools: { lookup } };
    for await (const event of session.send(prompt, sent)) {
      if (event.type === "tool.completed") break;
    }
    const again = { ...sent, tools: { lookup: ({ id }: { id: number }) => made.push(id) } };
    expect((await session.send(prompt, again).message()).result).toContain("lookup returned: 3");
    expect(made).toEqual([1, 2, 2]);
    expect(await session.toolRequests()).toEqual([]);
  });

  it("leaves calls to others that it has no handler for, and throws if a result is refused", async () => {
    const session = await aRigger().create(WITH_TOOLS);
    const both = '/notify {"text":"hi"}\n/lookup {"id":1}';
    const tools = { lookup: () => "x".repeat(2_000_000) };
    const read = async () => {
      for await (const event of session.send(both, { tools })) {
        if (event.type !== "tool.requested" || event.name !== "notify") continue;
        const { toolUseId } = event;
        expect(await session.answerTools([{ toolUseId, content: "done" }])).toEqual({
          ...{ taken: [toolUseId], awaited: [] },
        });
      }
    };
    await expect(read()).rejects.toMatchObject({ status: 413 });
  });

  it("is given up when its signal is aborted, and the message goes on", async () => {
    const session = await aRigger().create({ pattern: "long-running" });
    const controller = new AbortController();
    const reply = session.send("/delay 200\nlater", { signal: controller.signal });
    const reading = collect(reply);
    await scheduler.wait(50);
    controller.abort(new Error("enough"));
    await expect(reading).rejects.toThrow("enough");
    for await (const message of session.messages()) {
      expect(message.status).toBe("running");
      await session.message(message.messageId);
    }
  });

  it("may be left, and the message goes on", async () => {
    const session = await aRigger().create({ pattern: "long-running" });
    for await (const event of session.send("/delay 30\nlater")) {
      if (event.type === "message.started") break;
    }
    await expect
      .poll(async () => (await session.messages().next()).value?.status)
      .toBe("completed");
  });

  it("throws if the deployment can't be reached for too long", async () => {
    let calls = 0;
    const broken: Fetch = async () => {
      calls++;
      throw new TypeError("fetch failed");
    };
    const rigger = aRigger(broken, { maxRetries: 3 });
    const reply = rigger.session("sess_1").send("hello");
    await expect(reply.message()).rejects.toMatchObject({ type: "connection_error" });
    expect(calls).toBe(4);
  });
});

describe("the events of a session", () => {
  it("are the same wherever their connection is cut, and end with the session", async () => {
    const session = await aRigger().create({ pattern: "ephemeral" });
    await session.send(PROMPT).message();
    const log = await collect(session.log());
    expect(log.length).toBeGreaterThan(10);
    for (let at = 1; at < log.length; at++) {
      const { fetch } = cutting((stream) => (stream === 0 ? at : undefined));
      const events = await collect(aRigger(fetch).session(session.id).events());
      expect(storedOf(events)).toEqual(log);
      expect(joined(events)).toEqual(completeTexts(events));
    }
  });

  it("end if the session has ended, although none follows", async () => {
    const session = await aRigger().create({ pattern: "ephemeral" });
    await session.send("hello").message();
    const log = await collect(session.log());
    const { fetch, streams } = cutting(() => undefined);
    const after = log.length;
    expect(await collect(aRigger(fetch).session(session.id).events({ after }))).toEqual([]);
    expect(streams).toHaveLength(1);
  });

  it("begin after a seq", async () => {
    const session = await aRigger().create({ pattern: "ephemeral" });
    await session.send("hello").message();
    const events = await collect(session.events({ after: 3 }));
    expect(events[0]).toMatchObject({ seq: 4 });
  });
});

describe("a request", () => {
  /** Returns a `fetch` that answers the first requests itself, and counts. */
  function answering(...answers: (() => Response | Promise<Response>)[]) {
    const requests: Request[] = [];
    const send: Fetch = async (input, init) => {
      const request = new Request(input, init);
      const answer = answers[requests.push(request) - 1];
      return answer ? answer() : direct(request);
    };
    return { requests, fetch: send };
  }
  const lost = () => Promise.reject(new TypeError("network connection lost"));
  const unavailable = () =>
    Response.json(
      { type: "error", error: { type: "unavailable_error", message: "Try again." } },
      { status: 503, headers: { "Retry-After": "0" } },
    );

  it("that creates a session is repeated with its key, and creates one", async () => {
    const { fetch, requests } = answering(
      lost,
      unavailable,
      // It arrived, and its answer was lost.
      () => direct(requests[2]?.clone() as Request).then(lost),
    );
    const tag = crypto.randomUUID();
    const session = await aRigger(fetch).create({ pattern: "hybrid", tags: [tag] });
    expect(requests).toHaveLength(4);
    const { sessions } = await aRigger().get("/api/sessions", { query: { tags: [tag] } });
    expect(sessions.map(({ id }) => id)).toEqual([session.id]);
  });

  it("is repeated if its answer breaks off", async () => {
    const half = () => {
      const stream = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('{"owner":'));
          controller.error(new TypeError("network connection lost"));
        },
      });
      return new Response(stream, { headers: { "Content-Type": "application/json" } });
    };
    const { fetch, requests } = answering(half);
    expect(await aRigger(fetch).get("/api/me")).toMatchObject({ owner: "anonymous" });
    expect(requests).toHaveLength(2);
  });

  it("that is answered with 503 is repeated if the answer says when, with a message too", async () => {
    const answer = (headers: Record<string, string>) => () => {
      const error = { type: "unavailable_error", message: "Not now.", messageId: "msg_1" };
      return Response.json({ type: "error", error }, { status: 503, headers });
    };
    const soon = answering(answer({ "Retry-After": "0" }));
    await aRigger(soon.fetch).get("/api/me");
    expect(soon.requests).toHaveLength(2);
    const never = answering(answer({}));
    await expect(aRigger(never.fetch).get("/api/me")).rejects.toMatchObject({ status: 503 });
    expect(never.requests).toHaveLength(1);
  });

  it("that could do something twice is not repeated", async () => {
    const { fetch, requests } = answering(lost);
    await expect(aRigger(fetch).session("sess_1").interrupt()).rejects.toThrow(RiggerError);
    expect(requests).toHaveLength(1);
  });

  it("that is refused is an error of the API", async () => {
    const { fetch, requests } = answering();
    const request = aRigger(fetch).create({ pattern: "none" as "hybrid" });
    await expect(request).rejects.toMatchObject({
      status: 400,
      type: "invalid_request_error",
      requestId: expect.stringMatching(/^req_/),
      details: { issues: [{ path: "pattern" }] },
    });
    expect(requests).toHaveLength(1);
  });

  it("that is answered by something else is an error with its status", async () => {
    const { fetch } = answering(() => new Response("<h1>Not here</h1>", { status: 404 }));
    await expect(aRigger(fetch).get("/api/me")).rejects.toMatchObject({ status: 404 });
  });

  it("asks for a new token when one is refused, also in the middle of a reply", async () => {
    const settings = {
      API_KEYS: JSON.stringify([
        { name: "first", owner: "acme", sha256: await sha256Hex("first") },
        { name: "second", owner: "acme", sha256: await sha256Hex("second") },
      ]),
    };
    let accepted = "first";
    const keyed = createApp(readSettings(settings));
    const send: Fetch = async (input, init) => {
      const request = new Request(input, init);
      if (request.headers.get("Authorization") !== `Bearer ${accepted}`) {
        return Response.json(
          { type: "error", error: { type: "authentication_error" } },
          { status: 401 },
        );
      }
      return keyed.fetch(request, env);
    };
    const { fetch } = cutting((stream) => {
      accepted = "second";
      return stream === 0 ? 3 : undefined;
    }, send);
    const asked: string[] = [];
    const key = () => {
      asked.push(accepted);
      return accepted;
    };
    const session = await aRigger(fetch, { key }).create({ pattern: "hybrid" });
    const message = await session.send("hello").message();
    expect(message.status).toBe("completed");
    expect(asked).toEqual(["first", "second"]);
  });

  it("asks for one new token when several are refused at once", async () => {
    let asked = 0;
    const send: Fetch = async (input, init) => {
      const request = new Request(input, init);
      if (request.headers.get("Authorization") === "Bearer second") {
        request.headers.delete("Authorization");
        return direct(request);
      }
      return Response.json({ error: { type: "authentication_error" } }, { status: 401 });
    };
    const key = () => (asked++ === 0 ? "first" : "second");
    const rigger = aRigger(send, { key });
    await Promise.all(Array.from({ length: 5 }, () => rigger.get("/api/me")));
    expect(asked).toBe(2);
  });

  it("with a key that can't be sent is an error at once", async () => {
    const { fetch, requests } = answering();
    const rigger = aRigger(fetch, { key: "schlüssel✓" });
    await expect(rigger.get("/api/me")).rejects.toMatchObject({ type: "invalid_request_error" });
    expect(requests).toHaveLength(0);
  });

  it("that is answered with something else than JSON is an error", async () => {
    const { fetch } = answering(() => new Response("<h1>Sign in</h1>"));
    await expect(aRigger(fetch).get("/api/me")).rejects.toThrow(RiggerError);
  });

  it("has its parameters in the path and the query", async () => {
    const rigger = aRigger();
    const owner = "a/b c";
    await rigger.put("/api/owners/{owner}/limits", { path: { owner }, body: { maxDailyUsd: 3 } });
    const limits = await rigger.get("/api/owners/{owner}/limits", { path: { owner } });
    expect(limits.maxDailyUsd).toBe(3);
    const page = await rigger.get("/api/sessions", {
      query: { status: ["active", "idle"], pageSize: 1 },
    });
    expect(page.pageSize).toBe(1);
  });

  it("that lists sessions or waiting calls goes through all pages", async () => {
    const rigger = aRigger();
    const tag = crypto.randomUUID();
    const config = { askTools: ["Bash"], clientTools: [LOOKUP] };
    const made: string[] = [];
    for (let i = 0; i < 3; i++) {
      const session = await rigger.create({ pattern: "hybrid", config, tags: [tag] });
      await session
        .send('/Bash {"command":"ls"} & /lookup {"id":1}', { maxTurns: 1 })
        [Symbol.asyncIterator]()
        .next();
      made.push(session.id);
    }
    const found: string[] = [];
    const pages = rigger.sessions({ tags: [tag], sort: "createdAt", pageSize: 1 });
    for await (const { id } of pages) found.push(id);
    expect(found).toEqual(made);
    const waiting = async (calls: AsyncIterable<{ sessionId: string }>) => {
      const ids: string[] = [];
      for await (const { sessionId } of calls) ids.push(sessionId);
      return ids.filter((id) => made.includes(id)).sort();
    };
    const within = { timeout: 5_000 };
    await expect.poll(() => waiting(rigger.approvals()), within).toEqual(made.toSorted());
    await expect.poll(() => waiting(rigger.toolRequests()), within).toEqual(made.toSorted());
  });

  it("that reads artifacts lists them, and returns the response with a content", async () => {
    const config = { artifacts: ["*.txt"] };
    const session = await aRigger().create({ pattern: "hybrid", config });
    const write = (name: string) =>
      `/Write {"file_path":"/workspace/${name}.txt","content":"${name}"}`;
    const { messageId } = await session.send(`${write("a")}\n${write("b")}\ndone`).message();
    const pathsOf = async (of?: { path?: string; messageId?: string }) => {
      const paths: string[] = [];
      for await (const { path } of session.artifacts.list(of)) paths.push(path);
      return paths.sort();
    };
    expect(await pathsOf()).toEqual(["a.txt", "b.txt"]);
    expect(await pathsOf({ messageId })).toHaveLength(2);
    expect(await pathsOf({ path: "b.txt" })).toEqual(["b.txt"]);
    const { value } = await session.artifacts.list({ path: "b.txt" }).next();
    const id = value?.id ?? "";
    expect(await session.artifacts.get(id)).toEqual(value);
    expect(await (await session.artifacts.content(id)).text()).toBe("b");
    const headers = { Range: "bytes=0-0" };
    expect((await session.artifacts.content(id, { headers })).status).toBe(206);
  });

  it("for what is no JSON returns the response", async () => {
    const rigger = aRigger();
    const { id } = await rigger.create({ pattern: "hybrid" });
    const response = await rigger.fetch("get", `/api/sessions/${id}/export`);
    expect((await response.text()).trimEnd().split("\n").at(-1)).toContain('"type":"end"');
  });

  it("deletes without an answer", async () => {
    const session = await aRigger().create({ pattern: "hybrid" });
    await session.delete();
    await expect(session.read()).rejects.toMatchObject({ status: 404 });
  });
});
