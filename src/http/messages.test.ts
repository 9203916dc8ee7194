import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { aClient } from "../testing/api-client";
import { lose } from "../testing/sessions";

const client = aClient();
const MessagePage = z.object({
  messages: z.array(z.looseObject({ messageId: z.string(), prompt: z.unknown() })),
  nextCursor: z.string().nullable(),
});

describe("POST /api/sessions/:id/message", () => {
  it("answers with the message when it has ended", async () => {
    const { id } = await client.create();
    const { status, body } = await client.post(`/api/sessions/${id}/message`, { prompt: "hello" });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      messageId: expect.stringMatching(/^msg_[0-9a-f]{32}$/),
      sessionId: id,
      prompt: "hello",
      agent: null,
      status: "completed",
      stopReason: "end_turn",
      result: expect.any(String),
      error: null,
      numTurns: 1,
    });
    expect((await client.get(`/api/sessions/${id}`)).body).toMatchObject({ numTurns: 1 });
  });

  it("keeps a valid traceparent of its caller, and ignores any other", async () => {
    const { id } = await client.create();
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (const header of [traceparent, "00-not-one-01"]) {
      const options = { headers: { traceparent: header } };
      const body = { prompt: "hello" };
      const sent = await client.post(`/api/sessions/${id}/message`, body, options);
      expect(sent.status).toBe(200);
    }
    const { body } = await client.get(`/api/sessions/${id}/events`);
    const { events } = z
      .object({ events: z.array(z.looseObject({ type: z.string() })) })
      .parse(body);
    const received = events.filter(({ type }) => type === "message.received");
    expect(received.map((event) => event.traceparent)).toEqual([traceparent, undefined]);
  });

  it("accepts one message of an ephemeral session, which then completes", async () => {
    const { id } = await client.create({ pattern: "ephemeral" });
    const { messageId } = await client.ask(id, { prompt: "hello", streaming: false });
    expect((await client.get(`/api/sessions/${id}`)).body).toMatchObject({ status: "completed" });
    const { status, body } = await client.post(`/api/sessions/${id}/message`, { prompt: "again" });
    expect(status).toBe(409);
    expect(body).toMatchObject({ error: { type: "conflict_error" } });
    const again = await client.get(`/api/sessions/${id}/messages/${messageId}`);
    expect(again).toMatchObject({ status: 200, body: { messageId, status: "completed" } });
  });

  it("answers 202 immediately with background", async () => {
    const { id } = await client.create();
    const url = `/api/sessions/${id}/message`;
    const sent = await client.post(url, { prompt: "/delay 100\nhello", background: true });
    expect(sent).toMatchObject({ status: 202, body: { status: "running", endedAt: null } });
    const { messageId } = z.looseObject({ messageId: z.string() }).parse(sent.body);
    await vi.waitFor(async () => {
      const { body } = await client.get(`/api/sessions/${id}/messages/${messageId}`);
      expect(body).toMatchObject({ status: "completed" });
    });
  });

  it("answers 409 with the running message for onBusy reject", async () => {
    const { id } = await client.create();
    const url = `/api/sessions/${id}/message`;
    const first = await client.post(url, { prompt: "/delay 5000\nhello", background: true });
    const { messageId } = z.looseObject({ messageId: z.string() }).parse(first.body);
    const { status, body } = await client.post(url, { prompt: "hi", onBusy: "reject" });
    expect(status).toBe(409);
    expect(body).toMatchObject({
      error: { type: "conflict_error", reason: "session_busy", messageId },
    });
    await client.post(`/api/sessions/${id}/terminate`);
  });

  it("answers 202 with the message that a prompt joins for onBusy steer, and streams it from then on", async () => {
    const { id } = await client.create();
    const url = `/api/sessions/${id}/message`;
    const prompt = '/Bash {"command":"sleep 0.2"}\nnever';
    const first = await client.post(url, { prompt, background: true });
    const { messageId } = z.looseObject({ messageId: z.string() }).parse(first.body);
    const headers = { "Idempotency-Key": "steer-1" };
    const steer = { prompt: "/say A", onBusy: "steer" };
    const sent = await client.post(url, steer, { headers });
    expect(sent).toMatchObject({ status: 202, body: { messageId, prompt, status: "running" } });
    const { steerId } = z.looseObject({ steerId: z.string() }).parse(sent.body);
    const body = { prompt: "/say B", onBusy: "steer", streaming: true };
    const streamed = await (await client.raw("POST", url, { body })).text();
    const events = [...streamed.matchAll(/^event: (.*)$/gm)].map(([, type]) => type);
    expect(events[0]).not.toBe("message.received");
    expect(events.filter((type) => type === "message.steered")).toHaveLength(2);
    expect(events.at(-1)).toBe("message.completed");

    const again = await client.post(url, steer, { headers });
    expect(again).toMatchObject({ status: 202, body: { messageId, steerId, result: "B" } });
    const read = await client.get(`/api/sessions/${id}/messages/${steerId}?waitMs=1000`);
    expect(read.body).toMatchObject({ status: "joined", joinedMessageId: messageId, cost: 0 });
    const list = await client.get(`/api/sessions/${id}/messages`);
    const statuses = MessagePage.parse(list.body).messages.map(({ status }) => status);
    expect(statuses).toEqual(["completed", "joined", "joined"]);
  });

  it("accepts a prompt that steers, but no other message, while that of an ephemeral session runs", async () => {
    const { id } = await client.create({ pattern: "ephemeral" });
    const url = `/api/sessions/${id}/message`;
    const answer = client.post(url, { prompt: '/Bash {"command":"sleep 0.3"}\nnever' });
    await vi.waitFor(async () => {
      const steered = await client.post(url, { prompt: "/say A", onBusy: "steer" });
      expect(steered.body).toMatchObject({ steerId: expect.any(String) });
    });
    expect((await client.post(url, { prompt: "x" })).status).toBe(409);
    expect(await answer).toMatchObject({ status: 200, body: { result: "A" } });
    expect((await client.get(`/api/sessions/${id}`)).body).toMatchObject({ status: "completed" });
  });

  it("attaches to the first message when a key is used again, and refuses another body", async () => {
    const { id } = await client.create();
    const url = `/api/sessions/${id}/message`;
    const headers = { "Idempotency-Key": "ask-1" };
    const answers = await Promise.all([
      client.post(url, { prompt: "/delay 50\nhello" }, { headers }),
      client.post(url, { prompt: "/delay 50\nhello" }, { headers }),
    ]);
    const [first, second] = answers;
    expect(first.status).toBe(200);
    expect(second.body).toEqual(first.body);
    const other = await client.post(url, { prompt: "bye" }, { headers });
    expect(other.status).toBe(409);
    expect(other.body).toMatchObject({ error: { reason: "idempotency_mismatch" } });
    expect((await client.get(`/api/sessions/${id}`)).body).toMatchObject({ numTurns: 1 });
  });

  it("answers 502 with the message's id when the model fails", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const { id } = await client.create();
    const prompt = "/fail 400 times=9\nhello";
    const { status, body } = await client.post(`/api/sessions/${id}/message`, { prompt });
    expect(status).toBe(502);
    const { error } = z
      .object({ error: z.looseObject({ type: z.string(), messageId: z.string() }) })
      .parse(body);
    expect(error.type).toBe("upstream_error");
    const failed = await client.get(`/api/sessions/${id}/messages/${error.messageId}`);
    expect(failed).toMatchObject({ status: 200, body: { status: "failed", stopReason: "error" } });
    vi.restoreAllMocks();
  });

  it("refuses an agent that the session does not have", async () => {
    const { id } = await client.create();
    const body = { prompt: "hi", agent: "nobody" };
    expect(await client.post(`/api/sessions/${id}/message`, body)).toMatchObject({
      status: 400,
      body: {
        error: {
          type: "invalid_request_error",
          message: 'agent: There is no agent "nobody" in this session.',
        },
      },
    });
  });

  it("accepts a prompt of up to 1 MiB in any JSON encoding", async () => {
    const { id } = await client.create();
    const url = `/api/sessions/${id}/message`;
    // A letter with two bytes in UTF-8 and six in the body.
    const escaped = (letters: number) =>
      `{"prompt":"${"\\u00e4".repeat(letters)}","background":true}`;
    const over = await client.post(url, escaped(512 * 1024 + 1));
    expect(over).toMatchObject({ status: 413, body: { error: { type: "request_too_large" } } });
    expect((await client.post(url, escaped(512 * 1024))).status).toBe(202);
    await client.post(`/api/sessions/${id}/terminate`);
  });
});

