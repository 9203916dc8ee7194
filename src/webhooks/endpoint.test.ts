import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { moveClock } from "../testing/faults";
import { alarmOf, loseObject, tablesOf, until, value } from "../testing/sessions";
import { sending } from "./endpoint";
import type { OutgoingEvent, WebhookRpc, WebhookSpec } from "./rpc";

const DAY = 86_400_000;
const SECRET = `whsec_${btoa("0123456789abcdef01234567")}`;
const OTHER = `whsec_${btoa("abcdef012345670123456789")}`;

const objectOf = (id: string) => env.WEBHOOKS.getByName(id);
const endpointOf = (id: string) => objectOf(id) as unknown as WebhookRpc;

interface Received {
  url: string;
  body: string;
  headers: Record<string, string>;
  at: number;
}

/** A receiver: answers each request, and keeps those that it has accepted, in their order. */
class Receiver {
  readonly accepted: Received[] = [];
  readonly seen: Received[] = [];
  answer: (received: Received) => Response | Promise<Response> = () => new Response("ok");

  async fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const headers = Object.fromEntries(new Headers(init?.headers));
    const received = { url: String(input), body: String(init?.body), headers, at: Date.now() };
    this.seen.push(received);
    const response = await this.answer(received);
    if (response.ok) this.accepted.push(received);
    return response;
  }

  of(id: string): string[] {
    return this.accepted.filter(({ url }) => url.endsWith(id)).map(({ body }) => body);
  }
}

let receiver = new Receiver();
beforeEach(() => {
  receiver = new Receiver();
  vi.spyOn(sending, "fetch").mockImplementation((input, init) => receiver.fetch(input, init));
  sending.lookup = undefined;
});
afterEach(() => {
  vi.restoreAllMocks();
  sending.allowPrivate = false;
});

const newId = () => `hook_${crypto.randomUUID().replaceAll("-", "")}`;

async function create(changes: Partial<WebhookSpec> = {}): Promise<string> {
  const id = newId();
  const spec = {
    ...{ id, owner: "alice", url: `https://example.com/${id}`, events: ["*"], secret: SECRET },
    ...{ sessionId: null, description: null },
    ...changes,
  };
  value(await endpointOf(id).create(spec));
  return id;
}

const anEvent = (lane: string, n: number): OutgoingEvent => ({
  id: `evt_${lane}_${n}`,
  lane,
  type: "message.completed",
  body: `${lane} ${n}`,
});

const pendingOf = async (id: string) => value(await endpointOf(id).read()).pending;
const delivered = (id: string) => until(async () => (await pendingOf(id)) === 0, 5_000);
const deliveriesOf = async (id: string, status = null) =>
  value(await endpointOf(id).deliveries({ status, before: null, limit: 100 })).deliveries;

