import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { readSettings } from "../settings";
import { aClient, local } from "../testing/api-client";
import { lose, newSessionId, objectOf, tablesOf, until } from "../testing/sessions";
import { createApp } from "./app";
import { newShareToken, sha256Hex } from "./ids";

const Made = z.looseObject({ id: z.string(), token: z.string(), url: z.string() });
const owner = aClient();

/** Makes a share link of a session, a new one unless it is given, and a client that has it. */
async function aShare(fields: object = {}, session?: { id: string }) {
  const { id: sessionId } = session ?? (await owner.create());
  const path = `/api/sessions/${sessionId}/shares`;
  const made = await owner.post(path, { access: "read", ...fields });
  expect(made.status).toBe(201);
  const share = Made.parse(made.body);
  return {
    ...share,
    sessionId,
    path: `/api/sessions/${sessionId}`,
    own: `${path}/${share.id}`,
    client: aClient(local, { Authorization: `Bearer ${share.token}` }),
  };
}

const statusOf = async (answer: Promise<{ status: number }>) => (await answer).status;

describe("a share link", () => {
  it("is made, listed without its token, used and revoked", async () => {
    const { client, path, own, token, url, ...made } = await aShare({ description: "for Ann" });
    expect(made).toMatchObject({
      id: expect.stringMatching(/^share_[0-9a-f]{32}$/),
      ...{ access: "read", description: "for Ann" },
    });
    expect(token).toMatch(/^rs_[0-9a-f]{32}_[0-9a-f]{48}$/);
    const { body: list } = await owner.get(`${path}/shares`);
    expect(list).toMatchObject({ shares: [{ id: made.id, description: "for Ann" }] });
    expect(JSON.stringify(list)).not.toContain(token.slice(-48));
    expect(await client.get(path)).toMatchObject({ status: 200, body: { id: made.sessionId } });
    // Browsers keep the fragment to themselves.
    expect(new URL(url)).toMatchObject({ pathname: "/", search: "" });
    expect(new URL(url).hash).toBe(`#/sessions/${made.sessionId}?token=${token}`);
    const nobody = aClient(readSettings({}));
    expect(await nobody.get(`${path}?token=${token}`)).toMatchObject({ status: 200 });
    expect((await client.get("/api/me")).body).toMatchObject({ via: "share", admin: false });

    expect((await owner.delete(own)).status).toBe(204);
    expect((await owner.delete(own)).status).toBe(204);
    expect(await client.get(path)).toMatchObject({
      status: 401,
      body: { error: { type: "authentication_error" } },
    });
    expect((await owner.get(`${path}/shares`)).body).toEqual({ shares: [] });
  });

  it("for a week by default, for thirty days at most", async () => {
    const { sessionId, path } = await aShare();
    const { body } = await owner.get(`${path}/shares`);
    const [share] = z.looseObject({ shares: z.array(z.any()) }).parse(body).shares;
    expect(Date.parse(share.expiresAt) - Date.parse(share.createdAt)).toBe(7 * 86_400_000);
    for (const fields of [
      { access: "admin" },
      {},
      { access: "read", expiresInMs: 30 * 86_400_000 + 1 },
      { access: "read", expiresInMs: 0 },
    ]) {
      expect(await statusOf(owner.post(`/api/sessions/${sessionId}/shares`, fields))).toBe(400);
    }
  });

  it("is refused once it has expired", async () => {
    const { client, path } = await aShare({ expiresInMs: 60_000 });
    expect((await client.get(path)).status).toBe(200);
    vi.useFakeTimers({ now: Date.now() + 60_000, toFake: ["Date"] });
    expect((await client.get(path)).status).toBe(401);
    expect((await owner.get(`${path}/shares`)).body).toEqual({ shares: [] });
    vi.useRealTimers();
  });

  it("shows no prompt of the owner's", async () => {
    const config = {
      systemPrompt: "private-one",
      customAgents: { helper: { systemPrompt: "private-two", description: "helps" } },
    };
    const { client, path } = await aShare({}, await owner.create({ config }));
    const text = JSON.stringify((await client.get(path)).body);
    expect(text).toContain("helps");
    expect(text).not.toMatch(/private-(one|two)/);
    const events = JSON.stringify((await client.get(`${path}/events`)).body);
    expect(events).not.toMatch(/private-(one|two)/);
  });

  it("does not use up the answer of an ephemeral session", async () => {
    const session = await owner.create({ pattern: "ephemeral" });
    const { client, path } = await aShare({}, session);
    const { body } = await owner.post(`${path}/message`, { prompt: "hello", background: true });
    const { messageId } = z.looseObject({ messageId: z.string() }).parse(body);
    await until(async () => {
      const { body } = await client.get(`${path}/messages/${messageId}`);
      return z.looseObject({ status: z.string() }).parse(body).status === "completed";
    });
    const ends = async () =>
      z.looseObject({ expiresAt: z.string() }).parse((await owner.get(path)).body).expiresAt;
    const unread = await ends();
    expect((await client.get(`${path}/messages`)).status).toBe(200);
    expect(await ends()).toBe(unread);
    await owner.get(`${path}/messages`);
    expect(await ends()).not.toBe(unread);
  });

  it("is there, or is gone, although the session's object is lost", async () => {
    const session = await owner.create();
    const path = `/api/sessions/${session.id}/shares`;
    const once = { headers: { "Idempotency-Key": "once" } };
    const make = () => owner.post(path, { access: "write" }, once);
    const made = await make();
    const { id, token } = Made.parse(made.body);
    const client = aClient(local, { Authorization: `Bearer ${token}` });
    await lose(session.id);
    expect((await client.get(`/api/sessions/${session.id}`)).status).toBe(200);
    expect(await make()).toMatchObject({ status: 409, body: { error: { shareId: id } } });
    expect((await owner.get(path)).body).toMatchObject({ shares: [{ id }] });
    await owner.delete(`${path}/${id}`);
    await lose(session.id);
    expect((await client.get(`/api/sessions/${session.id}`)).status).toBe(401);
  });

  it("is stored by the hash of its token only", async () => {
    const { sessionId, token } = await aShare();
    const shares = await objectOf(sessionId).share(await sha256Hex(token));
    expect(shares).toMatchObject({ share: { access: "read" } });
    expect(await objectOf(sessionId).share(token)).toBeNull();
  });

  it("is one of a hundred at most; those that have expired do not count", async () => {
    const session = await owner.create();
    const path = `/api/sessions/${session.id}/shares`;
    await aShare({ expiresInMs: 20_000 }, session);
    for (let n = 0; n < 99; n++) await aShare({}, session);
    const more = () => owner.post(path, { access: "read" });
    expect(await more()).toMatchObject({
      status: 409,
      body: { error: { reason: "too_many_shares" } },
    });
    vi.useFakeTimers({ now: Date.now() + 20_000, toFake: ["Date"] });
    expect((await more()).status).toBe(201);
    vi.useRealTimers();
  });

  it("of nobody leaves nothing behind", async () => {
    const id = newSessionId();
    const client = aClient(local, { Authorization: `Bearer ${newShareToken(id)}` });
    expect((await client.get(`/api/sessions/${id}`)).status).toBe(401);
    expect(await tablesOf(env.SESSIONS.getByName(id))).toEqual([]);
  });
});

