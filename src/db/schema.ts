import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** The four ways to host a session. */
export const PATTERNS = ["ephemeral", "long-running", "hybrid", "single-container"] as const;
export type Pattern = (typeof PATTERNS)[number];

/** Where a session stands. The last three are ends: what has ended stays ended. */
export const STATUSES = [
  "initializing",
  "active",
  "idle",
  "completed",
  "error",
  "terminated",
] as const;
export type Status = (typeof STATUSES)[number];

/** Tokens of one model; the prompt is input + cache read + cache write. */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  webSearchRequests: number;
}

/** What one model used and cost; money in nano-dollars. */
export type UsageByModel = Record<string, Usage & { costNanos: number }>;

/** A sandbox as a session's metadata shows it. */
export interface SandboxInfo {
  provider: string;
  id: string;
  state: "none" | "ready" | "suspended" | "destroyed";
}

/**
 * One row a session: the index that lists and statistics are answered from, and the shape in which a
 * session object tells about itself. Instants are ms since 1970, money is nano-dollars.
 */
export const agentSessions = sqliteTable("agent_sessions", {
  id: text().primaryKey(),
  /** Grows with every change of the session: a late write never undoes a newer one. */
  version: integer().notNull(),
  owner: text().notNull(),
  sessionId: text("session_id").notNull(),
  pattern: text({ enum: PATTERNS }).notNull(),
  status: text({ enum: STATUSES }).notNull(),
  terminationReason: text("termination_reason"),
  error: text({ mode: "json" }).$type<{ type: string; message: string }>(),
  conversationId: integer("conversation_id"),
  config: text({ mode: "json" }).$type<Record<string, unknown>>().notNull(),

  createdAt: integer("created_at").notNull(),
  startedAt: integer("started_at"),
  lastActivityAt: integer("last_activity_at").notNull(),
  completedAt: integer("completed_at"),
  terminatedAt: integer("terminated_at"),
  updatedAt: integer("updated_at").notNull(),
  expiresAt: integer("expires_at"),
  expiresBecause: text("expires_because", { enum: ["idle_timeout", "lifetime_limit", "cleanup"] }),
  /** `startedAt` to the end; null while the session lives. */
  durationMs: integer("duration_ms"),

  totalCostNanos: integer("total_cost_nanos").notNull(),
  totalTokens: integer("total_tokens").notNull(),
  numTurns: integer("num_turns").notNull(),
  toolsUsed: text("tools_used", { mode: "json" }).$type<string[]>().notNull(),
  usage: text({ mode: "json" }).$type<UsageByModel>().notNull(),

  maxIdleTimeMs: integer("max_idle_time_ms"),
  maxLifetimeMs: integer("max_lifetime_ms"),
  maxBudgetNanos: integer("max_budget_nanos"),
  maxTurns: integer("max_turns"),

  sandbox: text({ mode: "json" }).$type<SandboxInfo>().notNull(),
  tags: text({ mode: "json" }).$type<string[]>().notNull(),
  description: text(),
  userId: text("user_id"),
});

/** A session as its object tells it and as the index keeps it. */
export type SessionRow = typeof agentSessions.$inferSelect;
