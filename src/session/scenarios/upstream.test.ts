import { afterEach, describe, expect, it, vi } from "vitest";
import { createModel } from "../../agent/model/model";
import { MAX_ATTEMPTS } from "../../agent/model/retry";
import { offlineFetch } from "../../agent/offline";
import { withoutPauses } from "../../testing/faults";
import {
  ALICE,
  aMessage,
  ask,
  createSession,
  eventsOf,
  sessionOf,
  until,
  value,
} from "../../testing/sessions";
import { model } from "../deployment";
import type { MessageRow } from "../rpc";

type Respond = (request: Request) => Response | Promise<Response>;

/** Makes the upstream answer a test's calls with the given responses in turn, and then normally. */
function upstream(...answers: Respond[]): { asked: string[] } {
  if (!model) throw new Error("tests have a model");
  const asked: string[] = [];
  const well = offlineFetch();
  const scripted = createModel({
    apiKey: "test",
    // Longer than a reply can be delayed by a busy machine.
    stallMs: 250,
    fetch: async (input, init) => {
      asked.push(await new Request(input, init).text());
      const request = new Request(input, init);
      const answer = answers.shift();
      return answer ? answer(request) : well(request);
    },
  });
  vi.spyOn(model, "call").mockImplementation(scripted.call);
  return { asked };
}
afterEach(() => vi.restoreAllMocks());

const failing =
  (status: number, type: string, headers: Record<string, string> = {}): Respond =>
  () =>
    Response.json(
      { type: "error", error: { type, message: `it was ${type}` }, request_id: "req_up" },
      { status, headers: { "request-id": "req_up", ...headers } },
    );
const silent: Respond = ({ signal }) =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
const reset: Respond = () => Promise.reject(new TypeError("connection reset"));

const event = (type: string, fields: object = {}) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
const BEGUN = [
  event("message_start", { message: { usage: { input_tokens: 1_000, output_tokens: 1 } } }),
  event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
  event("content_block_delta", { index: 0, delta: { type: "text_delta", text: "half a word" } }),
].join("");

/** Returns a response whose reply begins, and then continues as `then` says. */
const begun =
  (then: (controller: ReadableStreamDefaultController<Uint8Array>) => void): Respond =>
  (request) => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(BEGUN));
        request.signal.addEventListener("abort", () => controller.error(request.signal.reason));
      },
      pull: then,
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
const saying = (text: string) =>
  begun((controller) => {
    controller.enqueue(new TextEncoder().encode(text));
    controller.close();
  });

/** Sends a message to a new session, and returns it with the events of its retries. */
async function tried(prompt = "hello") {
  const id = await createSession();
  const message = await withoutPauses(() => ask(id, prompt));
  const events = await eventsOf(id);
  return { id, message, events, retried: events.filter((e) => e.type === "turn.retried") };
}

/** Checks what holds for every session, whatever its upstream did. */
async function expectPaid(id: string, message: MessageRow): Promise<void> {
  const events = await eventsOf(id);
  const nanos = events.map((e) => ("cost" in e ? Math.round(e.cost * 1e9) : 0));
  const session = value(await sessionOf(id).read(ALICE));
  expect(nanos.reduce((sum, cost) => sum + cost, 0)).toBe(session.totalCostNanos);
  expect(message.costNanos).toBe(session.totalCostNanos);
}

describe("an upstream that fails temporarily", () => {
  it.each<[string, Respond, string, "free" | "charged"]>([
    ["429", failing(429, "rate_limit_error", { "retry-after": "1" }), "rate_limit_error", "free"],
    ["529", failing(529, "overloaded_error"), "overloaded_error", "free"],
    ["500", failing(500, "api_error"), "api_error", "free"],
    ["503 of a gateway", () => new Response("<html>", { status: 503 }), "http_503", "free"],
    ["a reset before the stream", reset, "connection_error", "free"],
    ["an HTML page instead of a stream", () => new Response("<html>"), "connection_error", "free"],
    ["no response", silent, "stalled", "free"],
    ["a reset in the stream", begun((c) => c.error(new Error())), "connection_error", "charged"],
    ["a premature end", saying(""), "connection_error", "charged"],
    ["a stream that stalls", begun(() => {}), "stalled", "charged"],
    ["broken JSON", saying('event: message_delta\ndata: {"ty\n\n'), "malformed", "charged"],
    [
      "an error event",
      saying(event("error", { error: { type: "overloaded_error" } })),
      "overloaded_error",
      "charged",
    ],
  ])(
    "with %s is retried, with an event that has the reason, the delay and the cost",
    async (_, fault, reason, price) => {
      upstream(fault, fault);
      const { id, message, retried } = await tried();
      expect(message).toMatchObject({ status: "completed", numTurns: 1 });
      expect(retried).toMatchObject([
        { attempt: 1, reason, kind: "reply", delayMs: expect.any(Number) },
        { attempt: 2, reason, kind: "reply", delayMs: expect.any(Number) },
      ]);
      for (const retry of retried) {
        if (retry.type !== "turn.retried") continue;
        expect(retry.cost > 0).toBe(price === "charged");
        expect(retry.delayMs).toBeGreaterThanOrEqual(250);
      }
      await expectPaid(id, message);
    },
  );

  it("is not called before the time that it requests", async () => {
    upstream(failing(429, "rate_limit_error", { "retry-after": "7" }));
    const { retried } = await tried();
    expect(retried).toMatchObject([{ reason: "rate_limit_error", delayMs: 7_000 }]);
  });

  it("is not retried if it requests more than two minutes", async () => {
    const { asked } = upstream(failing(429, "rate_limit_error", { "retry-after": "121" }));
    const { id, message, retried } = await tried();
    expect(asked).toHaveLength(1);
    expect(retried).toEqual([]);
    expect(message).toMatchObject({ status: "failed", error: { upstreamRequestId: "req_up" } });
    await expectPaid(id, message);
  });

  it("leaves no part of a withdrawn attempt in the conversation", async () => {
    const { asked } = upstream(begun((c) => c.error(new Error())));
    const { id, message } = await tried();
    expect(message.result).not.toContain("half a word");
    await ask(id, "and now?");
    expect(asked).toHaveLength(3);
    expect(asked.join()).not.toContain("half a word");
  });
});

