/** The object's tables: an append-only list. A new one goes to the end, none is ever changed. */
export const TABLES = [
  `CREATE TABLE messages (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    request_hash TEXT NOT NULL,
    prompt TEXT NOT NULL,
    agent TEXT,
    options TEXT NOT NULL,
    status TEXT NOT NULL,
    stop_reason TEXT,
    result TEXT,
    output TEXT,
    error TEXT,
    cost_nanos INTEGER NOT NULL DEFAULT 0,
    usage TEXT NOT NULL,
    num_turns INTEGER NOT NULL DEFAULT 0,
    tools_used TEXT NOT NULL DEFAULT '[]',
    first_seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER
  )`,
  `CREATE INDEX live_messages ON messages (status, position) WHERE status IN ('queued', 'running')`,
  `CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    message_id TEXT NOT NULL,
    agent TEXT NOT NULL,
    parent_tool_use_id TEXT,
    open INTEGER NOT NULL DEFAULT 1,
    last_stop TEXT,
    restarts INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID`,
  `CREATE INDEX runs_of_message ON runs (message_id)`,
  `CREATE TABLE calls (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    turn_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    ref TEXT NOT NULL,
    model TEXT NOT NULL,
    likely_tokens INTEGER NOT NULL,
    begun_at INTEGER NOT NULL,
    bound_nanos INTEGER NOT NULL,
    held_nanos INTEGER NOT NULL,
    cost_nanos INTEGER NOT NULL DEFAULT 0,
    settled INTEGER NOT NULL DEFAULT 0,
    closed INTEGER NOT NULL DEFAULT 0
  )`,
  `CREATE INDEX calls_of_message ON calls (message_id)`,
  `CREATE INDEX open_calls ON calls (run_id) WHERE settled = 0`,
  `CREATE INDEX calls_of_turn ON calls (run_id, kind, ref, n)`,
  `CREATE TABLE history (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    agent TEXT NOT NULL,
    run_id TEXT NOT NULL,
    turn_id TEXT,
    model TEXT,
    role TEXT NOT NULL,
    content TEXT NOT NULL
  )`,
  `CREATE INDEX history_of_agent ON history (agent, n)`,
  `CREATE INDEX history_of_run ON history (run_id, n)`,
  `CREATE TABLE tools (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    turn_id TEXT NOT NULL,
    name TEXT NOT NULL,
    input TEXT NOT NULL,
    state TEXT NOT NULL,
    result TEXT,
    started_at INTEGER
  )`,
  `CREATE INDEX tools_of_turn ON tools (turn_id)`,
  `CREATE INDEX open_tools ON tools (run_id) WHERE state <> 'done'`,
  `CREATE TABLE agents (
    name TEXT PRIMARY KEY,
    cwd TEXT NOT NULL,
    summary TEXT,
    summary_upto INTEGER NOT NULL DEFAULT 0,
    context_tokens INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID`,
  `CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    message_id TEXT,
    body TEXT NOT NULL
  )`,
  "ALTER TABLE agents ADD COLUMN type TEXT NOT NULL DEFAULT ''",
  "ALTER TABLE runs ADD COLUMN background INTEGER NOT NULL DEFAULT 0",
  "ALTER TABLE runs ADD COLUMN outcome TEXT",
  `CREATE TABLE mail (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    from_agent TEXT NOT NULL,
    to_agent TEXT NOT NULL,
    content TEXT NOT NULL,
    taken INTEGER NOT NULL DEFAULT 0
  )`,
  "CREATE INDEX waiting_mail ON mail (to_agent, n) WHERE taken = 0",
  `CREATE TABLE seen_files (
    agent TEXT NOT NULL,
    path TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (agent, path)
  ) WITHOUT ROWID`,
  `CREATE TABLE schedules (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    request_hash TEXT NOT NULL,
    timing TEXT NOT NULL,
    prompt TEXT NOT NULL,
    paused INTEGER NOT NULL,
    planned_at INTEGER NOT NULL,
    next_run_at INTEGER,
    last_run_at INTEGER,
    last_message_id TEXT,
    created_at INTEGER NOT NULL
  )`,
  // The session that an inherited message was sent to; null for this one.
  "ALTER TABLE messages ADD COLUMN session_id TEXT",
  `CREATE TABLE snapshots (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    size_bytes INTEGER,
    num_messages INTEGER NOT NULL
  ) WITHOUT ROWID`,
  // Whom a wake-up wakes; null for the main agent.
  "ALTER TABLE schedules ADD COLUMN agent TEXT",
  // The program that works for the session in its machine: one row at most.
  `CREATE TABLE programs (
    id TEXT PRIMARY KEY,
    machine TEXT NOT NULL,
    message_id TEXT,
    told INTEGER NOT NULL DEFAULT 0,
    line TEXT NOT NULL DEFAULT '',
    begun INTEGER NOT NULL DEFAULT 0,
    heard INTEGER NOT NULL DEFAULT 0,
    ending TEXT
  ) WITHOUT ROWID`,
  // Which run a program's agent belongs to, by the program's own name of it.
  `CREATE TABLE program_agents (
    id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL
  ) WITHOUT ROWID`,
  // The program's transcript, its bytes in base64, in pieces: where each begins, and its length.
  `CREATE TABLE program_transcript (
    n INTEGER PRIMARY KEY,
    start INTEGER NOT NULL,
    size INTEGER NOT NULL,
    content TEXT NOT NULL
  )`,
  // Names a call of a tool in the sandbox. Null for earlier rows: there the model's own id does.
  "ALTER TABLE tools ADD COLUMN call_id TEXT",
  "ALTER TABLE calls ADD COLUMN least_tokens INTEGER NOT NULL DEFAULT 0",
] as const;
