// The protocol of Claude Code's stdin and stdout: one JSON value a line. The replies of the model are not read
// here: they pass through us as the program's model calls and are stored there.

import { z } from "zod";
import type { Prompt } from "../../events/event";
import type { ToolContent, ToolResult } from "../tool";
import { SERVER, type ServerRequest } from "./client-server";

/** The most characters of a line. A longer one is reduced to the id of its tool result. */
const MAX_LINE_CHARACTERS = 8 << 20;

/** The meaning of a line. Null for a line that a session does not use. */
export type OutputEvent =
  /** The program has begun to work on a prompt. */
  | { type: "begun"; uuid: string }
  /** The program is done with a prompt. If it never began, the transcript already held the prompt. */
  | { type: "done"; uuid: string }
  /** A call started an agent. The agent's own model calls carry its id. */
  | { type: "agent"; agentId: string; toolUseId: string; agentType: string; prompt: string }
  | { type: "results"; results: CallResult[] }
  | { type: "compacted"; tokensBefore: number }
  /** The program waits for a decision about a call. */
  | { type: "ask"; requestId: string; toolUseId: string }
  /** The program asks the server of the caller's tools for something. */
  | { type: "server"; request: ServerRequest }
  /** The program has nothing left to do. `unreached`: it has failed since it could not reach its API. */
  | { type: "ended"; failure: string | null; unreached?: true }
  /** A line outside the protocol: output of a program that cannot start. */
  | { type: "noise"; text: string };

/** Returns the line that sends a prompt. The program ignores a `uuid` that it has answered before. */
export function promptLine(uuid: string, prompt: Prompt): string {
  const content =
    typeof prompt === "string"
      ? plain(prompt)
      : prompt.map((block) =>
          block.type === "text" ? { ...block, text: plain(block.text) } : block,
        );
  const message = { role: "user", content };
  return JSON.stringify({ type: "user", uuid, message, parent_tool_use_id: null, session_id: "" });
}

/** Returns the line that interrupts the program. It continues with the next line. */
export function interruptLine(requestId: string): string {
  const request = { subtype: "interrupt" };
  return JSON.stringify({ type: "control_request", request_id: requestId, request });
}

/** Returns the line that allows a call, with the input that it is made with, or denies it, with the reason for the model. */
export function decisionLine(
  requestId: string,
  decision: { input: unknown } | { reason: string },
): string {
  const response =
    "reason" in decision
      ? { behavior: "deny", message: decision.reason }
      : { behavior: "allow", updatedInput: decision.input };
  const answer = { subtype: "success", request_id: requestId, response };
  return JSON.stringify({ type: "control_response", response: answer });
}

/** Returns a text that the program reads as a prompt: one that begins with a slash is a command of its own. */
const plain = (text: string): string => (text.startsWith("/") ? `\n${text}` : text);

const Lifecycle = z.object({
  type: z.literal("command_lifecycle"),
  command_uuid: z.string(),
  state: z.string(),
});
const TaskStarted = z.object({
  type: z.literal("system"),
  subtype: z.literal("task_started"),
  task_id: z.string(),
  tool_use_id: z.string(),
  subagent_type: z.string().default(""),
  prompt: z.string().default(""),
});
const CompactBoundary = z.object({
  type: z.literal("system"),
  subtype: z.literal("compact_boundary"),
  compact_metadata: z.object({ pre_tokens: z.number().default(0) }).default({ pre_tokens: 0 }),
});
const Results = z.object({
  type: z.literal("user"),
  message: z.object({ content: z.array(z.looseObject({ type: z.string() })) }),
  tool_result_meta: z
    .array(z.object({ id: z.string(), non_execution_kind: z.string().nullish() }))
    .optional(),
});
const Ended = z.object({
  type: z.literal("result"),
  is_error: z.boolean().default(false),
  api_error: z.string().nullish(),
  result: z.string().nullish(),
  errors: z.array(z.string()).nullish(),
  subtype: z.string().default(""),
});
const Asks = z.object({
  type: z.literal("control_request"),
  request_id: z.string(),
  request: z.object({ subtype: z.literal("can_use_tool"), tool_use_id: z.string() }),
});
const AsksServer = z.object({
  type: z.literal("control_request"),
  request_id: z.string(),
  request: z.object({
    subtype: z.literal("mcp_message"),
    server_name: z.literal(SERVER),
    message: z.object({
      id: z.union([z.string(), z.number()]).optional(),
      method: z.string(),
      params: z
        .object({
          protocolVersion: z.string().optional(),
          _meta: z.object({ "claudecode/toolUseId": z.string().optional() }).optional(),
        })
        .optional(),
    }),
  }),
});
const Line = z.union([Lifecycle, TaskStarted, CompactBoundary, Results, Ended, Asks, AsksServer]);
const ToolResultBlock = z.looseObject({
  type: z.literal("tool_result"),
  tool_use_id: z.string(),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]).nullish(),
  is_error: z.boolean().nullish(),
});
const TextBlock = z.object({ type: z.literal("text"), text: z.string() });
const ImageBlock = z.object({
  type: z.literal("image"),
  source: z.object({ type: z.literal("base64"), media_type: z.string(), data: z.string() }),
});

