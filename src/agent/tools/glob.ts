import { z } from "zod";
import type { Tool } from "../tool";
import { absolutePath, quote } from "./text";

const MAX_FILES = 100;
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 4 << 20;

const Input = z.object({
  pattern: z.string().min(1).describe("What the files' paths match, such as src/**/*.ts."),
  path: z
    .string()
    .optional()
    .describe("The directory to look in; the working directory if left out."),
});

/** Finds files by a pattern of their paths, the newest first. */
export const glob: Tool<z.infer<typeof Input>> = {
  name: "Glob",
  description: "Finds files whose paths match a pattern, those changed last first.",
  effect: "reading",
  input: Input,
  async run({ pattern, path = "." }, context) {
    const root = absolutePath(path, context.cwd);
    // `find` is everywhere; which of its files match is decided here, the same on every provider.
    const command = `find ${quote(root)} -type f -not -path '*/.git/*' -printf '%T@ %p\\n'`;
    const found = await context.sandbox.run({
      id: context.callId,
      command,
      timeoutMs: TIMEOUT_MS,
      maxOutputBytes: MAX_OUTPUT_BYTES,
    });
    if (found.exitCode !== 0 && found.stdout === "") {
      return { content: found.stderr.trim() || "The directory can't be read.", isError: true };
    }
    const matches = matcher(pattern.startsWith("/") ? pattern : `${root}/${pattern}`);
    const files = found.stdout
      .split("\n")
      .flatMap((line) => {
        const space = line.indexOf(" ");
        return space < 0 ? [] : [{ at: Number(line.slice(0, space)), path: line.slice(space + 1) }];
      })
      .filter((file) => matches(file.path))
      .sort((a, b) => b.at - a.at || a.path.localeCompare(b.path));
    if (files.length === 0) return { content: "No files match." };
    const shown = files.slice(0, MAX_FILES).map((file) => file.path);
    if (files.length > MAX_FILES || found.truncated) {
      shown.push(`(the first ${shown.length} of ${found.truncated ? "many" : files.length})`);
    }
    return { content: shown.join("\n") };
  },
};

/** A test of absolute paths by a glob pattern: `*`, `**`, `?`, `[a-z]`, `{a,b}`. */
export function matcher(pattern: string): (path: string) => boolean {
  const expression = new RegExp(`^${translate(pattern)}$`, "u");
  return (path) => expression.test(path);
}

function translate(pattern: string): string {
  let out = "";
  let braces = 0;
  for (let i = 0; i < pattern.length; i++) {
    const rest = pattern.slice(i);
    const character = pattern[i] ?? "";
    if (rest.startsWith("**/")) {
      out += "(?:[^/]+/)*";
      i += 2;
    } else if (rest.startsWith("**")) {
      out += ".*";
      i += 1;
    } else if (character === "*") out += "[^/]*";
    else if (character === "?") out += "[^/]";
    else if (character === "{") {
      out += "(?:";
      braces++;
    } else if (character === "}" && braces > 0) {
      out += ")";
      braces--;
    } else if (character === "," && braces > 0) out += "|";
    else if (character === "[" && rest.indexOf("]", 2) > 0) {
      const end = rest.indexOf("]", 2);
      const set = rest.slice(1, end).replaceAll("\\", "\\\\").replace(/^!/, "^");
      out += `[${set.replaceAll("[", "\\[")}]`;
      i += end;
    } else out += character.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
  }
  return out + ")".repeat(braces);
}
