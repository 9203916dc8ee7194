import { describe, expect, it } from "vitest";
import { emptyDraft } from "./assemble";
import type { ModelOutcome } from "./model";
import { countRelayed, relay, type Upstream } from "./relay";

const event = (type: string, fields: object = {}) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
const start = event("message_start", { message: { id: "msg_1", usage: { input_tokens: 5 } } });
const text = (words: string) =>
  event("content_block_delta", { index: 0, delta: { type: "text_delta", text: words } });
const block = event("content_block_start", { index: 0, content_block: { type: "text", text: "" } });
const end = [
  event("message_delta", { delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } }),
  event("message_stop"),
];
const whole = [start, event("ping"), block, text("Hé"), text("llo"), ...end].join("");

/** An API that answers with bytes in pieces of a size, and remembers how it was asked. */
function anApi(answer: string | Response, pieceBytes = 7) {
  const asked: { url: string; headers: Headers; body: unknown }[] = [];
  const upstream: Upstream = {
    baseURL: "https://api.test/",
    apiKey: "the key",
    fetch: async (input, init) => {
      const headers = new Headers(init?.headers);
      asked.push({ url: String(input), headers, body: JSON.parse(String(init?.body)) });
      if (typeof answer !== "string") return answer;
      const bytes = new TextEncoder().encode(answer);
      let at = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (at >= bytes.length) return controller.close();
          controller.enqueue(bytes.slice(at, at + pieceBytes));
          at += pieceBytes;
        },
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    },
  };
  return { asked, upstream };
}

/** Makes a call and keeps what is told of it. */
async function call(upstream: Upstream, signal = new AbortController().signal, more = {}) {
  const outcomes: ModelOutcome[] = [];
  const deltas: string[] = [];
  const watch = {
    draft: emptyDraft(),
    onDelta: (delta: { text: string }) => deltas.push(delta.text),
  };
  const headers = new Headers({
    "x-api-key": "none",
    authorization: "Bearer mine",
    cookie: "a=b",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "one",
    "x-stainless-retry-count": "0",
  });
  const sent = { body: { model: "m", stream: true, ...more }, headers, attempt: 1 };
  const response = await relay(upstream, sent, signal, watch, (outcome) => outcomes.push(outcome));
  return { response, outcomes, deltas };
}

