// Examples of the document. A test holds that each fits its schema.

export const at = "2026-11-23T09:33:14.913Z";

export const ids = {
  session: "sess_c742ab76de4d1e2abbe137d12edd751b",
  message: "msg_43aeb39e180f5d79476d20b06abe8f3a",
  steer: "msg_9d0c1b6f2f7a4a5e8b1d3c5e7f901234",
  approval: "appr_5f0c6d1e9a2b47c38d10e6f7a8b9c0d1",
  schedule: "sched_ca63242f8527c6837c010655af223a5f",
  key: "key_6db62b63b1f8bb3d3a1f9d2a5c1e7f04",
  artifact: "art_c742ab76de4d1e2abbe137d12edd751b8d1f5a0c27e94b63a1d25f7e90c3b486",
};

export const usage = {
  ...{ inputTokens: 0, outputTokens: 108, cacheReadTokens: 3348, cacheWriteTokens: 1248 },
  webSearchRequests: 0,
};

export const file = {
  path: "data/input.csv",
  type: "file",
  size: 1024,
  modifiedAt: at,
  mode: "0644",
};

export const session = {
  id: ids.session,
  sessionId: "sdk_sess_91668240-254c-426c-808a-7ed9893598a7",
  pattern: "hybrid",
  status: "active",
  terminationReason: null,
  error: null,
  conversationId: 123,
  config: { allowedTools: ["Read", "Write", "Bash(ls *)"] },
  createdAt: at,
  startedAt: at,
  lastActivityAt: at,
  completedAt: null,
  terminatedAt: null,
  updatedAt: at,
  expiresAt: "2026-11-23T10:03:14.913Z",
  expiresBecause: "idle_timeout",
  totalCost: 0,
  totalTokens: 0,
  numMessages: 0,
  numTurns: 0,
  toolsUsed: [],
  usage: {
    ...{ inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
    ...{ webSearchRequests: 0, byModel: {} },
  },
  ...{ maxIdleTimeMs: 1_800_000, maxLifetimeMs: 86_400_000, maxBudgetUsd: 0.5, maxTurns: 40 },
  onLimit: "terminate",
  pausedBecause: null,
  pendingApprovals: 0,
  pendingToolRequests: 0,
  sandbox: { provider: "embedded", id: ids.session, state: "ready" },
  tags: ["changelog", "demo"],
  description: "Changelog keeper",
  userId: "user_123",
};

export const message = {
  messageId: ids.message,
  sessionId: ids.session,
  prompt: "Start the changelog.",
  agent: null,
  status: "completed",
  waitingFor: null,
  joinedMessageId: null,
  stopReason: "end_turn",
  limit: null,
  result: "The changelog is in CHANGES.md.",
  output: null,
  error: null,
  cost: 0.0045348,
  tokens: 4704,
  usage,
  numTurns: 2,
  toolsUsed: ["Write"],
  durationMs: 95,
  createdAt: at,
  startedAt: at,
  endedAt: "2026-11-23T09:33:15.008Z",
};

export const artifact = {
  id: ids.artifact,
  sessionId: ids.session,
  messageId: ids.message,
  toolUseId: "toolu_01",
  agent: "main",
  path: "dist/report.pdf",
  description: "The report of this week",
  contentType: "application/pdf",
  sizeBytes: 48_213,
  sha256: "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
  createdAt: at,
};

export const approval = {
  id: ids.approval,
  sessionId: ids.session,
  messageId: ids.message,
  toolUseId: "toolu_01",
  agent: "main",
  name: "Bash",
  input: { command: "git push origin main" },
  changedInput: null,
  status: "pending",
  requestedAt: at,
  ...{ expiresAt: null, resolvedAt: null, resolvedBy: null, note: null, remember: null },
};

export const toolRequest = {
  toolUseId: "toolu_01",
  sessionId: ids.session,
  messageId: ids.message,
  agent: "main",
  name: "lookup_order",
  input: { id: 4711 },
  requestedAt: at,
  expiresAt: null,
};

export const clientTool = {
  name: "lookup_order",
  description: "Returns an order of the shop.",
  inputSchema: { type: "object", properties: { id: { type: "integer" } }, required: ["id"] },
};

export const schedule = {
  id: ids.schedule,
  ...{ cron: "0 9 * * mon-fri", timeZone: "Europe/Berlin", everyMs: null, at: null },
  prompt: "Read the news and sum them up.",
  paused: false,
  nextRunAt: "2026-11-24T08:00:00.000Z",
  ...{ lastRunAt: null, lastMessageId: null },
  createdAt: at,
};

export const mcpServer = {
  name: "issues",
  origin: "https://mcp.example.com",
  authorization: "oauth",
  tools: [{ name: "mcp__issues__search", description: "Searches the issues of a project." }],
  leftOut: [],
  listedAt: at,
  error: null,
};

export const snapshot = {
  id: "snap_01a208819e20e1fd629b2c3491b0b503",
  sessionId: ids.session,
  createdAt: at,
  expiresAt: "2026-12-23T09:33:14.913Z",
  sizeBytes: 5412,
  numMessages: 1,
};

const shareToken = `rs_c742ab76de4d1e2abbe137d12edd751b_${"0".repeat(48)}`;

export const share = {
  id: "share_2f1c0b7e8d9a4c6fb3e5d7a1908c2b4d",
  ...{ access: "read", description: "for Ann", createdAt: at },
  expiresAt: "2026-11-30T09:33:14.913Z",
};

export const newShare = {
  ...share,
  token: shareToken,
  url: `https://rigger.example.com/#/sessions/${ids.session}?token=${shareToken}`,
};

export const preview = {
  id: "prev_9b1d6c30a7e84f52b0c4d8e6f1a27395",
  ...{ port: 5173, createdAt: at, expiresAt: "2026-11-24T09:33:14.913Z" },
};

export const newPreview = {
  ...preview,
  url: `https://c742ab76de4d1e2abbe137d12edd751b${"0".repeat(30)}.preview.example.com/`,
};

export const key = {
  id: ids.key,
  ...{ name: "ci", owner: "acme", scopes: ["sessions:write", "usage:read"], tools: null },
  ...{ createdAt: at, expiresAt: null, lastUsedAt: null, revokedAt: null },
};

export const newKey = { ...key, key: "rk_6db62b63b1f8bb3d3a1f_e0cec869…" };

export const me = {
  ...{ owner: "acme", admin: false, scopes: ["sessions:write", "usage:read"] },
  ...{ key: { id: ids.key, name: "ci" }, via: "key" },
};

export const ownerLimits = {
  ...{ maxActiveSessions: null, maxRunningMessages: 5, maxDailyUsd: 20, maxMonthlyUsd: null },
  ...{ maxRequestsPerMinute: null, perUser: { maxActiveSessions: null, maxDailyUsd: 2 } },
};

export const auditEntry = {
  id: "audit_5d1c7a3e2b9f48d6a0c1e2f3a4b5c6d7",
  ...{ action: "key.created", owner: "acme", target: ids.key },
  details: { name: "ci", scopes: ["sessions:write", "usage:read"], tools: null },
  at,
  by: { owner: "ops", via: "secret", keyId: null },
  address: "192.0.2.7",
  requestId: "req_77b0c1d2e3f4a5b6c7d8e9f0a1b2c3d4",
};

export const usageReport = {
  now: {
    ...{ activeSessions: 3, runningMessages: 1 },
    day: { spentUsd: 1.25, heldUsd: 0.4, maxUsd: 20, resetsAt: "2026-11-24T00:00:00.000Z" },
    month: { spentUsd: 31.02, heldUsd: 0.4, maxUsd: null, resetsAt: "2026-12-01T00:00:00.000Z" },
  },
  rows: [
    {
      ...{ day: "2026-11-23", model: "claude-sonnet-5-5", cost: 1.25, tokens: 310_233 },
      ...{ inputTokens: 120, outputTokens: 20_113, cacheReadTokens: 250_000 },
      ...{ cacheWriteTokens: 40_000, webSearchRequests: 0 },
    },
  ],
};

const averages = { count: 0, failed: 0, avgCost: 0, avgTokens: 0, avgMessages: 0, avgDuration: 0 };

export const summary = {
  ...{ totalSessions: 1, activeSessions: 1, completedSessions: 0, errorSessions: 0 },
  ...{
    terminatedSessions: 0,
    totalCost: 0.0060479,
    totalTokens: 8870,
    totalMessages: 2,
    avgSessionDuration: 0,
  },
  byPattern: {
    ephemeral: averages,
    "long-running": averages,
    hybrid: {
      count: 1,
      failed: 0,
      avgCost: 0.0060479,
      avgTokens: 8870,
      avgMessages: 2,
      avgDuration: 0,
    },
    "single-container": averages,
  },
  byStatus: { initializing: 0, active: 1, idle: 0, completed: 0, error: 0, terminated: 0 },
};

export const webhookSecret = "whsec_JXv42DA+…";

export const webhook = {
  id: "hook_27ce8c4988729d34e2e074a62d98a4b1",
  url: "https://example.com/alerts",
  events: ["limit.warned", "owner.limit_warned"],
  ...{ sessionId: null, description: "cost alerts", enabled: true, disabledBecause: null },
  ...{ createdAt: at, lastSuccessAt: null, failingSince: null, pending: 0 },
};

export const delivery = {
  id: "evt_22b8483c10da01cf4088a80f3fdacfeb_mx02wsob_13",
  ...{ type: "limit.warned", status: "delivered", createdAt: at, nextAttemptAt: null },
  attempts: [{ at, status: 200, durationMs: 9, response: "thanks", error: null }],
};

const automationId = "auto_27ce8c4988729d34e2e0f1b7a4c95d10";

export const automation = {
  id: automationId,
  name: "digest",
  session: { pattern: "ephemeral", maxBudgetUsd: 1, tags: ["digest"] },
  prompt: "Write the digest.",
  ...{ cron: "0 8 * * 1-5", timeZone: "Europe/Berlin", everyMs: null },
  ...{ maxConcurrentRuns: 5, enabled: true, pausedBecause: null, createdAt: at },
  nextRunAt: "2026-11-24T07:00:00.000Z",
  lastRunAt: null,
  fireUrl: `https://rigger.example.com/api/automations/${automationId}/fire`,
};

export const fireToken = "rf_27ce8c4988729d34e2e0f1b7a4c95d10_51c8…";

export const automationRun = {
  id: "run_0c6f2b7e8d9a4c6fb3e5d7a1908c2b4d",
  ...{ sessionId: ids.session, messageId: ids.message, by: "fire", status: "completed" },
  ...{ reason: null, startedAt: at, endedAt: "2026-11-23T09:33:15.512Z", cost: 0.0031 },
};

export const firedRun = {
  runId: automationRun.id,
  ...{ sessionId: ids.session, messageId: ids.message, status: "running" },
};

export const conversation = {
  ...{ id: 123, createdAt: at, lastActivityAt: at },
  ...{ sessionCount: 2, totalCost: 0.006595, totalTokens: 2566 },
  sessions: [session],
  ...{ pageSize: 20, nextCursor: null },
};

export const owner = {
  ...{ owner: "acme", sessions: 120, activeSessions: 3 },
  ...{ totalCost: 310.2, totalTokens: 9_120_332, monthCost: 31.02 },
};

export const pool = {
  ...{ target: 3, ready: 2, starting: 1, leaving: 0, handedOut: 41, missed: 2 },
  breaker: { state: "closed", failures: 0, retryAt: null },
};
