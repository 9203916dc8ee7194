import { all, one, type Row, type Sql } from "../../shared/sql";

/** The name of the main agent. */
export const MAIN = "main";

/** Returns an agent's name as tables store it. The main agent is stored as the empty string. */
export const columnOf = (agent: string): string => (agent === MAIN ? "" : agent);

/** Returns the agent's name for a stored value: the inverse of `columnOf`. */
export const agentOf = (column: unknown): string => (column === "" ? MAIN : String(column));

/**
 * Maximum size of one delivery from an inbox, in characters. Messages that are delivered together form one message of
 * the conversation, in one row, and a row is limited to 2 MB.
 */
const MAX_DELIVERY_CHARACTERS = 200_000;

/** The agents that have worked in a session: their types, working directories, inboxes, and the files they saw. */
export class AgentTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Adds an agent. Does nothing if the agent exists already. */
  add(name: string, type: string, cwd: string): void {
    this.#sql.exec(
      "INSERT OR IGNORE INTO agents (name, type, cwd) VALUES (?, ?, ?)",
      columnOf(name),
      columnOf(type),
      cwd,
    );
  }

  /** Returns the type of an agent; undefined if it has never worked in this session. */
  typeOf(name: string): string | undefined {
    const row = all(this.#sql, "SELECT type FROM agents WHERE name = ?", columnOf(name))[0];
    return row && agentOf(row.type);
  }

  /** Returns the names of all agents that have worked in the session, in alphabetical order. */
  names(): string[] {
    return all(this.#sql, "SELECT name FROM agents ORDER BY name").map(({ name }) => agentOf(name));
  }

  /** Returns the size of an agent's conversation, in tokens. Throws if the agent does not exist. */
  contextTokens(name: string): number {
    const query = "SELECT context_tokens FROM agents WHERE name = ?";
    return Number(one(this.#sql, query, columnOf(name)).context_tokens);
  }

  saveContextTokens(name: string, tokens: number): void {
    const query = "UPDATE agents SET context_tokens = ? WHERE name = ?";
    this.#sql.exec(query, tokens, columnOf(name));
  }

  /** Returns an agent's working directory. Throws if the agent does not exist. */
  cwdOf(name: string): string {
    return String(one(this.#sql, "SELECT cwd FROM agents WHERE name = ?", columnOf(name)).cwd);
  }

  saveCwd(name: string, cwd: string): void {
    this.#sql.exec("UPDATE agents SET cwd = ? WHERE name = ?", cwd, columnOf(name));
  }

  /** Sets the working directory to `directory` for each agent whose working directory is not in it. */
  moveInto(directory: string): void {
    this.#sql.exec(
      "UPDATE agents SET cwd = ?1 WHERE cwd <> ?1 AND substr(cwd, 1, length(?1) + 1) <> ?1 || '/'",
      directory,
    );
  }

  /** Sets the working directory of every agent. */
  moveAllTo(directory: string): void {
    this.#sql.exec("UPDATE agents SET cwd = ?1 WHERE cwd <> ?1", directory);
  }

  // Inboxes, stored in the table `mail`

  /** Adds a message to an agent's inbox. Does nothing if a message with this id was added before. */
  addToInbox(message: { id: string; from: string; to: string; content: string }): void {
    this.#sql.exec(
      "INSERT OR IGNORE INTO mail (id, from_agent, to_agent, content) VALUES (?, ?, ?, ?)",
      message.id,
      columnOf(message.from),
      columnOf(message.to),
      message.content,
    );
  }

  /** Returns whether a message with this id was ever added to an inbox, delivered or not. */
  wasAddedToInbox(id: string): boolean {
    return all(this.#sql, "SELECT 1 FROM mail WHERE id = ?", id).length > 0;
  }

  /** Returns whether an agent's inbox contains undelivered messages. */
  hasInboxMessages(agent: string): boolean {
    const query = "SELECT 1 FROM mail WHERE to_agent = ? AND taken = 0 LIMIT 1";
    return all(this.#sql, query, columnOf(agent)).length > 0;
  }

  /**
   * Marks messages of an agent's inbox as delivered and returns their contents, oldest first: as many as fit into one
   * delivery, but at least one. Returns an empty array if the inbox is empty.
   */
  takeInbox(agent: string): string[] {
    const query = "SELECT n, content FROM mail WHERE to_agent = ? AND taken = 0 ORDER BY n";
    const numbers: number[] = [];
    const taken: string[] = [];
    let characters = 0;
    for (const row of this.#sql.exec<Row>(query, columnOf(agent))) {
      const content = String(row.content);
      characters += content.length;
      if (taken.length > 0 && characters > MAX_DELIVERY_CHARACTERS) break;
      numbers.push(Number(row.n));
      taken.push(content);
    }
    for (const n of numbers) this.#sql.exec("UPDATE mail SET taken = 1 WHERE n = ?", n);
    return taken;
  }

  // Files that agents have seen

  /** Returns the hash of a file at the time an agent last saw it; undefined if the agent has not seen the file. */
  seenFile(agent: string, path: string): string | undefined {
    const query = "SELECT hash FROM seen_files WHERE agent = ? AND path = ?";
    const row = all(this.#sql, query, columnOf(agent), path)[0];
    return row && String(row.hash);
  }

  saveSeenFile(agent: string, path: string, hash: string): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO seen_files (agent, path, hash) VALUES (?, ?, ?)",
      columnOf(agent),
      path,
      hash,
    );
  }
}
