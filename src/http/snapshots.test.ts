import { describe, expect, it, vi } from "vitest";
import { SnapshotBucket } from "../session/storage/snapshot-bucket";
import { readSettings } from "../settings";
import { aClient } from "../testing/api-client";
import { sha256Hex } from "./ids";

const client = aClient();
const UNKNOWN = `sess_${"f".repeat(32)}`;

interface Snapshot {
  id: string;
  createdAt: string;
  expiresAt: string;
}

/** A hybrid session with a file and one message. */
async function aWorked(body: object = {}) {
  const session = await client.create({ pattern: "hybrid", ...body });
  await client.ask(session.id, { prompt: '/Write {"file_path":"a.txt","content":"first"}' });
  return session;
}

const take = async (id: string) =>
  (await client.post(`/api/sessions/${id}/snapshots`)).body as Snapshot;

const contentOf = async (id: string) =>
  (await client.ask(id, { prompt: '/Read {"file_path":"a.txt"}' })).result;

const invalid = (path: string) => ({
  status: 400,
  body: { error: { type: "invalid_request_error", issues: [{ path }] } },
});
const notFound = { status: 404, body: { error: { type: "not_found_error" } } };
const busy = (messageId: unknown) => ({
  status: 409,
  body: { error: { type: "conflict_error", reason: "session_busy", messageId } },
});

describe("/api/sessions/:id/snapshots", () => {
  it("creates a snapshot, lists it, and a session starts from it", async () => {
    const { id } = await aWorked();
    const { status, body } = await client.post(`/api/sessions/${id}/snapshots`);
    expect({ status, body }).toEqual({
      status: 201,
      body: {
        id: expect.stringMatching(/^snap_[0-9a-f]{32}$/),
        sessionId: id,
        createdAt: expect.any(String),
        expiresAt: expect.any(String),
        sizeBytes: expect.any(Number),
        numMessages: 1,
      },
    });
    const snapshot = body as Snapshot;
    const keptMs = Date.parse(snapshot.expiresAt) - Date.parse(snapshot.createdAt);
    expect(keptMs).toBe(30 * 86_400_000);
    await client.ask(id, { prompt: '/Write {"file_path":"a.txt","content":"second"}' });
    const later = await take(id);
    const list = await client.get(`/api/sessions/${id}/snapshots`);
    expect(list).toMatchObject({ status: 200, body: { snapshots: [later, snapshot] } });

    const config = { snapshotId: snapshot.id };
    const made = await client.create({ pattern: "hybrid", config });
    expect(made).toMatchObject({ config, status: "active", totalCost: 0 });
    expect(await contentOf(made.id)).toContain("first");
    expect(await contentOf(id)).toContain("second");
  });

  it("accepts only an empty body", async () => {
    const { id } = await client.create();
    expect(await client.post(`/api/sessions/${id}/snapshots`, {})).toMatchObject({ status: 201 });
    const named = await client.post(`/api/sessions/${id}/snapshots`, { name: "one" });
    expect(named).toMatchObject(invalid("name"));
  });

  it("refuses unknown sessions and other methods", async () => {
    for (const id of [UNKNOWN, "sess_x"]) {
      expect(await client.post(`/api/sessions/${id}/snapshots`)).toMatchObject(notFound);
      expect(await client.get(`/api/sessions/${id}/snapshots`)).toMatchObject(notFound);
    }
    const other = await client.delete(`/api/sessions/${UNKNOWN}/snapshots`);
    expect(other.status).toBe(405);
    expect(other.headers.get("Allow")).toBe("HEAD, GET, POST");
  });

  it("refuses while a message runs, and for an ephemeral session", async () => {
    const { id } = await client.create();
    const { body } = await client.post(`/api/sessions/${id}/message`, {
      prompt: "/delay 2000",
      background: true,
    });
    const { messageId } = body as { messageId: string };
    expect(await client.post(`/api/sessions/${id}/snapshots`)).toMatchObject(busy(messageId));
    await client.post(`/api/sessions/${id}/interrupt`);
    expect(await client.post(`/api/sessions/${id}/snapshots`)).toMatchObject({ status: 201 });
    const ephemeral = await client.create({ pattern: "ephemeral" });
    const refused = await client.post(`/api/sessions/${ephemeral.id}/snapshots`);
    expect(refused).toMatchObject(invalid(""));
  });

  it("answers 503 while the bucket is unavailable, and leaves no partial data", async () => {
    const { id } = await aWorked();
    vi.spyOn(SnapshotBucket.prototype, "putManifest").mockRejectedValue(new Error("R2 is down"));
    const failed = await client.post(`/api/sessions/${id}/snapshots`);
    expect(failed).toMatchObject({
      status: 503,
      body: { error: { type: "unavailable_error" } },
    });
    expect(failed.headers.has("Retry-After")).toBe(true);
    const resumed = { pattern: "hybrid", config: { resumeSessionId: id } };
    expect(await client.post("/api/sessions", resumed)).toMatchObject({ status: 503 });
    vi.restoreAllMocks();
    expect((await client.get(`/api/sessions/${id}/snapshots`)).body).toEqual({ snapshots: [] });
    expect(await client.post("/api/sessions", resumed)).toMatchObject({ status: 201 });
  });
});

