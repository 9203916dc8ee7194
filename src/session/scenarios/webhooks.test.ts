import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ACTOR, accountFor, newOwner } from "../../testing/accounts";
import { moveClock } from "../../testing/faults";
import {
  aMessage,
  aSpec,
  bash,
  lose,
  loseObject,
  objectOf,
  sessionOf,
  until,
  value,
} from "../../testing/sessions";
import { sending } from "../../webhooks/endpoint";
import type { WebhookRpc } from "../../webhooks/rpc";
import { indexOf } from "../deployment";

// Sessions, the objects of webhooks and their receivers are lost again and again. In the end each receiver has each event
// of each session once, in order.

const SESSIONS = 3;
const ENDPOINTS = 4;
const LOSSES = 25;

interface Sent {
  type: string;
  data: { event: { seq: number; type: string }; session: { id: string } };
}
/** What receivers have accepted, by their URLs, in the order of arrival. */
const accepted = new Map<string, { id: string; sent: Sent }[]>();
let random = 1;
const chance = (part: number): boolean => {
  random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
  return random / 2 ** 32 < part;
};

beforeEach(() => {
  accepted.clear();
  sending.lookup = undefined;
  vi.spyOn(sending, "fetch").mockImplementation(async (input, init) => {
    await scheduler.wait(chance(0.2) ? 20 : 0);
    if (chance(0.2)) return new Response("no", { status: 500 });
    const all = accepted.get(String(input)) ?? [];
    const id = new Headers(init?.headers).get("webhook-id") ?? "";
    all.push({ id, sent: JSON.parse(String(init?.body)) });
    accepted.set(String(input), all);
    // It has accepted the event, and nobody hears of that.
    if (chance(0.1)) throw new Error("the connection was lost");
    return new Response();
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function aWebhook(owner: string): Promise<string> {
  const id = `hook_${crypto.randomUUID().replaceAll("-", "")}`;
  const endpoint = env.WEBHOOKS.getByName(id) as unknown as WebhookRpc;
  const spec = { id, owner, url: `https://example.com/${id}`, events: ["*"], sessionId: null };
  value(
    await endpoint.create({ ...spec, description: null, secret: `whsec_${btoa("x".repeat(24))}` }),
  );
  const filter = { id, events: ["*"], sessionId: null, enabled: true, since: 0, revision: 1 };
  const version = value(await (await accountFor(owner)).addWebhook(filter, owner, ACTOR));
  await indexOf(env).setWebhooks(owner, version);
  return id;
}

describe("webhooks", () => {
  it("get each event once or more, in order, whatever is lost", async () => {
    const owner = newOwner();
    const caller = { owner, admin: false };
    const hooks = await Promise.all(Array.from({ length: ENDPOINTS }, () => aWebhook(owner)));
    const specs = Array.from({ length: SESSIONS }, () => aSpec());
    for (const spec of specs) value(await sessionOf(spec.id).create(caller, spec));
    const prompts = `${bash("echo one")}\n${bash("echo two")}\nall done`;
    const requests = specs.map(({ id }) => ({ id, requests: [aMessage(prompts), aMessage("hi")] }));
    for (const { id, requests: both } of requests) {
      for (const request of both) value(await sessionOf(id).send(caller, request));
    }
    for (let n = 0; n < LOSSES; n++) {
      await scheduler.wait(15);
      const session = specs[n % SESSIONS]?.id ?? "";
      const hook = env.WEBHOOKS.getByName(hooks[n % ENDPOINTS] ?? "");
      if (chance(0.5)) await lose(session);
      else await loseObject(hook);
      // The clock of the tests does not fire alarms at once.
      await runDurableObjectAlarm(objectOf(session)).catch(() => {});
      await runDurableObjectAlarm(hook).catch(() => {});
    }
    const moveOn = moveClock();
    const isDone = async () => {
      moveOn(10_000);
      for (const { id } of specs) await runDurableObjectAlarm(objectOf(id)).catch(() => {});
      for (const id of hooks)
        await runDurableObjectAlarm(env.WEBHOOKS.getByName(id)).catch(() => {});
      for (const { id } of specs) {
        const { events } = value(await sessionOf(id).events(caller, { after: 0, limit: 1_000 }));
        const ends = events.filter(({ type }) => type === "message.completed");
        if (ends.length < 2) return false;
        for (const hook of hooks) if (seqsOf(hook, id).at(-1) !== events.length) return false;
      }
      return true;
    };
    await until(isDone, 12_000);
    for (const { id } of specs) {
      const { events } = value(await sessionOf(id).events(caller, { after: 0, limit: 1_000 }));
      for (const hook of hooks) {
        // What was accepted twice, since the answer was lost, has the same id and comes again before what follows.
        const seqs = seqsOf(hook, id).filter((seq, at, all) => seq !== all[at - 1]);
        expect(seqs, `${hook} of ${id}`).toEqual(events.map(({ seq }) => seq));
      }
    }
  }, 30_000);
});

function seqsOf(hook: string, session: string): number[] {
  const all = accepted.get(`https://example.com/${hook}`) ?? [];
  return all
    .filter(({ sent }) => sent.data.session.id === session)
    .map(({ sent }) => sent.data.event.seq);
}
