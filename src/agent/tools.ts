import { z } from "zod";
import { messageOf, SandboxError } from "../sandbox/sandbox";
import type { ClientTool, Tool, ToolContent, ToolContext, ToolResult } from "./tool";
import { bash } from "./tools/bash";
import { edit } from "./tools/edit";
import { glob } from "./tools/glob";
import { grep } from "./tools/grep";
import { publish } from "./tools/publish";
import { read } from "./tools/read";
import { failed } from "./tools/result";
import { sendMessage } from "./tools/send-message";
import { task } from "./tools/task";
import { todoWrite } from "./tools/todo-write";
import { wake } from "./tools/wake";
import { webFetch } from "./tools/web-fetch";
import { webSearch } from "./tools/web-search";
import { write } from "./tools/write";

/** The tools of an agent. */
export const TOOLS: readonly Tool[] = [
  bash,
  edit,
  glob,
  grep,
  publish,
  read,
  sendMessage,
  task,
  todoWrite,
  wake,
  webFetch,
  webSearch,
  write,
];

/** Returns the tool of a name; undefined if there is none. */
export function findTool(name: string): Tool | undefined {
  return TOOLS.find((tool) => tool.name === name);
}

/** A tool in the Messages API's form. */
export interface ToolDefinition {
  name: string;
  description: string;
  input_schema: { type: "object"; properties?: object; required?: readonly string[] };
}

/** Returns the API's `tools` for these tools. The order is fixed, since a prompt is cached from its beginning. */
export function toolDefinitions(
  tools: readonly Tool[],
  ofClient: readonly ClientTool[] = [],
): ToolDefinition[] {
  const given = ofClient.map(({ name, description, inputSchema }) => ({
    ...{ name, description, input_schema: inputSchema as ToolDefinition["input_schema"] },
  }));
  return [...tools.map(definitionOf), ...given].sort((one, other) =>
    one.name < other.name ? -1 : 1,
  );
}

/** Validates the input of a call and runs it. Never rejects: every failure is a result that the model reads. */
export async function runTool<Needs extends keyof ToolContext>(
  tool: Tool<unknown, Needs>,
  rawInput: unknown,
  context: Pick<ToolContext, Needs> & Pick<ToolContext, "signal">,
): Promise<ToolResult> {
  const input = tool.input.safeParse(rawInput);
  if (!input.success) return failed(`${tool.name} can't use this input.\n${problems(input.error)}`);
  try {
    context.signal.throwIfAborted();
    const result = await tool.run(input.data, context);
    return { ...result, content: wellFormed(result.content) };
  } catch (error) {
    return failed(
      context.signal.aborted ? "The call was interrupted." : reason(tool, error).toWellFormed(),
    );
  }
}

/** Definitions by tool: every call of the model needs them. */
const definitions = new WeakMap<Tool, ToolDefinition>();

function definitionOf(tool: Tool): ToolDefinition {
  const known = definitions.get(tool);
  if (known) return known;
  const { name, description } = tool;
  const { properties = {}, required = [] } = z.toJSONSchema(tool.input, {
    io: "input",
    // The bound of all integers tells the model nothing.
    override: ({ jsonSchema }) => {
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  const definition = {
    name,
    description,
    input_schema: { type: "object", properties, required },
  } as const;
  definitions.set(tool, definition);
  return definition;
}

function problems(error: z.ZodError): string {
  return error.issues
    .map(({ path, message }) => `${path.join(".") || "input"}: ${message}`)
    .join("\n");
}

/** Returns a result's content without lone surrogates, which the API rejects; a cut in the middle of a pair leaves one. */
export function wellFormed(content: ToolContent): ToolContent {
  if (typeof content === "string") return content.toWellFormed();
  return content.map((block) =>
    block.type === "text" ? { ...block, text: block.text.toWellFormed() } : block,
  );
}

function reason(tool: Pick<Tool, "name">, error: unknown): string {
  const message = messageOf(error);
  if (!(error instanceof SandboxError)) return `${tool.name} failed: ${message}`;
  return `The sandbox could not do this: ${message}${error.transient ? ". It may work when tried again." : ""}`;
}
