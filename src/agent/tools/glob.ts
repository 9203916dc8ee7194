import { z } from "zod";
import { resolveFrom } from "../../sandbox/paths";
import { quote } from "../../shared/quote";
import type { Tool } from "../tool";
import { globToRegex } from "./glob-pattern";
import { failed } from "./result";
import { runCommand, searchId } from "./run-command";

const MAX_FILES = 100;
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 512 * 1024;

/** Directories of generated or installed files, which searches skip. */
export const SKIPPED = [".git", "node_modules"];

const Input = z.object({
  pattern: z
    .string()
    .min(1)
    .describe("The glob that a file's path must match, such as src/**/*.ts"),
  path: z.string().optional().describe("The directory to look in; the working directory if absent"),
});

/** Finds files by their names. */
export const glob: Tool<z.infer<typeof Input>> = {
  name: "Glob",
  effect: "reading",
  description: `Finds files of the sandbox by name: their absolute paths, the last changed first, ${MAX_FILES} at most.
- * and ? stand for what is within a name, ** for any number of directories, {a,b} for either.
- The pattern is for the path below the directory: *.ts finds files right in it, **/*.ts at any depth.
- What is in .git and node_modules is left out, unless the pattern or path names them.`,
  input: Input,

  async run(input, context) {
    const { root, pattern } = searchOf(input, context.cwd);
    const command = findCommand(root, pattern);
    const bounds = { timeoutMs: TIMEOUT_MS, maxOutputBytes: MAX_OUTPUT_BYTES };
    const result = await runCommand({ id: searchId(context), command, ...bounds }, context);
    if (!result) return failed("The search was interrupted.");
    if (result.ended !== "exited") {
      return failed(`The search in ${root} took too long. Look in a smaller directory.`);
    }
    if (result.exitCode > 1) return failed(result.stderr.trim());

    const found = result.stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => pathOf(line, root));
    if (found.length === 0) return { content: `No files in ${root} match ${pattern}.` };
    if (found.length > MAX_FILES) {
      found[MAX_FILES] =
        `[There are more than these ${MAX_FILES}. Use a narrower pattern or path.]`;
    }
    return { content: found.join("\n") };
  },
};

/**
 * Returns the directory where a search starts, and the pattern below it. Plain directories at the beginning of
 * a pattern belong to the former.
 */
export function searchOf(
  { pattern, path = "." }: { pattern: string; path?: string | undefined },
  cwd: string,
): { root: string; pattern: string } {
  const plain = /^(?:[^*?[\]{}/]*\/)*/.exec(pattern)?.[0] ?? "";
  const base = resolveFrom(cwd, path);
  return { root: resolveFrom(base, plain || "."), pattern: pattern.slice(plain.length) };
}

/**
 * Lists one line for each file: its time of change, a blank, and its path below the root. As with `grep`, exit
 * code 1 means that nothing was found or may be seen, and 2 that the search failed.
 */
function findCommand(root: string, pattern: string): string {
  const skipped = SKIPPED.filter((name) => !`${root}/${pattern}/`.includes(`/${name}/`));
  const prune = skipped.map((name) => `-name ${name}`).join(" -o ");
  const regex = globToRegex(pattern).replace("^", "^[0-9.]+ ");
  return [
    "set -o pipefail",
    `cd ${quote(root)} || exit 2`,
    [
      `find . -mindepth 1 ${prune && `\\( ${prune} \\) -prune -o `}-type f -printf '%T@ %P\\n'`,
      `grep -E ${quote(regex)}`,
      "sort -rn",
      // `head` would stop reading, so that the writer fails.
      `sed -n '1,${MAX_FILES + 1}p'`,
    ].join(" | "),
  ].join("\n");
}

function pathOf(line: string, root: string): string {
  return resolveFrom(root, line.slice(line.indexOf(" ") + 1));
}
