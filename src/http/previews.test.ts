import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { readSettings } from "../settings";
import { toHex } from "../shared/bytes";
import { aClient, local } from "../testing/api-client";
import { HAS_CONTAINERS, killContainer } from "../testing/containers";
import { at, withoutPauses } from "../testing/faults";
import {
  aSessionWithPorts,
  aVisitor,
  installContainers,
  runIn,
  serveIn,
} from "../testing/previews";
import {
  ALICE,
  BOB,
  createSession,
  eventsOf,
  lose,
  NO_LIMITS,
  objectOf,
  read,
  sessionOf,
  until,
  value,
} from "../testing/sessions";
import { newPreviewToken, sha256Hex } from "./ids";

const DOMAIN = "preview.test";
const withDomain = readSettings({ ALLOW_ANONYMOUS: "true", PREVIEW_DOMAIN: DOMAIN });
const owner = aClient(local);
const visit = aVisitor(local);
const visitHost = aVisitor(withDomain);
const DAY_MS = 86_400_000;

const Preview = z.strictObject({
  id: z.string(),
  port: z.number(),
  createdAt: z.string(),
  expiresAt: z.string(),
});
const Made = Preview.extend({ url: z.string() });
const Echoed = z.object({
  method: z.string(),
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  size: z.number(),
  hash: z.string(),
});

const pathOf = (id: string) => `/api/sessions/${id}/previews`;

async function make(id: string, fields: object, client = owner) {
  const { status, body } = await client.post(pathOf(id), fields);
  expect(status).toBe(201);
  return Made.parse(body);
}

/** Reads a body in the background. */
function reading(body: ReadableStream<Uint8Array> | null) {
  const heard = { text: "", isOver: false };
  void (async () => {
    try {
      const decoder = new TextDecoder();
      for await (const chunk of body ?? []) heard.text += decoder.decode(chunk, { stream: true });
    } catch {
      // It was cut off.
    }
    heard.isOver = true;
  })();
  return heard;
}

/** Opens a WebSocket and collects what it gets. */
async function connect(url: string, protocol?: string) {
  const headers = { Upgrade: "websocket", ...(protocol && { "Sec-WebSocket-Protocol": protocol }) };
  const response = await visit(url, { headers });
  const { webSocket: socket } = response;
  if (!socket) throw new Error(`it answered with ${response.status}`);
  const got: unknown[] = [];
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  socket.binaryType = "arraybuffer";
  socket.addEventListener("message", ({ data }) => {
    got.push(typeof data === "string" ? data : [...new Uint8Array(data as ArrayBuffer)]);
  });
  socket.addEventListener("close", ({ code, reason }) => closed.resolve({ code, reason }));
  socket.accept();
  return { socket, got, closed: closed.promise, headers: response.headers };
}

