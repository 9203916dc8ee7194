import { z } from "zod";
import type { Tool } from "../tool";
import { absolutePath } from "./text";

const Input = z.object({
  file_path: z.string().min(1).describe("The file, absolute or relative to the working directory."),
  content: z.string().describe("All that the file is to hold."),
});

/** Writes a whole file. */
export const write: Tool<z.infer<typeof Input>> = {
  name: "Write",
  description: "Writes a file, in place of what it held before. Directories are made as needed.",
  effect: "acting",
  input: Input,
  async run({ file_path, content }, context) {
    const path = absolutePath(file_path, context.cwd);
    const existed = (await context.sandbox.readFile(path)) !== null;
    await context.sandbox.writeFile(path, new TextEncoder().encode(content));
    return { content: `${existed ? "Replaced" : "Created"} ${path}.` };
  },
};
