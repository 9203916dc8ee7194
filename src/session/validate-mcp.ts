import { isServerName, SERVER_NAME_RULE, serverIn } from "../agent/mcp/names";
import { parseRule, type Rules } from "../agent/permissions/rules";
import type { Settings } from "../settings";
import { addressProblem } from "../shared/address";
import type { McpOauth, SessionConfig } from "./rpc";

/** A problem, with its path in the body: see `Issue` in validate-config.ts. */
interface Issue {
  path: string;
  message: string;
}

/** Maximum number of MCP servers of a session. */
const MAX_MCP_SERVERS = 20;

/** Returns problems of the MCP servers. */
export function checkMcpServers(
  { mcpServers = {} }: SessionConfig,
  settings: Partial<Settings>,
): Issue[] {
  const servers = Object.entries(mcpServers);
  if (servers.length > MAX_MCP_SERVERS) {
    const message = `has ${servers.length} servers, of ${MAX_MCP_SERVERS} at most`;
    return [{ path: "config.mcpServers", message }];
  }
  return servers.flatMap(([name, { url, headers = {}, oauth }]) => {
    const issues: Issue[] = [];
    if (!isServerName(name)) issues.push({ path: "", message: SERVER_NAME_RULE });
    const problem = addressProblem(url, settings.MCP_ALLOW_PRIVATE_HOSTS ?? false);
    if (problem !== null) issues.push({ path: ".url", message: problem });
    for (const header of Object.keys(headers)) {
      const isTaken = oauth !== undefined && header.toLowerCase() === "authorization";
      if (isTaken) issues.push({ path: `.headers.${header}`, message: "can't go with oauth" });
      if (!OWN_HEADERS.test(header)) continue;
      issues.push({ path: `.headers.${header}`, message: "is set by the server" });
    }
    for (const issue of oauth ? checkOauth(oauth, settings) : []) {
      issues.push({ ...issue, path: `.oauth.${issue.path}` });
    }
    return issues.map(({ path, message }) => ({
      path: `config.mcpServers.${name}${path}`,
      message,
    }));
  });
}

/** Headers that the protocol or the connection needs. */
const OWN_HEADERS =
  /^(accept|connection|content-.*|cookie2?|host|keep-alive|last-event-id|mcp-.*|te|trailer|transfer-encoding|upgrade)$/i;

/** Returns problems of how the access to an MCP server is renewed. */
export function checkOauth({ tokenUrl }: McpOauth, settings: Partial<Settings>): Issue[] {
  const message = addressProblem(tokenUrl, settings.MCP_ALLOW_PRIVATE_HOSTS ?? false);
  return message === null ? [] : [{ path: "tokenUrl", message }];
}

/** Returns the rules that forbid or ask for tools of MCP servers that there are not: they would protect from nothing. */
export function checkServersOf(rules: Rules, { mcpServers = {} }: SessionConfig): Issue[] {
  return (["askTools", "disallowedTools"] as const).flatMap((list) =>
    (rules[list] ?? []).flatMap((text, n) => {
      const server = serverIn(parseRule(text)?.tool ?? "");
      if (server === undefined || Object.hasOwn(mcpServers, server)) return [];
      const message = `there is no MCP server "${server}" in mcpServers`;
      return [{ path: `${list}.${n}`, message }];
    }),
  );
}
