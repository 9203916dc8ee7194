import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { send } from "./client.ts";
import { compareLatency, forEachSide, type Sides } from "./measure.ts";
import { newState, type Server, start, startRigger, stop } from "./servers.ts";
import { printTable, type Row, row } from "./table.ts";
import { rigger, type Target } from "./targets.ts";

const FEW = 1_000;
/** A list that takes at most so many times as long counts as independent of the number of rows. */
const FLAT = { atMost: 3 };

const KEYS = { owner: "owner-key", admin: "admin-key" };
const API_KEYS = Object.entries(KEYS).map(([name, key]) => ({
  name,
  owner: "acme",
  sha256: createHash("sha256").update(key).digest("hex"),
  admin: name === "admin",
}));

/** Filters by name. What they find is in `INSERT`. */
const FILTERS: Record<string, string> = {
  nothing: "",
  "a common status": "status=completed",
  "a rare status": "status=error",
  "live statuses": "status=active,idle",
  "a common pattern": "pattern=ephemeral",
  "a rare pattern": "pattern=single-container",
  "a user with a third": "userId=user_0",
  "a user with few": "userId=user_76",
  "a conversation": "conversationId=44",
  "a month": "createdAfter=2026-12-01&createdBefore=2027-01-01",
  "the tag of all": "tags=every",
  "the tag of 1%": "tags=percent",
  "the tag of a handful": "tags=rare",
  "two common tags": "tags=every,half",
  "a common tag and that of 1%": "tags=half,percent",
  "a common tag and that of a handful": "tags=every,rare",
  "two tags that none has both": "tags=percent,odd",
  "any of two common tags": "tags=every,half&tagsMode=any",
  "any of 1% and a handful": "tags=percent,rare&tagsMode=any",
  "a word in one of ten": "search=session",
  "a word in one of forty": "search=summer",
  "a word in few": "search=of%20the%20bridge",
  "a word in none": "search=submarine",
  "two letters": "search=of",
  "tag and status": "tags=percent&status=completed",
  "tag and pattern": "tags=half&pattern=single-container",
  "tag and user": "tags=percent&userId=user_0",
  "tag and month": "tags=percent&createdAfter=2026-12-01&createdBefore=2027-01-01",
  "user and pattern": "userId=user_0&pattern=single-container",
  "user and live statuses": "userId=user_0&status=active,idle",
  "search and tag": "search=summer&tags=percent",
  "search, user and status": "search=winter&userId=user_0&status=terminated",
  everything:
    "search=of&tags=half,every&userId=user_0&status=completed&pattern=hybrid&createdAfter=2026-12-01",
};
const SORTS = ["-createdAt", "createdAt", "-lastActivityAt", "totalCost"];
const SUMS: Record<string, string> = {
  everything: "",
  "a user": "userId=user_0",
  "a month": "from=2026-12-01&to=2026-12-31",
  "a year": "from=2026-01-01&to=2027-12-31",
  "a user's year": "userId=user_0&from=2026-01-01&to=2027-12-31",
};

/** Compares lists and sums over few sessions and over many. Returns the number of missed aims. */
export async function withManyRows({
  many,
  each,
  progress,
}: {
  many: number;
  each: number;
  progress: (what: string) => void;
}): Promise<number> {
  const sizes = { base: FEW, rigger: many };
  const states = { base: await newState(), rigger: await newState() };
  const bytes: Sides<number> = { base: 0, rigger: 0 };
  for (const name of ["base", "rigger"] as const) {
    progress(`inserting ${sizes[name]} sessions`);
    bytes[name] = insertSessions(states[name], sizes[name]) / sizes[name];
  }
  progress("counting the rows written");
  const written = await forEachSide(states, rowsWritten);
  // No message is sent, so no model is called.
  const servers = await forEachSide(states, (state) =>
    startRigger(state, "http://127.0.0.1:9", { API_KEYS: JSON.stringify(API_KEYS) }),
  );
  const targets: Sides<Target> = { base: rigger(servers.base), rigger: rigger(servers.rigger) };
  const time = async (measure: string, key: string, path: string): Promise<Row> => {
    progress(measure);
    const headers = { authorization: `Bearer ${key}` };
    const ask = ({ server }: { server: Server }) =>
      send({ url: `${server.url}/api/sessions${path}`, headers });
    await compareLatency(targets, { rounds: 1, each: 3 }, ask);
    return row(measure, "ms", await compareLatency(targets, { rounds: 4, each }, ask), FLAT);
  };
  const rows: Row[] = [];
  for (const [who, key] of Object.entries(KEYS)) {
    for (const [name, filter] of Object.entries(FILTERS)) {
      for (const sort of SORTS) {
        rows.push(await time(`${who}: ${name}, by ${sort}`, key, `?sort=${sort}&${filter}`));
      }
    }
    for (const [name, query] of Object.entries(SUMS)) {
      rows.push(await time(`${who}: sum of ${name}`, key, `/stats/summary?${query}`));
    }
  }
  await forEachSide(servers, stop);
  const both = ({ base, rigger }: Sides<number>) => ({
    base: { p50: base },
    rigger: { p50: rigger },
  });
  const writes = (of: keyof Written) =>
    both({ base: written.base[of], rigger: written.rigger[of] });
  const names = { base: `${FEW} sessions`, rigger: `${many} sessions` };
  const costs = [
    row("index, bytes a session", "B", both(bytes)),
    row("rows written for a creation", "rows", writes("creation")),
    row("rows written for a message", "rows", writes("message")),
  ];
  return (
    printTable(
      "Lists and sums over few sessions and over many, median (95th percentile)",
      names,
      rows,
    ) + printTable("What a session costs the index", names, costs)
  );
}

