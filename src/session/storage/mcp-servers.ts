import type { LeftOut, McpTool } from "../../agent/mcp/tools";
import type { StoredText } from "../../shared/encryption";
import { all, number, parse, type Row, type Sql, text } from "../../shared/sql";
import type { McpServerRow } from "../rpc";

/** A server of a session's config, ready to be stored. */
export interface NewMcpServer extends Pick<McpServerRow, "name" | "origin" | "authorization"> {
  /** Its config as JSON, which contains secrets. */
  config: StoredText;
}

/** A server as it is stored. */
export interface StoredMcpServer extends NewMcpServer {
  /** The tools that it offers, as they were listed last. */
  tools: McpTool[];
  leftOut: LeftOut[];
  /** When they were listed, in ms since 1970; null if they never were. */
  listedAt: number | null;
  /** Why they could not be listed the last time, or that its access has ended; otherwise null. */
  error: string | null;
  /** The message in which that was. */
  triedIn: string | null;
}

/** The MCP servers of a session. It has rows only if the config of the session names servers. */
export class McpServerTable {
  readonly #sql: Sql;
  #every: readonly StoredMcpServer[] | undefined;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  add({ name, config, origin, authorization }: NewMcpServer): void {
    this.#every = undefined;
    this.#sql.exec(
      "INSERT INTO mcp_servers (name, config, origin, auth) VALUES (?, ?, ?, ?)",
      ...[name, JSON.stringify(config), origin, authorization],
    );
  }

  /** Returns all servers by their names, cached because every turn asks for their tools. */
  every(): readonly StoredMcpServer[] {
    this.#every ??= all(this.#sql, "SELECT * FROM mcp_servers ORDER BY name").map(fromRow);
    return this.#every;
  }

  get(name: string): StoredMcpServer | undefined {
    return this.every().find((server) => server.name === name);
  }

  saveConfig({ name, config, authorization }: Omit<NewMcpServer, "origin">): void {
    this.#every = undefined;
    this.#sql.exec(
      "UPDATE mcp_servers SET config = ?, auth = ? WHERE name = ?",
      ...[JSON.stringify(config), authorization, name],
    );
  }

  saveTools(
    name: string,
    { tools, leftOut }: Pick<StoredMcpServer, "tools" | "leftOut">,
    now: number,
  ): void {
    this.#every = undefined;
    this.#sql.exec(
      `UPDATE mcp_servers SET tools = ?, left_out = ?, listed_at = ?, error = NULL, tried_in = NULL
       WHERE name = ?`,
      ...[JSON.stringify(tools), JSON.stringify(leftOut), now, name],
    );
  }

  saveError(name: string, error: string, messageId: string): void {
    this.#every = undefined;
    this.#sql.exec(
      "UPDATE mcp_servers SET error = ?, tried_in = ? WHERE name = ?",
      ...[error, messageId, name],
    );
  }

  /** Clears the cache. Call it when the rows may have changed. */
  forget(): void {
    this.#every = undefined;
  }
}

const fromRow = (row: Row): StoredMcpServer => ({
  name: String(row.name),
  config: parse<StoredText>(row.config),
  origin: String(row.origin),
  authorization: String(row.auth) as McpServerRow["authorization"],
  tools: parse<McpTool[]>(row.tools),
  leftOut: parse<LeftOut[]>(row.left_out),
  listedAt: number(row.listed_at),
  error: text(row.error),
  triedIn: text(row.tried_in),
});
