import { isDeeperThan } from "../../shared/json-depth";
import { fits, wellFormed } from "../model/reply-bounds";
import type { ToolResult } from "../tool";
import { toolNameOf } from "./names";

/** A tool as a server lists it. */
export interface ListedTool {
  name: string;
  description?: string | undefined;
  inputSchema: Record<string, unknown>;
  /** The server's word: the tool changes nothing. */
  reads: boolean;
  /** The server's word: calling the tool again changes nothing more. */
  isIdempotent: boolean;
}

/** A tool of a server as it is offered. It is stored. */
export interface McpTool {
  /** The name by which the model calls it: `mcp__<server>__<tool>`. */
  name: string;
  /** The server's name for it. */
  remote: string;
  description: string;
  inputSchema: { type: "object"; [keyword: string]: unknown };
  reads: boolean;
  /** Whether a call whose result was lost may be made again. */
  repeatable: boolean;
}

/** A tool that is not offered, and why. */
export interface LeftOut {
  name: string;
  reason: string;
}

/** The most tools of a server that are offered. */
export const MAX_TOOLS = 128;
/** The most bytes of their definitions as JSON: the model reads them with each call. */
const MAX_DEFINITION_BYTES = 256 << 10;
const MAX_SCHEMA_DEPTH = 40;
/** The names of properties that the Messages API accepts. */
const PROPERTY = /^[a-zA-Z0-9_.-]{1,64}$/;
/** Keywords that the Messages API does not accept at the top of a tool's schema. */
const TOP_KEYWORDS = ["oneOf", "anyOf", "allOf"];

/**
 * Returns the tools of a server that are offered, by their names, and those that can't be. `only` has the server's names of
 * those that are wanted; all are if it is absent. Throws an error for clients if there are too many.
 */
export function toolsOffered(
  server: string,
  listed: readonly ListedTool[],
  only: readonly string[] | undefined,
): { tools: McpTool[]; leftOut: LeftOut[] } {
  const tools = new Map<string, McpTool>();
  const leftOut: LeftOut[] = [];
  for (const tool of listed) {
    if (only && !only.includes(tool.name)) continue;
    const offered = offeredAs(server, tool);
    const isTaken = typeof offered !== "string" && tools.has(offered.name);
    const reason = isTaken ? "another tool has its name already" : offered;
    if (typeof reason === "string") leftOut.push({ name: tool.name.slice(0, 200), reason });
    else tools.set(reason.name, reason);
  }
  if (tools.size > MAX_TOOLS) {
    throw new Error(
      `It has ${tools.size} tools, and ${MAX_TOOLS} can be offered: choose some with "tools"`,
    );
  }
  const sorted = [...tools.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  if (!fits(sorted, MAX_DEFINITION_BYTES)) {
    throw new Error(
      'The descriptions of its tools have more than 256 KiB: choose some with "tools"',
    );
  }
  return { tools: sorted, leftOut: leftOut.slice(0, MAX_TOOLS) };
}

/** Returns a tool as it is offered, or why it can't be: one definition that the API refuses would fail every call. */
function offeredAs(server: string, tool: ListedTool): McpTool | string {
  const name = toolNameOf(server, tool.name);
  if (name === undefined) return "its name is empty or too long";
  const { inputSchema, reads } = tool;
  if (isDeeperThan(inputSchema, MAX_SCHEMA_DEPTH)) {
    return `its schema nests more than ${MAX_SCHEMA_DEPTH} levels`;
  }
  if (inputSchema.type !== "object") return 'its schema has not the type "object"';
  const { properties = {}, required = [] } = inputSchema;
  if (typeof properties !== "object" || properties === null || Array.isArray(properties)) {
    return "the properties of its schema are no object";
  }
  const strange = Object.keys(properties).find((key) => !PROPERTY.test(key));
  if (strange !== undefined)
    return `its schema has a property ${JSON.stringify(strange.slice(0, 100))}`;
  if (!Array.isArray(required) || required.some((key) => typeof key !== "string")) {
    return "the required properties of its schema are no list of names";
  }
  const kept = Object.entries(inputSchema).filter(([keyword]) => !TOP_KEYWORDS.includes(keyword));
  return {
    name,
    remote: tool.name,
    description: (tool.description ?? "").toWellFormed(),
    inputSchema: wellFormed({ ...Object.fromEntries(kept), type: "object" as const }),
    reads,
    repeatable: reads || tool.isIdempotent,
  };
}

/** Returns the API's `tools` for tools of servers, in their order. */
export const mcpDefinitions = (tools: readonly McpTool[]) =>
  tools.map(({ name, description, inputSchema }) => ({
    name,
    description,
    input_schema: inputSchema,
  }));

/** The tools of the MCP servers of a session. */
export interface McpTools {
  /** Returns the tools as they are known now, ordered by their servers and names. */
  every(): readonly McpTool[];
  /**
   * Calls a tool. Never rejects: a failure is a result that the model reads. A call that was interrupted is made again only
   * if its tool is repeatable.
   */
  call(
    call: { name: string; input: unknown; interrupted: boolean },
    signal: AbortSignal,
  ): Promise<ToolResult>;
}
