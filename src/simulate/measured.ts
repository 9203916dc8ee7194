// What the simulation knows of Rigger. Rows were counted by `measured.test.ts`, which fails if a session costs more.
// CPU was measured by `npm run bench -- --only floor --quick`.

/** Rows that the index writes, for a session with a user, a conversation, a description and two tags. */
export const INDEX_ROWS = {
  create: 25,
  /** After a turn: cost, tokens, last activity and five sums of usage: of the owner, the user, both tags and all owners. */
  update: 17,
  /** Also the status: it fell asleep, woke or ended. */
  status: 30,
  remove: 33,
} as const;

/** Rows that a session's object writes, with those of alarms. */
export const OBJECT_ROWS = {
  /** Its keys and alarm, and an entry for each table and index. */
  create: 40,
  /** A message with one turn. */
  message: 27,
  /** Each further turn, with a tool call before it. */
  turn: 28,
  /** It fell asleep or ended. */
  status: 6,
} as const;

/** Rows that are read: for an index write, for a page of a list, and by an object for a message and a further turn. */
export const ROWS_READ = { write: 40, list: 40, message: 30, turn: 50 } as const;

/** Events of Workers Logs for a message: its line, and the invocations of its calls. */
export const LOGS = { message: 4 } as const;

/** Stored bytes: a row of the index with its indexes; a session's object with its tables, and its embedded sandbox. */
export const INDEX_BYTES = 1_350;
export const OBJECT_BYTES = 131_072;
export const SANDBOX_BYTES = 45_056;

/** CPU of the Worker and its objects, in ms: a message with one turn, and each further turn with a tool call. */
export const CPU_MS = { message: 7, turn: 11 } as const;

/** Operations on R2 of a session in a container: when its files are saved after a message, and when it wakes. */
export const R2_OPERATIONS = { save: { a: 6, b: 4 }, wake: { a: 0, b: 4 } } as const;

/** While a message runs, an alarm fires this often, in s. */
export const HEARTBEAT_S = 30;
/** Live sessions that the maintenance visits in a day, and sessions without an alarm that retention deletes in a day. */
export const RECONCILED_A_DAY = 100 * 12 * 24;
export const EXPIRED_A_DAY = 500 * 12 * 24;
/** The container limit of `wrangler.toml`. */
export const MAX_INSTANCES = 50;