describe("POST /api/sessions from an earlier session", () => {
  it("resumes with the config of the earlier session and one more key", async () => {
    const config = { systemPrompt: "Be brief.", env: { TOKEN: "secret" } };
    const first = await aWorked({ config });
    const resumed = await client.create({
      pattern: "hybrid",
      config: { ...first.config, resumeSessionId: first.id, forkSession: true },
    });
    expect(resumed.config).toEqual({ systemPrompt: "Be brief.", resumeSessionId: first.id });
    expect(resumed.sessionId).not.toBe(first.sessionId);
    const { result } = await client.ask(resumed.id, {
      prompt: '/Bash {"command":"cat a.txt; echo $TOKEN"}',
    });
    expect(result).toContain("firstsecret");
    const answers = [
      await client.get(`/api/sessions/${resumed.id}`),
      await client.get("/api/sessions?pageSize=100"),
    ];
    expect(JSON.stringify(answers)).not.toContain("secret");
  });

  it("returns the first session for a repeated key", async () => {
    const { id } = await aWorked();
    const headers = { "Idempotency-Key": `resume-${id}` };
    const body = { pattern: "hybrid", config: { resumeSessionId: id } };
    const [one, two] = await Promise.all([
      client.post("/api/sessions", body, { headers }),
      client.post("/api/sessions", body, { headers }),
    ]);
    expect(one.status).toBe(201);
    expect(two.body).toEqual(one.body);
    await client.delete(`/api/sessions/${id}`);
    expect((await client.post("/api/sessions", body, { headers })).body).toEqual(one.body);
    const forked = { ...body, config: { ...body.config, forkSession: true } };
    expect(await client.post("/api/sessions", forked, { headers })).toMatchObject({
      status: 409,
      body: { error: { reason: "idempotency_mismatch" } },
    });
  });

  it.each([
    [{ resumeSessionId: "sess_xyz123" }, "sess_xyz123"],
    [{ resumeSessionId: UNKNOWN }, UNKNOWN],
    [{ resumeSessionId: "sdk_sess_unknown" }, "sdk_sess_unknown"],
    [{ snapshotId: "snap_unknown" }, "snap_unknown"],
    [{ snapshotId: `snap_${"0".repeat(32)}` }, "snap_000"],
    [{ continueSession: true }, "987654321"],
  ])("is a 404 if there is no source: %j", async (config, name) => {
    const body = { pattern: "hybrid", conversationId: 987654321, config };
    const answer = await client.post("/api/sessions", body);
    expect(answer).toMatchObject(notFound);
    expect(JSON.stringify(answer.body)).toContain(name);
  });

  it("gives the reason if a session can't be resumed", async () => {
    const ephemeral = await client.create({ pattern: "ephemeral" });
    const create = (config: object) => client.post("/api/sessions", { pattern: "hybrid", config });
    expect(await create({ resumeSessionId: ephemeral.id })).toMatchObject(
      invalid("config.resumeSessionId"),
    );
    expect(await create({ continueSession: true })).toMatchObject(
      invalid("config.continueSession"),
    );
    expect(await create({ forkSession: true })).toMatchObject(invalid("config.forkSession"));
    const { id } = await client.create();
    const { body } = await client.post(`/api/sessions/${id}/message`, {
      prompt: "/delay 2000",
      background: true,
    });
    const { messageId } = body as { messageId: string };
    expect(await create({ resumeSessionId: id })).toMatchObject(busy(messageId));
    await client.post(`/api/sessions/${id}/interrupt`);
    expect(await create({ resumeSessionId: id })).toMatchObject({ status: 201 });
  });

  it("is allowed for the source's owner only", async () => {
    const keys = await Promise.all(
      ["acme", "other"].map(async (owner) => {
        return { name: owner, owner, sha256: await sha256Hex(`key-of-${owner}`) };
      }),
    );
    const settings = readSettings({ API_KEYS: JSON.stringify(keys) });
    const as = (owner: string) => aClient(settings, { Authorization: `Bearer key-of-${owner}` });
    const [acme, other] = [as("acme"), as("other")];
    const conversationId = Date.now();
    const session = await acme.create({ pattern: "hybrid", conversationId });
    const { body } = await acme.post(`/api/sessions/${session.id}/snapshots`);
    const { id: snapshotId } = body as Snapshot;
    for (const config of [
      { resumeSessionId: session.id },
      { resumeSessionId: session.sessionId },
      { continueSession: true },
      { snapshotId },
    ]) {
      const request = { pattern: "hybrid", conversationId, config };
      expect(await other.post("/api/sessions", request)).toMatchObject(notFound);
      expect(await acme.post("/api/sessions", request)).toMatchObject({ status: 201 });
    }
    const path = `/api/sessions/${session.id}/snapshots`;
    expect(await other.get(path)).toMatchObject(notFound);
    expect(await other.post(path)).toMatchObject(notFound);
  });

  it("is suggested in the refusal of an ended session", async () => {
    const { id } = await client.create();
    await client.post(`/api/sessions/${id}/terminate`);
    const { body } = await client.post(`/api/sessions/${id}/message`, { prompt: "more" });
    expect(JSON.stringify(body)).toContain(`config.resumeSessionId`);
  });
});
