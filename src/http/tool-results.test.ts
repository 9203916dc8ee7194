import { describe, expect, it } from "vitest";
import { z } from "zod";
import { aClient, local } from "../testing/api-client";
import { LOOKUP, NOTIFY } from "../testing/client-tools";
import { until } from "../testing/sessions";

const client = aClient();
const WITH_TOOLS = { config: { clientTools: [LOOKUP, NOTIFY] } };
const PROMPT = { prompt: '/lookup {"id":1} & /lookup {"id":2}' };
const Page = z.object({ toolRequests: z.array(z.looseObject({ toolUseId: z.string() })) });

const requestsAt = async (path: string, by = client) =>
  Page.parse((await by.get(`${path}/tool-requests`)).body).toolRequests;

/** Makes a key of an owner with scopes, and returns a client that has it. */
async function holder(owner: string, scopes: string[]) {
  const { body } = await client.post("/api/keys", { name: "ci", owner, scopes });
  const { key } = z.looseObject({ key: z.string() }).parse(body);
  return aClient(local, { Authorization: `Bearer ${key}` });
}

/** Makes a session whose message waits for two results. Returns its path, and the calls. */
async function waiting() {
  const { id } = await client.create(WITH_TOOLS);
  const path = `/api/sessions/${id}`;
  const sent = await client.post(`${path}/message`, PROMPT);
  const calls = await requestsAt(path);
  const [one = "", two = ""] = calls.map(({ toolUseId }) => toolUseId);
  return { path, sent, calls, one, two };
}

describe("a message that calls client tools", () => {
  it("is answered with 202, and goes on when all results are posted", async () => {
    const { path, sent, calls, one, two } = await waiting();
    expect(sent).toMatchObject({
      status: 202,
      body: { status: "waiting", waitingFor: { type: "toolResult", toolUseIds: [one, two] } },
    });
    expect(calls).toMatchObject([
      { name: "lookup", input: { id: 1 }, agent: "main", expiresAt: null },
      { name: "lookup", input: { id: 2 } },
    ]);
    const post = (results: object[]) => client.post(`${path}/tool-results`, { results });
    expect(await post([{ toolUseId: one, content: "a chair" }])).toEqual({
      ...{ status: 200, headers: expect.anything(), body: { taken: [one], awaited: [two] } },
    });
    expect(await post([{ toolUseId: one, content: "a table" }])).toMatchObject({
      status: 409,
      body: { error: { reason: "already_resolved", toolUseId: one } },
    });
    const both = [
      { toolUseId: one, content: "a chair" },
      { toolUseId: two, content: [{ type: "text", text: "none" }], isError: true },
    ];
    expect(await post(both)).toMatchObject({ status: 200, body: { taken: [one, two] } });
    await until(async () => {
      const { body } = await client.get(`${path}/messages`);
      return JSON.stringify(body).includes("returned: a chair\\nlookup failed: none");
    });
    expect(await post(both)).toMatchObject({ status: 200, body: { awaited: [] } });
  });

  it("keeps a stream of it open, which says what is requested", async () => {
    const { id } = await client.create(WITH_TOOLS);
    const path = `/api/sessions/${id}`;
    const body = { prompt: '/notify {"text":"hi"}', streaming: true };
    const text = client.raw("POST", `${path}/message`, { body }).then((one) => one.text());
    await until(async () => (await requestsAt(path)).length > 0);
    const [request] = await requestsAt(path);
    const results = [{ toolUseId: request?.toolUseId, content: "" }];
    expect((await client.post(`${path}/tool-results`, { results })).status).toBe(200);
    expect(await text).toMatch(/event: tool.requested[\s\S]*event: message.completed\n[^\n]*\n\n$/);
  });

  it.each<[object, string]>([
    [{}, "results"],
    [{ results: [] }, "results"],
    [{ results: [{ content: "x" }] }, "results.0.toolUseId"],
    [{ results: [{ toolUseId: "toolu_none", content: "x" }] }, "results.0.toolUseId"],
    [{ results: [{ toolUseId: "x", content: 1 }] }, "results.0.content"],
    [{ results: [{ toolUseId: "x", content: [] }] }, "results.0.content"],
    [{ results: [{ toolUseId: "x", content: "x", isError: "no" }] }, "results.0.isError"],
    [{ results: [{ toolUseId: "x", content: "x", name: "y" }] }, "results.0.name"],
    [{ results: ["x", "x"].map((toolUseId) => ({ toolUseId, content: "y" })) }, "results"],
    [
      { results: [{ toolUseId: "x", content: [{ type: "document", source: {} }] }] },
      "results.0.content.0.type",
    ],
    [
      {
        results: [
          {
            toolUseId: "x",
            content: [{ type: "image", source: { type: "url", url: "https://a.b/c.png" } }],
          },
        ],
      },
      "results.0.content.0.source.type",
    ],
    [
      {
        results: [
          {
            toolUseId: "x",
            content: [
              { type: "image", source: { type: "base64", media_type: "image/png", data: "%" } },
            ],
          },
        ],
      },
      "results.0.content.0.source.data",
    ],
  ])("refuses %j", async (body, path) => {
    const { id } = await client.create(WITH_TOOLS);
    const answer = await client.post(`/api/sessions/${id}/tool-results`, body);
    expect(answer).toMatchObject({
      ...{ status: 400, body: { error: { message: expect.stringMatching(`^${path}: `) } } },
    });
  });

  it("takes a result of 1.7 MB, and no larger one", async () => {
    const { path, one } = await waiting();
    const post = (length: number) => {
      const results = [{ toolUseId: one, content: "x".repeat(length) }];
      return client.post(`${path}/tool-results`, { results });
    };
    expect((await post(1_699_999)).status).toBe(413);
    expect((await post(1_699_998)).status).toBe(200);
  });

  it("is answered by those who may send messages to its session, and seen by nobody else", async () => {
    const owner = `owner-${crypto.randomUUID()}`;
    const app = await holder(owner, ["sessions:write"]);
    const reader = await holder(owner, ["sessions:read"]);
    const stranger = await holder(`owner-${crypto.randomUUID()}`, ["sessions:write"]);
    const { id } = await app.create(WITH_TOOLS);
    const path = `/api/sessions/${id}`;
    await app.post(`${path}/message`, PROMPT);
    const [call] = await requestsAt(path, reader);
    const body = { results: [{ toolUseId: call?.toolUseId, content: "x" }] };
    expect((await reader.post(`${path}/tool-results`, body)).status).toBe(403);
    expect((await stranger.post(`${path}/tool-results`, body)).status).toBe(404);
    expect((await stranger.get(`${path}/tool-requests`)).status).toBe(404);
    const shared = await app.post(`${path}/shares`, { access: "write" });
    const { token } = z.looseObject({ token: z.string() }).parse(shared.body);
    const guest = aClient(local, { Authorization: `Bearer ${token}` });
    expect((await guest.post(`${path}/tool-results`, body)).status).toBe(403);
    expect((await app.post(`${path}/tool-results`, body)).status).toBe(200);
  });
});

