import { z } from "zod";
import { resolveFrom } from "../../sandbox/paths";
import type { Tool } from "../tool";
import { splitLines } from "./lines";
import { counted } from "./result";

const Input = z.object({
  file_path: z.string().min(1).describe("The file, best as an absolute path"),
  content: z.string().describe("All that the file is to hold"),
});

/** Writes a whole file. A call that was cut off writes it again: the same bytes to the same place. */
export const write: Tool<z.infer<typeof Input>> = {
  name: "Write",
  effect: "acting",
  description: `Writes a file of the sandbox, with all its content.
- What the file held before is lost: look at it first, and prefer Edit for a change to a part of it.
- Directories above it are made. A relative path starts at the working directory.`,
  input: Input,

  async run({ file_path, content }, { sandbox, cwd }) {
    const path = resolveFrom(cwd, file_path);
    await sandbox.writeFile(path, new TextEncoder().encode(content));
    return { content: `Wrote ${counted(splitLines(content).length, "line")} to ${path}.` };
  },
};
