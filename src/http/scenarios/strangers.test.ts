import { beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { accountOf } from "../../account/address";
import { SCOPES } from "../../account/scopes";
import { readSettings, type Settings } from "../../settings";
import { newOwner } from "../../testing/accounts";
import { aClient } from "../../testing/api-client";
import { mcpServer } from "../../testing/mcp";
import { createApp } from "../app";
import { newSecret, sha256Hex } from "../ids";

// Somebody tries every route with the ids of an owner, and with bodies that would do something.

const Made = z.looseObject({
  id: z.string(),
  key: z.string().optional(),
  token: z.string().optional(),
});
const MASTER = "master-key";

let settings: Settings;
let admin: ReturnType<typeof aClient>;
const holderOf = (secret: string) => aClient(settings, { Authorization: `Bearer ${secret}` });
const make = async (client: ReturnType<typeof aClient>, path: string, body: object) =>
  Made.parse((await client.post(path, body)).body);

/** An owner with something of each kind. */
async function anOwner() {
  const owner = newOwner();
  const scopes = SCOPES.filter((scope) => scope !== "admin");
  const key = await make(admin, "/api/keys", { name: "own", owner, scopes });
  const client = holderOf(key.key ?? "");
  const mcpServers = { one: mcpServer("modern").config };
  const config = { mcpServers, artifacts: ["*"] };
  const session = await client.create({ conversationId: 4_711, config });
  const prompt = '/Write {"file_path":"/workspace/a.txt","content":"mine"}\nhello';
  const { messageId } = await client.ask(session.id, { prompt });
  const own = `/api/sessions/${session.id}`;
  const list = z.object({ artifacts: z.array(Made) });
  const [artifact] = list.parse((await client.get(`${own}/artifacts`)).body).artifacts;
  const schedule = await make(client, `${own}/schedules`, { everyMs: 3_600_000, prompt: "again" });
  const share = await make(client, `${own}/shares`, { access: "write" });
  await admin.put(`/api/owners/${owner}/limits`, { maxRunningMessages: 7 });
  return {
    ...{ owner, client, key, own, share },
    ids: {
      ":id": session.id,
      ":messageId": messageId,
      ":artifactId": artifact?.id ?? "",
      ":scheduleId": schedule.id,
      ":shareId": share.id,
      ":previewId": `prev_${"0".repeat(32)}`,
      ":keyId": key.id,
      ":name": "one",
      ":owner": owner,
    },
  };
}

type Owned = Awaited<ReturnType<typeof anOwner>>;

const BODIES: Record<string, unknown> = {
  "POST /api/sessions/:id/message": { prompt: "do it" },
  "POST /api/sessions/:id/schedules": { everyMs: 3_600_000, prompt: "do it" },
  "PATCH /api/sessions/:id": { description: "mine" },
  "PATCH /api/sessions/:id/schedules/:scheduleId": { paused: true },
  "POST /api/sessions/:id/shares": { access: "write" },
  "POST /api/sessions/:id/previews": { port: 5173 },
  "POST /api/sessions/:id/tool-results": { results: [{ toolUseId: "toolu_1", content: "mine" }] },
  "POST /api/keys": { name: "mine" },
  "POST /api/sessions": { pattern: "hybrid" },
  "PUT /api/owners/:owner/limits": { maxActiveSessions: 0 },
  "PUT /api/sessions/:id/mcp-servers/:name/oauth": mcpServer("modern").oauth,
};

/** Returns everything of an owner that somebody could have changed. */
async function stateOf({ client, own, owner }: Owned) {
  const paths = [
    "",
    "/messages",
    "/events",
    "/schedules",
    "/shares",
    "/previews",
    "/snapshots",
    "/mcp-servers",
    "/artifacts",
  ];
  const known = await Promise.all(paths.map(async (path) => (await client.get(own + path)).body));
  const lists = ["/api/keys", "/api/audit", `/api/owners/${owner}/limits`];
  const more = await Promise.all(lists.map(async (path) => (await client.get(path)).body));
  // When a key was used last is no matter.
  return JSON.parse(
    JSON.stringify([...known, ...more]).replaceAll(/"lastUsedAt":("[^"]*"|null),?/g, ""),
  );
}

beforeAll(async () => {
  const keys = [
    { name: "master", owner: newOwner(), sha256: await sha256Hex(MASTER), admin: true },
  ];
  settings = readSettings({ API_KEYS: JSON.stringify(keys) });
  admin = holderOf(MASTER);
});

/** Tries every route with the ids of an owner. Returns the statuses, by route. */
async function tryAll(client: ReturnType<typeof aClient>, { ids }: Owned) {
  const routes = createApp(settings).routes.filter(
    ({ method, path }) => method !== "ALL" && path.startsWith("/api/"),
  );
  const statuses: [route: string, status: number][] = [];
  for (const { method, path } of routes) {
    const route = `${method} ${path.replace(/\/$/, "")}`;
    const target = Object.entries(ids).reduce(
      (text, [name, id]) => text.replace(name, id),
      path.replace("/api/conversations/:id", "/api/conversations/4711").replace("*", "a.txt"),
    );
    const body = BODIES[route];
    const { status } = await client.raw(method, target, body === undefined ? {} : { body });
    statuses.push([route, status]);
  }
  expect(statuses.length).toBeGreaterThan(30);
  return statuses;
}

describe("on every route", () => {
  it("those without a valid key are told so, and change nothing", async () => {
    const victim = await anOwner();
    const before = await stateOf(victim);
    const expiresAt = new Date(Date.now() + 1_000).toISOString();
    const expired = await make(admin, "/api/keys", { name: "x", owner: victim.owner, expiresAt });
    const revoked = await make(admin, "/api/keys", { name: "y", owner: victim.owner });
    await admin.delete(`/api/keys/${revoked.id}`);
    const known = await stateOf(victim);
    await vi.waitFor(async () => {
      const { status } = await holderOf(expired.key ?? "").get("/api/me");
      expect(status).toBe(401);
    }, 3_000);
    const secrets = [
      ...[expired.key, revoked.key, newSecret(await accountOf(victim.owner))],
      ...["nothing", `rs_${"0".repeat(32)}_${"0".repeat(48)}`],
    ];
    const callers = [aClient(settings), ...secrets.map((secret) => holderOf(secret ?? ""))];
    for (const client of callers) {
      const strange = (await tryAll(client, victim)).filter(([, status]) => status !== 401);
      expect(strange).toEqual([]);
    }
    expect(await stateOf(victim)).toEqual(known);
    expect(before).not.toEqual(known);
  });

  it("what belongs to another owner is not there or not allowed, and does not change", async () => {
    const [victim, stranger] = [await anOwner(), await anOwner()];
    const before = await stateOf(victim);
    const statuses = await tryAll(stranger.client, victim);
    const about = statuses.filter(([route]) => route.includes(":"));
    const own = ["GET /api/conversations/:id"];
    const open = about.filter(
      ([route, status]) => ![403, 404].includes(status) && !own.includes(route),
    );
    expect(open).toEqual([]);
    expect(await stateOf(victim)).toEqual(before);
  });

  it("a share link of another session opens nothing, and changes nothing", async () => {
    const [victim, other] = [await anOwner(), await anOwner()];
    const before = await stateOf(victim);
    const statuses = await tryAll(holderOf(other.share.token ?? ""), victim);
    const open = statuses.filter(([route, status]) => status < 400 && route !== "GET /api/me");
    expect(open).toEqual([]);
    expect(await stateOf(victim)).toEqual(before);
  });
});
