import type { LeftOut, McpTool } from "../../agent/mcp/tools";
import type { StoredText } from "../../shared/encryption";
import type { McpServerRow } from "../rpc";
import type { StoredMcpServer } from "../storage/mcp-servers";
import type { SessionStore } from "../storage/store";

// The MCP servers of a session. Call functions that change something within a transaction.

/** A message in which a server is used. */
export interface ServerUse {
  store: SessionStore;
  server: string;
  messageId: string;
  now: number;
}

/** Stores the tools of a server. */
export function noteTools(
  { store, server, messageId, now }: ServerUse,
  listed: { tools: McpTool[]; leftOut: LeftOut[] },
): void {
  store.mcpServers.saveTools(server, listed, now);
  const { length: tools } = listed.tools;
  store.log.append({ type: "mcp.listed", server, tools }, { messageId }, now);
}

/** Records that a server could not be used in a message: its tools could not be listed, or its access has ended. */
export function noteFailure({ store, server, messageId, now }: ServerUse, message: string): void {
  store.mcpServers.saveError(server, message, messageId);
  store.log.append({ type: "mcp.failed", server, message }, { messageId }, now);
}

/**
 * Replaces the config of a server, unless it is no longer `before`. Returns whether it was replaced. Not an event: a token
 * is renewed as often as it expires.
 */
export function replaceServerConfig(
  { mcpServers }: SessionStore,
  { name, config: before }: Pick<StoredMcpServer, "name" | "config">,
  changes: { config: StoredText; authorization: McpServerRow["authorization"] },
): boolean {
  const stored = mcpServers.get(name);
  if (!stored || JSON.stringify(stored.config) !== JSON.stringify(before)) return false;
  mcpServers.saveConfig({ name, ...changes });
  return true;
}

/** Returns a server with the fields that clients see. */
export const mcpServerRow = ({
  config: _,
  triedIn: __,
  tools,
  ...row
}: StoredMcpServer): McpServerRow => ({
  ...row,
  tools: tools.map(({ name, description }) => ({ name, description })),
});
