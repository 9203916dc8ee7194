import type { z } from "zod";
import type { AuditEntry } from "../account/audit";
import type { Key } from "../account/keys";
import type { OwnerLimits } from "../account/limits";
import type { AccountUse } from "../account/rpc";
import type { Automation, AutomationRun } from "../automations/rpc";
import type { Conversation } from "../db/conversations";
import type { OwnerRow } from "../db/owners";
import type { SessionRow, UsageByModel } from "../db/schema";
import type { UsageGroup, UsageRow } from "../db/usage";
import type { Usage } from "../events/event";
import type { FileEntry } from "../sandbox/files";
import type {
  ApprovalRow,
  ArtifactRow,
  McpServerRow,
  MessageRow,
  PreviewRow,
  ScheduleRow,
  ShareRow,
  SnapshotRow,
  ToolRequestRow,
} from "../session/rpc";
import { dollars } from "../shared/money";
import type { Delivery, Webhook } from "../webhooks/rpc";
import type * as automations from "./openapi/objects/automations";
import type * as messages from "./openapi/objects/messages";
import type * as owners from "./openapi/objects/owners";
import type * as sessions from "./openapi/objects/sessions";
import type * as sums from "./openapi/objects/sums";
import type * as webhooks from "./openapi/objects/webhooks";
import type * as workspace from "./openapi/objects/workspace";

/** What the API answers with, as its document describes it. */
type Objects = typeof automations &
  typeof messages &
  typeof owners &
  typeof sessions &
  typeof sums &
  typeof webhooks &
  typeof workspace;
type Json<Name extends keyof Objects> = z.output<Objects[Name]>;

/** Returns the JSON of a session in the API. */
export function sessionView(row: SessionRow): Json<"Session"> {
  // The row has no `mcpServers`. Values of `env` are secrets, and `forkSession` applies once. So a returned config can be
  // sent again.
  const { env: _env, forkSession: _forkSession, ...config } = row.config;
  return {
    id: row.id,
    sessionId: row.sessionId,
    pattern: row.pattern,
    status: row.status,
    terminationReason: row.terminationReason,
    error: row.error,
    conversationId: row.conversationId,
    config,
    createdAt: instant(row.createdAt),
    startedAt: instant(row.startedAt),
    lastActivityAt: instant(row.lastActivityAt),
    completedAt: instant(row.completedAt),
    terminatedAt: instant(row.terminatedAt),
    updatedAt: instant(row.updatedAt),
    expiresAt: instant(row.expiresAt),
    expiresBecause: row.expiresBecause,
    totalCost: dollars(row.totalCostNanos),
    totalTokens: row.totalTokens,
    numMessages: row.numMessages,
    numTurns: row.numTurns,
    toolsUsed: row.toolsUsed,
    usage: usageView(row.usage),
    maxIdleTimeMs: row.maxIdleTimeMs,
    maxLifetimeMs: row.maxLifetimeMs,
    maxBudgetUsd: row.maxBudgetNanos === null ? null : dollars(row.maxBudgetNanos),
    maxTurns: row.maxTurns,
    onLimit: row.onLimit,
    pausedBecause: row.pausedBecause,
    pendingApprovals: row.pendingApprovals,
    pendingToolRequests: row.pendingToolRequests,
    sandbox: row.sandbox,
    tags: row.tags,
    description: row.description,
    userId: row.userId,
  };
}

/** Returns the JSON of a key in the API. */
export const keyView = (key: Key): Json<"Key"> => ({
  id: key.id,
  name: key.name,
  owner: key.owner,
  scopes: [...key.scopes],
  tools: key.tools && [...key.tools],
  createdAt: instant(key.createdAt),
  expiresAt: instant(key.expiresAt),
  lastUsedAt: instant(key.lastUsedAt),
  revokedAt: instant(key.revokedAt),
});

