import { env } from "cloudflare:workers";
import { beforeEach, expect, test } from "vitest";
import { aSessionRow, emptyMirror } from "../../testing/rows";
import type { SessionRow } from "../schema";
import { putSession } from "../sessions";

/** Writes a row. Returns how many rows D1 counts as written: in tables, indexes and by triggers. */
async function written(row: SessionRow): Promise<number> {
  let rows = 0;
  const counting = {
    prepare: (sql: string) => env.DB.prepare(sql),
    async batch(statements: D1PreparedStatement[]) {
      const results = await env.DB.batch(statements);
      for (const { meta } of results) rows += meta.rows_written;
      return results;
    },
  };
  await putSession(counting as unknown as D1Database, row);
  return rows;
}

const tagged = aSessionRow({ userId: "u1", conversationId: 5, tags: ["a", "b"] });
const answered: SessionRow = {
  ...tagged,
  version: 2,
  lastActivityAt: tagged.lastActivityAt + 1_000,
  updatedAt: tagged.updatedAt + 1_000,
  totalCostNanos: 5_000_000,
  totalTokens: 1_500,
  numMessages: 1,
  numTurns: 1,
  toolsUsed: ["Bash"],
};

beforeEach(() => emptyMirror(env.DB));

test("a message writes the row, four indexes, six sums and the conversation", async () => {
  await written(tagged);
  expect(await written(answered)).toBe(12);
});

test("a change that counts nowhere writes no sums", async () => {
  await written(answered);
  expect(await written({ ...answered, version: 3, updatedAt: 0, expiresAt: 5 })).toBe(5);
});

test.each([{ pendingApprovals: 1 }, { pendingToolRequests: 1 }])(
  "a session writes one index more while it has %j",
  async (waits) => {
    await written(answered);
    expect(await written({ ...answered, version: 3, updatedAt: 0, ...waits })).toBe(6);
    expect(await written({ ...answered, version: 4, updatedAt: 1 })).toBe(5);
  },
);

test("a late row writes nothing", async () => {
  await written(answered);
  expect(await written(tagged)).toBe(0);
  expect(await written(answered)).toBe(0);
});

test("a creation writes at most 24 rows, and a description adds at most 12", async () => {
  expect(await written(tagged)).toBeLessThanOrEqual(24);
  const described = { ...tagged, id: "described", description: "What a session is about" };
  expect(await written(described)).toBeLessThanOrEqual(36);
});
