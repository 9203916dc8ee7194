import { z } from "zod";
import type { CommandResult } from "../../sandbox/sandbox";
import type { Tool, ToolContext, ToolResult } from "../tool";
import { headAndTail } from "./text";

const DEFAULT_TIMEOUT_MS = 120_000;
const MAX_TIMEOUT_MS = 600_000;
/** Kept of each stream; what goes to the model is less, the rest can be read from a file. */
const MAX_OUTPUT_BYTES = 1 << 20;
const MAX_SUCCESS_CHARACTERS = 30_000;
const MAX_FAILURE_CHARACTERS = 10_000;

const Input = z.object({
  command: z.string().min(1).describe("The command to run in bash."),
  timeout: z
    .number()
    .int()
    .positive()
    .max(MAX_TIMEOUT_MS)
    .optional()
    .describe("Milliseconds to allow; 120000 when left out, 600000 at most."),
  description: z.string().optional().describe("What the command does, in a few words."),
  run_in_background: z.boolean().optional().describe("Not available here."),
});

/** Runs a command in a shell of its own; the working directory is kept for the next one. */
export const bash: Tool<z.infer<typeof Input>> = {
  name: "Bash",
  description:
    "Runs a bash command in the workspace and returns its output. Every command is a shell of its own: " +
    "the working directory carries over to the next one, variables do not.",
  effect: "acting",
  input: Input,
  async run(input, context) {
    if (input.run_in_background) {
      return failure("Commands can't run in the background here. Run it in the foreground.");
    }
    if (context.interrupted) {
      const found = await context.sandbox.find?.(context.callId);
      if (found?.state === "finished") return report(found.result, context);
      if (found?.state !== "running") {
        return failure("The command was interrupted. Whether it took effect is not known.");
      }
    }
    const stop = () => void context.sandbox.kill(context.callId).catch(() => {});
    context.signal.addEventListener("abort", stop);
    try {
      const result = await context.sandbox.run(
        {
          id: context.callId,
          command: input.command,
          cwd: context.cwd,
          env: context.env,
          timeoutMs: input.timeout ?? DEFAULT_TIMEOUT_MS,
          maxOutputBytes: MAX_OUTPUT_BYTES,
        },
        context.output,
      );
      return await report(result, context);
    } finally {
      context.signal.removeEventListener("abort", stop);
    }
  },
};

const failure = (content: string): ToolResult => ({ content, isError: true });

/** Tells the model how a command ended, and keeps its working directory for the next one. */
async function report(result: CommandResult, context: ToolContext): Promise<ToolResult> {
  if (result.cwd !== undefined && result.cwd !== context.cwd) context.setCwd(result.cwd);
  const output = [result.stdout, result.stderr].filter((text) => text !== "").join("\n");
  if (result.ended === "exited" && result.exitCode === 0) {
    if (output.length <= MAX_SUCCESS_CHARACTERS) return { content: output };
    const path = `/tmp/rigger/${context.callId}.txt`;
    await context.sandbox.writeFile(path, new TextEncoder().encode(output));
    const shown = headAndTail(output, MAX_SUCCESS_CHARACTERS);
    return { content: `${shown}\n\nThe whole output is in ${path}.` };
  }
  return failure(`${endOf(result)}\n${headAndTail(output, MAX_FAILURE_CHARACTERS)}`.trimEnd());
}

function endOf(result: CommandResult): string {
  switch (result.ended) {
    case "exited":
      return `Exit code ${result.exitCode}`;
    case "timed_out":
      return "The command ran out of time and was stopped.";
    case "killed":
      return "The command was stopped.";
  }
}
