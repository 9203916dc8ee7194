import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { readSettings } from "../settings";
import { aClient } from "../testing/api-client";
import { sha256Hex } from "./ids";

const client = aClient();
const conflict = (reason: string) => ({
  type: "error",
  error: { type: "conflict_error", reason },
});

const Refused = z.object({ error: z.object({ issues: z.array(z.object({ path: z.string() })) }) });

describe("POST /api/sessions", () => {
  it("creates a session, which is listed immediately", async () => {
    const { status, body } = await client.post("/api/sessions", {
      pattern: "ephemeral",
      config: {
        model: "claude-3-5-sonnet-20241022",
        systemPrompt: "Fix the bug in the provided code",
        maxTurns: 10,
        allowedTools: ["Read", "Edit", "Bash", "Write"],
      },
      maxBudgetUsd: 0.29,
      description: "Fix authentication bug in user service",
      tags: ["bug-fix", "auth"],
      userId: "user_created",
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      id: expect.stringMatching(/^sess_[0-9a-f]{32}$/),
      sessionId: expect.stringMatching(/^sdk_sess_/),
      pattern: "ephemeral",
      status: "active",
      config: { model: "claude-3-5-sonnet-20241022", maxTurns: 10 },
      maxBudgetUsd: 0.29,
      maxIdleTimeMs: 1_800_000,
      maxTurns: null,
      totalCost: 0,
      tags: ["bug-fix", "auth"],
    });
    const list = await client.get("/api/sessions?userId=user_created");
    expect(list.body).toMatchObject({ total: 1, sessions: [body] });
  });

  it("accepts the config that a session returns", async () => {
    const first = await client.create({
      config: { systemPrompt: "Be brief", env: { TOKEN: "secret" }, continueSession: false },
    });
    expect(JSON.stringify(first)).not.toContain("secret");
    const second = await client.create({ config: first.config });
    expect(second.config).toEqual(first.config);
  });

  it("creates a session with files, which its config tells", async () => {
    const files = [{ path: "notes/a.txt", text: "a file\n" }];
    const session = await client.create({ config: { files } });
    expect(session.config).toEqual({ files });
    const prompt = '/Bash {"command":"cat notes/a.txt"}';
    const { body } = await client.post(`/api/sessions/${session.id}/message`, { prompt });
    expect(body).toMatchObject({ result: expect.stringContaining("a file") });
  });

  it("creates a session with what another one has published", async () => {
    const source = await client.create({ config: { artifacts: ["*.md"] } });
    const made = '/Write {"file_path":"a.md","content":"published"}';
    await client.post(`/api/sessions/${source.id}/message`, { prompt: `${made}\ndone` });
    const { body: list } = await client.get(`/api/sessions/${source.id}/artifacts`);
    const artifactId = z.object({ artifacts: z.array(z.object({ id: z.string() })) }).parse(list)
      .artifacts[0]?.id;
    const files = [{ path: "notes/b.md", artifactId }];
    const session = await client.create({ config: { files } });
    expect(session.config).toEqual({ files });
    const prompt = '/Bash {"command":"cat notes/b.md"}';
    const { body } = await client.post(`/api/sessions/${session.id}/message`, { prompt });
    expect(body).toMatchObject({ result: expect.stringContaining("published") });
  });

  it.each<[string, object]>([
    ["files.0.path", { files: [{ path: "/etc/passwd", text: "" }] }],
    ["files.0.path", { files: [{ path: "../a", text: "" }] }],
    ["files.0.path", { files: [{ path: "a//b", text: "" }] }],
    ["files.0.path", { files: [{ path: "a/./b", text: "" }] }],
    ["files.0.path", { files: [{ path: "a\nb", text: "" }] }],
    ["files.0.text", { files: [{ path: "a" }] }],
    ["files.0", { files: [{ path: "a", text: "", base64: "" }] }],
    ["files.0", { files: [{ path: "a", text: "", artifactId: `art_${"0".repeat(64)}` }] }],
    ["files.0.artifactId", { files: [{ path: "a", artifactId: "art_0" }] }],
    ["files.0.artifactId", { files: [{ path: "a", artifactId: null }] }],
    ["files.0.mode", { files: [{ path: "a", text: "", mode: 1 }] }],
    ["files.0.artifactId", { files: [{ path: "a", artifactId: `art_${"0".repeat(64)}` }] }],
    ["files.0.base64", { files: [{ path: "a", base64: "?" }] }],
    ["files", { files: Array.from({ length: 101 }, (_, n) => ({ path: `${n}`, text: "" })) }],
    ["setup", { setup: ["npm ci"] }],
    ["setup.0", { setup: [""] }],
    ["repositories", { repositories: [{ url: "https://github.com/a/b" }] }],
    ["repositories.0.url", { repositories: [{}] }],
    ["repositories.0.ref", { repositories: [{ url: "https://github.com/a/b", ref: "-x" }] }],
    ["repositories.0.ref", { repositories: [{ url: "https://github.com/a/b", ref: "a b" }] }],
    ["repositories.0.path", { repositories: [{ url: "https://github.com/a/b", path: "../b" }] }],
    ["repositories.0.depth", { repositories: [{ url: "https://github.com/a/b", depth: 0 }] }],
    ["repositories.0.token", { repositories: [{ url: "https://github.com/a/b", token: "a\nb" }] }],
  ])("refuses a workspace that can't be: %s of %j", async (path, config) => {
    const { status, body } = await client.post("/api/sessions", { pattern: "hybrid", config });
    expect(status).toBe(400);
    const { issues } = Refused.parse(body).error;
    expect(issues.map((issue) => issue.path)).toContain(`config.${path}`);
  });

  it("returns the first session for a repeated key, and refuses another body", async () => {
    const headers = { "Idempotency-Key": "create-1" };
    const body = { pattern: "hybrid", description: "one" };
    const first = await client.post("/api/sessions", body, { headers });
    const again = await client.post("/api/sessions", body, { headers });
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body).toEqual(first.body);
    const other = await client.post("/api/sessions", { ...body, description: "two" }, { headers });
    expect(other.status).toBe(409);
    expect(other.body).toMatchObject(conflict("idempotency_mismatch"));
  });

  it("refuses an option that the deployment does not support, and names it", async () => {
    const config = { model: "no-such-model" };
    const { status, body } = await client.post("/api/sessions", { pattern: "hybrid", config });
    expect(status).toBe(400);
    expect(body).toMatchObject({
      error: { type: "invalid_request_error", issues: [{ path: "config.model" }] },
    });
  });

  it("accepts a config of up to 256 KiB", async () => {
    const withPrompt = (length: number) => ({
      pattern: "hybrid",
      config: { systemPrompt: "x".repeat(length) },
    });
    const overhead = JSON.stringify(withPrompt(0).config).length;
    const fits = await client.post("/api/sessions", withPrompt(256 * 1024 - overhead));
    expect(fits.status).toBe(201);
    const { status, body } = await client.post(
      "/api/sessions",
      withPrompt(256 * 1024 - overhead + 1),
    );
    expect(status).toBe(413);
    expect(body).toMatchObject({ error: { type: "request_too_large" } });
  });
});

