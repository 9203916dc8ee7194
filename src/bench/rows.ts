import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Inserts sessions into the index of a stopped Rigger, as fast as SQLite and the triggers allow. */
export function insertSessions(state: string, count: number): void {
  const database = new DatabaseSync(indexOf(state));
  try {
    database.prepare(INSERT).run(count);
    // Merges the journal into the database file, so that `wrangler dev` does not have to read it first.
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } finally {
    database.close();
  }
}

/** Returns the path of the local D1 database in a state directory. */
function indexOf(state: string): string {
  const directory = join(state, "v3/d1/miniflare-D1DatabaseObject");
  const name = readdirSync(directory).find((file) => /^[0-9a-f]{64}\.sqlite$/.test(file));
  if (!name) throw new Error(`there is no D1 database in ${directory}`);
  return join(directory, name);
}

/** Sessions over 30 days: one every 26 s at 100,000, of every pattern and status, of 50 users. */
const INSERT = `
  WITH RECURSIVE
    numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ?1),
    sessions AS (
      SELECT
        i,
        1790000000000 + i * (2592000000 / ?1) AS at,
        CASE i % 4
          WHEN 0 THEN 'ephemeral' WHEN 1 THEN 'long-running' WHEN 2 THEN 'hybrid'
          ELSE 'single-container'
        END AS pattern,
        CASE (i / 4) % 5
          WHEN 0 THEN 'active' WHEN 1 THEN 'idle' WHEN 2 THEN 'completed' WHEN 3 THEN 'terminated'
          ELSE 'error'
        END AS status
      FROM numbers
    )
  INSERT INTO agent_sessions (
    id, version, owner, session_id, pattern, status, conversation_id, config, created_at, started_at,
    last_activity_at, updated_at, duration_ms, total_cost_nanos, total_tokens, num_turns, tools_used,
    usage, max_budget_nanos, sandbox, tags, description, user_id
  )
  SELECT
    printf('sess_%032x', i), at, 'anonymous', printf('sdk_sess_%d', i), pattern, status, i % 1000,
    '{"model":"claude-sonnet-5-5"}', at, at, at + 60000, at + 60000,
    CASE WHEN status IN ('active', 'idle') THEN NULL ELSE 60000 END,
    i * 1000, i % 5000, i % 10, '["Bash"]', '{}', 5000000000,
    printf('{"provider":"embedded","id":"sess_%032x","state":"ready"}', i),
    '["bench"]', printf('session %d', i), printf('user_%d', i % 50)
  FROM sessions`;
