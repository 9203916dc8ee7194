import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

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
  state: "none" | "starting" | "ready" | "saving" | "suspended" | "lost";
}

/** Whether something is still to happen to a session by itself. */
export const AWAITED = sql`(status in ('initializing', 'active', 'idle') or pattern = 'ephemeral') is true`;

/**
 * One row a session: the index that lists and statistics are answered from, and the shape in which a
 * session object tells about itself. Instants are ms since 1970, money is nano-dollars.
 */
export const agentSessions = sqliteTable(
  "agent_sessions",
  {
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
    expiresBecause: text("expires_because", {
      enum: ["idle_timeout", "lifetime_limit", "cleanup"],
    }),
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
  },
  // A walk of the list follows one index: its filter, then its sort. Those by activity and by cost end
  // with the columns of the broad filters, so that a row skipped on the way is not read.
  (t) => [
    index("sessions_created").on(t.createdAt, t.id),
    index("sessions_activity").on(t.lastActivityAt, t.id, t.status, t.pattern, t.createdAt),
    index("sessions_cost").on(t.totalCostNanos, t.id, t.status, t.pattern, t.createdAt),
    // Those that something is to happen to by itself: an ephemeral one is removed after its end.
    index("sessions_awaited").on(t.id).where(AWAITED),
    index("sessions_status").on(t.status, t.createdAt, t.id, t.pattern),
    index("sessions_pattern").on(t.pattern, t.createdAt, t.id),
    index("sessions_user").on(t.userId, t.createdAt, t.id).where(sql`user_id is not null`),
    index("sessions_conversation")
      .on(t.conversationId, t.createdAt, t.id)
      .where(sql`conversation_id is not null`),
    index("owner_created").on(t.owner, t.createdAt, t.id),
    index("owner_activity").on(t.owner, t.lastActivityAt, t.id, t.status, t.pattern, t.createdAt),
    index("owner_cost").on(t.owner, t.totalCostNanos, t.id, t.status, t.pattern, t.createdAt),
    index("owner_status").on(t.owner, t.status, t.createdAt, t.id, t.pattern),
    index("owner_pattern").on(t.owner, t.pattern, t.createdAt, t.id),
    index("owner_user").on(t.owner, t.userId, t.createdAt, t.id).where(sql`user_id is not null`),
    index("owner_conversation")
      .on(t.owner, t.conversationId, t.createdAt, t.id)
      .where(sql`conversation_id is not null`),
    // For one owner and for all: those of one history are few, and the owner is in the index.
    index("sessions_history").on(t.sessionId, t.createdAt, t.id, t.owner),
  ],
);

/** A session as its object tells it and as the index keeps it. */
export type SessionRow = typeof agentSessions.$inferSelect;

/** The tags of the listed sessions, kept by triggers; `owner` and `createdAt` are the session's. */
export const sessionTags = sqliteTable(
  "session_tags",
  {
    id: text().notNull(),
    tag: text().notNull(),
    owner: text().notNull(),
    createdAt: integer("created_at").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.id, t.tag] }),
    index("tags_created").on(t.tag, t.createdAt, t.id),
    index("owner_tags_created").on(t.owner, t.tag, t.createdAt, t.id),
  ],
);

/**
 * Sums over the sessions of an owner, kept by triggers. `userId` "" sums over every user and `day` ""
 * over all time, so that any question about totals is answered from a few rows.
 */
export const sessionTotals = sqliteTable(
  "session_totals",
  {
    owner: text().notNull(),
    userId: text("user_id").notNull(),
    /** The UTC date of creation, YYYY-MM-DD. */
    day: text().notNull(),
    pattern: text({ enum: PATTERNS }).notNull(),
    status: text({ enum: STATUSES }).notNull(),
    /** Sessions ever created; those removed keep the status that they had last. */
    created: integer().notNull(),
    listed: integer().notNull(),
    costNanos: integer("cost_nanos").notNull(),
    tokens: integer().notNull(),
    /** Sessions with a duration, and the sum of their durations. */
    ended: integer().notNull(),
    endedMs: integer("ended_ms").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.owner, t.userId, t.day, t.pattern, t.status] }),
    index("totals_day").on(t.userId, t.day),
  ],
);

/**
 * The conversations of an owner, by the number that the owner gave them: made by the first session that
 * names one, and kept by triggers. What its sessions were and cost stays when they are removed.
 */
export const conversations = sqliteTable(
  "conversations",
  {
    id: integer().notNull(),
    owner: text().notNull(),
    /** Of its first session. */
    createdAt: integer("created_at").notNull(),
    lastActivityAt: integer("last_activity_at").notNull(),
    /** Sessions ever created. */
    sessionCount: integer("session_count").notNull(),
    totalCostNanos: integer("total_cost_nanos").notNull(),
    totalTokens: integer("total_tokens").notNull(),
  },
  // The number comes first: an admin asks for it without an owner.
  (t) => [primaryKey({ columns: [t.id, t.owner] })],
);

/** What is left of a removed session, so that a late write does not bring it back. */
export const sessionTombstones = sqliteTable(
  "session_tombstones",
  {
    id: text().primaryKey(),
    version: integer().notNull(),
    removedAt: integer("removed_at").notNull(),
  },
  (t) => [index("tombstones_removed").on(t.removedAt)],
);

/** How far the rounds of the housekeeping have come. */
export const rounds = sqliteTable("rounds", {
  name: text().primaryKey(),
  /** The id of the last row that was looked at. */
  after: text().notNull(),
});