describe("a session", () => {
  it("is read from its own object, and is a 404 if there is none", async () => {
    const { id } = await client.create();
    expect(await client.get(`/api/sessions/${id}`)).toMatchObject({ status: 200, body: { id } });
    const missing = await client.get(`/api/sessions/sess_${"f".repeat(32)}`);
    expect(missing).toMatchObject({ status: 404, body: { error: { type: "not_found_error" } } });
  });

  it("is changed by a patch; null clears", async () => {
    const { id } = await client.create({ description: "one", tags: ["a"], maxTurns: 5 });
    const patch = { description: null, tags: ["b"], maxTurns: null, maxBudgetUsd: 1.5 };
    const changed = await client.patch(`/api/sessions/${id}`, patch);
    expect(changed).toMatchObject({ status: 200, body: patch });
    expect((await client.get(`/api/sessions/${id}`)).body).toMatchObject(patch);
    expect((await client.patch(`/api/sessions/${id}`, {})).status).toBe(400);
  });

  it("is terminated with the caller's reason, or user_requested; a repeat changes nothing", async () => {
    const { id } = await client.create();
    const url = `/api/sessions/${id}/terminate`;
    const first = await client.post(url, { reason: "deploying" });
    expect(first).toMatchObject({
      status: 200,
      body: { status: "terminated", terminationReason: "deploying" },
    });
    const again = await client.post(url);
    expect(again.body).toMatchObject({ terminationReason: "deploying" });

    const other = await client.create();
    expect((await client.post(`/api/sessions/${other.id}/terminate`)).body).toMatchObject({
      terminationReason: "user_requested",
    });
  });

  it("accepts no message after its end", async () => {
    const { id } = await client.create();
    await client.post(`/api/sessions/${id}/terminate`);
    const { status, body } = await client.post(`/api/sessions/${id}/message`, { prompt: "hi" });
    expect(status).toBe(409);
    expect(body).toMatchObject(conflict("session_ended"));
  });

  it("is removed when it is deleted, from lists too", async () => {
    const { id } = await client.create({ userId: "deleter" });
    expect(await client.delete(`/api/sessions/${id}`)).toMatchObject({ status: 204, body: null });
    expect((await client.get(`/api/sessions/${id}`)).status).toBe(404);
    expect((await client.delete(`/api/sessions/${id}`)).status).toBe(404);
    expect((await client.get("/api/sessions?userId=deleter")).body).toMatchObject({ total: 0 });
  });

  it("stops its running message on an interrupt, and nothing if none runs", async () => {
    const { id } = await client.create();
    const url = `/api/sessions/${id}/interrupt`;
    expect(await client.post(url)).toMatchObject({ status: 200, body: { message: null } });
    const asked = client.post(`/api/sessions/${id}/message`, { prompt: "/delay 20000\nhi" });
    const stopped = await vi.waitFor(async () => {
      const { body } = await client.post(url, {});
      expect(body).toMatchObject({ message: { status: "interrupted" } });
      return body;
    });
    expect(stopped).toMatchObject({ message: { stopReason: "interrupted", sessionId: id } });
    expect(await asked).toMatchObject({ status: 200, body: { status: "interrupted" } });
    expect((await client.get(`/api/sessions/${id}`)).body).toMatchObject({ status: "active" });
  });
});

