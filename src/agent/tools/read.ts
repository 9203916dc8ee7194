import { Buffer } from "node:buffer";
import { z } from "zod";
import type { Tool, ToolResult } from "../tool";
import { absolutePath, numbered } from "./text";

const MAX_LINES = 2_000;
const MAX_LINE_CHARACTERS = 2_000;
/** About 25,000 tokens. */
const MAX_CHARACTERS = 100_000;
/** What the API takes as one image, once it is base64. */
const MAX_IMAGE_BYTES = 3_750_000;

const IMAGE_TYPES: Record<string, string> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
};

const Input = z.object({
  file_path: z.string().min(1).describe("The file, absolute or relative to the working directory."),
  offset: z.number().int().positive().optional().describe("The first line to read, from 1."),
  limit: z.number().int().positive().optional().describe("How many lines to read, 2000 at most."),
  pages: z.string().optional().describe("Not available here."),
});

/** Reads a text file with line numbers, a notebook, or an image. */
export const read: Tool<z.infer<typeof Input>> = {
  name: "Read",
  description:
    "Reads a file. Text comes with line numbers, 2000 lines at a time: go on with offset. Images can be looked at.",
  effect: "reading",
  input: Input,
  async run({ file_path, offset = 1, limit = MAX_LINES }, context) {
    const path = absolutePath(file_path, context.cwd);
    const bytes = await context.sandbox.readFile(path);
    if (bytes === null) return failure(`There is no file ${path}.`);
    if (bytes.length === 0) return { content: `${path} is empty.` };
    const extension = path.slice(path.lastIndexOf(".") + 1).toLowerCase();
    const mediaType = IMAGE_TYPES[extension];
    if (mediaType) return image(bytes, mediaType);
    const text = decode(bytes);
    if (text === null) return failure(`${path} is not text. Look at it with a command.`);
    return lines(extension === "ipynb" ? notebook(text) : text, offset, Math.min(limit, MAX_LINES));
  },
};

const failure = (content: string): ToolResult => ({ content, isError: true });

function image(bytes: Uint8Array, mediaType: string): ToolResult {
  if (bytes.length > MAX_IMAGE_BYTES) return failure("The image is too large to be looked at.");
  const data = Buffer.from(bytes).toString("base64");
  return {
    content: [{ type: "image", source: { type: "base64", media_type: mediaType, data } }],
  };
}

/** The text of bytes; null for what is not UTF-8 text. */
function decode(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
    return text.includes("\0") ? null : text;
  } catch {
    return null;
  }
}

function lines(text: string, offset: number, limit: number): ToolResult {
  const all = text.split("\n");
  if (all.at(-1) === "") all.pop();
  if (offset > all.length)
    return failure(`The file has ${all.length} lines; there is no ${offset}.`);
  const chosen = all.slice(offset - 1, offset - 1 + limit).map(cutLine);
  let fitting = chosen.length;
  for (let characters = 0, index = 0; index < chosen.length; index++) {
    characters += (chosen[index] ?? "").length + 8;
    if (characters <= MAX_CHARACTERS) continue;
    fitting = Math.max(1, index);
    break;
  }
  const last = offset - 1 + fitting;
  const shown = numbered(chosen.slice(0, fitting), offset);
  if (last >= all.length) return { content: shown };
  return {
    content: `${shown}\n\n${all.length - last} more lines: read on with offset ${last + 1}.`,
  };
}

const cutLine = (line: string): string =>
  line.length <= MAX_LINE_CHARACTERS ? line : `${line.slice(0, MAX_LINE_CHARACTERS)}… (line cut)`;

const Notebook = z.object({
  cells: z.array(
    z.object({ cell_type: z.string(), source: z.union([z.string(), z.array(z.string())]) }),
  ),
});

/** A notebook's cells as text; what is no notebook stays as it is. */
function notebook(text: string): string {
  let parsed: z.ZodSafeParseResult<z.infer<typeof Notebook>>;
  try {
    parsed = Notebook.safeParse(JSON.parse(text));
  } catch {
    return text;
  }
  if (!parsed.success) return text;
  return parsed.data.cells
    .map(({ cell_type, source }, index) => {
      const body = typeof source === "string" ? source : source.join("");
      return `# cell ${index + 1} (${cell_type})\n${body}`;
    })
    .join("\n\n");
}
