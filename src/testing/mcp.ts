import type { McpOauth, McpServerConfig } from "../session/rpc";
import type { McpState } from "./vendors/mcp-state";

// Access to the stand-ins of MCP servers, which run outside of the Worker: see vendors/mcp.ts.

/** A server of its own for a test. */
export interface TestServer {
  config: McpServerConfig;
  /** The access of a client that is authorized. */
  oauth: McpOauth;
  /** Returns the state of the server, after changes. */
  state(changes?: Partial<McpState> & { forgetsSessions?: boolean }): Promise<McpState>;
}

/** Returns a server of a kind: see `Kind` in vendors/mcp.ts. */
export function mcpServer(kind: string, changes: Partial<McpServerConfig> = {}): TestServer {
  const address = `https://mcp.example.com/${kind}/${crypto.randomUUID()}`;
  return {
    config: { url: `${address}/mcp`, ...changes },
    oauth: {
      tokenUrl: `${address}/token`,
      clientId: "rigger",
      refreshToken: "refresh-first",
    },
    async state(changes) {
      const init = changes && { method: "POST", body: JSON.stringify(changes) };
      const response = await fetch(`${address}/state`, init ?? {});
      return response.json();
    },
  };
}
