import { getTableColumns, sql } from "drizzle-orm";
import {
  index,
  integer,
  primaryKey,
  sqliteTable,
  text,
  uniqueIndex,
} from "drizzle-orm/sqlite-core";
import type { Usage } from "../events/event";

/** The four ways to host a session. */
export const PATTERNS = ["ephemeral", "long-running", "hybrid", "single-container"] as const;
export type Pattern = (typeof PATTERNS)[number];

/** The status of a session. The last three are final. */
export const STATUSES = [
  "initializing",
  "active",
  "idle",
  "completed",
  "error",
  "terminated",
] as const;
export type Status = (typeof STATUSES)[number];

/** What can happen when a limit of a session is used up, and the limits at which a session can pause. */
export const ON_LIMIT = ["terminate", "pause"] as const;
export const PAUSE_LIMITS = ["budget", "turns", "lifetime"] as const;

/** Tokens and cost by model; money in nano-dollars. */
export type UsageByModel = Record<string, Usage & { costNanos: number }>;

/** The sandbox in a session's metadata. */
export interface SandboxInfo {
  provider: string;
  id: string;
  state: "none" | "starting" | "ready" | "saving" | "suspended" | "lost";
  /** Present while the workspace can't be saved: since when (ISO 8601), and why. */
  saveFailed?: { since: string; message: string };
}

/** The condition for sessions that may still change without a request. */
export const AWAITED = sql`(status in ('initializing', 'active', 'idle') or pattern = 'ephemeral') is true`;

/** The condition for sessions with tool calls that wait for a decision. */
export const ASKING = sql`pending_approvals > 0`;

/** The condition for sessions with calls of client tools that wait for their results. */
export const REQUESTING = sql`pending_tool_requests > 0`;

/** The condition for sessions whose description is not in the full-text index yet. */
export const UNSEARCHED = sql`description is not null and search_text is null`;

/** The condition for sessions that have ended and stay until retention deletes them. */
export const KEPT = sql`status in ('completed', 'error', 'terminated') and pattern <> 'ephemeral'`;
/** Whether the deployment's setting decides how long a session is kept: 0 or 1. */
export const KEPT_BY_SETTING = sql`retention_days is null`;
/**
 * The end of a session, plus the days for which it itself wants to be kept. In ms since 1970. Written without functions,
 * because the generator of migrations splits an expression at its commas.
 */
export const KEPT_FROM = sql.raw(
  `case when terminated_at is null then completed_at else terminated_at end
    + 86400000 * case when retention_days is null then 0 else retention_days end`.replace(
    /\s+/g,
    " ",
  ),
);

/**
 * The status as lists are ordered by it: a session that is still initializing counts as active, because D1 merges five
 * lists at most.
 */
export const PHASES = STATUSES.slice(1);
export const PHASE = sql`case status when 'initializing' then 'active' else status end`;
export const phaseOf = (status: Status): Status => (status === "initializing" ? "active" : status);

/**
 * One row per session: the index for lists and statistics, and the form in which a session's object reports its
 * state. Instants are ms since 1970, money is nano-dollars.
 */