describe("the calls of all sessions that wait for results", () => {
  const All = Page.extend({
    toolRequests: z.array(z.looseObject({ toolUseId: z.string(), sessionId: z.string() })),
    nextCursor: z.string().nullable(),
  });
  const list = async (by: typeof client, query = "") =>
    All.parse((await by.get(`/api/tool-requests${query}`)).body);
  const sessionsIn = ({ toolRequests }: z.output<typeof All>) =>
    toolRequests.map(({ sessionId }) => sessionId);

  it("are those of the caller's sessions, page by page, the oldest call first", async () => {
    const owner = `owner-${crypto.randomUUID()}`;
    const app = await holder(owner, ["sessions:write"]);
    const reader = await holder(owner, ["sessions:read"]);
    const stranger = await holder(`owner-${crypto.randomUUID()}`, ["sessions:write"]);
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) {
      const { id } = await app.create(WITH_TOOLS);
      await app.post(`/api/sessions/${id}/message`, PROMPT);
      ids.push(id);
    }
    await until(async () => (await list(reader)).toolRequests.length === 6);
    const all = await list(reader);
    expect(sessionsIn(all)).toEqual(ids.flatMap((id) => [id, id]));
    expect(all.toolRequests.slice(0, 2)).toEqual(await requestsAt(`/api/sessions/${ids[0]}`, app));
    expect((await list(stranger)).toolRequests).toEqual([]);
    expect(sessionsIn(await list(client))).toEqual(expect.arrayContaining(ids));

    const first = await list(reader, "?limit=2");
    const second = await list(reader, `?limit=2&cursor=${first.nextCursor}`);
    expect(second.nextCursor).toBeNull();
    expect([first, second].map(({ toolRequests }) => toolRequests.length)).toEqual([4, 2]);
    expect(new Set([...sessionsIn(first), ...sessionsIn(second)])).toEqual(new Set(ids));

    // What was answered, and what is deleted, is gone at once, whatever the index says.
    const [call] = all.toolRequests;
    const results = [{ toolUseId: call?.toolUseId, content: "x" }];
    await app.post(`/api/sessions/${ids[0]}/tool-results`, { results });
    await app.delete(`/api/sessions/${ids[1]}`);
    expect(sessionsIn(await list(reader))).toEqual([ids[0], ids[2], ids[2]]);
  });

  it.each(["?status=pending", "?cursor=nonsense", "?limit=51", "?owner=x"])(
    "refuse the query %s",
    async (query) => {
      expect((await client.get(`/api/tool-requests${query}`)).status).toBe(400);
    },
  );
});

