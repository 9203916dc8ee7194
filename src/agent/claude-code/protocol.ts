// What is said to Claude Code and what it says, one line of JSON each. Its replies are not among what is
// heard here: they pass through us as its model calls, and are written down there.

import { z } from "zod";
import type { Prompt } from "../../events/event";
import type { ToolContent, ToolResult } from "../tool";

/** A line that is longer says only which tool's result it is. */
const MAX_LINE_CHARACTERS = 8 << 20;

/** What a line means. Whatever means nothing to a session is null. */
export type OutputEvent =
  /** A prompt is worked on from here. */
  | { type: "begun"; uuid: string }
  /** A prompt is done with; without having begun, it is one that the transcript knows already. */
  | { type: "done"; uuid: string }
  /** An agent was started by a call. Its own calls of the model carry its id. */
  | { type: "agent"; agentId: string; toolUseId: string; agentType: string; prompt: string }
  | { type: "results"; results: CallResult[] }
  | { type: "compacted"; tokensBefore: number }
  /** Everything there was to do is done. */
  | { type: "ended"; failure: string | null }
  /** No line of the protocol: what a program says that can't start. */
  | { type: "noise"; text: string };

/** Returns the line that gives the program a prompt. The same `uuid` again is not answered again. */
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

/** Returns the line that stops what the program is doing. It goes on with the next line. */
export function interruptLine(requestId: string): string {
  const request = { subtype: "interrupt" };
  return JSON.stringify({ type: "control_request", request_id: requestId, request });
}

/** The program takes a text that begins with a stroke for a command of its own. */
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
  result: z.string().nullish(),
  errors: z.array(z.string()).nullish(),
  subtype: z.string().default(""),
});
const Line = z.union([Lifecycle, TaskStarted, CompactBoundary, Results, Ended]);
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

/** Returns what a line of the program's output means; null for what is of no interest. Never throws. */
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
    case "user":
      return heardResults(said);
    case "result":
      return { type: "ended", failure: said.is_error ? failureOf(said) : null };
  }
}

function heardResults({
  message,
  tool_result_meta: meta,
}: z.infer<typeof Results>): OutputEvent | null {
  const results = resultsIn(message.content, meta);
  return results.length === 0 ? null : { type: "results", results };
}

/** A result of a call, under the call's id. */
export interface CallResult {
  toolUseId: string;
  result: ToolResult;
}

/** Returns the results of calls among some blocks. */
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