describe("GET /api/sessions", () => {
  const List = z.object({
    sessions: z.array(z.looseObject({ id: z.string() })),
    page: z.int().nullable(),
    pageSize: z.int(),
    total: z.int(),
    totalPages: z.int(),
    nextCursor: z.string().nullable(),
  });
  const list = async (query: string) => {
    const { body } = await client.get(`/api/sessions?userId=lister&${query}`);
    return List.parse(body);
  };
  const ids: string[] = [];
  beforeAll(async () => {
    for (let n = 0; n < 5; n++) {
      const tags = n % 2 === 0 ? ["even", `n${n}`] : ["odd"];
      const pattern = n === 4 ? "hybrid" : "long-running";
      const { id } = await client.create({
        pattern,
        tags,
        userId: "lister",
        description: `No. ${n}`,
      });
      ids.unshift(id);
      // The order of creation depends on the clock.
      await scheduler.wait(2);
    }
  });

  it("lists sessions newest first, in pages", async () => {
    const first = await list("pageSize=2");
    expect(first).toMatchObject({ page: 1, pageSize: 2, total: 5, totalPages: 3 });
    const last = await list("pageSize=2&page=3");
    expect(last.sessions.map(({ id }) => id)).toEqual(ids.slice(4));
    expect(last.nextCursor).toBeNull();
  });

  it("is paged by cursor", async () => {
    const walked: string[] = [];
    let query = "pageSize=2";
    for (let pages = 0; pages < 3; pages++) {
      const { sessions, nextCursor } = await list(query);
      walked.push(...sessions.map(({ id }) => id));
      query = `pageSize=2&cursor=${nextCursor}`;
    }
    expect(walked).toEqual(ids);
  });

  it("filters", async () => {
    expect((await list("pattern=hybrid,ephemeral")).total).toBe(1);
    expect((await list("tags=even")).total).toBe(3);
    expect((await list("tags=even,n2")).total).toBe(1);
    expect((await list("tags=odd,n2&tagsMode=any")).total).toBe(3);
    expect((await list("search=no.%203")).total).toBe(1);
    expect((await list("status=terminated")).total).toBe(0);
    expect((await list("createdBefore=2020-01-01")).total).toBe(0);
    expect((await list("sort=createdAt")).sessions.map(({ id }) => id)).toEqual(ids.toReversed());
  });

  it("answers 503 while the index is down, and says that sessions continue", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const { id } = await client.create();
    const prepare = () => {
      throw new Error("D1_ERROR: down");
    };
    const bindings = { ...env, DB: { prepare, batch: prepare } } as unknown as Env;
    for (const path of ["/api/sessions", "/api/sessions/stats/summary"]) {
      const { status, headers, body } = await client.get(path, { bindings });
      expect(status).toBe(503);
      expect(headers.get("Retry-After")).toMatch(/^\d+$/);
      expect(body).toMatchObject({ error: { type: "unavailable_error" } });
    }
    expect((await client.get(`/api/sessions/${id}`, { bindings })).status).toBe(200);
    vi.restoreAllMocks();
  });
});