export const agentSessions = sqliteTable(
  "agent_sessions",
  {
    id: text().primaryKey(),
    /** Increases with every change of the session, so that a late write never overwrites a newer one. */
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
      enum: ["idle_timeout", "lifetime_limit", "cleanup", "retention"],
    }),
    /** How long the session itself wants to be kept after its end; null leaves it to the deployment. */
    retentionDays: integer("retention_days"),
    /** Time from `startedAt` to the end in ms; null until the session ends. */
    durationMs: integer("duration_ms"),

    totalCostNanos: integer("total_cost_nanos").notNull(),
    totalTokens: integer("total_tokens").notNull(),
    /** Messages that were accepted, without those that it has from the session it began from. */
    numMessages: integer("num_messages").notNull().default(0),
    numTurns: integer("num_turns").notNull(),
    toolsUsed: text("tools_used", { mode: "json" }).$type<string[]>().notNull(),
    usage: text({ mode: "json" }).$type<UsageByModel>().notNull(),
    /** The usage of the last days on which there was some. A call counts for the day in UTC on which it began. */
    usageDays: text("usage_days", { mode: "json" })
      .$type<Record<string, UsageByModel>>()
      .notNull()
      .default({}),

    maxIdleTimeMs: integer("max_idle_time_ms"),
    maxLifetimeMs: integer("max_lifetime_ms"),
    maxBudgetNanos: integer("max_budget_nanos"),
    maxTurns: integer("max_turns"),
    /** What happens when a limit is used up, and the limit at which the session pauses. */
    onLimit: text("on_limit", { enum: ON_LIMIT }).notNull().default("terminate"),
    pausedBecause: text("paused_because", { enum: PAUSE_LIMITS }),
    /** The number of tool calls that wait for a decision. */
    pendingApprovals: integer("pending_approvals").notNull().default(0),
    /** The number of calls of client tools that wait for their results. */
    pendingToolRequests: integer("pending_tool_requests").notNull().default(0),

    sandbox: text({ mode: "json" }).$type<SandboxInfo>().notNull(),
    tags: text({ mode: "json" }).$type<string[]>().notNull(),
    description: text(),
    userId: text("user_id"),

    /** The description with folded case; null if there is none, or if it is not in the full-text index yet. */
    searchText: text("search_text"),
    /** The session's number in the full-text index `session_search`, set by triggers. */
    searchId: integer("search_id"),
  },
  // An index ends where few sessions have equal values: no index repeats the long id. Those by user, conversation and
  // pattern serve owners and admins.
  (t) => [
    index("sessions_created").on(PHASE, t.createdAt),
    index("sessions_activity").on(PHASE, t.lastActivityAt),
    index("sessions_cost").on(PHASE, t.totalCostNanos, t.createdAt),
    index("owner_created").on(t.owner, PHASE, t.createdAt),
    index("owner_activity").on(t.owner, PHASE, t.lastActivityAt),
    index("owner_cost").on(t.owner, PHASE, t.totalCostNanos, t.createdAt),
    index("sessions_pattern").on(t.pattern, t.owner, t.createdAt),
    index("sessions_user").on(t.userId, t.owner, t.createdAt).where(sql`user_id is not null`),
    index("sessions_conversation")
      .on(t.conversationId, t.owner, t.createdAt)
      .where(sql`conversation_id is not null`),
    index("sessions_asking").on(t.owner, t.id).where(ASKING),
    index("sessions_requesting").on(t.owner, t.id).where(REQUESTING),
    // One history has few sessions.
    index("sessions_history").on(t.sessionId),
    // Sessions that may still change without a request: an ephemeral one is removed after its end.
    index("sessions_awaited").on(t.id).where(AWAITED),
    // Ended sessions by the time at which retention deletes them: see retention.ts.
    index("sessions_kept").on(KEPT_BY_SETTING, KEPT_FROM).where(KEPT),
    uniqueIndex("sessions_search").on(t.searchId).where(sql`search_id is not null`),
    index("sessions_unsearched").on(t.id).where(UNSEARCHED),
  ],
);

/** A session's row, as its object reports it and as the index stores it. */
export type SessionRow = Omit<typeof agentSessions.$inferSelect, "searchText" | "searchId">;

const { searchText: _text, searchId: _id, ...sessionColumns } = getTableColumns(agentSessions);

/** The columns of a session's row, without those that only searches use. */
export { sessionColumns };

/** The tags of the listed sessions, maintained by triggers. `owner` and `createdAt` are those of the session. */
export const sessionTags = sqliteTable(
  "session_tags",
  {
    tag: text().notNull(),
    owner: text().notNull(),
    createdAt: integer("created_at").notNull(),
    id: text().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tag, t.owner, t.createdAt, t.id] })],
);

/**
 * Sums over sessions, maintained by triggers. `owner` "" sums over all owners, `userId` "" over all users, and `day` ""
 * over all time, so that every query of totals reads few rows.
 */
export const sessionTotals = sqliteTable(
  "session_totals",
  {
    userId: text("user_id").notNull(),
    owner: text().notNull(),
    /** The UTC date of creation, YYYY-MM-DD. */
    day: text().notNull(),
    pattern: text({ enum: PATTERNS }).notNull(),
    /** The last status of a removed session. */
    status: text({ enum: STATUSES }).notNull(),
    /** Whether these are removed sessions: 0 or 1. */
    removed: integer().notNull(),
    sessions: integer().notNull(),
    costNanos: integer("cost_nanos").notNull(),
    tokens: integer().notNull(),
    /** The number of sessions with a duration, and the sum of their durations. */
    ended: integer().notNull(),
    endedMs: integer("ended_ms").notNull(),
    messages: integer().notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.userId, t.owner, t.day, t.pattern, t.status, t.removed] })],
);

