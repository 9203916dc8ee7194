import type { McpOauth, SessionMcpServer } from "../client/rigger.ts";
import { relative } from "../shared/readable.ts";
import { command, objectOf, textOf, UsageError } from "./command.ts";
import { jsonLine, note, print, printTable } from "./terminal.ts";

// Commands about the MCP servers of a session.

export const ls = command({
  summary: "Lists the MCP servers of a session",
  args: "<session>",
  json: "each server as a line of JSON, with its tools",
  async run({ args: [id = ""], isJson, rigger }) {
    const servers = await rigger.session(id).mcpServers();
    if (isJson) for (const server of servers) print(jsonLine(server));
    else if (servers.length === 0) note("The session has no MCP servers.");
    else {
      const head = ["SERVER", "ORIGIN", "ACCESS", "TOOLS", "LISTED", "STATE"];
      printTable(head, servers.map(rowOf));
    }
    return 0;
  },
});

function rowOf({ name, origin, authorization, tools, listedAt, error }: SessionMcpServer) {
  const listed = listedAt === null ? "" : relative(listedAt, Date.now());
  const state = error ?? (listedAt === null ? "not used yet" : "listed");
  return [name, origin, authorization, `${tools.length}`, listed, state];
}

export const authorize = command({
  summary: "Gives a session new access to one of its MCP servers",
  args: "<session> <server>",
  options: {
    body: { type: "string", value: "file", help: 'a JSON file with the new "oauth"; - is stdin' },
  },
  details: `The fields are those of "oauth" in the config of the server:
{"tokenUrl": "…", "clientId": "…", "refreshToken": "…"}`,
  json: "the server as one JSON object",
  async run({ values: { body }, args: [id = "", name = ""], isJson, rigger }) {
    if (body === undefined) throw new UsageError("Give --body: a file, or - for stdin.");
    const oauth = objectOf("body", await textOf("body", body)) as McpOauth;
    const server = await rigger.session(id).authorizeMcpServer(name, oauth);
    if (isJson) print(jsonLine(server));
    else note("The next request to the server uses the new access.");
    return 0;
  },
});
