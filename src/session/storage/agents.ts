import { all, one, type Row, type Sql } from "../../shared/sql";

/** The name of the main agent. */
export const MAIN = "main";

/** Returns how tables hold an agent's name: the main agent's is empty there. */
export const columnOf = (agent: string): string => (agent === MAIN ? "" : agent);

/** Returns the agent that a column names. */
export const agentOf = (column: unknown): string => (column === "" ? MAIN : String(column));

/** Messages of an inbox that are delivered together are one row, of at most 2 MB, and one message of the conversation. */
const MAX_DELIVERY_CHARACTERS = 200_000;

/** The agents that a session has had at work: their types, directories, inboxes, and the files that they know. */
export class AgentTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Adds an agent; one that is there already stays as it is. */
  add(name: string, type: string, cwd: string): void {
    this.#sql.exec(
      "INSERT OR IGNORE INTO agents (name, type, cwd) VALUES (?, ?, ?)",
      columnOf(name),
      columnOf(type),
      cwd,
    );
  }

  /** Returns the type of an agent; undefined for one that never worked. */
  typeOf(name: string): string | undefined {
    const row = all(this.#sql, "SELECT type FROM agents WHERE name = ?", columnOf(name))[0];
    return row && agentOf(row.type);
  }

  names(): string[] {
    return all(this.#sql, "SELECT name FROM agents ORDER BY name").map(({ name }) => agentOf(name));
  }

  /** Returns the size of an agent's conversation, in tokens. */
  contextTokens(name: string): number {
    const query = "SELECT context_tokens FROM agents WHERE name = ?";
    return Number(one(this.#sql, query, columnOf(name)).context_tokens);
  }

  saveContextTokens(name: string, tokens: number): void {
    const query = "UPDATE agents SET context_tokens = ? WHERE name = ?";
    this.#sql.exec(query, tokens, columnOf(name));
  }

  /** Returns the directory that an agent works in. */
  cwdOf(name: string): string {
    return String(one(this.#sql, "SELECT cwd FROM agents WHERE name = ?", columnOf(name)).cwd);
  }

  saveCwd(name: string, cwd: string): void {
    this.#sql.exec("UPDATE agents SET cwd = ? WHERE name = ?", cwd, columnOf(name));
  }

  /** Moves agents that work outside of a directory into it. */
  moveInto(directory: string): void {
    this.#sql.exec(
      "UPDATE agents SET cwd = ?1 WHERE cwd <> ?1 AND substr(cwd, 1, length(?1) + 1) <> ?1 || '/'",
      directory,
    );
  }

  /** Moves every agent to a directory. */
  moveAllTo(directory: string): void {
    this.#sql.exec("UPDATE agents SET cwd = ?1 WHERE cwd <> ?1", directory);
  }

  // Inboxes. Their table is called mail.

  /** Adds a message to an agent's inbox. A repeat of an id changes nothing. */
  addToInbox(message: { id: string; from: string; to: string; content: string }): void {
    this.#sql.exec(
      "INSERT OR IGNORE INTO mail (id, from_agent, to_agent, content) VALUES (?, ?, ?, ?)",
      message.id,
      columnOf(message.from),
      columnOf(message.to),
      message.content,
    );
  }

  /** Returns whether a message of this id was ever added to an inbox, delivered or not. */
  wasAddedToInbox(id: string): boolean {
    return all(this.#sql, "SELECT 1 FROM mail WHERE id = ?", id).length > 0;
  }

  /** Returns whether messages wait in an agent's inbox. */
  hasInboxMessages(agent: string): boolean {
    const query = "SELECT 1 FROM mail WHERE to_agent = ? AND taken = 0 LIMIT 1";
    return all(this.#sql, query, columnOf(agent)).length > 0;
  }

  /** Takes messages from an agent's inbox, oldest first: as many as fit into one delivery, but at least one. */
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

  // Files that agents know

  /** Returns the hash of a file when an agent last saw it; undefined when it never did. */
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