/** Returns the meaning of a line of the program's output; null for a line that is not used. Never throws. */
export function readLine(line: string): OutputEvent | null {
  if (line.length > MAX_LINE_CHARACTERS) return tooLong(line);
  const json = parse(line);
  if (json === undefined) return line.trim() === "" ? null : { type: "noise", text: line };
  const parsed = Line.safeParse(json);
  if (!parsed.success) return null;
  const said = parsed.data;
  switch (said.type) {
    case "command_lifecycle":
      if (said.state === "started") return { type: "begun", uuid: said.command_uuid };
      return said.state === "completed" ? { type: "done", uuid: said.command_uuid } : null;
    case "system":
      if (said.subtype === "compact_boundary") {
        return { type: "compacted", tokensBefore: said.compact_metadata.pre_tokens };
      }
      return {
        type: "agent",
        agentId: said.task_id,
        toolUseId: said.tool_use_id,
        agentType: said.subagent_type,
        prompt: said.prompt,
      };
    case "control_request": {
      const { request, request_id: requestId } = said;
      if (request.subtype === "can_use_tool") {
        return { type: "ask", requestId, toolUseId: request.tool_use_id };
      }
      const { id, method, params } = request.message;
      const toolUseId = params?._meta?.["claudecode/toolUseId"];
      const { protocolVersion } = params ?? {};
      return { type: "server", request: { requestId, id, method, protocolVersion, toolUseId } };
    }
    case "user":
      return heardResults(said);
    case "result":
      return {
        type: "ended",
        failure: said.is_error ? failureOf(said) : null,
        ...(said.is_error && said.api_error === "connection_failed" && { unreached: true }),
      };
  }
}

function heardResults({
  message,
  tool_result_meta: meta,
}: z.infer<typeof Results>): OutputEvent | null {
  const results = resultsIn(message.content, meta);
  return results.length === 0 ? null : { type: "results", results };
}

/** The result of a call, under the call's id. */
export interface CallResult {
  toolUseId: string;
  result: ToolResult;
}

/** Returns the results of calls among content blocks. */
export function resultsIn(
  content: readonly unknown[],
  meta?: z.infer<typeof Results>["tool_result_meta"],
): CallResult[] {
  return content.flatMap((block) => {
    const parsed = ToolResultBlock.safeParse(block);
    if (!parsed.success) return [];
    const { tool_use_id: toolUseId, content, is_error } = parsed.data;
    const kept = toolContent(content ?? "");
    const notMade =
      meta?.some(({ id, non_execution_kind }) => id === toolUseId && non_execution_kind) ||
      (typeof kept === "string" && kept.startsWith("<tool_use_error>"));
    const result: ToolResult = {
      content: kept,
      ...(is_error && { isError: true }),
      ...(notMade && { refused: true }),
    };
    return [{ toolUseId, result }];
  });
}

function toolContent(content: string | { type: string }[]): ToolContent {
  if (typeof content === "string") return content;
  return content.map((block) => {
    const known = z.union([TextBlock, ImageBlock]).safeParse(block);
    return known.success ? known.data : { type: "text", text: `[${block.type}]` };
  });
}

function failureOf({ result, errors, subtype }: z.infer<typeof Ended>): string {
  return result || errors?.join(" ") || subtype || "it did not say why";
}

function tooLong(line: string): OutputEvent | null {
  const toolUseId = /"tool_use_id":"([\w-]+)"/.exec(line.slice(0, 2_000))?.[1];
  if (toolUseId === undefined) return null;
  const content = "The result is too large to be kept.";
  return { type: "results", results: [{ toolUseId, result: { content } }] };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