describe("GET /api/sessions/:id/messages/:messageId?waitMs=", () => {
  /** Sends a prompt in the background and returns the paths of its session and of its message. */
  async function begin(prompt: string, config = {}) {
    const { id } = await client.create({ config });
    const sent = await client.post(`/api/sessions/${id}/message`, { prompt, background: true });
    const { messageId } = z.looseObject({ messageId: z.string() }).parse(sent.body);
    return {
      id,
      path: `/api/sessions/${id}`,
      message: `/api/sessions/${id}/messages/${messageId}`,
    };
  }

  it("answers when the message has ended", async () => {
    const { message } = await begin("/delay 200\nhello");
    const waited = await client.get(`${message}?waitMs=60000`);
    expect(waited).toMatchObject({ status: 200, body: { status: "completed" } });
    expect((await client.get(`${message}?waitMs=60000`)).body).toEqual(waited.body);
  });

  it("answers with the running message when the time is over", async () => {
    const { path, message } = await begin("/delay 60000\nhello");
    const { body } = await client.get(`${message}?waitMs=50`);
    expect(body).toMatchObject({ status: "running", endedAt: null });
    const waiting = client.get(`${message}?waitMs=60000`);
    await client.post(`${path}/interrupt`);
    expect((await waiting).body).toMatchObject({ status: "interrupted" });
  });

  it("answers when the session waits for somebody", async () => {
    const prompt = '/Bash {"command":"echo hello"}';
    const { message } = await begin(prompt, { askTools: ["Bash"] });
    const { body } = await client.get(`${message}?waitMs=60000`);
    expect(body).toMatchObject({ status: "waiting", waitingFor: { type: "approval" } });
    expect((await client.get(`${message}?waitMs=60000`)).body).toEqual(body);
  });

  it("goes on waiting after the object was lost", async () => {
    const { id, message } = await begin("/delay 300\nhello");
    const waiting = client.get(`${message}?waitMs=60000`);
    await scheduler.wait(50);
    await lose(id);
    expect(await waiting).toMatchObject({ status: 200, body: { status: "completed" } });
  });

  it("ends with a 404 when the session is deleted", async () => {
    const { path, message } = await begin("/delay 60000\nhello");
    const waiting = client.get(`${message}?waitMs=60000`);
    await scheduler.wait(50);
    expect((await client.delete(path)).status).toBe(204);
    expect((await waiting).status).toBe(404);
  });

  it.each(["-1", "60001", "1.5", "soon"])("refuses the time %s", async (waitMs) => {
    const { path, message } = await begin("hello");
    const answer = await client.get(`${message}?waitMs=${waitMs}`);
    expect(answer).toMatchObject({
      status: 400,
      body: { error: { issues: [{ path: "waitMs" }] } },
    });
    await client.post(`${path}/terminate`);
  });
});

describe("GET /api/sessions/:id/messages", () => {
  it("lists them oldest first, page by page", async () => {
    const { id } = await client.create();
    for (const prompt of ["one", "two", "three"]) await client.ask(id, { prompt });
    const page = async (query: string) =>
      MessagePage.parse((await client.get(`/api/sessions/${id}/messages${query}`)).body);
    expect((await page("")).messages.map(({ prompt }) => prompt)).toEqual(["one", "two", "three"]);
    const first = await page("?limit=2");
    expect(first.messages.map(({ prompt }) => prompt)).toEqual(["one", "two"]);
    const second = await page(`?limit=2&cursor=${first.nextCursor}`);
    expect(second.messages.map(({ prompt }) => prompt)).toEqual(["three"]);
    expect(second.nextCursor).toBeNull();
  });

  it("answers 404 for a message of another session", async () => {
    const { id } = await client.create();
    for (const messageId of ["msg_1", `msg_${"0".repeat(32)}`]) {
      const { status } = await client.get(`/api/sessions/${id}/messages/${messageId}`);
      expect(status).toBe(404);
    }
  });
});