/**
 * The conversations of an owner, by the owner's number for them: created by the first session with the number,
 * and maintained by triggers.
 */
export const conversations = sqliteTable(
  "conversations",
  {
    id: integer().notNull(),
    owner: text().notNull(),
    /** Whether the sums are over removed sessions: 0 or 1. */
    removed: integer().notNull(),
    /** When its first session was created. */
    createdAt: integer("created_at").notNull(),
    lastActivityAt: integer("last_activity_at").notNull(),
    sessions: integer().notNull(),
    costNanos: integer("cost_nanos").notNull(),
    tokens: integer().notNull(),
  },
  // The number comes first, because an admin queries it without an owner.
  (t) => [primaryKey({ columns: [t.id, t.owner, t.removed] })],
);

/** What the sums of usage are over: all of an owner, one of its users, or the sessions with a tag. */
export const USAGE_KINDS = ["all", "user", "tag"] as const;

/**
 * Sums of usage by day, maintained by triggers. An owner "" sums over all owners, and has the kind "all" only. Usage
 * counts for the user and the tags that its session has when the index hears of it.
 */
export const usageTotals = sqliteTable(
  "usage_totals",
  {
    owner: text().notNull(),
    kind: text({ enum: USAGE_KINDS }).notNull(),
    /** A UTC date, YYYY-MM-DD. */
    day: text().notNull(),
    /** The user or the tag; "" for the kind "all". */
    name: text().notNull(),
    pattern: text({ enum: PATTERNS }).notNull(),
    model: text().notNull(),
    costNanos: integer("cost_nanos").notNull(),
    inputTokens: integer("input_tokens").notNull(),
    outputTokens: integer("output_tokens").notNull(),
    cacheReadTokens: integer("cache_read_tokens").notNull(),
    cacheWriteTokens: integer("cache_write_tokens").notNull(),
    webSearchRequests: integer("web_search_requests").notNull(),
  },
  (t) => [primaryKey({ columns: [t.owner, t.kind, t.day, t.name, t.pattern, t.model] })],
);

/** The owners that have limits over many sessions. Their accounts know the limits. Every database has all of them. */
export const limitedOwners = sqliteTable("limited_owners", { owner: text().primaryKey() });

/**
 * The owners that have webhooks, each with the version of their list, which increases with every change. Their accounts
 * have the lists. Every database has all of them.
 */
export const ownerWebhooks = sqliteTable("owner_webhooks", {
  owner: text().primaryKey(),
  version: integer().notNull(),
});

/** A record of a removed session, so that a late write does not restore it. */
export const sessionTombstones = sqliteTable(
  "session_tombstones",
  {
    id: text().primaryKey(),
    version: integer().notNull(),
    removedAt: integer("removed_at").notNull(),
  },
  (t) => [index("tombstones_removed").on(t.removedAt)],
);

/** The positions of periodic tasks that process a few rows in each run. */
export const rounds = sqliteTable("rounds", {
  name: text().primaryKey(),
  /** The id of the last processed row. */
  after: text().notNull(),
});

/**
 * Where the sessions of an owner are, if the index has several databases. Each database has records of its own:
 * - `here`: this database has the owner's sessions. If it has a `source`, that one still has what it had;
 * - `copying`: the `source` has the owner's sessions, and this database gets a copy, which nobody sees;
 * - `sealed`: the owner's sessions have left this database, and can't be written here.
 */
export const ownerPlacements = sqliteTable(
  "owner_placements",
  {
    owner: text().primaryKey(),
    stage: text({ enum: ["here", "copying", "sealed"] }).notNull(),
    /** The name of the database from which the sessions come; null once nothing is left there. */
    source: text(),
    /** When the stage began, in ms since 1970. */
    since: integer().notNull(),
    /** How far the copy is. */
    position: text({ mode: "json" }).$type<CopyPosition>(),
  },
  (t) => [index("placements_moving").on(t.since).where(sql`source is not null`)],
);

/** The last copied session: of which phase, its creation, and its id. */
export type CopyPosition = [phase: number, createdAt: number, id: string];

export type Placement = typeof ownerPlacements.$inferSelect;
