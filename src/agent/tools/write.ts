import { z } from "zod";
import { hashOf } from "../../sandbox/change-file";
import { resolveFrom } from "../../sandbox/paths";
import type { Tool } from "../tool";
import { splitLines } from "./lines";
import { counted, failed } from "./result";
import { changeShared } from "./shared";

const Input = z.object({
  file_path: z.string().min(1).describe("The file, best as an absolute path"),
  content: z.string().describe("All that the file is to hold"),
});

/** Writes a whole file. An interrupted call writes it again: the same bytes to the same place. */
export const write: Tool<z.infer<typeof Input>> = {
  name: "Write",
  effect: "acting",
  description: `Writes a file of the sandbox, with all its content.
- What the file held before is lost: look at it first, and prefer Edit for a change to a part of it.
- Directories above it are made. A relative path starts at the working directory.`,
  input: Input,

  async run({ file_path, content }, context) {
    const path = resolveFrom(context.cwd, file_path);
    const bytes = new TextEncoder().encode(content);
    if (context.files && context.files.seen(path) !== undefined) {
      // An interrupted call may have written the file already.
      const written = context.interrupted ? await hashOf(bytes) : undefined;
      const changed = await changeShared(path, { content: bytes }, context, written);
      if ("unchanged" in changed) return failed(`${path} was not changed: ${changed.unchanged}`);
    } else {
      await context.sandbox.writeFile(path, bytes);
    }
    return { content: `Wrote ${counted(splitLines(content).length, "line")} to ${path}.` };
  },
};
