/**
 * The tables of a new object. Rows are never deleted where an `INTEGER PRIMARY KEY` orders them, so that the keys need no
 * AUTOINCREMENT, which would write another row each time.
 */
export const SCHEMA = `
  CREATE TABLE messages (
    position INTEGER PRIMARY KEY,
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
    ended_at INTEGER,
    -- The session to which an inherited message was sent; null for a message of this session.
    session_id TEXT,
    -- The limit over many sessions that ended it.
    spend_limit TEXT,
    waiting_for TEXT
  );
  CREATE INDEX live_messages ON messages (status, position) WHERE status IN ('queued', 'running');

  CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    message_id TEXT NOT NULL,
    agent TEXT NOT NULL,
    parent_tool_use_id TEXT,
    open INTEGER NOT NULL DEFAULT 1,
    last_stop TEXT,
    restarts INTEGER NOT NULL DEFAULT 0,
    background INTEGER NOT NULL DEFAULT 0,
    outcome TEXT
  ) WITHOUT ROWID;
  -- A message's own run has the message's id.
  CREATE INDEX task_runs ON runs (message_id) WHERE parent_tool_use_id IS NOT NULL;

  CREATE TABLE calls (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
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
    closed INTEGER NOT NULL DEFAULT 0,
    least_tokens INTEGER NOT NULL DEFAULT 0
  );
  CREATE INDEX open_calls ON calls (run_id) WHERE settled = 0;
  CREATE INDEX calls_of_turn ON calls (run_id, kind, ref, n);

  CREATE TABLE history (
    n INTEGER PRIMARY KEY,
    agent TEXT NOT NULL,
    run_id TEXT NOT NULL,
    turn_id TEXT,
    model TEXT,
    role TEXT NOT NULL,
    content TEXT NOT NULL
  );
  CREATE INDEX history_of_agent ON history (agent, n);

  CREATE TABLE tools (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    turn_id TEXT NOT NULL,
    name TEXT NOT NULL,
    input TEXT NOT NULL,
    state TEXT NOT NULL,
    result TEXT,
    started_at INTEGER,
    -- Identifies the call in the sandbox. Null in rows of earlier versions, which use the model's id instead.
    call_id TEXT
  );
  CREATE INDEX tools_of_turn ON tools (turn_id);
  CREATE INDEX open_tools ON tools (run_id) WHERE state <> 'done';

  CREATE TABLE agents (
    name TEXT PRIMARY KEY,
    cwd TEXT NOT NULL,
    summary TEXT,
    summary_upto INTEGER NOT NULL DEFAULT 0,
    context_tokens INTEGER NOT NULL DEFAULT 0,
    type TEXT NOT NULL DEFAULT ''
  ) WITHOUT ROWID;

  -- What agents wrote to each other.
  CREATE TABLE mail (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    from_agent TEXT NOT NULL,
    to_agent TEXT NOT NULL,
    content TEXT NOT NULL,
    taken INTEGER NOT NULL DEFAULT 0
  );
  CREATE INDEX waiting_mail ON mail (to_agent, n) WHERE taken = 0;

  CREATE TABLE seen_files (
    agent TEXT NOT NULL,
    path TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (agent, path)
  ) WITHOUT ROWID;

  CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    message_id TEXT,
    body TEXT NOT NULL
  );

  CREATE TABLE shares (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    access TEXT NOT NULL,
    description TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) WITHOUT ROWID;

  CREATE TABLE previews (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    port INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) WITHOUT ROWID;

  CREATE TABLE schedules (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    request_hash TEXT NOT NULL,
    timing TEXT NOT NULL,
    prompt TEXT NOT NULL,
    paused INTEGER NOT NULL,
    planned_at INTEGER NOT NULL,
    next_run_at INTEGER,
    last_run_at INTEGER,
    last_message_id TEXT,
    created_at INTEGER NOT NULL,
    -- The agent that a wake-up is for; null for the main agent.
    agent TEXT
  );

  CREATE TABLE snapshots (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    size_bytes INTEGER,
    num_messages INTEGER NOT NULL
  ) WITHOUT ROWID;

  -- The Claude Code process in the session's container: one row at most. \`told\` counts its input lines, \`line\` is the
  -- newest of them, \`first_told\` the number of the one with the message's prompt, \`begun\` says whether it has started on
  -- the prompt, \`heard\` counts the bytes of output processed. \`steers\` has the prompts that it was told and that are to
  -- join the message, by their ids, and whether it has started on each.
  CREATE TABLE programs (
    id TEXT PRIMARY KEY,
    machine TEXT NOT NULL,
    message_id TEXT,
    told INTEGER NOT NULL DEFAULT 0,
    line TEXT NOT NULL DEFAULT '',
    begun INTEGER NOT NULL DEFAULT 0,
    heard INTEGER NOT NULL DEFAULT 0,
    ending TEXT,
    first_told INTEGER NOT NULL DEFAULT 1,
    steers TEXT NOT NULL DEFAULT '{}',
    -- Its requests for results of client tools, and the ids of the calls whose results its transcript lacks.
    requests TEXT NOT NULL DEFAULT '[]',
    owed TEXT NOT NULL DEFAULT '[]'
  ) WITHOUT ROWID;

  -- The run of each agent of the process, by the id that the process uses for the agent.
  CREATE TABLE program_agents (
    id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL
  ) WITHOUT ROWID;

  -- The transcript of the process, in pieces: \`start\` and \`size\` are in bytes, \`content\` is the bytes in base64.
  CREATE TABLE program_transcript (
    n INTEGER PRIMARY KEY,
    start INTEGER NOT NULL,
    size INTEGER NOT NULL,
    content TEXT NOT NULL
  );

  -- The MCP servers of the session. \`config\` may be encrypted; \`tools\` are those that are offered; \`tried_in\` is the
  -- message in which they could not be listed.
  CREATE TABLE mcp_servers (
    name TEXT PRIMARY KEY,
    config TEXT NOT NULL,
    origin TEXT NOT NULL,
    auth TEXT NOT NULL,
    tools TEXT NOT NULL DEFAULT '[]',
    left_out TEXT NOT NULL DEFAULT '[]',
    listed_at INTEGER,
    error TEXT,
    tried_in TEXT
  ) WITHOUT ROWID;
`;