describe("a share link is for", () => {
  const app = createApp(local);
  const routes = app.routes.filter(
    ({ method, path }) => method !== "ALL" && path.startsWith("/api/"),
  );
  const ID = "0".repeat(32);
  const pathOf = (path: string, sessionId: string) =>
    path
      .replace("/api/conversations/:id", "/api/conversations/1")
      .replace(":id", sessionId)
      .replace(":messageId", `msg_${ID}`)
      .replace(":artifactId", `art_${ID}${ID}`)
      .replace(":scheduleId", `sched_${ID}`)
      .replace(":shareId", `share_${ID}`)
      .replace(":previewId", `prev_${ID}`)
      .replace(":keyId", `key_${ID}`);
  const READ = [
    ...["", "/messages", "/messages/:messageId", "/events", "/archive", "/files", "/files/*"],
    ...["/artifacts", "/artifacts/:artifactId", "/artifacts/:artifactId/content"],
  ].map((path) => `GET /api/sessions/:id${path}`);
  /** What there is none of answers with 404 too. */
  const isOfOne = ({ method, path }: { method: string; path: string }) =>
    /:(message|artifact)Id/.test(path) || (method === "GET" && path.endsWith("/*"));
  const ALLOWED = {
    read: [...READ, "GET /api/me"],
    write: [
      ...[...READ, "GET /api/me"],
      ...["POST /api/sessions/:id/message", "POST /api/sessions/:id/interrupt"],
    ],
  };

  it.each(["read", "write"] as const)(
    "what its access %s says, and nothing else",
    async (access) => {
      const { client, sessionId, path: own } = await aShare({ access });
      const before = (await owner.get(own)).body;
      for (const { method, path } of routes) {
        const { status } = await client.raw(method, pathOf(path, sessionId));
        const isAllowed = ALLOWED[access].includes(`${method} ${path}`);
        expect(
          [401, 403, 404].includes(status) && !isOfOne({ method, path }),
          `${method} ${path}: ${status}`,
        ).toBe(!isAllowed);
      }
      expect((await owner.get(own)).body).toEqual(before);
    },
  );

  it("one session: another of the same owner does not exist", async () => {
    const { client } = await aShare({ access: "write" });
    const other = await owner.create();
    for (const { method, path } of routes.filter(({ path }) => path.includes(":id"))) {
      const { status } = await client.raw(method, pathOf(path, other.id));
      expect(status, `${method} ${path}`).toBe(404);
    }
    expect((await client.get(`/api/sessions/${other.id}?token=x`)).status).toBe(404);
  });

  it("messages, if it is for writing", async () => {
    const { client, path } = await aShare({ access: "write" });
    expect(await client.post(`${path}/message`, { prompt: "hello" })).toMatchObject({
      status: 200,
      body: { status: "completed" },
    });
    const reading = await aShare({}, { id: path.split("/").at(-1) ?? "" });
    expect(await statusOf(reading.client.post(`${path}/message`, { prompt: "x" }))).toBe(403);
  });

  it("nothing that changes, if its token is in the query", async () => {
    const { token, path } = await aShare({ access: "write" });
    const client = aClient(readSettings({}));
    expect((await client.post(`${path}/message?token=${token}`, { prompt: "x" })).status).toBe(503);
  });
});

