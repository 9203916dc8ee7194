import { z } from "zod";
import { resolveFrom } from "../../sandbox/paths";
import type { CommandResult } from "../../sandbox/sandbox";
import { quote } from "../../shared/quote";
import type { Tool, ToolResult } from "../tool";
import { expandBraces } from "./glob-pattern";
import { fitting } from "./lines";
import { counted, failed } from "./result";
import { runCommand, searchId } from "./run-command";

const DEFAULT_LINES = 250;
const MAX_LINE_CHARS = 500;
const MAX_CHARS = 30_000;
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 1024 ** 2;

const lines = z.int().nonnegative().optional();

const Input = z.object({
  pattern: z.string().min(1).describe("The regular expression to look for, in ripgrep's syntax"),
  path: z
    .string()
    .optional()
    .describe("The file or directory to search; the working directory if absent"),
  glob: z
    .string()
    .optional()
    .describe("Only files whose path matches, such as *.ts or src/**/*.{js,ts}"),
  type: z
    .string()
    .optional()
    .describe("Only files of this type of ripgrep's, such as js, py or rust"),
  output_mode: z
    .enum(["content", "files_with_matches", "count"])
    .default("files_with_matches")
    .describe(
      "Show the matching lines, the files that have some (the default), or how many each has",
    ),
  "-A": lines.describe("Lines to show after each match; for content"),
  "-B": lines.describe("Lines to show before each match; for content"),
  "-C": lines.describe("Lines to show before and after each match; for content"),
  context: lines.describe("The same as -C"),
  "-n": z.boolean().default(true).describe("Show line numbers, as is the default; for content"),
  "-i": z.boolean().default(false).describe("Take upper and lower case as the same"),
  "-o": z.boolean().default(false).describe("Show only what matched of each line; for content"),
  head_limit: lines.describe(`Lines of output to show, ${DEFAULT_LINES} unless given; 0 for all`),
  offset: lines.describe("Lines of output to skip"),
  multiline: z.boolean().default(false).describe("Let a match go over line ends, and . match them"),
});

type Input = z.infer<typeof Input>;

/** Searches the contents of files. */
export const grep: Tool<Input> = {
  name: "Grep",
  effect: "reading",
  description: `Searches the files of the sandbox with ripgrep.
- The pattern is a regular expression: escape braces, brackets and parentheses that are meant as such.
- Hidden files are searched too; what .gitignore names, .git and binary files are not.
- Paths are given from the working directory when that is what was searched, and absolute otherwise.`,
  input: Input,

  async run(input, context) {
    const root = resolveFrom(context.cwd, input.path ?? ".");
    const command = searchCommand(root, input);
    const bounds = { timeoutMs: TIMEOUT_MS, maxOutputBytes: MAX_OUTPUT_BYTES };
    const result = await runCommand({ id: searchId(context), command, ...bounds }, context);
    if (!result) return failed("The search was interrupted.");
    return report(result, input, root === context.cwd ? "" : root);
  },
};

/**
 * Returns the shell command of a search. It uses only flags that ripgrep and the embedded sandbox's share, and
 * none by its default, as those differ.
 */
function searchCommand(root: string, input: Input): string {
  const flags = [
    "--sort path --hidden --with-filename",
    input["-i"] ? "-i" : "-s",
    modeFlags(input),
  ];
  if (input.multiline) flags.push("-U --multiline-dotall");
  if (input.type !== undefined) flags.push(`--type=${quote(input.type)}`);
  for (const glob of [...globsOf(input.glob), "!.git"]) flags.push(`--glob=${quote(glob)}`);
  const search = `rg ${flags.join(" ")} --regexp=${quote(input.pattern)}`;

  // One line more than is shown reveals that there are more. `sed` reads to the end, unlike `head`, so that the
  // search does not fail; its exit code is the pipe's.
  const { offset = 0, head_limit: limit = DEFAULT_LINES } = input;
  const last = limit === 0 ? "$" : offset + limit + 1;
  const place = quote(root);
  return `set -o pipefail
if [ -d ${place} ]; then cd ${place} && ${search} .
elif [ -e ${place} ]; then ${search} ${place}
else echo ${place} does not exist. >&2; exit 3
fi | sed -n '${offset + 1},${last}p' | cut -c 1-${4 * MAX_LINE_CHARS + 1}`;
}

function modeFlags(input: Input): string {
  switch (input.output_mode) {
    case "files_with_matches":
      return "-l";
    case "count":
      return "-c";
    case "content": {
      const around = input["-C"] ?? input.context ?? 0;
      const [before, after] = [input["-B"] ?? around, input["-A"] ?? around];
      const flags = [input["-n"] ? "-n" : "-N", `-B ${before} -A ${after}`];
      return [...flags, ...(input["-o"] ? ["-o"] : [])].join(" ");
    }
  }
}

/**
 * Returns the globs for ripgrep: the embedded sandbox's has no braces, and its leading `**` needs at least one
 * directory.
 */
function globsOf(glob: string | undefined): string[] {
  if (glob === undefined) return [];
  return expandBraces(glob).flatMap((one) => (one.startsWith("**/") ? [one, one.slice(3)] : [one]));
}

function report(result: CommandResult, input: Input, root: string): ToolResult {
  const { exitCode, ended, stderr } = result;
  if (ended !== "exited") {
    return failed("The search took too long. Narrow it with path, glob or type.");
  }
  if (exitCode === 127) {
    return failed("ripgrep (rg) is not in this sandbox. Search with grep in Bash, or install it.");
  }
  if (exitCode > 1 && result.stdout === "") return failed(stderr.trim() || `Exit code ${exitCode}`);

  const found = result.stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => placed(line, root));
  if (found.length === 0) return { content: "No matches found." };

  const { offset = 0, head_limit: limit = DEFAULT_LINES } = input;
  const shown = fitting(limit === 0 ? found : found.slice(0, limit), MAX_CHARS);
  const notes = [];
  if (shown.length < found.length) {
    notes.push(`[There are more. Go on with offset ${offset + shown.length}.]`);
  }
  // Such as a file without read permission: the rest was searched.
  if (exitCode > 1) notes.push(`[${stderr.trim()}]`);
  const count = counted(shown.length, "file");
  const head = input.output_mode === "files_with_matches" ? [`Found ${count}:`] : [];
  return { content: [...head, ...shown, ...notes].join("\n") };
}

/** Returns a line of output with its path relative to the working directory, cut if it is long. */
function placed(line: string, root: string): string {
  if (line === "--") return line;
  const path = line.replace(/^\.\//, "");
  const whole = root === "" || path.startsWith("/") ? path : `${root}/${path}`;
  return whole.length <= MAX_LINE_CHARS ? whole : `${whole.slice(0, MAX_LINE_CHARS)} [...]`;
}
