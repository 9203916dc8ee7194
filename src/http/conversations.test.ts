import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { readSettings } from "../settings";
import { aClient } from "../testing/api-client";
import { sha256Hex } from "./ids";

const client = aClient();

const Conversation = z.object({
  id: z.int(),
  createdAt: z.iso.datetime(),
  lastActivityAt: z.iso.datetime(),
  sessionCount: z.int(),
  totalCost: z.number(),
  totalTokens: z.int(),
  sessions: z.array(z.looseObject({ id: z.string(), conversationId: z.int() })),
  pageSize: z.int(),
  nextCursor: z.string().nullable(),
});

/** Returns a number that no other test uses. */
let used = 910_000;
const newNumber = () => ++used;

const read = async (id: number, query = "", from = client) =>
  Conversation.parse((await from.get(`/api/conversations/${id}${query}`)).body);
const idsOf = ({ sessions }: z.infer<typeof Conversation>) => sessions.map(({ id }) => id);

/** Creates sessions one after the other. Returns their ids, newest first. */
async function createIn(conversationId: number, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    ids.unshift((await client.create({ conversationId })).id);
    // The order of creation depends on the clock.
    await scheduler.wait(2);
  }
  return ids;
}

describe("GET /api/conversations/:id", () => {
  it("is a 404 until a session is created with its number, and then has that session", async () => {
    const id = newNumber();
    const before = await client.get(`/api/conversations/${id}`);
    expect(before.status).toBe(404);
    expect(before.body).toMatchObject({ error: { type: "not_found_error" } });

    const session = await client.create({ conversationId: id });
    expect(await read(id)).toEqual({
      id,
      createdAt: session.createdAt,
      lastActivityAt: session.lastActivityAt,
      sessionCount: 1,
      totalCost: 0,
      totalTokens: 0,
      sessions: [session],
      pageSize: 20,
      nextCursor: null,
    });
  });

  it("has the sessions with its number and no others, newest first", async () => {
    const [id, other] = [newNumber(), newNumber()];
    const ids = await createIn(id, 3);
    await createIn(other, 1);
    expect(idsOf(await read(id))).toEqual(ids);
  });

  it("is paged by cursor, and each page has the sums of the whole conversation", async () => {
    const id = newNumber();
    const ids = await createIn(id, 3);
    const first = await read(id, "?pageSize=2");
    const second = await read(id, `?pageSize=2&cursor=${first.nextCursor}`);
    expect([idsOf(first), idsOf(second)]).toEqual([ids.slice(0, 2), ids.slice(2)]);
    expect([first.sessionCount, second.sessionCount, second.nextCursor]).toEqual([3, 3, null]);
  });

  it("sums the cost of its sessions, and keeps the sum when they are deleted", async () => {
    const id = newNumber();
    const sessions = await createIn(id, 2);
    let totalCost = 0;
    for (const sessionId of sessions) {
      await client.ask(sessionId, { prompt: "hello" });
      // The change is answered when the index has it.
      const { body } = await client.patch(`/api/sessions/${sessionId}`, { description: "said" });
      totalCost += z.looseObject({ totalCost: z.number() }).parse(body).totalCost;
    }
    expect(totalCost).toBeGreaterThan(0);
    const before = await read(id);
    expect(before.totalCost).toBeCloseTo(totalCost, 9);
    expect(before.totalTokens).toBeGreaterThan(0);

    for (const sessionId of sessions) await client.delete(`/api/sessions/${sessionId}`);
    expect(await read(id)).toEqual({ ...before, sessions: [], lastActivityAt: expect.anything() });
  });

  it.each(["abc", "1.5", "1e3", "9007199254740993", "%20", "0x10"])(
    "refuses %s as an id with an issue for it",
    async (id) => {
      const { status, body } = await client.get(`/api/conversations/${id}`);
      expect(status).toBe(400);
      expect(body).toMatchObject({
        error: { type: "invalid_request_error", message: expect.stringMatching(/^id: /) },
      });
    },
  );

  it.each([
    ["?pageSize=0", "pageSize"],
    ["?cursor=none", "cursor"],
    ["?status=active", "status"],
  ])("refuses %s by name", async (query, path) => {
    const { status, body } = await client.get(`/api/conversations/1${query}`);
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { issues: [{ path }] } });
  });

  it("may have a negative number", async () => {
    const id = -newNumber();
    const { id: sessionId } = await client.create({ conversationId: id });
    expect(idsOf(await read(id))).toEqual([sessionId]);
  });

  it("belongs to its owner; for an admin a number includes all owners", async () => {
    const id = newNumber();
    const owners = ["conv_alice", "conv_bob", "conv_root"];
    const keys = owners.map(async (owner) => ({
      name: owner,
      owner,
      sha256: await sha256Hex(owner),
      admin: owner === "conv_root",
    }));
    const settings = readSettings({ API_KEYS: JSON.stringify(await Promise.all(keys)) });
    const [alice, bob, root] = owners.map((key) =>
      aClient(settings, { Authorization: `Bearer ${key}` }),
    );
    const session = await alice?.create({ conversationId: id });
    expect((await bob?.get(`/api/conversations/${id}`))?.status).toBe(404);
    expect(idsOf(await read(id, "", root))).toEqual([session?.id]);

    const other = await bob?.create({ conversationId: id });
    expect(idsOf(await read(id, "", bob))).toEqual([other?.id]);
    expect(idsOf(await read(id, "", alice))).toEqual([session?.id]);
    const all = await read(id, "", root);
    expect(all.sessionCount).toBe(2);
    expect(new Set(idsOf(all))).toEqual(new Set([session?.id, other?.id]));
  });

  it("answers 503 while the index is down", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const down = () => {
      throw new Error("D1_ERROR: down");
    };
    const bindings = { ...env, DB: { prepare: down, batch: down } } as unknown as Env;
    const { status, headers } = await client.get("/api/conversations/1", { bindings });
    expect(status).toBe(503);
    expect(headers.get("Retry-After")).toMatch(/^\d+$/);
    vi.restoreAllMocks();
  });

  it("can't be changed by a request", async () => {
    const { status, headers } = await client.post("/api/conversations/1", {});
    expect(status).toBe(405);
    expect(headers.get("Allow")).toBe("HEAD, GET");
  });
});
