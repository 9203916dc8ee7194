import { z } from "zod";
import { joinOutput } from "../../sandbox/output";
import { parentOf } from "../../sandbox/paths";
import type { CommandResult, FoundCommand } from "../../sandbox/sandbox";
import type { Tool, ToolContext, ToolResult } from "../tool";
import { counted, failed, keepEnds } from "./result";
import { runCommand } from "./run-command";

const DEFAULT_TIMEOUT_MS = 120_000;
const MAX_TIMEOUT_MS = 600_000;

/** The bytes of each stream that the sandbox keeps. */
const MAX_OUTPUT_BYTES = 1024 ** 2;

/** The characters of output that the model reads at once. Of a failure the beginning and the end are enough. */
const MAX_CHARS = 30_000;
const MAX_FAILURE_CHARS = 10_000;

const Input = z.object({
  command: z.string().min(1).describe("The command to run"),
  timeout: z
    .number()
    .positive()
    .max(MAX_TIMEOUT_MS)
    .optional()
    .describe(
      `Milliseconds after which it is stopped: ${DEFAULT_TIMEOUT_MS} unless given, at most ${MAX_TIMEOUT_MS}`,
    ),
  description: z
    .string()
    .optional()
    .describe("What the command does, in a few words, for people who watch"),
  run_in_background: z.boolean().optional().describe("Not available here"),
});

/** Runs a command in the sandbox's shell. */
export const bash: Tool<z.infer<typeof Input>> = {
  name: "Bash",
  effect: "acting",
  description: `Runs a command in a bash of the sandbox and shows what it wrote.
- Each command has a shell of its own. The working directory carries over to the next one, variables and functions do not.
- Nobody can answer a prompt: use flags that make programs go ahead without asking.
- Output of more than ${MAX_CHARS.toLocaleString("en-US")} characters is shown in part and saved to a file.
- To look at, find or change files prefer Read, Glob, Grep, Edit and Write.`,
  input: Input,

  async run({ command, timeout = DEFAULT_TIMEOUT_MS, run_in_background }, context) {
    if (run_in_background) {
      return failed(
        "Commands can't run in the background here. Run it without run_in_background, with a timeout that is long enough.",
      );
    }
    const { callId: id, cwd, env, commandRules, output } = context;
    const known = context.interrupted ? await lookUp(context) : undefined;
    if (known?.state === "unknown") {
      return failed(
        "This command was interrupted, and its effect is unknown: it may have done all, a part or nothing of its work. Look before you run it again.",
      );
    }
    const bounds = {
      timeoutMs: timeout,
      maxOutputBytes: MAX_OUTPUT_BYTES,
      overflow: {
        path: overflowPath(id),
        maxChars: MAX_CHARS,
        maxFailureChars: MAX_FAILURE_CHARS,
      },
    };
    const result =
      known?.state === "finished"
        ? known.result
        : // A command that still runs is waited for: its id is not run twice.
          await runCommand(
            { id, command, cwd, env, rules: commandRules, ...bounds },
            context,
            output,
          );
    if (!result) return failed("The command was interrupted.");
    if (result.cwd !== undefined && result.cwd !== cwd) context.setCwd(result.cwd);
    return report(result, timeout, context);
  },
};

async function lookUp({ sandbox, callId }: ToolContext): Promise<FoundCommand> {
  return (await sandbox.find?.(callId)) ?? { state: "unknown" };
}

async function report(
  result: CommandResult,
  timeoutMs: number,
  context: ToolContext,
): Promise<ToolResult> {
  const output = joinOutput(result);
  const failure = failureOf(result, timeoutMs, context.signal);
  if (failure === undefined) {
    return { content: (await shorten(output, MAX_CHARS, result, context)) || "(no output)" };
  }
  const shown = await shorten(output, MAX_FAILURE_CHARS, result, context);
  const parts = [failure, shown, await leaveMissingCwd(result, context)];
  return failed(parts.filter(Boolean).join("\n"));
}

function failureOf(
  { ended, exitCode }: CommandResult,
  timeoutMs: number,
  signal: AbortSignal,
): string | undefined {
  switch (ended) {
    case "timed_out":
      return `The command ran longer than ${counted(timeoutMs / 1000, "second")} and was stopped.`;
    case "killed":
      return signal.aborted ? "The command was interrupted." : "The command was killed.";
    case "exited":
      return exitCode === 0 ? undefined : `Exit code ${exitCode}`;
  }
}

/** Returns the head and tail of a long output, and where the rest is. */
async function shorten(
  output: string,
  maxChars: number,
  { truncated, overflowed }: CommandResult,
  { sandbox, callId }: ToolContext,
): Promise<string> {
  if (output.length <= maxChars) return output;
  const path = overflowPath(callId);
  const what = truncated ? "As much of the output as was kept" : "The whole output";
  const stored = overflowed
    ? Promise.resolve()
    : sandbox.writeFile(path, new TextEncoder().encode(output));
  const note = await stored.then(
    () => `${what}, ${counted(output.length, "character")}, is in ${path}.`,
    () => "The rest of the output could not be saved.",
  );
  return `${keepEnds(output, maxChars)}\n[${note}]`;
}

/** Returns the path of the file for a call's long output. */
const overflowPath = (callId: string): string =>
  `/tmp/rigger/${callId.replace(/[^\w.-]/g, "_")}.txt`;

/** Moves the agent out of a deleted directory: no shell starts in one, so no `cd` could leave it. */
async function leaveMissingCwd(
  { stdout, stderr }: CommandResult,
  { sandbox, cwd, setCwd }: ToolContext,
): Promise<string | undefined> {
  if (cwd === "/" || stdout !== "" || !stderr.includes(cwd)) return undefined;
  // A directory cannot be read, which is an error; null means that nothing is there.
  const content = await sandbox.readFile(cwd).catch(() => undefined);
  if (content !== null) return undefined;
  setCwd(parentOf(cwd));
  return `[The working directory ${cwd} is gone. The next command starts in ${parentOf(cwd)}.]`;
}
