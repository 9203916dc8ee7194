import { checkInputSchema } from "./schema/json-schema";
import { misfitWith } from "./schema/output";
import type { ClientTool } from "./tool";
import { TOOLS } from "./tools";

// Tools of the caller: the model calls them like others, and whoever uses the session answers the calls.

/** Returns what is wrong with a session's client tools, each with its path; empty if all are valid. */
export function checkClientTools(
  tools: readonly ClientTool[],
): { path: string; message: string }[] {
  return tools.flatMap(({ name, inputSchema }, n) => {
    const problem = nameProblem(name, tools.slice(0, n));
    const issues = checkInputSchema(inputSchema).map(({ path, message }) => ({
      path: [n, "inputSchema", path].filter((part) => part !== "").join("."),
      message,
    }));
    return problem === undefined ? issues : [{ path: `${n}.name`, message: problem }, ...issues];
  });
}

function nameProblem(name: string, before: readonly ClientTool[]): string | undefined {
  if (TOOLS.some((tool) => tool.name === name)) return "is the name of a built-in tool";
  if (name.startsWith("mcp__")) return 'must not begin with "mcp__"';
  return before.some((tool) => tool.name === name) ? "is the name of another tool too" : undefined;
}

/** Returns why a tool's caller is not asked for a call with an input; undefined if the input fits. */
export const inputProblem = (
  { name, inputSchema }: ClientTool,
  input: unknown,
): string | undefined => {
  const why = misfitWith(inputSchema, input);
  return why === undefined ? undefined : `${name} can't use this input: ${why}.`;
};