/** Returns the JSON of an owner's limits in the API. */
export const limitsView = ({
  maxDailyNanos,
  maxMonthlyNanos,
  perUser,
  ...limits
}: OwnerLimits): Json<"OwnerLimits"> => ({
  maxActiveSessions: limits.maxActiveSessions,
  maxRunningMessages: limits.maxRunningMessages,
  maxDailyUsd: dollarsOf(maxDailyNanos),
  maxMonthlyUsd: dollarsOf(maxMonthlyNanos),
  maxRequestsPerMinute: limits.maxRequestsPerMinute,
  perUser: {
    maxActiveSessions: perUser.maxActiveSessions,
    maxDailyUsd: dollarsOf(perUser.maxDailyNanos),
  },
});

const dollarsOf = (nanos: number | null): number | null => (nanos === null ? null : dollars(nanos));

/** Returns the JSON of an entry of the audit log in the API. */
export const auditView = ({ by, at, ...entry }: AuditEntry): Json<"AuditEntry"> => {
  const { requestId, address, ...who } = by;
  return { ...entry, at: instant(at), by: who, address, requestId };
};

/** Returns the JSON of an owner in the API. */
export const ownerView = (row: OwnerRow): Json<"Owner"> => ({
  owner: row.owner,
  sessions: row.sessions,
  activeSessions: row.liveSessions,
  totalCost: dollars(row.costNanos),
  totalTokens: row.tokens,
  monthCost: dollars(row.monthNanos),
});

/** What was spent, and what is held for calls, in nano-dollars. */
export type Spent = NonNullable<AccountUse["used"]>["day"];

/** Returns the JSON of what is used now in the API. */
export function nowView(
  { activeSessions, runningMessages, day, month }: NonNullable<AccountUse["used"]>,
  limits: OwnerLimits | null,
  resets: { dayAt: number; monthAt: number },
): Json<"UsageReport">["now"] {
  const spent = ({ spentNanos, heldNanos }: Spent, max: number | null, at: number) => ({
    spentUsd: dollars(spentNanos),
    heldUsd: dollars(heldNanos),
    maxUsd: dollarsOf(max),
    resetsAt: instant(at),
  });
  return {
    activeSessions,
    runningMessages,
    day: spent(day, limits?.maxDailyNanos ?? null, resets.dayAt),
    month: spent(month, limits?.maxMonthlyNanos ?? null, resets.monthAt),
  };
}

