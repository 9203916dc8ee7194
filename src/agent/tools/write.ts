import { z } from "zod";
import type { Tool } from "../tool";
import { splitLines } from "./lines";
import { counted } from "./result";
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

  run({ file_path, content }, context) {
    return changeShared(file_path, context, (path) => ({
      bytes: new TextEncoder().encode(content),
      result: { content: `Wrote ${counted(splitLines(content).length, "line")} to ${path}.` },
    }));
  },
};
