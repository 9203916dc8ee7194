import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { z } from "zod";
import { EVERYONE } from "../account/audit";
import { accountObject, newOwner } from "../testing/accounts";
import { aClient, local } from "../testing/api-client";
import { loseObject, objectOf, until } from "../testing/sessions";

const Made = z.looseObject({ id: z.string(), key: z.string() });
const Entry = z.looseObject({
  id: z.string(),
  action: z.string(),
  owner: z.string(),
  target: z.string().nullable(),
  by: z.looseObject({ owner: z.string(), keyId: z.string().nullable() }),
});
const Page = z.object({ entries: z.array(Entry), nextCursor: z.string().nullable() });

const admin = aClient(local, { "CF-Connecting-IP": "192.0.2.7" });

async function anOwner() {
  const owner = newOwner();
  const scopes = ["sessions:write", "keys:write"];
  const { id, key } = Made.parse(
    (await admin.post("/api/keys", { name: "test", owner, scopes })).body,
  );
  const client = aClient(local, { Authorization: `Bearer ${key}` });
  const read = async (query = "") => Page.parse((await client.get(`/api/audit${query}`)).body);
  return { owner, keyId: id, secret: key, client, read };
}

it("keys, limits, share links and ended sessions of others are recorded, with who did it", async () => {
  const { owner, keyId, secret, client, read } = await anOwner();
  const { id } = await client.create();
  const share = await client.post(`/api/sessions/${id}/shares`, { access: "read" });
  const shareId = z.looseObject({ id: z.string(), token: z.string() }).parse(share.body);
  await client.delete(`/api/sessions/${id}/shares/${shareId.id}`);
  await admin.put(`/api/owners/${owner}/limits`, { maxDailyUsd: 3 });
  const own = await client.create();
  await client.post(`/api/sessions/${own.id}/terminate`);
  await admin.post(`/api/sessions/${id}/terminate`);
  await admin.delete(`/api/sessions/${own.id}`);
  const rotated = Made.parse((await admin.post(`/api/keys/${keyId}/rotate`, {})).body);
  const now = aClient(local, { Authorization: `Bearer ${rotated.key}` });
  const all = async () => Page.parse((await now.get("/api/audit")).body).entries;
  await until(async () => (await all()).length === 7);
  const entries = await all();
  const named = (action: string) => entries.find((entry) => entry.action === action);
  expect(entries.map(({ action }) => action).sort()).toEqual([
    ...["key.created", "key.rotated", "limits.changed", "session.deleted"],
    ...["session.terminated", "share.created", "share.revoked"],
  ]);
  expect(named("key.created")).toMatchObject({
    owner,
    target: keyId,
    by: { owner: "anonymous", via: "anonymous", keyId: null },
    address: "192.0.2.7",
    requestId: expect.stringMatching(/^req_/),
    details: { name: "test" },
  });
  expect(named("share.created")).toMatchObject({
    target: shareId.id,
    by: { owner, via: "key", keyId },
    details: { sessionId: id, access: "read" },
  });
  expect(named("limits.changed")).toMatchObject({ target: null, details: { maxDailyUsd: 3 } });
  expect(named("session.terminated")).toMatchObject({ target: id, by: { owner: "anonymous" } });
  expect(named("session.deleted")).toMatchObject({ target: own.id });
  const text = JSON.stringify(entries);
  for (const value of [secret, rotated.key, shareId.token]) {
    expect(text).not.toContain(value.slice(-20));
  }
  // The key's first secret is not known any more.
  expect((await read().catch(() => null))?.entries).toBeUndefined();
});

it("owners read their own entries, and admins those of everyone", async () => {
  const [one, two] = [await anOwner(), await anOwner()];
  expect((await one.read()).entries.map(({ owner }) => owner)).toEqual([one.owner]);
  expect((await one.client.get(`/api/audit?owner=${two.owner}`)).status).toBe(403);
  const ofAll = async () =>
    Page.parse((await admin.get("/api/audit?limit=100")).body).entries.map(({ owner }) => owner);
  await until(async () => {
    const owners = await ofAll();
    return owners.includes(one.owner) && owners.includes(two.owner);
  });
  const ofTwo = Page.parse((await admin.get(`/api/audit?owner=${two.owner}`)).body);
  expect(ofTwo.entries.map(({ owner }) => owner)).toEqual([two.owner]);
  expect((await admin.get("/api/audit?action=nothing")).status).toBe(400);
});

it("entries come page by page, newest first, and by action", async () => {
  const { client, read } = await anOwner();
  for (let n = 0; n < 4; n++)
    await client.post("/api/keys", { name: `key ${n}`, scopes: ["keys:write"] });
  const found: string[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page: z.infer<typeof Page> = await read(`?limit=2${cursor && `&cursor=${cursor}`}`);
    found.push(...page.entries.map(({ details }) => String((details as { name: string }).name)));
    cursor = page.nextCursor;
  }
  expect(found).toEqual(["key 3", "key 2", "key 1", "key 0", "test"]);
  expect((await read("?action=key.revoked")).entries).toEqual([]);
});

it("an entry survives a loss of the session and of both accounts, and is kept for 90 days", async () => {
  const { owner, client, read } = await anOwner();
  const { id } = await client.create();
  const record = vi
    .spyOn(env.ACCOUNTS, "getByName")
    .mockImplementation(() => ({ record: () => Promise.reject(new Error("away")) }) as never);
  // The key is known by now, and the session has no limits.
  expect((await client.post(`/api/sessions/${id}/shares`, { access: "read" })).status).toBe(201);
  await scheduler.wait(20);
  record.mockRestore();
  await loseObject(objectOf(id));
  await loseObject(await accountObject(owner));
  await loseObject(env.ACCOUNTS.getByName(EVERYONE));
  const shares = async () =>
    (await read()).entries.filter(({ action }) => action === "share.created").length;
  await until(async () => (await shares()) === 1, 15_000);
  vi.useFakeTimers({ now: Date.now() + 90 * 86_400_000 - 60_000, toFake: ["Date"] });
  const { body } = await admin.get(`/api/audit?owner=${owner}`);
  expect(Page.parse(body).entries.length).toBe(2);
  vi.setSystemTime(Date.now() + 120_000);
  expect(Page.parse((await admin.get(`/api/audit?owner=${owner}`)).body).entries).toEqual([]);
  vi.useRealTimers();
}, 30_000);