describe("a call that is passed on", () => {
  it("has our key, and of its own headers what the API has to know", async () => {
    const { asked, upstream } = anApi(whole);
    await (await call(upstream)).response.text();
    expect(asked[0]?.url).toBe("https://api.test/v1/messages?beta=true");
    expect(Object.fromEntries(asked[0]?.headers ?? [])).toEqual({
      "anthropic-beta": "one",
      "anthropic-version": "2023-06-01",
      "content-type": "application/json",
      "x-api-key": "the key",
      "x-rigger-attempt": "1",
      "x-stainless-retry-count": "0",
    });
  });

  it.each([1, 7, 100_000])(
    "is answered byte by byte as the API says (%i at once)",
    async (size) => {
      const { response, outcomes, deltas } = await call(anApi(whole, size).upstream);
      expect(await response.text()).toBe(whole);
      expect(deltas).toEqual(["Hé", "llo"]);
      expect(outcomes).toMatchObject([
        { ok: true, stopReason: "end_turn", content: [{ text: "Héllo" }] },
      ]);
    },
  );

  it("is settled before its end can be read", async () => {
    const { response, outcomes } = await call(anApi(whole, 1).upstream);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let read = "";
    for (;;) {
      const next = await reader?.read();
      if (!next || next.done) break;
      read += next.value;
      if (read.includes("message_stop")) expect(outcomes).toHaveLength(1);
    }
    expect(read).toBe(whole);
  });

  it("that breaks off ends without an end, and is settled once with what had come", async () => {
    const broken = [start, block, text("Hel")].join("");
    const { response, outcomes } = await call(anApi(broken).upstream);
    expect(await response.text()).toBe(broken);
    expect(outcomes).toMatchObject([
      {
        ok: false,
        failure: { began: true, retryable: true },
        draft: { content: [{ text: "Hel" }] },
      },
    ]);
  });

  it("that breaks off before it has begun is refused as one for which there is no room", async () => {
    const { response, outcomes } = await call(anApi("").upstream);
    expect(response.status).toBe(529);
    expect(await response.json()).toMatchObject({ error: { type: "overloaded_error" } });
    expect(outcomes).toMatchObject([{ failure: { began: false, retryable: true } }]);
  });

  it("that the API gives up in the middle fails as it says", async () => {
    const error = event("error", { error: { type: "overloaded_error", message: "Overloaded" } });
    const { response, outcomes } = await call(anApi(start + error).upstream);
    await response.text();
    expect(outcomes).toMatchObject([{ failure: { type: "overloaded_error", retryable: true } }]);
  });

  it("that is refused is answered as the API answers", async () => {
    const refusal = { type: "error", error: { type: "rate_limit_error", message: "Slow down" } };
    const headers = { "retry-after": "2", "request-id": "req_1", "set-cookie": "x=y" };
    const { upstream } = anApi(Response.json(refusal, { status: 429, headers }));
    const { response, outcomes } = await call(upstream);
    expect(response.status).toBe(429);
    expect(await response.json()).toEqual(refusal);
    expect(response.headers.get("retry-after")).toBe("2");
    expect(response.headers.get("set-cookie")).toBeNull();
    expect(outcomes).toMatchObject([
      { failure: { status: 429, retryAfterMs: 2_000, requestId: "req_1", message: "Slow down" } },
    ]);
  });

  it("tells whoever calls neither the key nor another secret, whatever the API answers", async () => {
    const secrets = ["another secret"];
    const error = { type: "error", error: { type: "x", message: "" } };
    for (const answer of [
      () => Response.json(error, { status: 401, headers: { "request-id": "the key is it" } }),
      () => new Response(`${event("error", error)}`),
      () => Promise.reject(new TypeError("not for the key is it, another secret")),
    ]) {
      const upstream = { baseURL: "https://x", apiKey: "the key is it", secrets };
      error.error.message = `${upstream.apiKey}, another secret`;
      const { response, outcomes } = await call({ ...upstream, fetch: async () => answer() });
      const told = [await response.text(), ...response.headers.values(), JSON.stringify(outcomes)];
      expect(told.join()).not.toMatch(/the key is it|another secret/);
      expect(told.join()).toContain("[redacted]");
    }
  });

  it("that reaches nobody is a failure, too", async () => {
    const fetch = () => Promise.reject(new TypeError("no network"));
    const { response, outcomes } = await call({ baseURL: "https://x", apiKey: "k", fetch });
    expect(response.status).toBe(502);
    expect(outcomes).toMatchObject([{ failure: { began: false, status: null, retryable: true } }]);
  });

  it("whose caller goes away is given up", async () => {
    const { response, outcomes } = await call(anApi(whole, 1).upstream);
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    expect(outcomes).toMatchObject([{ ok: false }]);
  });

  it("in place of which a reply in plain JSON comes is passed on as a stream", async () => {
    const content = [
      { type: "text", text: "Héllo" },
      { type: "tool_use", id: "toolu_1", name: "Bash", input: { command: "ls" } },
    ];
    const usage = { input_tokens: 5, output_tokens: 2 };
    const plain = { type: "message", role: "assistant", content, stop_reason: "tool_use", usage };
    const { upstream } = anApi(Response.json(plain));
    const { response, outcomes, deltas } = await call(upstream);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const text = await response.text();
    expect(text).toMatch(/^event: message_start\ndata: .*\n\n/);
    expect(text).toContain('"partial_json":"{\\"command\\":\\"ls\\"}"');
    expect(text).toMatch(/event: message_stop\ndata: {"type":"message_stop"}\n\n$/);
    expect(outcomes).toMatchObject([{ ok: true, content, stopReason: "tool_use" }]);
    expect(deltas).toEqual(["Héllo"]);
  });

  it("calls tools under ids that are new in its conversation, here and there", async () => {
    const use = (index: number, id: string) =>
      event("content_block_start", {
        index,
        content_block: { type: "tool_use", id, name: "Bash", input: {} },
      }) + event("content_block_stop", { index });
    const stop = event("message_delta", { delta: { stop_reason: "tool_use" }, usage: {} });
    const ids = ["toolu_1", "toolu_2", "toolu_2", ""];
    const answer = start + ids.map((id, n) => use(n, id)).join("") + stop + event("message_stop");
    const earlier = [{ type: "tool_use", id: "toolu_1", name: "Bash", input: {} }];
    const messages = [
      { role: "assistant", content: earlier },
      { role: "user", content: "go on" },
    ];
    const { response, outcomes } = await call(anApi(answer).upstream, undefined, { messages });
    const text = await response.text();
    const kept = outcomes[0]?.ok ? outcomes[0].content : [];
    const named = kept.flatMap((block) => (block.type === "tool_use" ? [block.id] : []));
    expect(named[1]).toBe("toolu_2");
    expect(new Set([...named, "toolu_1"]).size).toBe(5);
    for (const id of named) expect(text).toContain(`"id":"${id}"`);
    expect(text).not.toContain('"id":"toolu_1"');
  });

  it("is over with its last event, whatever comes after it", async () => {
    const { response, outcomes } = await call(anApi(`${whole}event: news\ndata: ?\n\n`).upstream);
    expect(await response.text()).toBe(whole);
    expect(outcomes).toMatchObject([{ ok: true }]);
  });

  it("breaks its lines as it likes", async () => {
    const { response, outcomes } = await call(anApi(whole.replaceAll("\n", "\r\n")).upstream);
    expect(await response.text()).toBe(whole);
    expect(outcomes).toMatchObject([{ ok: true }]);
  });

  it("that is stopped is settled, whether anybody reads or not", async () => {
    const stop = new AbortController();
    const { outcomes } = await call(anApi(whole, 1).upstream, stop.signal);
    stop.abort();
    expect(outcomes).toMatchObject([{ ok: false, failure: { type: "aborted" } }]);
  });
});

describe("a count", () => {
  it("is asked for without what only a sampling call has", async () => {
    const { asked, upstream } = anApi(Response.json({ input_tokens: 12 }));
    const body = { model: "m", messages: [], max_tokens: 1, stream: true, metadata: {} };
    const { signal } = new AbortController();
    const counted = await countRelayed(
      upstream,
      { body, headers: new Headers(), attempt: 1 },
      signal,
    );
    expect(counted).toEqual({ ok: true, tokens: 12 });
    expect(asked[0]).toMatchObject({ body: { model: "m", messages: [] } });
    expect(Object.keys(asked[0]?.body as object)).toEqual(["model", "messages"]);
  });

  it("that can't be read is a failure", async () => {
    const { upstream } = anApi(Response.json({ tokens: "many" }));
    const { signal } = new AbortController();
    const sent = { body: {}, headers: new Headers(), attempt: 1 };
    expect(await countRelayed(upstream, sent, signal)).toMatchObject({ ok: false });
  });
});
