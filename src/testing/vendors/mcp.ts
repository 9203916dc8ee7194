import { setTimeout as sleep } from "node:timers/promises";
import {
  createMcpHandler,
  McpServer,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import type { McpState } from "./mcp-state.ts";

// MCP servers, made with the official SDK: at `/<kind>/<name>/mcp`, each with a state of its own. `/<kind>/<name>/token` is
// its token endpoint, and `/<kind>/<name>/state` shows its state and changes it.

/** What servers do. `modern`: the revision of 2026, without sessions. `classic`: that of 2025, with sessions. */
type Kind = "modern" | "classic" | keyof typeof HOSTILE;

interface Server extends McpState {
  sessions: Map<string, WebStandardStreamableHTTPServerTransport>;
}

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const text = (words: string) => ({ content: [{ type: "text" as const, text: words }] });

/** Returns the server as it is for one session, or for one request. */
function serverOf(state: Server, request: Request): McpServer {
  const server = new McpServer(
    { name: "stand-in", version: "1" },
    { capabilities: { tools: { listChanged: true } } },
  );
  const reads = { readOnlyHint: true };
  const none = z.object({});
  const token = z.object({ token: z.string() });
  server.registerTool(
    "echo",
    { inputSchema: z.object({ text: z.string() }), annotations: reads },
    ({ text: words }) => text(words),
  );
  server.registerTool(
    "add",
    { description: "Adds a token.", inputSchema: token },
    async ({ token }) => {
      state.calls.push(token);
      return text(`added ${token}`);
    },
  );
  server.registerTool(
    "set",
    { inputSchema: token, annotations: { idempotentHint: true } },
    async ({ token }) => {
      state.calls.push(token);
      return text(`set ${token}`);
    },
  );
  server.registerTool("calls", { inputSchema: none, annotations: reads }, () =>
    text(state.calls.join(" ") || "none"),
  );
  server.registerTool("headers", { inputSchema: none, annotations: reads }, () =>
    text(JSON.stringify(Object.fromEntries(request.headers))),
  );
  server.registerTool("image", { inputSchema: none, annotations: reads }, () => ({
    content: [
      { type: "text", text: "look" },
      { type: "image", data: PNG, mimeType: "image/png" },
      { type: "image", data: "AAAA", mimeType: "image/png" },
      { type: "audio", data: "AAAA", mimeType: "audio/wav" },
      { type: "resource_link", uri: "file:///a.txt", name: "a.txt" },
      {
        type: "resource",
        resource: { uri: "file:///b.txt", mimeType: "text/plain", text: "of b" },
      },
    ],
  }));
  server.registerTool(
    "structured",
    { inputSchema: none, outputSchema: z.object({ degrees: z.number() }), annotations: reads },
    () => ({ content: [], structuredContent: { degrees: 21 } }),
  );
  server.registerTool("fail", { inputSchema: none }, () => ({
    ...text("no such issue"),
    isError: true,
  }));
  server.registerTool("huge", { inputSchema: z.object({ size: z.number() }) }, ({ size }) =>
    text("x".repeat(size)),
  );
  server.registerTool(
    "slow",
    { inputSchema: z.object({ ms: z.number() }) },
    async ({ ms }, { mcpReq }) => {
      state.slow++;
      await sleep(ms, undefined, { signal: mcpReq.signal }).catch(() => {
        state.cancelled++;
      });
      return text("at last");
    },
  );
  server.registerTool("dots.and.more", { inputSchema: none, annotations: reads }, () =>
    text("dotted"),
  );
  const addGrown = () =>
    server.registerTool("grown", { inputSchema: none, annotations: reads }, () => text("is here"));
  server.registerTool("grow", { inputSchema: none }, async (_, { mcpReq }) => {
    if (!state.hasGrown) addGrown();
    state.hasGrown = true;
    await mcpReq.notify({ method: "notifications/tools/list_changed" });
    return text("grown");
  });
  if (state.hasGrown) addGrown();
  return server;
}

/** What a server answers that means no good, or can't do better. */
const HOSTILE = {
  redirecting: () =>
    new Response(null, { status: 307, headers: { location: "http://169.254.169.254/" } }),
  html: () => new Response("<html>Hello</html>", { headers: { "content-type": "text/html" } }),
  endless: () =>
    new Response(
      new ReadableStream({
        async pull(controller) {
          controller.enqueue(new TextEncoder().encode(`: ${"x".repeat(65_000)}\n\n`));
          await sleep(1);
        },
      }),
      { headers: { "content-type": "text/event-stream" } },
    ),
  silent: () => new Promise<Response>(() => {}),
  deep: (id: unknown, method: string) =>
    listing(id, method, [tool("deep", nested(200)), tool("good", { type: "object" })]),
  strange: (id: unknown, method: string) =>
    listing(id, method, [
      tool("union", { type: "object", properties: { a: {} }, anyOf: [{ required: ["a"] }] }),
      tool("spaces", { type: "object", properties: { "a b": {} } }),
      tool("same.name", { type: "object" }),
      tool("same/name", { type: "object" }),
      tool("x".repeat(128), { type: "object" }),
      tool("__proto__", { type: "object" }),
    ]),
  many: (id: unknown, method: string) =>
    listing(
      id,
      method,
      Array.from({ length: 129 }, (_, n) => tool(`t${n}`, { type: "object" })),
    ),
  endlessPages: (id: unknown, method: string, cursor: unknown) =>
    listing(id, method, [tool("t", { type: "object" })], { nextCursor: `${cursor}1` }),
};

const tool = (name: string, inputSchema: object) => ({ name, inputSchema });

const nested = (depth: number): object =>
  depth === 0 ? { type: "object" } : { type: "object", properties: { a: nested(depth - 1) } };

function listing(id: unknown, method: string, tools: object[], more: object = {}): Response {
  const results: Record<string, object> = {
    initialize: {
      ...{ protocolVersion: "2025-06-18", capabilities: { tools: {} } },
      serverInfo: { name: "stand-in", version: "1" },
    },
    "tools/list": { tools, ...more },
  };
  if (id === undefined) return new Response(null, { status: 202 });
  const result = results[method];
  const answer = result ? { result } : { error: { code: -32601, message: "Method not found" } };
  return Response.json({ jsonrpc: "2.0", id, ...answer });
}

/** Starts the servers. Each exists as soon as it is asked. */
export function standInMcp(): { handle(request: Request): Promise<Response> } {
  const servers = new Map<string, Server>();

  async function handle(request: Request): Promise<Response> {
    const [, kind = "", name = "", what] = new URL(request.url).pathname.split("/");
    const key = `${kind}/${name}`;
    const server = servers.get(key) ?? newServer();
    servers.set(key, server);
    if (what === "state") return answerState(server, request);
    if (what === "token") return answerToken(server, request);
    server.requests++;
    if (server.isDown) return new Response("The service is down.", { status: 503 });
    const authorization = request.headers.get("authorization");
    if (server.access !== null && authorization !== `Bearer ${server.access}`) {
      return new Response(`Not with ${authorization}`, { status: 401 });
    }
    return answer(kind as Kind, server, request);
  }

  return { handle };
}

async function answer(kind: Kind, server: Server, request: Request): Promise<Response> {
  const body = request.method === "POST" ? await request.clone().text() : "";
  if (body.includes('"tools/list"')) server.lists++;
  if (kind === "modern") return createMcpHandler(() => serverOf(server, request)).fetch(request);
  if (kind === "classic") return answerClassic(server, request, body);
  const { id, method = "", params } = body === "" ? {} : JSON.parse(body);
  return HOSTILE[kind](id, method, params?.cursor);
}

async function answerClassic(server: Server, request: Request, body: string): Promise<Response> {
  const { sessions } = server;
  const id = request.headers.get("mcp-session-id");
  const known = id === null ? undefined : sessions.get(id);
  if (known) return known.handleRequest(request);
  if (id !== null) return new Response("Session not found", { status: 404 });
  if (!body.includes('"initialize"')) return new Response("No session", { status: 400 });
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: () => crypto.randomUUID(),
    onsessioninitialized: (session) => {
      server.begun++;
      sessions.set(session, transport);
    },
    onsessionclosed: (session) => {
      server.ended++;
      sessions.delete(session);
    },
  });
  await serverOf(server, request).connect(transport);
  return transport.handleRequest(request);
}

