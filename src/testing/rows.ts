import type { SessionRow } from "../db/schema";
import { SessionIndex } from "../db/session-index";
import { putSession } from "../db/sessions";
import type { Summary, SummaryQuery } from "../db/stats";

let made = 0;

/** Returns a session's row with all fields set and a unique id. */
export function aSessionRow(changes: Partial<SessionRow> = {}): SessionRow {
  made += 1;
  const createdAt = changes.createdAt ?? Date.UTC(2026, 10, 20, 12) + made;
  return {
    id: `sess_${made.toString().padStart(6, "0")}`,
    version: 1,
    owner: "acme",
    sessionId: `sdk_sess_${made}`,
    pattern: "long-running",
    status: "active",
    terminationReason: null,
    error: null,
    conversationId: null,
    config: { model: "claude-sonnet-5-5" },
    createdAt,
    startedAt: createdAt,
    lastActivityAt: createdAt,
    completedAt: null,
    terminatedAt: null,
    updatedAt: createdAt,
    expiresAt: null,
    expiresBecause: null,
    retentionDays: null,
    durationMs: null,
    totalCostNanos: 0,
    totalTokens: 0,
    numMessages: 0,
    numTurns: 0,
    toolsUsed: [],
    usage: {},
    usageDays: {},
    maxIdleTimeMs: null,
    maxLifetimeMs: null,
    maxBudgetNanos: null,
    maxTurns: null,
    onLimit: "terminate",
    pausedBecause: null,
    pendingApprovals: 0,
    pendingToolRequests: 0,
    sandbox: { provider: "embedded", id: `box_${made}`, state: "ready" },
    tags: [],
    description: null,
    userId: null,
    ...changes,
  };
}

/** Returns the summary of the sessions of one database. */
export const summarize = (d1: D1Database, query: SummaryQuery): Promise<Summary> =>
  new SessionIndex([{ name: "DB", d1, isLeaving: false }]).summarize(query);

/** Writes many rows in one round trip. */
export async function putSessions(d1: D1Database, rows: SessionRow[]): Promise<void> {
  const statements: D1PreparedStatement[] = [];
  const later = {
    prepare: (sql: string) => d1.prepare(sql),
    batch: async (some: D1PreparedStatement[]) => {
      statements.push(...some);
      return [];
    },
  };
  for (const row of rows) await putSession(later as unknown as D1Database, row);
  await d1.batch(statements);
}

/** Wraps a database so that it records its queries. */
export function recording(d1: D1Database) {
  const queries: { sql: string; params: unknown[] }[] = [];
  const database = {
    prepare: (sql: string) => ({
      bind(...params: unknown[]) {
        queries.push({ sql, params });
        return d1.prepare(sql).bind(...params);
      },
    }),
    batch: (statements: D1PreparedStatement[]) => d1.batch(statements),
  };
  return { queries, database: database as unknown as D1Database };
}

/** Empties the index. */
export async function emptyMirror(d1: D1Database): Promise<void> {
  const tables = [
    "agent_sessions",
    "session_tags",
    "session_totals",
    "session_tombstones",
    "conversations",
    "owner_placements",
    "rounds",
    "usage_totals",
    "limited_owners",
  ];
  await d1.batch(tables.map((table) => d1.prepare(`delete from ${table}`)));
}