describe("config.clientTools", () => {
  it.each<[object, string]>([
    [{ clientTools: [{ ...LOOKUP, name: "a b" }] }, "config.clientTools.0.name"],
    [{ clientTools: [{ ...LOOKUP, name: "" }] }, "config.clientTools.0.name"],
    [{ clientTools: [{ ...LOOKUP, name: "x".repeat(65) }] }, "config.clientTools.0.name"],
    [{ clientTools: [LOOKUP, LOOKUP] }, "config.clientTools.1.name"],
    [{ clientTools: [{ ...LOOKUP, name: "Bash" }] }, "config.clientTools.0.name"],
    [{ clientTools: [{ ...LOOKUP, name: "mcp__a__b" }] }, "config.clientTools.0.name"],
    [{ clientTools: [{ ...LOOKUP, description: "" }] }, "config.clientTools.0.description"],
    [{ clientTools: [{ ...LOOKUP, url: "x" }] }, "config.clientTools.0.url"],
    [{ clientTools: [{ ...LOOKUP, inputSchema: {} }] }, "config.clientTools.0.inputSchema.type"],
    [
      { clientTools: [{ ...LOOKUP, inputSchema: { type: "object", anyOf: [{}] } }] },
      "config.clientTools.0.inputSchema.anyOf",
    ],
    [
      { clientTools: [{ ...LOOKUP, inputSchema: { type: "object", properties: { a: 1 } } }] },
      "config.clientTools.0.inputSchema.properties.a",
    ],
    [
      { clientTools: [{ ...LOOKUP, inputSchema: { type: "object", properties: { "a b": {} } } }] },
      "config.clientTools.0.inputSchema.properties.a b",
    ],
    [
      { clientTools: [{ ...LOOKUP, inputSchema: { type: "object", $ref: "#/no" } }] },
      "config.clientTools.0.inputSchema",
    ],
    [
      { clientTools: Array.from({ length: 65 }, (_, n) => ({ ...LOOKUP, name: `t${n}` })) },
      "config.clientTools",
    ],
    [
      {
        clientTools: Array.from({ length: 12 }, (_, n) => ({
          ...{ ...LOOKUP, name: `t${n}`, description: "x".repeat(9_000) },
        })),
      },
      "config.clientTools",
    ],
    [{ clientTools: [LOOKUP], clientToolTimeoutMs: 999 }, "config.clientToolTimeoutMs"],
    [{ clientTools: [LOOKUP], allowedTools: ["look"] }, "config.allowedTools.0"],
    [{ clientTools: [LOOKUP], askTools: ["lookup(x)"] }, "config.askTools.0"],
  ])("refuses %j", async (config, path) => {
    const answer = await client.post("/api/sessions", { pattern: "hybrid", config });
    expect(answer).toMatchObject({ status: 400, body: { error: { issues: [{ path }] } } });
  });

  it("takes rules about its tools, any object as a schema, and is returned as it was given", async () => {
    const anything = { ...NOTIFY, name: "0-x_", inputSchema: { type: "object", title: "any" } };
    const config = {
      ...{ clientTools: [LOOKUP, anything], clientToolTimeoutMs: 60_000 },
      ...{ allowedTools: ["lookup", "0-x_"], askTools: ["0-x_"] },
      customAgents: { helper: { disallowedTools: ["lookup"] } },
    };
    expect((await client.create({ config })).config).toEqual(config);
  });

  it("is refused for a key that has some tools only", async () => {
    const made = await client.post("/api/keys", { name: "ci", owner: "x", tools: ["Read"] });
    const { key } = z.looseObject({ key: z.string() }).parse(made.body);
    const capped = aClient(local, { Authorization: `Bearer ${key}` });
    const answer = await capped.post("/api/sessions", { pattern: "hybrid", ...WITH_TOOLS });
    expect(answer).toMatchObject({
      ...{ status: 400, body: { error: { issues: [{ path: "config.clientTools" }] } } },
    });
  });
});
