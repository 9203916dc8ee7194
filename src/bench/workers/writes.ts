import type { SessionRow } from "../../db/schema";
import { putSession } from "../../db/sessions";
import { aSessionRow } from "../../testing/rows";

// Answers how many rows D1 counts as written when the index learns of a new session, and when it learns of a message.

const AT = 1_795_000_000_000;

const CREATED = aSessionRow({
  id: "sess_ffffffffffffffffffffffffffffffff",
  sessionId: "sdk_sess_ffffffff-ffff-4fff-8fff-ffffffffffff",
  pattern: "hybrid",
  conversationId: 44,
  createdAt: AT,
  expiresAt: AT + 1_800_000,
  expiresBecause: "idle_timeout",
  maxIdleTimeMs: 1_800_000,
  maxBudgetNanos: 5_000_000_000,
  sandbox: { provider: "embedded", id: "sess_ffffffffffffffffffffffffffffffff", state: "none" },
  tags: ["every", "half"],
  userId: "user_0",
});

const ANSWERED: SessionRow = {
  ...CREATED,
  version: 2,
  lastActivityAt: AT + 1_000,
  updatedAt: AT + 1_000,
  expiresAt: AT + 1_801_000,
  totalCostNanos: 7_758_100,
  totalTokens: 1_500,
  numMessages: 1,
  numTurns: 1,
};

export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname === "/health") return new Response("ok");
    const creation = await written(env.DB, CREATED);
    const message = await written(env.DB, ANSWERED);
    return Response.json({ creation, message });
  },
} satisfies ExportedHandler<Env>;

async function written(d1: D1Database, row: SessionRow): Promise<number> {
  let rows = 0;
  const counting = {
    prepare: (sql: string) => d1.prepare(sql),
    async batch(statements: D1PreparedStatement[]) {
      const results = await d1.batch(statements);
      for (const { meta } of results) rows += meta.rows_written;
      return results;
    },
  };
  await putSession(counting as unknown as D1Database, row);
  return rows;
}