interface Written {
  creation: number;
  message: number;
}

/** Returns the number of rows that D1 counts as written for a creation and for a message. Leaves the session there. */
async function rowsWritten(state: string): Promise<Written> {
  const server = await start({ config: "src/bench/workers/writes.toml", state });
  const { text } = await send({ url: server.url });
  await stop(server);
  return JSON.parse(text) as Written;
}

/**
 * Inserts sessions into the index of a stopped Rigger, as fast as SQLite and the triggers allow. Returns the size of the
 * database in bytes.
 */
function insertSessions(state: string, count: number): number {
  const path = indexOf(state);
  const database = new DatabaseSync(path);
  try {
    // The database is made anew for every run, so that it need not survive a crash.
    database.exec("PRAGMA synchronous = OFF; PRAGMA cache_size = -500000");
    database.prepare(INSERT).run({ ":count": count });
    // Merges the journal into the database file, so that `wrangler dev` does not have to read it first.
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } finally {
    database.close();
  }
  return statSync(path).size;
}

/** Returns the path of the local D1 database in a state directory. */
function indexOf(state: string): string {
  const directory = join(state, "v3/d1/miniflare-D1DatabaseObject");
  const name = readdirSync(directory).find((file) => /^[0-9a-f]{64}\.sqlite$/.test(file));
  if (!name) throw new Error(`there is no D1 database in ${directory}`);
  return join(directory, name);
}

/**
 * Sessions over a year, nine of ten of one owner. The last percent is live. A third is of one user, and a third of
 * 50,000 users; a quarter is in conversations; one of ten has a description.
 */
const INSERT = `
  WITH RECURSIVE
    numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :count),
    sessions AS (
      SELECT
        i,
        printf('%016x%016x', abs(random()), i) AS hex,
        1790000000000 + i * (31536000000 / :count) AS at,
        CASE
          WHEN i % 100 < 60 THEN 'ephemeral' WHEN i % 100 < 85 THEN 'hybrid'
          WHEN i % 100 < 98 THEN 'long-running' ELSE 'single-container'
        END AS pattern,
        CASE
          WHEN i % 1000 = 1 THEN 'error'
          WHEN i > :count * 0.99 THEN CASE i % 2 WHEN 0 THEN 'active' ELSE 'idle' END
          WHEN i % 7 < 5 THEN 'completed' ELSE 'terminated'
        END AS status,
        CASE
          WHEN i % 10 <> 3 THEN NULL
          WHEN i % (:count / 5) < 10 THEN printf('session %d of the bridge', i)
          ELSE printf('session %d of the %s', i, CASE i / 10 % 4
            WHEN 0 THEN 'spring' WHEN 1 THEN 'summer' WHEN 2 THEN 'autumn' ELSE 'winter' END)
        END AS description
      FROM numbers
    )
  INSERT INTO agent_sessions (
    id, version, owner, session_id, pattern, status, conversation_id, config, created_at, started_at,
    last_activity_at, completed_at, updated_at, duration_ms, total_cost_nanos, total_tokens, num_turns,
    tools_used, usage, max_budget_nanos, sandbox, tags, description, search_text, user_id
  )
  SELECT
    'sess_' || hex, at, CASE WHEN i % 10 = 9 THEN printf('owner_%d', i % 1000) ELSE 'acme' END,
    'sdk_sess_' || substr(hex, 1, 8) || '-0000-4000-8000-' || substr(hex, 21), pattern, status,
    CASE WHEN i % 4 = 0 THEN i % 10000 END, '{"model":"claude-sonnet-5-5"}', at, at,
    at + i * 7919 % 86400000, CASE WHEN status NOT IN ('active', 'idle') THEN at + 60000 END, at + 60000,
    CASE WHEN status NOT IN ('active', 'idle') THEN 60000 END,
    CASE WHEN i % 3 = 0 THEN 0 ELSE i * 7919 % 1000003 * 1000 END, i % 5000, i % 10, '["Bash"]',
    '{"claude-sonnet-5-5":{"inputTokens":1200,"outputTokens":300,"cacheReadTokens":0,"cacheWriteTokens":0,"webSearchRequests":0,"costNanos":7758100}}',
    5000000000, '{"provider":"embedded","id":"sess_' || hex || '","state":"suspended"}',
    CASE
      WHEN i % 100 = 0 THEN '["every","percent","half"]'
      WHEN i % (:count / 5) = 7 THEN '["every","odd","rare"]'
      WHEN i % 2 = 0 THEN '["every","half"]'
      ELSE '["every","odd"]'
    END,
    description, description,
    CASE i % 3 WHEN 0 THEN 'user_0' WHEN 1 THEN printf('user_%d', i % 50000) END
  FROM sessions`;