describe.runIf(HAS_CONTAINERS)("a preview", () => {
  let id = "";
  let port = 0;

  beforeAll(async () => {
    installContainers();
    id = await aSessionWithPorts();
    port = await serveIn(id);
  });
  afterAll(async () => {
    await killContainer(id);
    vi.restoreAllMocks();
  });

  describe("in the API", () => {
    it("is made, listed without its address, and deleted", async () => {
      const session = await aSessionWithPorts();
      const { url, ...made } = await make(session, { port: 5173 });
      expect(made.id).toMatch(/^prev_[0-9a-f]{32}$/);
      expect(Date.parse(made.expiresAt) - Date.parse(made.createdAt)).toBe(DAY_MS);
      const token = new URL(url).pathname.split("/")[2] ?? "";
      expect(token).toMatch(/^[0-9a-f]{62}$/);
      expect(new URL(url).pathname).toBe(`/previews/${token}/`);
      const { body } = await owner.get(pathOf(session));
      expect(body).toEqual({ previews: [made] });

      const own = `${pathOf(session)}/${made.id}`;
      expect((await owner.delete(own)).status).toBe(204);
      expect((await owner.delete(own)).status).toBe(204);
      expect((await owner.get(pathOf(session))).body).toEqual({ previews: [] });
      expect((await owner.delete(`${pathOf(session)}/x`)).status).toBe(404);
      const events = await eventsOf(session);
      const { id: previewId, expiresAt } = made;
      const told = { previewId, port: 5173, expiresAt };
      expect(events.slice(-2)).toMatchObject([
        { type: "preview.created", ...told },
        { type: "preview.removed", ...told },
      ]);
      // Whoever reads events can't open it.
      expect(JSON.stringify(events)).not.toContain(token.slice(32));
      await killContainer(session);
    });

    it("has a host name of its own where there is a domain", async () => {
      const { url } = await make(id, { port: 5173 }, aClient(withDomain));
      expect(url).toMatch(/^http:\/\/[0-9a-f]{62}\.preview\.test\/$/);
      const [label = ""] = new URL(url).hostname.split(".");
      expect(label.length).toBeLessThanOrEqual(63);
    });

    it("is of a port that can be reached, for thirty days at most", async () => {
      for (const fields of [
        ...[{}, { port: 0 }, { port: 65_536 }, { port: 80.5 }, { port: "80" }],
        // Those of the sandbox's own programs.
        ...[{ port: 3000 }, { port: 28_080 }],
        ...[
          { port, expiresInMs: 0 },
          { port, expiresInMs: 30 * DAY_MS + 1 },
        ],
        ...[{ port, host: "x" }],
      ]) {
        const { status } = await owner.post(pathOf(id), fields);
        expect(status, JSON.stringify(fields)).toBe(400);
      }
      const embedded = await createSession();
      expect(await owner.post(pathOf(embedded), { port })).toMatchObject({
        status: 400,
        body: { error: { issues: [{ path: "port" }] } },
      });
    });

    it("is made once for a repeated request, also if the session's object is lost", async () => {
      const session = await aSessionWithPorts();
      const once = { headers: { "Idempotency-Key": "once" } };
      const post = () => owner.post(pathOf(session), { port: 5173 }, once);
      const made = Made.parse((await post()).body);
      await lose(session);
      expect(await post()).toMatchObject({
        status: 409,
        body: { error: { reason: "idempotency_mismatch", previewId: made.id } },
      });
      expect((await owner.get(pathOf(session))).body).toMatchObject({
        previews: [{ id: made.id }],
      });
      await owner.delete(`${pathOf(session)}/${made.id}`);
      await lose(session);
      expect((await visit(made.url)).status).toBe(404);
      await killContainer(session);
    });

    it("is one of twenty at most, and of no session that has ended", async () => {
      const session = await aSessionWithPorts();
      await make(session, { port: 5173, expiresInMs: 20_000 });
      for (let n = 1; n < 20; n++) await make(session, { port: 5173 });
      const more = () => owner.post(pathOf(session), { port: 5173 });
      const reason = "too_many_previews";
      expect(await more()).toMatchObject({ status: 409, body: { error: { reason } } });
      await at(Date.now() + 20_000, async () => expect((await more()).status).toBe(201));
      await owner.post(`/api/sessions/${session}/terminate`);
      expect(await more()).toMatchObject({
        status: 409,
        body: { error: { reason: "session_ended" } },
      });
      expect((await owner.get(pathOf(session))).body).toEqual({ previews: [] });
      await killContainer(session);
    });

    it("is of nobody but the session's owner", async () => {
      const { id: previewId } = await make(id, { port });
      const request = { id: "prev_1", hash: "h", port, expiresInMs: 1_000 };
      for (const answer of [
        await sessionOf(id).addPreview(BOB, request),
        await sessionOf(id).previews(BOB),
        await sessionOf(id).removePreview(BOB, previewId),
      ]) {
        expect(answer).toMatchObject({ ok: false, failure: { code: "not_found" } });
      }
      expect(value(await sessionOf(id).previews(ALICE)).map((one) => one.id)).toContain(previewId);
    });
  });

  describe("passes on", () => {
    let url = "";
    beforeAll(async () => {
      ({ url } = await make(id, { port }));
    });

    it.each(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])(
      "a request of the method %s, with its path, its query and its body",
      async (method) => {
        const body = method === "GET" ? null : new Uint8Array(300_000).fill(7);
        const target = "echo/a%20b//c?d=%2F&d=e%20";
        const response = await visit(url + target, { method, body, headers: { "x-own": "kept" } });
        expect(response.status).toBe(200);
        const echoed = Echoed.parse(await response.json());
        expect(echoed).toMatchObject({ method, url: `/${target}`, size: body?.length ?? 0 });
        expect(echoed.headers).toMatchObject({ "x-own": "kept", host: "localhost" });
        if (body) {
          const digest = await crypto.subtle.digest("SHA-256", body);
          expect(echoed.hash).toBe(toHex(new Uint8Array(digest)));
        }
      },
    );

    it("where the request came from, and nothing that the way to the server adds", async () => {
      const headers = { "cf-connecting-ip": "203.0.113.9", "x-forwarded-for": "10.0.0.1" };
      const { headers: got } = Echoed.parse(await (await visit(`${url}echo`, { headers })).json());
      expect(got).toMatchObject({
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-host": "localhost",
        "x-forwarded-proto": "http",
        "x-forwarded-prefix": new URL(url).pathname.slice(0, -1),
      });
      expect(Object.keys(got).filter((name) => /^(x-rigger|cf)-/.test(name))).toEqual([]);
    });

    it("a status, headers and a body of known length, and to HEAD no body", async () => {
      const target = `${url}answer?status=418&n=70000&h=x-own:%20kept`;
      const response = await visit(target);
      expect(response.status).toBe(418);
      expect(response.headers.get("x-own")).toBe("kept");
      expect((await response.arrayBuffer()).byteLength).toBe(70_000);
      const head = await visit(`${target}&h=content-length:%205`, { method: "HEAD" });
      expect(head.status).toBe(418);
      expect(head.headers.get("content-length")).toBe("5");
      expect(await head.text()).toBe("");
      expect((await visit(`${url}answer?status=304`)).status).toBe(304);
    });

    it("a compressed body as it is", async () => {
      const response = await visit(`${url}gzip`);
      expect(response.headers.get("content-encoding")).toBe("gzip");
      const bytes = new Uint8Array(await response.arrayBuffer());
      expect([...bytes.slice(0, 2)]).toEqual([0x1f, 0x8b]);
      const text = await new Response(
        new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")),
      ).text();
      expect(text).toBe("packed ".repeat(100));
    });

    it("a stream while it goes on, and the end of its reader", async () => {
      const response = await visit(`${url}events`);
      const reader = response.body?.getReader();
      const { value: first } = (await reader?.read()) ?? {};
      expect(new TextDecoder().decode(first)).toBe("data: one\n\n");
      await reader?.cancel();
    });

    it("an answer that comes before the body was read", async () => {
      const body = new Uint8Array(4_000_000);
      const response = await visit(`${url}early`, { method: "POST", body });

      expect(response.status).toBe(413);
    });

    it("messages of a WebSocket, and both sides' ends", async () => {
      const one = await connect(`${url}socket`, "chat, other");
      expect(one.headers.get("sec-websocket-protocol")).toBe("chat");
      one.socket.send("hällo");
      one.socket.send(Uint8Array.of(1, 2, 3));
      one.socket.send("x".repeat(100_000));
      await until(() => one.got.length === 3);
      expect(one.got).toEqual(["hällo", [1, 2, 3], "x".repeat(100_000)]);
      one.socket.send("close 4001 so it is");
      expect(await one.closed).toEqual({ code: 4001, reason: "so it is" });

      const two = await connect(`${url}socket`);
      two.socket.close(4002, "enough");
      expect((await two.closed).code).toBe(4002);
      const refused = await visit(`${url}refused`, { headers: { Upgrade: "websocket" } });
      expect(refused.status).toBe(403);
    });

    it("to a server that listens for IPv6 only", async (context) => {
      if ((await runIn(id, "cat /proc/net/if_inet6")) === "") return context.skip();
      const other = await make(id, { port: await serveIn(id, "::1") });
      expect((await visit(`${other.url}echo`)).status).toBe(200);
    });

    it("an address without its last slash, by a redirect", async () => {
      const response = await visit(`${url.slice(0, -1)}?a=b`);
      expect(response.status).toBe(308);
      expect(response.headers.get("location")).toBe(`${new URL(url).pathname}?a=b`);
    });
  });

  describe("answers itself", () => {
    const textOf = async (response: Response) => [response.status, await response.text()];

    it("where nothing listens", async () => {
      const { url } = await make(id, { port: 1 });
      const closed = [502, "Rigger: Nothing answers at port 1.\n"];
      expect(await textOf(await visit(url))).toEqual(closed);
      expect(await textOf(await visit(url, { method: "POST", body: "x" }))).toEqual(closed);
      expect(await textOf(await visit(url, { headers: { Upgrade: "websocket" } }))).toEqual(closed);
    });

    it("for an address that was not made, has expired or was deleted", async () => {
      const { id: previewId, url } = await make(id, { port, expiresInMs: 5_000 });
      const token = new URL(url).pathname.split("/")[2] ?? "";
      expect((await visit(url)).status).toBe(404);
      for (const wrong of [newPreviewToken(id), token.slice(0, -1), `${token}0`, "", "%00"]) {
        expect((await visit(`http://localhost/previews/${wrong}/echo`)).status).toBe(404);
      }
      await at(Date.now() + 5_000, async () => expect((await visit(url)).status).toBe(404));
      await owner.delete(`${pathOf(id)}/${previewId}`);
      expect(await textOf(await visit(url))).toEqual([
        404,
        "Rigger: This preview does not exist, has expired or was deleted.\n",
      ]);
    });

    it("more requests than are allowed in a minute, each preview for itself", async () => {
      const [one, other] = [await make(id, { port }), await make(id, { port })];
      const counts = new Map<string, number>();
      const limit = vi.spyOn(env.REQUESTS_10000, "limit").mockImplementation(async ({ key }) => {
        const count = (counts.get(key) ?? 0) + 1;
        counts.set(key, count);
        return { success: count <= 2 };
      });
      const statusOf = async ({ url }: { url: string }) => (await visit(`${url}echo`)).status;
      expect([await statusOf(one), await statusOf(one), await statusOf(other)]).toEqual([
        ...[200, 200, 200],
      ]);
      const refused = await visit(`${one.url}echo`);
      expect(refused.headers.get("Retry-After")).toBe("60");
      expect(await textOf(refused)).toEqual([
        429,
        "Rigger: There are too many requests for this preview. Slow down.\n",
      ]);
      expect(await statusOf(other)).toBe(200);
      limit.mockRestore();
    });

    it("an isolate that knows a deleted one still, for ten seconds at most", async () => {
      const { id: previewId, url } = await make(id, { port });
      const status = async () => (await visit(`${url}echo`)).status;
      expect(await status()).toBe(200);
      await sessionOf(id).removePreview(ALICE, previewId);
      await at(Date.now() + 10_001, async () => expect(await status()).toBe(404));
    });

    it("what is open ends when it is deleted", async () => {
      await withoutPauses(async () => {
        const { id: previewId, url } = await make(id, { port });
        const heard = reading((await visit(`${url}events`)).body);
        const { socket, closed } = await connect(`${url}socket`);
        socket.send("one");
        await until(() => heard.text !== "");
        await scheduler.wait(50);
        expect(heard.isOver).toBe(false);
        await owner.delete(`${pathOf(id)}/${previewId}`);
        expect(await closed).toEqual({ code: 1001, reason: "the preview has ended" });
        await until(() => heard.isOver);
      });
    });

    it("what is open ends when it expires", async () => {
      const { url } = await make(id, { port, expiresInMs: 1_000 });
      const heard = reading((await visit(`${url}events`)).body);
      await until(() => heard.isOver, 3_000);
      expect(heard.text).toBe("data: one\n\n");
    });
  });

  describe("with a host name of its own", () => {
    it("is reached there, and not by a path", async () => {
      const { url } = await make(id, { port }, aClient(withDomain));
      const response = await visitHost(`${url}echo?a=b`, { headers: { cookie: "a=1" } });
      const { url: path, headers } = Echoed.parse(await response.json());
      expect(path).toBe("/echo?a=b");
      const { host } = new URL(url);
      expect(headers).toMatchObject({ host, cookie: "a=1", "x-forwarded-host": host });
      expect(headers).not.toHaveProperty("x-forwarded-prefix");
      const token = host.split(".")[0];
      const byPath = await visitHost(`http://localhost/previews/${token}/echo`);
      expect(await byPath.text()).toBe("an asset");
    });

    it("has nothing of Rigger: no page, no API, whatever the path", async () => {
      const { url } = await make(id, { port }, aClient(withDomain));
      const { host } = new URL(url);
      const wrong = host.slice(0, 61) + (host[61] === "0" ? "1" : "0");
      expect(await (await visitHost("http://rigger.test/")).text()).toBe("an asset");
      for (const path of ["", "api/me", "health", "mcp", "machines/x", "previews/x/", "docs"]) {
        // That is the server's.
        const there = await visitHost(url + path);
        expect([there.status, await there.text()], path).toEqual([404, "nothing here"]);
        for (const label of ["other", "x.y", wrong, "0".repeat(62)]) {
          const { status, headers } = await visitHost(`http://${label}.${DOMAIN}/${path}`);
          expect([status, headers.get("content-type")]).toEqual([404, "text/plain; charset=utf-8"]);
        }
      }
    });
  });

  describe("goes on", () => {
    it("with another server in place of the one for ports, if that has ended", async () => {
      const { url } = await make(id, { port });
      const status = async (init?: RequestInit) => (await visit(`${url}echo`, init)).status;
      expect(await status()).toBe(200);
      // The tests share the processes of this computer.
      const killed = await runIn(
        id,
        `for pid in $(grep -laF '"do":"servePorts"' /proc/[0-9]*/environ | cut -d/ -f3); do
           grep -qa ${id} /proc/$pid/environ && kill -9 $pid && echo $pid
         done 2>/dev/null`,
      );
      expect(killed).toMatch(/^\d+\n$/);
      // What was sent can't be sent again.
      expect(await status({ method: "POST", body: "x" })).toBe(502);
      expect(await status()).toBe(200);
      expect(await status({ method: "POST", body: "x" })).toBe(200);
    });

    it("when the session sleeps and wakes, and not meanwhile", async () => {
      const session = await aSessionWithPorts({ limits: { ...NO_LIMITS, maxIdleTimeMs: 60_000 } });
      const { url } = await make(session, { port: await serveIn(session) });
      expect((await visit(`${url}echo`)).status).toBe(200);
      await at(Date.now() + 120_000, () => runDurableObjectAlarm(objectOf(session)));
      await until(
        async () =>
          (await sessionOf(session).read(ALICE)).ok &&
          (await read(session)).sandbox.state !== "ready" &&
          (await read(session)).sandbox.state !== "saving",
        5_000,
      );
      await at(Date.now() + 11_000, async () => {
        const asleep = await visit(`${url}echo`);
        expect(asleep.status).toBe(503);
        expect(asleep.headers.get("retry-after")).toBe("5");
        expect(await asleep.text()).toContain("does not run");
      });
      // A visit has not woken it.
      expect((await read(session)).status).toBe("idle");
      await owner.ask(session, { prompt: '/Bash {"command":"true"}' });
      const { id: previewId } = await make(session, { port: await serveIn(session) });
      expect(previewId).toBeTruthy();
      await at(Date.now() + 22_000, async () =>
        // The new container has no server at the old port.
        expect((await visit(`${url}echo`)).status).toBe(502),
      );
      await owner.post(`/api/sessions/${session}/terminate`);
      await at(Date.now() + 33_000, async () => expect((await visit(url)).status).toBe(404));
      await killContainer(session);
    });

    it("although the session's object is lost", async () => {
      const { url } = await make(id, { port });
      const { socket, got } = await connect(`${url}socket`);
      await lose(id);
      socket.send("still");
      await until(() => got.length === 1);
      const hash = await sha256Hex(new URL(url).pathname.split("/")[2] ?? "");
      expect(await objectOf(id).preview(hash)).toMatchObject({ port });
      expect((await visit(`${url}echo`)).status).toBe(200);
      socket.close(1000);
    });
  });
});