describe("an upstream that keeps failing", () => {
  it("fails the message after eight attempts, with its error text and request id", async () => {
    const faults = Array.from({ length: 20 }, () => failing(529, "overloaded_error"));
    const { asked } = upstream(...faults);
    const { id, message, retried } = await tried();
    expect(asked).toHaveLength(MAX_ATTEMPTS);
    expect(new Set(asked).size).toBe(1);
    expect(JSON.parse(asked[0] ?? "")).toMatchObject({ max_tokens: 16_384 });
    expect(retried.map((e) => e.type === "turn.retried" && e.attempt)).toEqual([
      1, 2, 3, 4, 5, 6, 7,
    ]);
    expect(message).toMatchObject({
      status: "failed",
      stopReason: "error",
      costNanos: 0,
      numTurns: 0,
      error: {
        type: "upstream_error",
        message: expect.stringContaining("it was overloaded_error"),
        upstreamRequestId: "req_up",
      },
    });
    await expectPaid(id, message);
    vi.restoreAllMocks();
    expect(await ask(id, "still there?")).toMatchObject({ status: "completed" });
  });

  it("in the middle of every reply is charged for the output each time, within the reserved amount", async () => {
    upstream(...Array.from({ length: 20 }, () => begun((c) => c.error(new Error()))));
    const { id, message, retried, events } = await tried();
    expect(message.status).toBe("failed");
    expect(retried).toHaveLength(MAX_ATTEMPTS - 1);
    expect(events.filter((e) => e.type === "turn.completed")).toMatchObject([
      { stopReason: "error" },
    ]);
    await expectPaid(id, message);
  });

  it.each([
    [400, "invalid_request_error", "upstream_error"],
    [401, "authentication_error", "unavailable_error"],
    [402, "billing_error", "upstream_error"],
    [403, "permission_error", "unavailable_error"],
  ])(
    "with status %i fails the message immediately, and the session accepts the next one",
    async (status, type, shown) => {
      const { asked } = upstream(failing(status, type));
      const { id, message, retried } = await tried();
      expect(asked).toHaveLength(1);
      expect(retried).toEqual([]);
      expect(message).toMatchObject({
        status: "failed",
        costNanos: 0,
        error: {
          type: shown,
          message: `The model failed (${type}): it was ${type}`,
          upstreamRequestId: "req_up",
        },
      });
      expect(await ask(id, "still there?")).toMatchObject({ status: "completed" });
    },
  );

  it("after a tool has run does not cause the tool to run again", async () => {
    const tool = '/Bash {"command":"echo ran >> ran.txt"}';
    const well = offlineFetch();
    upstream((request) => well(request), failing(500, "api_error"), reset);
    const { id, message, events } = await tried(`${tool}\nand then?`);
    expect(message).toMatchObject({ status: "completed", numTurns: 2 });
    expect(events.filter((e) => e.type === "tool.started")).toHaveLength(1);
    expect((await ask(id, '/Bash {"command":"cat ran.txt"}')).result).toMatch(/returned: ran$/);
  });
});

describe("an open call of the upstream", () => {
  it.each(["interrupt", "terminate", "remove", "another message"] as const)(
    "is closed by %s",
    async (how) => {
      const called: Request[] = [];
      upstream((request) => {
        called.push(request);
        return begun(() => {})(request);
      });
      const id = await createSession();
      const session = sessionOf(id);
      value(await session.send(ALICE, aMessage("hello")));
      await until(() => called.length > 0);
      const signal = called[0]?.signal;
      expect(signal?.aborted).toBe(false);
      if (how === "interrupt") value(await session.interrupt(ALICE));
      if (how === "terminate") value(await session.terminate(ALICE, "why"));
      if (how === "remove") value(await session.remove(ALICE));
      if (how === "another message") await ask(id, "now!", { onBusy: "interrupt" });
      expect(signal?.aborted).toBe(true);
    },
  );

  it("is not made if the message is stopped during the pause before it", async () => {
    const { asked } = upstream(failing(429, "rate_limit_error", { "retry-after": "60" }));
    const id = await createSession();
    const sent = value(await sessionOf(id).send(ALICE, aMessage("hello")));
    await vi.waitFor(async () => {
      expect(await eventsOf(id)).toContainEqual(expect.objectContaining({ type: "turn.retried" }));
    });
    value(await sessionOf(id).interrupt(ALICE));
    expect(value(await sessionOf(id).message(ALICE, sent.id))).toMatchObject({
      status: "interrupted",
      costNanos: 0,
    });
    expect(asked).toHaveLength(1);
    expect(await ask(id, "go on")).toMatchObject({ status: "completed" });
  });
});
