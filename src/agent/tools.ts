import { z } from "zod";
import { SandboxError } from "../sandbox/sandbox";
import type { Tool, ToolContext, ToolResult } from "./tool";
import { bash } from "./tools/bash";
import { edit } from "./tools/edit";
import { glob } from "./tools/glob";
import { grep } from "./tools/grep";
import { read } from "./tools/read";
import { todoWrite } from "./tools/todo-write";
import { webFetch } from "./tools/web-fetch";
import { webSearch } from "./tools/web-search";
import { write } from "./tools/write";

/** A tool whose input has been parsed: what the registry knows of each. */
type AnyTool = Omit<Tool, "run"> & {
  runParsed(input: unknown, context: ToolContext): Promise<ToolResult>;
};

/** Ties a tool's parser to its function, so that input is always of the tool's own type. */
function registered<Input>(tool: Tool<Input>): AnyTool {
  const { run, ...rest } = tool;
  return {
    ...rest,
    async runParsed(input, context) {
      const parsed = tool.input.safeParse(input);
      if (parsed.success) return run(parsed.data, context);
      const issues = parsed.error.issues.map(({ path, message }) => {
        return `${path.join(".") || "input"}: ${message}`;
      });
      return { content: `The input of ${tool.name} is wrong. ${issues.join("; ")}`, isError: true };
    },
  };
}

/** Every tool there is, in the order in which the model is told of them. */
export const TOOLS: readonly AnyTool[] = [
  registered(read),
  registered(write),
  registered(edit),
  registered(bash),
  registered(glob),
  registered(grep),
  registered(todoWrite),
  registered(webFetch),
  registered(webSearch),
];

const byName = new Map(TOOLS.map((tool) => [tool.name, tool]));

/** The tool of a name; undefined when there is none. */
export const findTool = (name: string): AnyTool | undefined => byName.get(name);

const definitions = new Map(
  TOOLS.map(({ name, description, input }) => {
    const { $schema: _, ...schema } = z.toJSONSchema(input, { io: "input" });
    return [name, { name, description, input_schema: { ...schema, type: "object" as const } }];
  }),
);

/** What the model is told of tools, in an order that never changes, so that it is read from the cache. */
export const toolDefinitions = (tools: readonly Pick<AnyTool, "name">[]) =>
  tools.flatMap(({ name }) => definitions.get(name) ?? []);

/** Runs a tool on what the model gave. Never rejects: what went wrong is a result that the model reads. */
export async function runTool(
  tool: AnyTool,
  input: unknown,
  context: ToolContext,
): Promise<ToolResult> {
  try {
    return await tool.runParsed(input, context);
  } catch (error) {
    if (context.signal.aborted) return { content: "The call was stopped.", isError: true };
    const why = error instanceof Error ? error.message : String(error);
    const where = error instanceof SandboxError ? "The sandbox failed" : `${tool.name} failed`;
    return { content: `${where}: ${why}`, isError: true };
  }
}
