import { describe, expect, it } from "vitest";
import { z } from "zod";
import { aClient, local } from "../testing/api-client";
import { until } from "../testing/sessions";

const admin = aClient();
const Approval = z.looseObject({ id: z.string(), sessionId: z.string(), status: z.string() });
const Page = z.object({ approvals: z.array(Approval), nextCursor: z.string().nullable() });

const ASKING = { config: { askTools: ["Bash"] } };
const PROMPT = { prompt: '/Bash {"command":"echo hello"}' };

/** Makes a key of an owner with scopes, and returns a client that has it. */
async function holder(owner: string, scopes: string[]) {
  const { body } = await admin.post("/api/keys", { name: "ci", owner, scopes });
  const { key } = z.looseObject({ key: z.string() }).parse(body);
  return aClient(local, { Authorization: `Bearer ${key}` });
}

const newOwner = () => `owner-${crypto.randomUUID()}`;

async function list(client: typeof admin, query = "") {
  const answer = await client.get(`/api/approvals${query}`);
  expect(answer.status).toBe(200);
  return Page.parse(answer.body);
}

describe("a message that waits for approval", () => {
  it("is answered with 202, and goes on when the decision is posted", async () => {
    const { id } = await admin.create(ASKING);
    const path = `/api/sessions/${id}`;
    const sent = await admin.post(`${path}/message`, PROMPT);
    expect(sent).toMatchObject({ status: 202, body: { status: "waiting" } });
    const { body } = await admin.get(`${path}/approvals?status=pending`);
    const [approval] = Page.parse(body).approvals;
    expect(approval).toMatchObject({
      sessionId: id,
      ...{ name: "Bash", input: { command: "echo hello" }, agent: "main", status: "pending" },
      ...{ expiresAt: null, resolvedAt: null, resolvedBy: null, note: null, remember: null },
    });
    expect((await admin.get(path)).body).toMatchObject({ pendingApprovals: 1 });
    const decided = await admin.post(`${path}/approvals/${approval?.id}`, {
      ...{ decision: "allow", note: "go on", remember: "session" },
    });
    expect(decided).toMatchObject({
      status: 200,
      body: {
        ...{ status: "allowed", note: "go on", remember: "session" },
        resolvedBy: { owner: "anonymous", via: "anonymous", keyId: null },
      },
    });
    const again = await admin.post(`${path}/approvals/${approval?.id}`, { decision: "deny" });
    expect(again).toMatchObject({
      status: 409,
      body: { error: { reason: "already_resolved", status: "allowed" } },
    });
    await until(async () => {
      const { body } = await admin.get(`${path}/messages`);
      return JSON.stringify(body).includes('"status":"completed"');
    });
  });

  it("keeps a stream of it open until it ends", async () => {
    const { id } = await admin.create(ASKING);
    const path = `/api/sessions/${id}`;
    const body = { ...PROMPT, streaming: true };
    const stream = await admin.raw("POST", `${path}/message`, { body });
    const text = stream.text();
    await until(async () => (await list(admin)).approvals.some((one) => one.sessionId === id));
    const mine = (await list(admin)).approvals.find((one) => one.sessionId === id);
    // The stream has gone on with a socket, so that the object can sleep.
    await scheduler.wait(100);
    await admin.post(`${path}/approvals/${mine?.id}`, { decision: "allow" });
    const types = [...(await text).matchAll(/^event: (.*)$/gm)].map(([, type]) => type);
    expect(types.filter((type) => type === "message.waiting")).toHaveLength(1);
    expect(types.at(-1)).toBe("message.completed");
  });

  it.each([
    [{}, "decision"],
    [{ decision: "maybe" }, "decision"],
    [{ decision: "deny", input: { command: "ls" } }, "input"],
    [{ decision: "allow", input: "ls" }, "input"],
    [{ decision: "allow", input: { command: 1 } }, "input"],
    [{ decision: "allow", remember: "for ever" }, "remember"],
    [{ decision: "allow", note: "" }, "note"],
    [{ decision: "allow", because: "so" }, "because"],
  ])("refuses the decision %j", async (decision, path) => {
    const { id } = await admin.create(ASKING);
    await admin.post(`/api/sessions/${id}/message`, PROMPT);
    const { body } = await admin.get(`/api/sessions/${id}/approvals`);
    const [approval] = Page.parse(body).approvals;
    const answer = await admin.post(`/api/sessions/${id}/approvals/${approval?.id}`, decision);
    expect(answer).toMatchObject({ status: 400, body: { error: { issues: [{ path }] } } });
  });

  it("is not found by an unknown id, or one of another session", async () => {
    const [one, other] = [await admin.create(ASKING), await admin.create(ASKING)];
    await admin.post(`/api/sessions/${one.id}/message`, PROMPT);
    const { body } = await admin.get(`/api/sessions/${one.id}/approvals`);
    const [approval] = Page.parse(body).approvals;
    for (const path of [
      `/api/sessions/${other.id}/approvals/${approval?.id}`,
      `/api/sessions/${one.id}/approvals/appr_${"0".repeat(32)}`,
      `/api/sessions/${one.id}/approvals/nonsense`,
    ]) {
      expect((await admin.post(path, { decision: "allow" })).status).toBe(404);
    }
  });

  it("is decided about with the scope for it only", async () => {
    const owner = newOwner();
    const app = await holder(owner, ["sessions:write"]);
    const human = await holder(owner, ["approvals:write", "sessions:read"]);
    const { id } = await app.create(ASKING);
    expect((await app.post(`/api/sessions/${id}/message`, PROMPT)).status).toBe(202);
    const { body } = await app.get(`/api/sessions/${id}/approvals`);
    const [approval] = Page.parse(body).approvals;
    const path = `/api/sessions/${id}/approvals/${approval?.id}`;
    expect((await app.post(path, { decision: "allow" })).status).toBe(403);
    expect((await human.post(path, { decision: "allow" })).status).toBe(200);
    expect((await human.post(`/api/sessions/${id}/message`, PROMPT)).status).toBe(403);
  });
});