/** Returns the JSON of usage in the API: what it is grouped by, and the amounts. */
export function usageRowView(
  row: UsageRow,
  groupBy: readonly UsageGroup[],
): Json<"UsageReport">["rows"][number] {
  const { costNanos, inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = row;
  return {
    ...Object.fromEntries(groupBy.map((group) => [NAMES[group], row[group]])),
    cost: dollars(costNanos),
    tokens: tokensOf(row),
    ...{ inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens },
    webSearchRequests: row.webSearchRequests,
  };
}

/** The names of groups in the API, where a user is a `userId`. */
const NAMES = {
  ...{ day: "day", owner: "owner", user: "userId", model: "model", pattern: "pattern", tag: "tag" },
} satisfies Record<UsageGroup, string>;

/** The last instant that has a year of four digits. */
const LAST_INSTANT = Date.UTC(9999, 11, 31);

/** Returns the time of a file. A program can set any. */
export const fileTime = (mtimeMs: number): Date =>
  new Date(Math.min(Math.max(mtimeMs, 0), LAST_INSTANT));

/** Returns the JSON of an entry of a workspace in the API. */
export const fileView = ({
  path,
  mode,
  mtimeMs,
  target,
  ...entry
}: FileEntry): Json<"FileEntry"> => ({
  ...entry,
  path: path.toWellFormed(),
  modifiedAt: fileTime(mtimeMs).toISOString(),
  mode: mode.toString(8).padStart(4, "0"),
  ...(target !== undefined && { target: target.toWellFormed() }),
});

/** Returns the JSON of a share link in the API. */
export const shareView = (row: ShareRow): Json<"Share"> => ({
  id: row.id,
  access: row.access,
  description: row.description,
  createdAt: instant(row.createdAt),
  expiresAt: instant(row.expiresAt),
});

/** Returns the JSON of a preview in the API. */
export const previewView = (row: PreviewRow): Json<"Preview"> => ({
  id: row.id,
  port: row.port,
  createdAt: instant(row.createdAt),
  expiresAt: instant(row.expiresAt),
});

/** Returns the JSON of a session for those who have a share link: without the prompts that are its owner's. */
export function sharedSessionView(row: SessionRow): Json<"Session"> {
  const { config, ...view } = sessionView(row);
  const { systemPrompt: _, customAgents, ...others } = config;
  const agents = Object.entries({ ...(customAgents as Record<string, object>) }).map(
    ([name, agent]) => [name, { ...agent, systemPrompt: undefined }],
  );
  return { ...view, config: { ...others, customAgents: Object.fromEntries(agents) } };
}

/** Returns the JSON of a message in the API. */
export function messageView(row: MessageRow): Json<"Message"> {
  return {
    messageId: row.id,
    sessionId: row.sessionId,
    prompt: row.prompt,
    agent: row.agent,
    status: row.status,
    waitingFor: row.waitingFor,
    joinedMessageId: row.joinedMessageId,
    stopReason: row.stopReason,
    limit: row.limit,
    result: row.result,
    output: row.output,
    error: row.error,
    cost: dollars(row.costNanos),
    tokens: tokensOf(row.usage),
    usage: row.usage,
    numTurns: row.numTurns,
    toolsUsed: row.toolsUsed,
    durationMs: duration(row.startedAt, row.endedAt),
    createdAt: instant(row.createdAt),
    startedAt: instant(row.startedAt),
    endedAt: instant(row.endedAt),
    ...(row.steerId !== undefined && { steerId: row.steerId }),
  };
}

/** Returns the JSON of an automation in the API. */
export const automationView = (
  { when, ...row }: Automation,
  fireUrl: string,
): Json<"Automation"> => ({
  id: row.id,
  name: row.name,
  session: row.session,
  prompt: row.prompt,
  cron: when?.kind === "cron" ? when.cron : null,
  timeZone: when?.kind === "cron" ? when.timeZone : null,
  everyMs: when?.kind === "every" ? when.everyMs : null,
  maxConcurrentRuns: row.maxConcurrentRuns,
  enabled: row.enabled,
  pausedBecause: row.pausedBecause,
  createdAt: instant(row.createdAt),
  nextRunAt: instant(row.nextRunAt),
  lastRunAt: instant(row.lastRunAt),
  fireUrl,
});

/** Returns the JSON of a run of an automation in the API. */
export const automationRunView = (run: AutomationRun): Json<"AutomationRun"> => ({
  id: run.id,
  sessionId: run.sessionId,
  messageId: run.messageId,
  by: run.by,
  status: run.status,
  reason: run.reason,
  startedAt: instant(run.startedAt),
  endedAt: instant(run.endedAt),
  cost: dollars(run.costNanos),
});

/** Returns the JSON of a webhook in the API. */
export const webhookView = (webhook: Webhook): Json<"Webhook"> => ({
  id: webhook.id,
  url: webhook.url,
  events: webhook.events,
  sessionId: webhook.sessionId,
  description: webhook.description,
  enabled: webhook.enabled,
  disabledBecause: webhook.disabledBecause,
  createdAt: instant(webhook.createdAt),
  lastSuccessAt: instant(webhook.lastSuccessAt),
  failingSince: instant(webhook.failingSince),
  pending: webhook.pending,
});

/** Returns the JSON of a delivery in the API. */
export const deliveryView = (delivery: Delivery): Json<"Delivery"> => ({
  id: delivery.id,
  type: delivery.type,
  status: delivery.status,
  createdAt: instant(delivery.createdAt),
  nextAttemptAt: instant(delivery.nextAttemptAt),
  attempts: delivery.attempts.map(({ at, ...attempt }) => ({ at: instant(at), ...attempt })),
});

/** Returns the JSON of an approval in the API. */
export const approvalView = (row: ApprovalRow): Json<"Approval"> => ({
  id: row.id,
  sessionId: row.sessionId,
  messageId: row.messageId,
  toolUseId: row.toolUseId,
  agent: row.agent,
  name: row.name,
  input: row.input,
  changedInput: row.changedInput,
  status: row.status,
  requestedAt: instant(row.requestedAt),
  expiresAt: instant(row.expiresAt),
  resolvedAt: instant(row.resolvedAt),
  resolvedBy: row.resolvedBy,
  note: row.note,
  remember: row.remember ? "session" : null,
});

/** Returns the JSON of an artifact in the API. */
export const artifactView = (row: ArtifactRow): Json<"Artifact"> => ({
  id: row.id,
  sessionId: row.sessionId,
  messageId: row.messageId,
  toolUseId: row.toolUseId,
  agent: row.agent,
  path: row.path,
  description: row.description,
  contentType: row.contentType,
  sizeBytes: row.sizeBytes,
  sha256: row.sha256,
  createdAt: instant(row.createdAt),
});

/** Returns the JSON of a call that waits for its result in the API. */
export const toolRequestView = (row: ToolRequestRow): Json<"ToolRequest"> => ({
  ...row,
  requestedAt: instant(row.requestedAt),
  expiresAt: instant(row.expiresAt),
});

/** Returns the JSON of a conversation in the API, without its sessions. */
export function conversationView(
  conversation: Conversation,
): Omit<Json<"Conversation">, "sessions" | "pageSize" | "nextCursor"> {
  return {
    id: conversation.id,
    createdAt: instant(conversation.createdAt),
    lastActivityAt: instant(conversation.lastActivityAt),
    sessionCount: conversation.sessionCount,
    totalCost: dollars(conversation.totalCostNanos),
    totalTokens: conversation.totalTokens,
  };
}

/** Returns the JSON of a schedule in the API. */
export function scheduleView({ when, ...row }: ScheduleRow): Json<"Schedule"> {
  return {
    id: row.id,
    cron: when.kind === "cron" ? when.cron : null,
    timeZone: when.kind === "cron" ? when.timeZone : null,
    everyMs: when.kind === "every" ? when.everyMs : null,
    at: when.kind === "once" ? instant(when.at) : null,
    prompt: row.prompt,
    paused: row.paused,
    nextRunAt: instant(row.nextRunAt),
    lastRunAt: instant(row.lastRunAt),
    lastMessageId: row.lastMessageId,
    createdAt: instant(row.createdAt),
  };
}

/** Returns the JSON of an MCP server of a session in the API. */
export const mcpServerView = (row: McpServerRow): Json<"SessionMcpServer"> => ({
  name: row.name,
  origin: row.origin,
  authorization: row.authorization,
  tools: row.tools,
  leftOut: row.leftOut,
  listedAt: instant(row.listedAt),
  error: row.error,
});

/** Returns the JSON of a snapshot in the API. */
export function snapshotView(row: SnapshotRow): Json<"Snapshot"> {
  return { ...row, createdAt: instant(row.createdAt), expiresAt: instant(row.expiresAt) };
}

function usageView(usage: UsageByModel): Json<"Session">["usage"] {
  const models = Object.entries(usage);
  const total = (field: keyof Usage) => models.reduce((sum, [, used]) => sum + used[field], 0);
  return {
    inputTokens: total("inputTokens"),
    outputTokens: total("outputTokens"),
    cacheReadTokens: total("cacheReadTokens"),
    cacheWriteTokens: total("cacheWriteTokens"),
    webSearchRequests: total("webSearchRequests"),
    byModel: Object.fromEntries(
      models.map(([model, { costNanos, ...used }]) => [
        model,
        { ...used, cost: dollars(costNanos) },
      ]),
    ),
  };
}

const tokensOf = (usage: Usage): number =>
  usage.inputTokens + usage.outputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;

const duration = (startedAt: number | null, endedAt: number | null): number | null =>
  startedAt === null || endedAt === null ? null : endedAt - startedAt;

/** Returns an ISO 8601 instant; null for null. */
const instant = <T extends number | null>(at: T) =>
  (at === null ? null : new Date(at).toISOString()) as T extends number ? string : null;
