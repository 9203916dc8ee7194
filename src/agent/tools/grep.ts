import { z } from "zod";
import type { Tool } from "../tool";
import { absolutePath, headAndTail, quote } from "./text";

const DEFAULT_HEAD_LIMIT = 250;
const MAX_CHARACTERS = 30_000;
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 4 << 20;

const count = z.number().int().nonnegative().optional();
const Input = z.object({
  pattern: z.string().min(1).describe("A regular expression."),
  path: z.string().optional().describe("A file or directory; the working directory if left out."),
  glob: z.string().optional().describe("Only files whose names match, such as *.ts."),
  type: z
    .string()
    .optional()
    .describe("Only files of a type that ripgrep knows, such as js or py."),
  output_mode: z.enum(["content", "files_with_matches", "count"]).default("files_with_matches"),
  "-A": count.describe("Lines to show after a match."),
  "-B": count.describe("Lines to show before a match."),
  "-C": count.describe("Lines to show around a match."),
  context: count.describe("The same as -C."),
  "-n": z.boolean().default(true).describe("Show line numbers."),
  "-i": z.boolean().default(false).describe("Ignore case."),
  "-o": z.boolean().default(false).describe("Show only what matches."),
  head_limit: count.describe("How many lines of result to show; 250 if left out, 0 for all."),
  offset: count.describe("How many lines of result to pass over."),
  multiline: z.boolean().default(false).describe("Let a match go over several lines."),
});

/** Searches the content of files with ripgrep. */
export const grep: Tool<z.infer<typeof Input>> = {
  name: "Grep",
  description: "Searches files for a regular expression with ripgrep.",
  effect: "reading",
  input: Input,
  async run(input, context) {
    const result = await context.sandbox.run({
      id: context.callId,
      command: command(input, context.cwd),
      timeoutMs: TIMEOUT_MS,
      maxOutputBytes: MAX_OUTPUT_BYTES,
    });
    // ripgrep exits with 1 when nothing matches.
    if (result.exitCode === 1 && result.stderr === "") return { content: "No matches." };
    if (result.exitCode > 1)
      return { content: result.stderr || "The search failed.", isError: true };
    const lines = result.stdout.replace(/\n$/, "").split("\n");
    const { offset = 0, head_limit = DEFAULT_HEAD_LIMIT } = input;
    const end = head_limit === 0 ? lines.length : offset + head_limit;
    const shown = headAndTail(lines.slice(offset, end).join("\n"), MAX_CHARACTERS);
    if (end >= lines.length) return { content: shown };
    return { content: `${shown}\n(lines ${offset + 1} to ${end} of ${lines.length})` };
  },
};

function command(input: z.infer<typeof Input>, cwd: string): string {
  const flags: string[] = [];
  if (input.output_mode === "files_with_matches") flags.push("-l");
  if (input.output_mode === "count") flags.push("-c");
  if (input.output_mode === "content") {
    if (input["-n"]) flags.push("-n");
    if (input["-o"]) flags.push("-o");
    const around = input["-C"] ?? input.context;
    if (around !== undefined) flags.push("-C", String(around));
    if (input["-A"] !== undefined) flags.push("-A", String(input["-A"]));
    if (input["-B"] !== undefined) flags.push("-B", String(input["-B"]));
  }
  if (input["-i"]) flags.push("-i");
  if (input.multiline) flags.push("-U", "--multiline-dotall");
  if (input.glob !== undefined) flags.push("-g", quote(input.glob));
  if (input.type !== undefined) flags.push("-t", quote(input.type));
  const path = quote(absolutePath(input.path ?? ".", cwd));
  return `rg ${flags.join(" ")} -e ${quote(input.pattern)} -- ${path}`;
}
