import { describe, expect, it } from "vitest";
import { encryption } from "../session/deployment";
import { aClient, local } from "../testing/api-client";
import { mcpServer } from "../testing/mcp";
import { lose, rowOf, until } from "../testing/sessions";

const api = aClient();
const secret = "sk-live-0123456789";

const withServers = (mcpServers: object, more: object = {}) =>
  api.post("/api/sessions", { pattern: "hybrid", config: { mcpServers, ...more } });

const issuesOf = ({ body }: { body: unknown }) =>
  (body as { error: { issues: { path: string; message: string }[] } }).error.issues;

describe("the MCP servers of a session", () => {
  it("are listed, and nothing of their config is returned or in the index", async () => {
    const { config } = mcpServer("modern", {
      headers: { "X-Key": { secret } },
      tools: ["echo", "add"],
      timeoutMs: 5_000,
    });
    const url = `${config.url}?token=${secret}`;
    const { id, config: shown } = await api.create({
      config: { mcpServers: { one: { ...config, url, oauth: null }, gone: null }, maxTurns: 9 },
    });
    expect(shown).toEqual({ maxTurns: 9 });
    const path = `/api/sessions/${id}/mcp-servers`;
    const server = { name: "one", origin: "https://mcp.example.com", authorization: "headers" };
    expect(await api.get(path)).toMatchObject({
      status: 200,
      body: { mcpServers: [{ ...server, tools: [], listedAt: null, error: null }] },
    });
    await api.ask(id, { prompt: "hello" });
    const listed = await api.get(path);
    expect(listed.body).toMatchObject({
      mcpServers: [{ ...server, tools: [{ name: "mcp__one__add" }, { name: "mcp__one__echo" }] }],
    });
    await until(async () => (await rowOf(id)) !== null);
    const everything = JSON.stringify([
      await rowOf(id),
      listed.body,
      await api.raw("GET", `/api/sessions/${id}/export`).then((response) => response.text()),
    ]);
    expect(everything).not.toContain(secret);
    expect(everything).not.toContain("X-Key");
  });

  it("can be given new access, by their owner while the session lives", async () => {
    const { config, oauth } = mcpServer("modern");
    const { id } = await api.create({ config: { mcpServers: { one: config } } });
    const path = `/api/sessions/${id}/mcp-servers`;
    const given = { ...oauth, expiresAt: "2026-11-30T00:00:00Z" };
    expect(await api.put(`${path}/one/oauth`, given)).toMatchObject({
      status: 200,
      body: { name: "one", authorization: "oauth" },
    });
    expect((await api.put(`${path}/two/oauth`, given)).status).toBe(404);
    expect((await api.put(`${path}/a__b/oauth`, given)).status).toBe(404);
    for (const wrong of [
      {},
      { ...given, more: 1 },
      { ...given, expiresAt: 5 },
      { ...given, tokenUrl: "http://x" },
    ]) {
      expect((await api.put(`${path}/one/oauth`, wrong)).status).toBe(400);
    }
    const { token } = (await api.post(`/api/sessions/${id}/shares`, { access: "write" })).body as {
      token: string;
    };
    const shared = aClient(local, { Authorization: `Bearer ${token}` });
    expect((await shared.get(path)).status).toBe(403);
    expect((await shared.put(`${path}/one/oauth`, given)).status).toBe(403);
    await api.post(`/api/sessions/${id}/terminate`);
    expect((await api.put(`${path}/one/oauth`, given)).status).toBe(409);
    expect((await api.get(path)).status).toBe(200);
  });

  it.each<[string, object, object?]>([
    ["config.mcpServers.a__b", { a__b: { url: "https://x.com" } }],
    ["config.mcpServers.one.url", { one: { url: "http://x.com" } }],
    ["config.mcpServers.one.url", { one: { url: "https://10.0.0.1/" } }],
    ["config.mcpServers.one.url", { one: { url: "https://localhost/" } }],
    ["config.mcpServers.one.url", { one: { url: "https://user:word@x.com/" } }],
    ["config.mcpServers.one.url", { one: { url: "no URL" } }],
    ["config.mcpServers.one.type", { one: { url: "https://x.com", type: "http" } }],
    [
      "config.mcpServers.one.headers.X-A",
      { one: { url: "https://x.com", headers: { "X-A": "é" } } },
    ],
    [
      "config.mcpServers.one.headers.a b",
      { one: { url: "https://x.com", headers: { "a b": "c" } } },
    ],
    [
      "config.mcpServers.one.headers.Host",
      { one: { url: "https://x.com", headers: { Host: "y" } } },
    ],
    [
      "config.mcpServers.one.headers.Authorization",
      {
        one: {
          ...{ url: "https://x.com", headers: { Authorization: "x" } },
          oauth: mcpServer("modern").oauth,
        },
      },
    ],
    [
      "config.mcpServers.one.oauth.tokenUrl",
      {
        one: {
          url: "https://x.com",
          oauth: { ...mcpServer("modern").oauth, tokenUrl: "https://10.0.0.1" },
        },
      },
    ],
    ["config.mcpServers.one.timeoutMs", { one: { url: "https://x.com", timeoutMs: 600_001 } }],
    ["config.mcpServers.one.tools", { one: { url: "https://x.com", tools: [] } }],
    [
      "config.disallowedTools.0",
      { one: { url: "https://x.com" } },
      { disallowedTools: ["mcp__two"] },
    ],
    ["config.askTools.0", {}, { askTools: ["mcp__one__x"] }],
    [
      "config.mcpServers",
      Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`s${n}`, { url: "https://x.com" }])),
    ],
  ])("are refused at %s", async (path, servers, more) => {
    const answer = await withServers(servers, more);
    expect(answer.status).toBe(400);
    expect(issuesOf(answer)[0]?.path).toBe(path);
    expect(JSON.stringify(answer.body)).not.toContain("refresh-first");
  });

  it("may be anywhere where the deployment allows it", async () => {
    const open = aClient({ ...local, MCP_ALLOW_PRIVATE_HOSTS: true });
    const config = { mcpServers: { one: { url: "http://localhost:3000/mcp" } } };
    const made = await open.post("/api/sessions", { pattern: "hybrid", config });
    expect(made.status).toBe(201);
  });

  it("are not shown by an automation, which starts sessions with them", async () => {
    const { config } = mcpServer("modern", { headers: { "X-Key": secret } });
    const session = { pattern: "ephemeral", config: { mcpServers: { one: config }, maxTurns: 3 } };
    const { body } = await api.post("/api/automations", {
      ...{ name: "a", session, prompt: '/mcp__one__echo {"text":"hi"}\ndone' },
    });
    expect(body).toMatchObject({ session: { pattern: "ephemeral", config: { maxTurns: 3 } } });
    expect(JSON.stringify(body)).not.toContain("mcp.example.com");
    const { id } = body as { id: string };
    const { body: fired } = await api.post(`/api/automations/${id}/fire`);
    const { sessionId } = fired as { sessionId: string };
    await until(async () => {
      const { body: list } = await api.get(`/api/sessions/${sessionId}/events?limit=100`);
      return JSON.stringify(list).includes('"content":"hi"');
    }, 5_000);
  });

  it("are encrypted, also after the key was changed, and a repeated request finds its session", async () => {
    const key = (id: string) => ({ id, base64: btoa(id.padEnd(32, "k")) });
    const { config } = mcpServer("modern", { headers: { "X-Key": secret } });
    const body = { pattern: "hybrid", config: { mcpServers: { one: config } } };
    const options = { headers: { "Idempotency-Key": crypto.randomUUID() } };
    try {
      encryption.keys = [key("one")];
      const { body: made } = await api.post("/api/sessions", body, options);
      const { id } = made as { id: string };
      await api.ask(id, { prompt: "hello" });
      encryption.keys = [key("two"), key("one")];
      await api.ask(id, { prompt: '/mcp__one__echo {"text":"hi"}\ndone' });
      encryption.keys = [key("two")];
      const answered = await api.ask(id, { prompt: "/mcp__one__headers {}\ndone" });
      expect(answered.result).toContain("[redacted]");
      expect((await api.post("/api/sessions", body, options)).body).toMatchObject({ id });
      encryption.keys = [key("three")];
      await lose(id);
      const failed = await api.ask(id, { prompt: '/mcp__one__echo {"text":"hi"}\ndone' });
      expect(failed.result).toContain("its config can't be read: ENCRYPTION_KEYS has no key");
    } finally {
      encryption.keys = [];
    }
  });
});