describe("a stream by a share link", () => {
  const SSE = { headers: { Accept: "text/event-stream" } };

  /** Reads a stream to its end, in the background. */
  function reading(body: ReadableStream<Uint8Array> | null) {
    const heard = { text: "", isOver: false };
    void (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of body ?? []) heard.text += decoder.decode(chunk, { stream: true });
      heard.isOver = true;
    })();
    return heard;
  }

  it("of a session ends when the link is revoked, and nothing more arrives", async () => {
    const { client, path, own, token } = await aShare();
    const other = await aShare({}, { id: path.split("/").at(-1) ?? "" });
    const byQuery = aClient(readSettings({}));
    const streams = [
      await client.raw("GET", `${path}/events`, SSE),
      await byQuery.raw("GET", `${path}/events?token=${token}`, SSE),
      await other.client.raw("GET", `${path}/events`, SSE),
    ];
    const [one, two, kept] = streams.map(({ body }) => reading(body));
    await until(() => [one, two, kept].every((heard) => heard?.text.includes("session.created")));
    await owner.delete(own);
    await until(() => one?.isOver === true && two?.isOver === true);
    await owner.post(`${path}/message`, { prompt: "hello" });
    await until(() => kept?.text.includes("message.completed") === true);
    expect(one?.text).not.toContain("message.");
    expect(kept?.isOver).toBe(false);
    await owner.post(`${path}/terminate`);
    await until(() => kept?.isOver === true);
  });

  it("of its own message ends when the link is revoked; the message goes on", async () => {
    const { client, path, own } = await aShare({ access: "write" });
    const prompt = '/Bash {"command":"sleep 1"}\ndone';
    const stream = await client.raw("POST", `${path}/message`, {
      body: { prompt, streaming: true },
    });
    const heard = reading(stream.body);
    await until(() => heard.text.includes("tool.started"));
    await owner.delete(own);
    await until(() => heard.isOver);
    expect(heard.text).not.toContain("message.completed");
    await until(async () => {
      const { body } = await owner.get(`${path}/messages`);
      return JSON.stringify(body).includes('"status":"completed"');
    }, 5_000);
  });

  it("ends when the link expires", async () => {
    const { client, path } = await aShare({ expiresInMs: 1_000 });
    const heard = reading((await client.raw("GET", `${path}/events`, SSE)).body);
    await until(() => heard.isOver, 5_000);
    expect(heard.text).toContain("session.created");
  });
});
