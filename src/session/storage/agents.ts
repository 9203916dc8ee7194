import { all, type Row, type Sql } from "../../shared/sql";

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

/** The hash of a file that no content has. */
const UNSEEN = "";

interface StoredAgent {
  type: string;
  cwd: string;
  contextTokens: number;
}

/** The agents that have worked in a session: their types, working directories, inboxes, and the files they saw. */
export class AgentTable {
  readonly #sql: Sql;
  #hasFiles: boolean | undefined;
  /** All agents by their names, cached because every turn reads them and there are few. */
  #kept: ReadonlyMap<string, StoredAgent> | undefined;
  /** The agents whose inboxes have undelivered messages. */
  #waiting: ReadonlySet<string> | undefined;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Adds an agent. Does nothing if the agent exists already. */
  add(name: string, type: string, cwd: string): void {
    if (this.#agents().has(name)) return;
    this.#keep(name, { type, cwd, contextTokens: 0 });
    const query = "INSERT INTO agents (name, type, cwd) VALUES (?, ?, ?)";
    this.#sql.exec(query, columnOf(name), columnOf(type), cwd);
  }

  /** Returns the type of an agent; undefined if it has never worked in this session. */
  typeOf(name: string): string | undefined {
    return this.#agents().get(name)?.type;
  }

  /** Returns the names of all agents that have worked in the session, in alphabetical order. */
  names(): string[] {
    return [...this.#agents().keys()].toSorted();
  }

  /** Returns the size of an agent's conversation, in tokens. Throws if the agent does not exist. */
  contextTokens(name: string): number {
    return this.#get(name).contextTokens;
  }

  saveContextTokens(name: string, contextTokens: number): void {
    this.#keep(name, { ...this.#get(name), contextTokens });
    const query = "UPDATE agents SET context_tokens = ? WHERE name = ?";
    this.#sql.exec(query, contextTokens, columnOf(name));
  }

  /** Returns an agent's working directory. Throws if the agent does not exist. */
  cwdOf(name: string): string {
    return this.#get(name).cwd;
  }

  saveCwd(name: string, cwd: string): void {
    this.#keep(name, { ...this.#get(name), cwd });
    this.#sql.exec("UPDATE agents SET cwd = ? WHERE name = ?", cwd, columnOf(name));
  }

  /** Sets the working directory to `directory` for each agent whose working directory is not in it. */
  moveInto(directory: string): void {
    this.forget();
    this.#sql.exec(
      "UPDATE agents SET cwd = ?1 WHERE cwd <> ?1 AND substr(cwd, 1, length(?1) + 1) <> ?1 || '/'",
      directory,
    );
  }

  /** Sets the working directory of every agent. */
  moveAllTo(directory: string): void {
    this.forget();
    this.#sql.exec("UPDATE agents SET cwd = ?1 WHERE cwd <> ?1", directory);
  }

  // Inboxes, stored in the table `mail`

  /** Adds a message to an agent's inbox. Does nothing if a message with this id was added before. */
  addToInbox(message: { id: string; from: string; to: string; content: string }): void {
    this.#waiting = undefined;
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
    const query = "SELECT DISTINCT to_agent FROM mail WHERE taken = 0";
    this.#waiting ??= new Set(all(this.#sql, query).map((row) => agentOf(row.to_agent)));
    return this.#waiting.has(agent);
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
    this.#waiting = undefined;
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
    this.#hasFiles = true;
    this.#sql.exec(
      "INSERT OR REPLACE INTO seen_files (agent, path, hash) VALUES (?, ?, ?)",
      columnOf(agent),
      path,
      hash,
    );
  }

  /** Returns whether any agent has seen a file, or is to see one. */
  hasFiles(): boolean {
    this.#hasFiles ??= all(this.#sql, "SELECT 1 FROM seen_files LIMIT 1").length > 0;
    return this.#hasFiles;
  }

  /** Records that an agent has to see a file before it changes it, whatever it has seen of it. */
  markUnseen(agent: string, path: string): void {
    this.saveSeenFile(agent, path, UNSEEN);
  }

  /** Undoes `markUnseen`, unless the agent has seen the file since. `before` is the hash of what it had seen. */
  unmarkUnseen(agent: string, path: string, before: string | undefined): void {
    if (this.seenFile(agent, path) !== UNSEEN) return;
    const query = "DELETE FROM seen_files WHERE agent = ? AND path = ?";
    this.#sql.exec(query, columnOf(agent), path);
    this.#hasFiles = undefined;
    if (before !== undefined) this.saveSeenFile(agent, path, before);
  }

  /** Clears the caches. Call it when the rows may have changed. */
  forget(): void {
    this.#kept = undefined;
    this.#waiting = undefined;
    this.#hasFiles = undefined;
  }

  #agents(): ReadonlyMap<string, StoredAgent> {
    this.#kept ??= new Map(
      all(this.#sql, "SELECT name, type, cwd, context_tokens FROM agents").map((row) => [
        agentOf(row.name),
        {
          type: agentOf(row.type),
          cwd: String(row.cwd),
          contextTokens: Number(row.context_tokens),
        },
      ]),
    );
    return this.#kept;
  }

  #get(name: string): StoredAgent {
    const agent = this.#agents().get(name);
    if (!agent) throw new Error(`there is no agent ${name}`);
    return agent;
  }

  #keep(name: string, agent: StoredAgent): void {
    this.#kept = new Map(this.#agents()).set(name, agent);
  }
}
