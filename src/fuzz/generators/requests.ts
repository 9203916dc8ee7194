import type { Random } from "../../soak/random.ts";
import { many, mutate } from "./grammar.ts";
import { anyValue, mutateValue } from "./json.ts";

/**
 * A request that is often invalid. In its path, `{mine}` and `{theirs}` are replaced by sessions of the caller
 * and of another owner; `{message}`, `{schedule}` and `{snapshot}` by objects of the other owner.
 */
export interface RequestInput {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: string | undefined;
}

interface Endpoint {
  method: string;
  path: string;
  bodies?: readonly [object, ...object[]];
  query?: readonly string[];
}

const WALK = ["cursor", "pageSize", "page", "sort", "limit", "after"];
const FILTERS =
  "status pattern userId conversationId tags tagsMode createdAfter createdBefore search".split(" ");

const MCP_OAUTH = {
  tokenUrl: "https://login.example.com/token",
  clientId: "c",
  refreshToken: "r",
  expiresAt: "2026-01-01T00:00:00Z",
};

const ENDPOINTS: readonly [Endpoint, ...Endpoint[]] = [
  {
    method: "POST",
    path: "/api/sessions",
    bodies: [
      { pattern: "hybrid" },
      {
        pattern: "long-running",
        config: { model: "claude-opus-5", allowedTools: ["Read", "Bash(ls *)"], env: { A: "b" } },
        tags: ["a", "b"],
        description: "d",
        userId: "u",
        conversationId: 3,
        maxBudgetUsd: 0.1,
        maxTurns: 3,
        maxIdleTimeMs: 60_000,
        maxLifetimeMs: 60_000,
      },
      { pattern: "hybrid", config: { resumeSessionId: "{theirs}", forkSession: true } },
      { pattern: "hybrid", config: { snapshotId: "{snapshot}" } },
      {
        pattern: "hybrid",
        config: {
          mcpServers: {
            a: {
              url: "https://mcp.example.com/",
              headers: { "X-Key": { secret: "s" } },
              tools: ["b"],
            },
            "a-b": { url: "https://mcp.example.com/", oauth: MCP_OAUTH },
          },
          allowedTools: ["Read", "mcp__a", "mcp__a-b__*"],
          disallowedTools: ["mcp__a__c"],
        },
      },
      { pattern: "ephemeral", config: { continueSession: true }, conversationId: 7 },
      {
        pattern: "single-container",
        config: {
          customAgents: { a: { description: "x", allowedTools: ["Read"] } },
          outputSchema: { type: "object", properties: { a: { type: "string" } } },
          thinking: { type: "enabled", budget_tokens: 2_000 },
          effort: "low",
          retentionDays: 30,
          artifacts: ["dist/**", "*.{md,txt}"],
          files: [
            { path: "a/b", text: "c" },
            { path: "d", base64: "AAAA" },
          ],
          clientTools: [{ name: "a", description: "b", inputSchema: { type: "object" } }],
          clientToolTimeoutMs: 60_000,
          sandbox: { provider: "embedded", network: "none" },
        },
      },
    ],
  },
  { method: "GET", path: "/api/sessions", query: [...FILTERS, ...WALK] },
  {
    method: "GET",
    path: "/api/sessions/stats/summary",
    query: ["userId", "from", "to", "groupBy"],
  },
  { method: "GET", path: "/api/sessions/{id}" },
  {
    method: "PATCH",
    path: "/api/sessions/{id}",
    bodies: [
      { tags: ["x"], description: "y", userId: null },
      { maxTurns: 9, maxBudgetUsd: 2 },
    ],
  },
  { method: "DELETE", path: "/api/sessions/{id}" },
  { method: "POST", path: "/api/sessions/{id}/terminate", bodies: [{ reason: "r" }, {}] },
  { method: "POST", path: "/api/sessions/{id}/interrupt", bodies: [{}] },
  {
    method: "POST",
    path: "/api/sessions/{id}/message",
    bodies: [
      { prompt: "hello", background: true },
      { prompt: "hello", streaming: true, maxTurns: 1 },
      { prompt: [{ type: "text", text: "hi" }], onBusy: "interrupt", maxBudgetUsd: 0.01 },
      {
        prompt: [
          { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
          { type: "document", source: { type: "text", data: "x" }, title: "t" },
        ],
        agent: "main",
      },
      { prompt: '/Bash {"command":"ls"} & /Read {"file_path":"/x"}', onBusy: "reject" },
      { prompt: "instead", onBusy: "steer", agent: "main" },
    ],
  },
  { method: "GET", path: "/api/sessions/{id}/messages", query: WALK },
  { method: "GET", path: "/api/sessions/{id}/messages/{message}" },
  {
    method: "POST",
    path: "/api/sessions/{id}/schedules",
    bodies: [
      { everyMs: 3_600_000, prompt: "tick" },
      { cron: "0 0 1 1 *", timeZone: "Europe/Berlin", prompt: "tock" },
    ],
  },
  { method: "GET", path: "/api/sessions/{id}/schedules" },
  {
    method: "PATCH",
    path: "/api/sessions/{id}/schedules/{schedule}",
    bodies: [{ paused: true }],
  },
  { method: "DELETE", path: "/api/sessions/{id}/schedules/{schedule}" },
  { method: "GET", path: "/api/sessions/{id}/events", query: WALK },
  { method: "GET", path: "/api/sessions/{id}/export" },
  { method: "POST", path: "/api/sessions/{id}/snapshots", bodies: [{}] },
  { method: "GET", path: "/api/sessions/{id}/snapshots" },
  { method: "GET", path: "/api/sessions/{id}/artifacts", query: [...WALK, "path", "messageId"] },
  { method: "GET", path: "/api/sessions/{id}/tool-requests" },
  {
    method: "POST",
    path: "/api/sessions/{id}/tool-results",
    bodies: [
      { results: [{ toolUseId: "a", content: "b", isError: true }] },
      {
        results: [
          {
            toolUseId: "a",
            content: [
              { type: "text", text: "b" },
              {
                type: "image",
                source: { type: "base64", media_type: "image/png", data: "AAAA" },
              },
            ],
          },
        ],
      },
    ],
  },
  { method: "GET", path: "/api/tool-requests", query: WALK },
  { method: "POST", path: "/api/sessions/{id}/previews", bodies: [{ port: 80, expiresInMs: 1e6 }] },
  { method: "GET", path: "/api/sessions/{id}/previews" },
  { method: "DELETE", path: "/api/sessions/{id}/previews/prev_a" },
  { method: "GET", path: "/api/sessions/{id}/mcp-servers" },
  { method: "PUT", path: "/api/sessions/{id}/mcp-servers/a/oauth", bodies: [MCP_OAUTH] },
  { method: "GET", path: "/api/sessions/{id}/files", query: [...WALK, "path", "recursive"] },
  { method: "GET", path: "/api/sessions/{id}/files/a" },
  { method: "PUT", path: "/api/sessions/{id}/files/a", bodies: [{ any: "content" }] },
  { method: "DELETE", path: "/api/sessions/{id}/files/a", query: ["recursive"] },
  { method: "GET", path: "/api/sessions/{id}/archive", query: ["path"] },
  { method: "GET", path: "/api/conversations/7", query: WALK },
  { method: "GET", path: "/api/pool" },
];

const QUERY_VALUES =
  "active hybrid any all 2026-01-01 2026-13-45 % _ -totalCost createdAt 0 1 -1 7 100 101 1e3 9007199254740993 %00 %ed%a0%80 %C4%B0 a,b,c ,".split(
    " ",
  ) as unknown as [string];

const HEADERS = [
  ["Idempotency-Key", "k"],
  ["Idempotency-Key", "x".repeat(256)],
  ["Idempotency-Key", ""],
  ["Last-Event-ID", "7"],
  ["Last-Event-ID", "-1"],
  ["Accept", "text/event-stream"],
  ["Accept", "text/event-stream, application/json;q=0.9, */*"],
  ["Content-Type", "text/plain"],
  ["Content-Type", "multipart/form-data; boundary=x"],
  ["Content-Encoding", "gzip"],
  ["X-Forwarded-For", "127.0.0.1"],
  ["X-HTTP-Method-Override", "DELETE"],
  ["Origin", "https://example.com"],
  ["Range", "bytes=0-1"],
  ["If-None-Match", "*"],
] as const satisfies readonly [string, string][];

/** Returns a random request to an endpoint. */
export function requestInput(random: Random): RequestInput {
  const endpoint = random.pick(ENDPOINTS);
  const { bodies, query } = endpoint;
  const method = random.chance(0.05)
    ? random.pick(["HEAD", "PUT", "OPTIONS", "DELETE", "POST", "PATCH"])
    : endpoint.method;
  const headers = Object.fromEntries(many(random, 0, 2, () => random.pick(HEADERS)));
  const wanted = bodies && method !== "GET" && method !== "HEAD";
  const path = endpoint.path.replace("{id}", () =>
    random.pick(["{mine}", "{mine}", "{theirs}", "{theirs}", oddId(random)]),
  );
  return {
    method,
    path: (random.chance(0.05) ? oddPath(random, path) : path) + queryOf(random, query),
    headers,
    ...(wanted && { body: bodyOf(random, random.pick(bodies)) }),
  };
}

const oddId = (random: Random): string =>
  random.pick([
    "sess_",
    "%00",
    "..%2f",
    "sess_00000000000000000000000000000000",
    "x".repeat(3_000),
    "stats",
    "%ed%a0%80",
    "{theirs}%20",
  ]);

const oddPath = (random: Random, path: string): string =>
  path + random.pick(["/", "//", "/..", "/%2e%2e", "/x", "%", "%zz", "?", "#x", ";a=b", "/%00"]);

function queryOf(random: Random, names: readonly string[] | undefined): string {
  if (random.chance(names ? 0.2 : 0.9)) return "";
  const known = (names ?? WALK) as unknown as [string];
  const count = random.pick([1, 2, 3, 3, 12, 2_000]);
  const pairs = Array.from({ length: count }, (_, n) => {
    const name = random.chance(0.8) ? random.pick(known) : `x${n}`;
    return `${name}=${random.pick(QUERY_VALUES)}`;
  });
  return `?${pairs.join("&").slice(0, 12_000)}`;
}

function bodyOf(random: Random, valid: object): string {
  const dice = random.int(1, 100);
  if (dice <= 10) return JSON.stringify(valid);
  if (dice <= 15) return JSON.stringify(anyValue(random)) ?? "";
  if (dice <= 25) return mutate(random, JSON.stringify(valid));
  if (dice <= 27)
    return random.pick([
      "",
      "{",
      "[".repeat(50_000),
      '{"a":'.repeat(20_000),
      `"${"x".repeat(5_000_000)}"`,
      "nul",
    ]);
  let value: unknown = valid;
  for (let changes = random.int(1, 3); changes > 0; changes--) value = mutateValue(random, value);
  return JSON.stringify(value) ?? "";
}