describe("the pending approvals of all sessions", () => {
  it("are those of the caller's sessions, page by page, the oldest request first", async () => {
    const owner = newOwner();
    const mine = await holder(owner, ["sessions:write", "approvals:write"]);
    const stranger = await holder(newOwner(), ["sessions:write"]);
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) {
      const { id } = await mine.create(ASKING);
      await mine.post(`/api/sessions/${id}/message`, PROMPT);
      ids.push(id);
    }
    await until(async () => (await list(mine)).approvals.length === 3);
    expect((await list(mine)).approvals.map(({ sessionId }) => sessionId)).toEqual(ids);
    expect((await list(stranger)).approvals).toEqual([]);

    const first = await list(mine, "?limit=2");
    expect(first.approvals).toHaveLength(2);
    const second = await list(mine, `?limit=2&cursor=${first.nextCursor}`);
    expect(second).toMatchObject({ nextCursor: null });
    const all = [...first.approvals, ...second.approvals].map(({ sessionId }) => sessionId);
    expect(all.toSorted()).toEqual(ids.toSorted());

    const [one] = (await list(mine)).approvals;
    await mine.post(`/api/sessions/${one?.sessionId}/approvals/${one?.id}`, { decision: "deny" });
    expect((await list(mine)).approvals).toHaveLength(2);
    await mine.delete(`/api/sessions/${ids[1]}`);
    expect((await list(mine)).approvals.map(({ sessionId }) => sessionId)).toEqual([ids[2]]);
  });

  it.each(["?status=denied", "?cursor=nonsense", "?limit=51", "?owner=x"])(
    "refuse the query %s",
    async (query) => {
      expect((await admin.get(`/api/approvals${query}`)).status).toBe(400);
    },
  );
});

describe("a session that pauses", () => {
  it("is made with onLimit, shows why it is paused, and goes on when the limit is patched", async () => {
    const { id } = await admin.create({ onLimit: "pause", maxTurns: 1 });
    const path = `/api/sessions/${id}`;
    const sent = await admin.post(`${path}/message`, { prompt: "/Nope {}\nthe end" });
    expect(sent).toMatchObject({
      status: 202,
      body: { status: "waiting", waitingFor: { type: "limit", limit: "turns" } },
    });
    expect((await admin.get(path)).body).toMatchObject({
      ...{ status: "idle", onLimit: "pause", pausedBecause: "turns" },
    });
    const patched = await admin.patch(path, { maxTurns: 5 });
    expect(patched).toMatchObject({ status: 200, body: { pausedBecause: null, status: "active" } });
    await until(async () => {
      const { body } = await admin.get(`${path}/messages`);
      return JSON.stringify(body).includes('"status":"completed"');
    });
    expect((await admin.patch(path, { onLimit: "stop" })).status).toBe(400);
  });
});