/**
 * The statements that an object of an earlier version lacks: it has run the first ones, as many as its version counts.
 * Append new statements to the end and never change existing ones; change `SCHEMA` to the same result.
 */
export const UPGRADES = [
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
  // The session to which an inherited message was sent; null for a message of this session.
  "ALTER TABLE messages ADD COLUMN session_id TEXT",
  `CREATE TABLE snapshots (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    size_bytes INTEGER,
    num_messages INTEGER NOT NULL
  ) WITHOUT ROWID`,
  // The agent that a wake-up is for; null for the main agent.
  "ALTER TABLE schedules ADD COLUMN agent TEXT",
  // The Claude Code process in the session's container: one row at most. `told` counts its input lines, `line` is the
  // newest of them, `begun` says whether it has started on the prompt, `heard` counts the bytes of output processed.
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
  // The run of each agent of the process, by the id that the process uses for the agent.
  `CREATE TABLE program_agents (
    id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL
  ) WITHOUT ROWID`,
  // The transcript of the process, in pieces: `start` and `size` are in bytes, `content` is the bytes in base64.
  `CREATE TABLE program_transcript (
    n INTEGER PRIMARY KEY,
    start INTEGER NOT NULL,
    size INTEGER NOT NULL,
    content TEXT NOT NULL
  )`,
  // Identifies a tool call in the sandbox. Null in rows of earlier versions, which use the model's id instead.
  "ALTER TABLE tools ADD COLUMN call_id TEXT",
  "ALTER TABLE calls ADD COLUMN least_tokens INTEGER NOT NULL DEFAULT 0",
  // The number of the process' input line with the message's prompt.
  "ALTER TABLE programs ADD COLUMN first_told INTEGER NOT NULL DEFAULT 1",
  // A message's calls are found by its runs, its own run by its id, and the replies of a run by its agent.
  "DROP INDEX IF EXISTS calls_of_message",
  "DROP INDEX IF EXISTS runs_of_message",
  "CREATE INDEX task_runs ON runs (message_id) WHERE parent_tool_use_id IS NOT NULL",
  "DROP INDEX IF EXISTS history_of_run",
  `CREATE TABLE shares (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    access TEXT NOT NULL,
    description TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) WITHOUT ROWID`,
  "ALTER TABLE messages ADD COLUMN spend_limit TEXT",
  "ALTER TABLE messages ADD COLUMN waiting_for TEXT",
  // The prompts that the process was told and that are to join the message, by their ids, and whether it has started on each.
  "ALTER TABLE programs ADD COLUMN steers TEXT NOT NULL DEFAULT '{}'",
  // The MCP servers of the session. `config` may be encrypted; `tools` are those that are offered; `tried_in` is the
  // message in which they could not be listed.
  `CREATE TABLE mcp_servers (
    name TEXT PRIMARY KEY,
    config TEXT NOT NULL,
    origin TEXT NOT NULL,
    auth TEXT NOT NULL,
    tools TEXT NOT NULL DEFAULT '[]',
    left_out TEXT NOT NULL DEFAULT '[]',
    listed_at INTEGER,
    error TEXT,
    tried_in TEXT
  ) WITHOUT ROWID`,
  `CREATE TABLE previews (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    port INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) WITHOUT ROWID`,
  "ALTER TABLE programs ADD COLUMN requests TEXT NOT NULL DEFAULT '[]'",
  "ALTER TABLE programs ADD COLUMN owed TEXT NOT NULL DEFAULT '[]'",
] as const;