async function answerState(server: Server, request: Request): Promise<Response> {
  if (request.method === "POST") {
    const { forgetsSessions, ...changes } = (await request.json()) as Partial<McpState> & {
      forgetsSessions?: boolean;
    };
    Object.assign(server, changes);
    if (forgetsSessions) server.sessions.clear();
  }
  const { sessions: _, ...state } = server;
  return Response.json(state);
}

/** Renews tokens, and replaces the refresh token each time. Once an old one was used, none is accepted any more. */
async function answerToken(server: Server, request: Request): Promise<Response> {
  const form = new URLSearchParams(await request.text());
  const given = form.get("refresh_token");
  const isKnown = form.get("grant_type") === "refresh_token" && form.get("resource") !== null;
  if (!isKnown) return Response.json({ error: "invalid_request" }, { status: 400 });
  if (given !== server.refresh || server.reused > 0) {
    server.reused++;
    return Response.json({ error: "invalid_grant" }, { status: 400 });
  }
  server.renewals++;
  server.refresh = `refresh-${crypto.randomUUID()}`;
  const access = `access-${crypto.randomUUID()}`;
  if (server.renews) server.access = access;
  const { refresh, expiresIn } = server;
  await sleep(server.renewMs);
  return Response.json({
    ...{ access_token: access, refresh_token: refresh, token_type: "Bearer" },
    expires_in: expiresIn,
  });
}

const newServer = (): Server => ({
  ...{
    calls: [],
    requests: 0,
    begun: 0,
    ended: 0,
    lists: 0,
    slow: 0,
    cancelled: 0,
    hasGrown: false,
  },
  ...{
    isDown: false,
    access: null,
    refresh: "refresh-first",
    renewals: 0,
    reused: 0,
    renews: true,
  },
  ...{ renewMs: 0, expiresIn: 3_600, sessions: new Map() },
});