describe("GET /api/sessions/stats/summary", () => {
  it("sums up a user's sessions", async () => {
    const { id } = await client.create({ userId: "summed" });
    await client.create({ userId: "summed", pattern: "hybrid" });
    await client.post(`/api/sessions/${id}/terminate`);
    const today = new Date().toISOString().slice(0, 10);
    const { status, body } = await client.get(
      `/api/sessions/stats/summary?userId=summed&from=2026-01-01&to=${today}`,
    );
    expect(status).toBe(200);
    expect(body).toMatchObject({
      totalSessions: 2,
      activeSessions: 1,
      terminatedSessions: 1,
      byPattern: { hybrid: { count: 1 }, "long-running": { count: 1 } },
    });
    expect(body).not.toHaveProperty("byDay");
  });

  it("tells them by the day of their creation if asked", async () => {
    const { id } = await client.create({ userId: "by-day" });
    await client.create({ userId: "by-day" });
    await client.post(`/api/sessions/${id}/terminate`);
    const path = "/api/sessions/stats/summary?userId=by-day&groupBy=day";
    const body = (await client.get(path)).body as { byDay: unknown };
    const today = new Date().toISOString().slice(0, 10);
    expect(body.byDay).toMatchObject([{ day: today, sessions: 2, failed: 0, terminated: 1 }]);
  });
});

describe("tenants", () => {
  it("see their own sessions and no others; an admin sees all", async () => {
    const keys = ["alice", "bob", "root"].map(async (owner) => ({
      name: owner,
      // Other tests have sessions of Alice and Bob.
      owner: `${owner} the tenant`,
      sha256: await sha256Hex(`key of ${owner}`.replaceAll(" ", "-")),
      admin: owner === "root",
    }));
    const settings = readSettings({ API_KEYS: JSON.stringify(await Promise.all(keys)) });
    const as = (owner: string) =>
      aClient(settings, { Authorization: `Bearer key-of-${owner}`, "Idempotency-Key": "same" });
    const [alice, bob, root] = [as("alice"), as("bob"), as("root")];

    const { id } = await alice.create({ tags: ["tenants"] });
    const own = await bob.create({ tags: ["tenants"] });
    expect(own.id).not.toBe(id);

    const url = `/api/sessions/${id}`;
    for (const path of [url, `${url}/messages`, `${url}/events`]) {
      expect((await bob.get(path)).status).toBe(404);
      expect((await alice.get(path)).status).toBe(200);
      expect((await root.get(path)).status).toBe(200);
    }
    const stream = await bob.get(`${url}/events`, { headers: { Accept: "text/event-stream" } });
    expect(stream.status).toBe(404);
    expect((await bob.post(`${url}/message`, { prompt: "hi" })).status).toBe(404);
    expect((await bob.post(`${url}/terminate`)).status).toBe(404);
    expect((await bob.patch(url, { tags: [] })).status).toBe(404);
    expect((await bob.delete(url)).status).toBe(404);

    expect((await bob.get("/api/sessions?tags=tenants")).body).toMatchObject({
      total: 1,
      sessions: [{ id: own.id }],
    });
    expect((await root.get("/api/sessions?tags=tenants")).body).toMatchObject({ total: 2 });
    expect((await bob.get("/api/sessions/stats/summary")).body).toMatchObject({ totalSessions: 1 });
  });
});
