import { z } from "zod";
import { resolveFrom } from "../../sandbox/paths";
import type { Tool } from "../tool";
import { counted, failed } from "./result";

/** The most files of one call. */
const MAX_FILES = 50;

const Input = z.object({
  paths: z
    .array(z.string().min(1))
    .min(1)
    .max(MAX_FILES)
    .describe(`The files, best as absolute paths; ${MAX_FILES} at most`),
  description: z
    .string()
    .trim()
    .min(1)
    .max(1_000)
    .optional()
    .describe("What they are, in a few words, for whoever receives them"),
});

const describe = (
  start: string,
): string => `Hands files over to the people you work for, as results of your work.
- A file must be in the directory where you started, or below it. A relative path starts at ${start}.
- They get each file as it is now, and keep it when the sandbox is gone. Publish it again after a change.
- A directory can't be published: pack it into one file first.
- Publish what was asked for, not drafts or helpers.`;

/** Publishes files of the workspace. A repeated call publishes nothing twice. */
export const publish: Tool<z.infer<typeof Input>, "cwd" | "publishFile"> = {
  name: "Publish",
  effect: "journaled",
  description: describe("the working directory"),
  input: Input,

  async run({ paths, description }, { cwd, publishFile }) {
    if (!publishFile) return failed("Nothing can be published in this session.");
    const lines: string[] = [];
    let isError = false;
    for (const path of new Set(paths.map((one) => resolveFrom(cwd, one)))) {
      const published = await publishFile(path, description ?? null);
      if (published.ok) {
        lines.push(`Published ${path} (${counted(published.sizeBytes, "byte")}).`);
      } else {
        isError = true;
        lines.push(`${path} was not published: ${published.message}.`);
      }
    }
    return { content: lines.join("\n"), isError };
  },
};

/** Publish for Claude Code, of which the session does not know the working directory: `cwd` has to be the workspace. */
export const publishOfProgram: typeof publish = {
  ...publish,
  description: describe("the directory where you started"),
};
