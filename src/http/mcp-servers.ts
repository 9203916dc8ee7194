import { Hono } from "hono";
import { checkOauth } from "../session/validate-mcp";
import type { Settings } from "../settings";
import { callSession } from "./call";
import type { AppEnv } from "./context";
import { invalid } from "./errors";
import { readBody } from "./parse";
import { McpOauth } from "./schemas";
import { mcpServerView } from "./views";

/** Routes of a session's MCP servers: list them, and give one new access. */
export const mcpServers = (settings: Settings) =>
  new Hono<AppEnv>()
    .get("/:id/mcp-servers", async (c) => {
      const rows = await callSession(c, (s, caller) => s.mcpServers(caller));
      return c.json({ mcpServers: rows.map(mcpServerView) });
    })

    .put("/:id/mcp-servers/:name/oauth", async (c) => {
      const name = c.req.param("name");
      const oauth = await readBody(c, McpOauth);
      const issues = checkOauth(oauth, settings);
      if (issues.length > 0) throw invalid(issues);
      const row = await callSession(c, (s, caller) => s.authorizeMcpServer(caller, name, oauth));
      return c.json(mcpServerView(row));
    });
