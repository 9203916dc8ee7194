// The names of tools of MCP servers: `mcp__<server>__<tool>`, as in Claude Code. A server's name contains no `__` and does
// not end with `_`, so the first `__` after it is where the tool's name begins.

const PREFIX = "mcp__";

/** The most characters of a tool's name that the Messages API accepts. */
const MAX_TOOL_NAME = 128;

const SERVER_NAME = /^(?!.*__)[A-Za-z0-9_-]{0,63}[A-Za-z0-9-]$/;

/** Returns whether a server may have a name. */
export const isServerName = (name: string): boolean => SERVER_NAME.test(name);

/** Tells a client what is wrong with a name for which `isServerName` is false. */
export const SERVER_NAME_RULE =
  'must be letters, digits, "_" and "-", 64 at most, without "__" and without "_" at the end';

/** Returns the beginning of the names of a server's tools. */
export const toolPrefix = (server: string): string => `${PREFIX}${server}__`;

/**
 * Returns the name by which the model calls a tool of a server, without characters that the Messages API does not accept;
 * undefined if it would be too long.
 */
export function toolNameOf(server: string, tool: string): string | undefined {
  const name = `${toolPrefix(server)}${tool.replaceAll(/[^\w-]/g, "_")}`;
  return tool === "" || name.length > MAX_TOOL_NAME ? undefined : name;
}

/** Returns the server in the name of a tool, or of a rule about all tools of a server; undefined if it names none. */
export function serverIn(name: string): string | undefined {
  if (!name.startsWith(PREFIX)) return undefined;
  const [server = ""] = name.slice(PREFIX.length).split("__");
  return isServerName(server) ? server : undefined;
}

/** Returns whether what a rule names, a tool or all tools of a server, includes a tool. */
export const namesTool = (ruled: string, tool: string): boolean =>
  ruled === tool || (ruled === `${PREFIX}${serverIn(ruled)}` && tool.startsWith(`${ruled}__`));
