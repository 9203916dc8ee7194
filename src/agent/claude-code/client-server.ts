import type { ClientTool, ToolResult } from "../tool";
import { toolDefinitions } from "../tools";
import { publishOfProgram } from "../tools/publish";

// The caller's tools, and Publish, as Claude Code has them: a server of the Model Context Protocol that it reaches over its
// own output and input, in requests of its control protocol.

/** The name of the server. */
export const SERVER = "client";

const PREFIX = `mcp__${SERVER}__`;

/** Returns the name that Claude Code has for a tool of the server. */
export const programNameOf = (name: string): string => `${PREFIX}${name}`;

/** Returns the session's own name for a tool of Claude Code. The tool that starts an agent is `Agent` there. */
export const ownNameOf = (name: string): string =>
  name === "Agent" ? "Task" : name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;

/** Returns Publish as a tool of the server. */
export function publishTool(): ClientTool {
  const { name, description } = publishOfProgram;
  const [definition] = toolDefinitions([publishOfProgram]);
  return { name, description, inputSchema: { ...definition?.input_schema } };
}

/** A request to the server. One without an id is a notification. */
export interface ServerRequest {
  requestId: string;
  id?: string | number | undefined;
  method: string;
  /** For `initialize`: the version of the protocol that the program wants. */
  protocolVersion?: string | undefined;
  /** For `tools/call`: the model's id of the call. */
  toolUseId?: string | undefined;
}

/** Returns the line that tells the program of the server, before its first prompt. */
export const initializeLine = (): string =>
  line({
    type: "control_request",
    request_id: "initialize",
    request: { subtype: "initialize", sdkMcpServers: [SERVER] },
  });

/** Returns the line that answers a request other than a call. */
export function serverLine(request: ServerRequest, tools: readonly ClientTool[]): string {
  switch (request.method) {
    case "initialize":
      return answer(request, {
        protocolVersion: request.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: SERVER, version: "1" },
      });
    case "tools/list":
      return answer(request, { tools });
    default:
      return answer(request, {});
  }
}

/** Returns the line that gives a call its result. */
export function resultLine(request: ServerRequest, { content, isError }: ToolResult): string {
  const blocks = typeof content === "string" ? [{ type: "text" as const, text: content }] : content;
  return answer(request, {
    content: blocks.map((block) =>
      block.type === "text"
        ? { ...block, text: block.text || "(no output)" }
        : { type: "image", data: block.source.data, mimeType: block.source.media_type },
    ),
    isError: isError ?? false,
  });
}

function answer({ requestId, id = 0 }: ServerRequest, result: object): string {
  const response = { mcp_response: { jsonrpc: "2.0", id, result } };
  return line({
    type: "control_response",
    response: { subtype: "success", request_id: requestId, response },
  });
}

const line = (message: object): string => JSON.stringify(message);