describe("an endpoint", () => {
  it("sends signed messages that the library verifies", async () => {
    const id = await create();
    await endpointOf(id).enqueue([anEvent("s1", 1)]);
    await delivered(id);
    const [{ headers, body } = { headers: {}, body: "" }] = receiver.accepted;
    const json = { headers: { ...headers }, body };
    expect(() =>
      new Webhook(SECRET).verify(json.body, json.headers, { jsonParse: false }),
    ).not.toThrow();
    expect(() => new Webhook(OTHER).verify(body, headers, { jsonParse: false })).toThrow();
    expect(headers).toMatchObject({
      "webhook-id": "evt_s1_1",
      "content-type": "application/json",
    });
    expect(await deliveriesOf(id)).toMatchObject([
      {
        ...{ id: "evt_s1_1", status: "delivered", nextAttemptAt: null },
        attempts: [{ status: 200, response: "ok", error: null }],
      },
    ]);
  });

  it("signs with both secrets while a rotation's grace lasts", async () => {
    const id = await create();
    value(await endpointOf(id).rotateSecret(OTHER, 60_000));
    const move = moveClock();
    const works = (secret: string, { body, headers }: Received) => {
      try {
        new Webhook(secret).verify(body, headers, { jsonParse: false });
        return true;
      } catch {
        return false;
      }
    };
    await endpointOf(id).enqueue([anEvent("s1", 1)]);
    await delivered(id);
    const [first] = receiver.accepted;
    expect([works(SECRET, first as Received), works(OTHER, first as Received)]).toEqual([
      true,
      true,
    ]);
    move(60_001);
    await endpointOf(id).enqueue([anEvent("s1", 2)]);
    await delivered(id);
    expect(receiver.accepted[1]?.headers["webhook-signature"]?.split(" ")).toHaveLength(1);
  });

  it("sends the events of a session in their order, each once, whatever fails", async () => {
    const id = await create();
    let n = 0;
    receiver.answer = () => (n++ % 3 === 0 ? new Response("no", { status: 500 }) : new Response());
    const move = moveClock();
    const events = Array.from({ length: 12 }, (_, i) => anEvent(i % 2 ? "a" : "b", i));
    await endpointOf(id).enqueue(events);
    await endpointOf(id).enqueue(events);
    while ((await pendingOf(id)) > 0) {
      move(3_700_000);
      await runDurableObjectAlarm(objectOf(id));
    }
    const bodies = receiver.of(id);
    expect(bodies.filter((body) => body.startsWith("a"))).toEqual([
      "a 1",
      "a 3",
      "a 5",
      "a 7",
      "a 9",
      "a 11",
    ]);
    expect(bodies.filter((body) => body.startsWith("b"))).toEqual([
      "b 0",
      "b 2",
      "b 4",
      "b 6",
      "b 8",
      "b 10",
    ]);
  });

  it("loses nothing while the receiver is down for a day", async () => {
    const id = await create();
    const move = moveClock();
    receiver.answer = () => new Response("down", { status: 500 });
    const lanes = ["a", "b", "c", "d"];
    await endpointOf(id).enqueue(lanes.flatMap((lane) => [anEvent(lane, 1), anEvent(lane, 2)]));
    for (let hours = 0; hours < 24; hours++) {
      move(3_600_000 - 1_000);
      await runDurableObjectAlarm(objectOf(id));
      if (hours % 6 === 0) await loseObject(objectOf(id));
    }
    expect(receiver.of(id)).toEqual([]);
    expect(value(await endpointOf(id).read())).toMatchObject({ enabled: true, pending: 8 });
    // A receiver that is down is not stormed: about an attempt a minute at most, of one lane at a time.
    expect(receiver.seen.length).toBeLessThan(24 * 60);
    receiver.answer = () => new Response();
    move(61_000);
    await runDurableObjectAlarm(objectOf(id));
    await delivered(id);
    const bodies = receiver.of(id);
    for (const lane of lanes) {
      expect(bodies.filter((body) => body.startsWith(lane))).toEqual([`${lane} 1`, `${lane} 2`]);
    }
  });

  it("gives up an event after a day and goes on with the next, and is disabled after three", async () => {
    const id = await create();
    const move = moveClock();
    receiver.answer = () => new Response("down", { status: 500 });
    await endpointOf(id).enqueue([anEvent("a", 1), anEvent("a", 2)]);
    for (let hours = 0; hours < 25; hours++) {
      move(3_600_000);
      await runDurableObjectAlarm(objectOf(id));
    }
    expect((await deliveriesOf(id)).map(({ status }) => status)).toEqual(["pending", "failed"]);
    for (let n = 0; n < 3; n++) {
      move(DAY);
      await endpointOf(id).enqueue([anEvent("a", 10 + n)]);
      await runDurableObjectAlarm(objectOf(id));
    }
    expect(value(await endpointOf(id).read())).toMatchObject({
      enabled: false,
      disabledBecause: expect.stringMatching(/three days.*answered 500/),
    });
    expect(await endpointOf(id).enqueue([anEvent("a", 99)])).toBe(false);
    receiver.answer = () => new Response();
    value(await endpointOf(id).update({ enabled: true }));
    await delivered(id);
    expect(value(await endpointOf(id).read())).toMatchObject({ disabledBecause: null });
    const failed = (await deliveriesOf(id)).findLast(({ status }) => status === "failed");
    value(await endpointOf(id).redeliver(failed?.id ?? ""));
    await until(() => receiver.of(id).includes("a 1"));
  });

  it("is disabled at once by a receiver that is gone", async () => {
    const id = await create();
    receiver.answer = () => new Response(null, { status: 410 });
    await endpointOf(id).enqueue([anEvent("a", 1)]);
    await until(async () => !value(await endpointOf(id).read()).enabled);
    expect(value(await endpointOf(id).read()).disabledBecause).toContain("410");
  });

  it.each([
    ["http://example.com/", "https"],
    ["https://127.0.0.1/", "127.0.0.1"],
    ["https://[::1]/", "[::1]"],
    ["https://[::ffff:10.0.0.1]/", "not on the public internet"],
    ["https://0x7f.1/", "127.0.0.1"],
    ["https://2130706433/", "127.0.0.1"],
    ["https://metadata.google.internal/", "not on the public internet"],
    ["https://localhost/", "localhost"],
  ])("sends nothing to %s", async (url, why) => {
    const id = await create({ url });
    await endpointOf(id).enqueue([anEvent("a", 1)]);
    await until(async () => (await deliveriesOf(id))[0]?.attempts.length === 1);
    expect((await deliveriesOf(id))[0]?.attempts[0]?.error).toContain(why);
    expect(receiver.seen).toEqual([]);
  });

  it("sends nothing to a name that leads to a private address, nor where a redirect leads", async () => {
    const id = await create();
    sending.lookup = async (host) =>
      `${host} leads to an address that is not on the public internet`;
    await endpointOf(id).enqueue([anEvent("a", 1)]);
    await until(async () => (await deliveriesOf(id))[0]?.attempts.length === 1);
    expect(receiver.seen).toEqual([]);
    sending.lookup = async () => null;
    receiver.answer = () => Response.redirect("https://10.0.0.1/", 307);
    const attempt = value(await endpointOf(id).ping());
    expect(attempt).toMatchObject({ status: 307, error: expect.stringContaining("redirect") });
    expect(receiver.seen.map(({ url }) => url)).toEqual([`https://example.com/${id}`]);
  });

  it("keeps one KB of an answer, however long it is", async () => {
    const id = await create();
    let pulled = 0;
    receiver.answer = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            pulled += 1;
            controller.enqueue(new TextEncoder().encode("x".repeat(1_000)));
          },
        }),
      );
    const attempt = value(await endpointOf(id).ping());
    expect(attempt.response).toHaveLength(1_024);
    expect(pulled).toBeLessThan(10);
  });

  it("waits for a receiver that never answers no longer than its time limit, and slows no other one", async () => {
    const [silent, other] = [await create(), await create()];
    const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
      expect(ms).toBe(15_000);
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 300);
      return controller.signal;
    });
    const { fetch } = receiver;
    vi.spyOn(sending, "fetch").mockImplementation((input, init) => {
      if (!String(input).endsWith(silent)) return fetch.call(receiver, input, init);
      return new Promise((_, reject) => {
        init?.signal?.addEventListener("abort", () => reject(new Error("aborted")));
      });
    });
    await endpointOf(silent).enqueue([anEvent("a", 1)]);
    await endpointOf(other).enqueue([anEvent("a", 1)]);
    await until(() => receiver.of(other).length === 1, 250);
    await until(async () => (await deliveriesOf(silent))[0]?.attempts.length === 1);
    expect((await deliveriesOf(silent))[0]?.attempts[0]?.error).toContain("no answer within 15 s");
    timeout.mockRestore();
  });

  it("takes the status of an answer whose text never ends", async () => {
    const id = await create();
    const never = () =>
      new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode("ok")) });
    receiver.answer = () => new Response(never());
    const attempt = value(await endpointOf(id).ping());
    expect(attempt).toMatchObject({ status: 200, response: "ok", error: null });
  });

  it("sends the events of other sessions beside one that takes long", async () => {
    const id = await create();
    const held = Promise.withResolvers<Response>();
    receiver.answer = ({ body }) => (body === "a 1" ? held.promise : new Response());
    await endpointOf(id).enqueue([anEvent("a", 1)]);
    await until(() => receiver.seen.length === 1);
    await endpointOf(id).enqueue([anEvent("b", 1)]);
    await until(() => receiver.of(id).includes("b 1"), 500);
    held.resolve(new Response());
    await delivered(id);
  });

  it("repeats a delivery beside those of its session, which do not wait for it", async () => {
    const id = await create();
    await endpointOf(id).enqueue([anEvent("a", 1)]);
    await delivered(id);
    receiver.answer = ({ body }) => new Response(null, { status: body === "a 1" ? 422 : 200 });
    value(await endpointOf(id).redeliver("evt_a_1"));
    await until(async () => (await deliveriesOf(id))[0]?.status === "pending");
    await endpointOf(id).enqueue([anEvent("a", 2)]);
    await until(() => receiver.of(id).includes("a 2"));
  });

  it("signs with five secrets at most", async () => {
    const id = await create();
    for (let n = 0; n < 8; n++) value(await endpointOf(id).rotateSecret(OTHER, 60_000));
    await endpointOf(id).enqueue([anEvent("a", 1)]);
    await delivered(id);
    expect(receiver.accepted[0]?.headers["webhook-signature"]?.split(" ")).toHaveLength(5);
  });

  it("is not created by two at once: the second is refused until the first is old", async () => {
    const id = await create();
    const spec = { id, owner: "alice", url: "https://example.com/", events: ["*"], secret: OTHER };
    const again = { ...spec, sessionId: null, description: null };
    expect(await endpointOf(id).create(again)).toMatchObject({ failure: { code: "unavailable" } });
    moveClock()(60_001);
    expect(value(await endpointOf(id).create(again)).url).toBe("https://example.com/");
  });

  it("goes on after a loss of its object in the middle of a delivery", async () => {
    const id = await create();
    const reached = Promise.withResolvers<void>();
    receiver.answer = () => {
      reached.resolve();
      return new Promise(() => {});
    };
    await endpointOf(id).enqueue([anEvent("a", 1), anEvent("a", 2)]);
    await reached.promise;
    await loseObject(objectOf(id));
    receiver.answer = () => new Response();
    expect(await alarmOf(objectOf(id))).not.toBeNull();
    await runDurableObjectAlarm(objectOf(id));
    await delivered(id);
    expect(receiver.of(id)).toEqual(["a 1", "a 2"]);
  });

  it("keeps deliveries for thirty days, and sets no alarm when it has none", async () => {
    const id = await create();
    await endpointOf(id).enqueue([anEvent("a", 1)]);
    await delivered(id);
    const move = moveClock();
    move(30 * DAY + 60_000);
    await runDurableObjectAlarm(objectOf(id));
    expect(await deliveriesOf(id)).toEqual([]);
    expect(await alarmOf(objectOf(id))).toBeNull();
  });

  it("lists its deliveries by their state, newest first, page by page", async () => {
    const id = await create();
    await endpointOf(id).enqueue([1, 2, 3].map((n) => anEvent("a", n)));
    await delivered(id);
    const page = { status: "delivered", before: null, limit: 2 } as const;
    const first = value(await endpointOf(id).deliveries(page));
    expect(first.deliveries.map(({ id: one }) => one)).toEqual(["evt_a_3", "evt_a_2"]);
    const second = value(await endpointOf(id).deliveries({ ...page, before: first.next }));
    expect(second).toMatchObject({ deliveries: [{ id: "evt_a_1" }], next: null });
    const failed = await endpointOf(id).deliveries({ ...page, status: "failed" });
    expect(value(failed).deliveries).toEqual([]);
  });

  it("that does not exist, or was removed, takes nothing and stores nothing", async () => {
    const unknown = newId();
    expect(await endpointOf(unknown).enqueue([anEvent("a", 1)])).toBe(false);
    expect(await endpointOf(unknown).read()).toMatchObject({ failure: { code: "not_found" } });
    expect(await endpointOf(unknown).redeliver("x")).toMatchObject({ ok: false });
    expect(await tablesOf(objectOf(unknown))).toEqual([]);
    const id = await create();
    await endpointOf(id).remove();
    await endpointOf(id).remove();
    expect(await endpointOf(id).enqueue([anEvent("a", 1)])).toBe(false);
    expect(await tablesOf(objectOf(id))).toEqual([]);
  });
});
