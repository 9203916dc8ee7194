import type { CommandResult } from "./sandbox";

/** The bounds of the log: the commands, and the bytes of their output. The oldest are forgotten first. */
const MAX_COMMANDS = 200;
const MAX_BYTES = 32 * 1024 ** 2;

const SCHEMA = `
  CREATE TABLE commands (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    finished INTEGER NOT NULL DEFAULT 0,
    exit_code INTEGER,
    stdout TEXT NOT NULL DEFAULT '',
    stderr TEXT NOT NULL DEFAULT '',
    ended TEXT,
    truncated INTEGER,
    cwd TEXT
  );
`;

type Row = {
  finished: number;
  exit_code: number;
  stdout: string;
  stderr: string;
  ended: CommandResult["ended"];
  truncated: number;
  cwd: string | null;
};

/** Stores the commands that were started in a sandbox, by id, with the results of those that ended. */
export class CommandLog {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Creates the table of an empty log. */
  static format(sql: SqlStorage): void {
    sql.exec(SCHEMA);
  }

  /** Returns a command's result, "started" if it has none, or undefined for an unknown command. */
  find(id: string): CommandResult | "started" | undefined {
    const [row] = this.#sql.exec<Row>("SELECT * FROM commands WHERE id = ?", id).toArray();
    if (!row) return undefined;
    return row.finished ? toResult(row) : "started";
  }

  /** Stores that a command begins. Call it before the command has any effect. */
  start(id: string): void {
    this.#sql.exec("INSERT INTO commands (id) VALUES (?)", id);
  }

  /** Stores a command's result, and forgets the oldest commands beyond the bounds, but none that still run. */
  finish(id: string, result: CommandResult, running: readonly string[]): void {
    this.#sql.exec(
      `UPDATE commands SET finished = 1, exit_code = ?, stdout = ?, stderr = ?, ended = ?, truncated = ?, cwd = ?
       WHERE id = ?`,
      result.exitCode,
      result.stdout,
      result.stderr,
      result.ended,
      Number(result.truncated),
      result.cwd ?? null,
      id,
    );
    this.#sql.exec(
      `DELETE FROM commands WHERE id NOT IN (SELECT value FROM json_each(?)) AND seq IN (
         SELECT seq FROM (
           SELECT seq, row_number() OVER newest AS nth,
             sum(octet_length(stdout) + octet_length(stderr)) OVER newest AS bytes
           FROM commands WINDOW newest AS (ORDER BY seq DESC))
         WHERE nth > ? OR bytes > ?)`,
      JSON.stringify(running),
      MAX_COMMANDS,
      MAX_BYTES,
    );
  }
}

function toResult(row: Row): CommandResult {
  return {
    exitCode: row.exit_code,
    stdout: row.stdout,
    stderr: row.stderr,
    ended: row.ended,
    truncated: row.truncated === 1,
    ...(row.cwd === null ? {} : { cwd: row.cwd }),
  };
}
