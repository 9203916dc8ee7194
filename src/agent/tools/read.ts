import { z } from "zod";
import { hashOf } from "../../sandbox/change-file";
import { resolveFrom } from "../../sandbox/paths";
import { toBase64 } from "../../shared/bytes";
import { type Image, imageOf, imageProblem, MAX_IMAGE_PIXELS } from "../../shared/image";
import type { Tool, ToolResult } from "../tool";
import { fitting, numbered, splitLines } from "./lines";
import { notebookText } from "./notebook";
import { failed } from "./result";

const DEFAULT_LINES = 2_000;

/** The most characters of a result, about 25,000 tokens. */
const MAX_CHARS = 100_000;

/** The most bytes of an image: a result is stored in one row of at most 2 MB, as base64, which is a third longer. */
const MAX_IMAGE_BYTES = 1.25 * 1024 ** 2;

const Input = z.object({
  file_path: z.string().min(1).describe("The file, best as an absolute path"),
  offset: z.int().nonnegative().optional().describe("The line to begin with; the first line is 1"),
  limit: z.int().positive().optional().describe("How many lines to show at most"),
  pages: z.string().optional().describe("Not used: PDFs can't be read here"),
});

/** Shows a file: numbered lines, an image, or a notebook's cells. */
export const read: Tool<z.infer<typeof Input>> = {
  name: "Read",
  effect: "reading",
  description: `Shows a file of the sandbox.
- Text comes with line numbers, each followed by a tab; they are not part of the file.
- You get up to ${DEFAULT_LINES} lines, of each line up to 2,000 characters, ${MAX_CHARS.toLocaleString("en-US")} characters in all. Use offset and limit for more, or for a part of a long file.
- PNG, JPEG, GIF and WebP images are shown to you as images; the cells of a Jupyter notebook as text.
- A relative path starts at the working directory. A directory can't be read: list it with Bash.`,
  input: Input,

  async run({ file_path, offset, limit }, { sandbox, cwd, files }) {
    const path = resolveFrom(cwd, file_path);
    const bytes = await sandbox.readFile(path);
    if (!bytes) return failed(`${path} does not exist. The working directory is ${cwd}.`);
    files?.record(path, await hashOf(bytes));
    if (bytes.length === 0) return { content: `${path} exists but is empty.` };

    const image = imageOf(bytes);
    if (image) return showImage(path, bytes, image);
    if (startsWith(bytes, "%PDF-")) {
      return failed(
        `${path} is a PDF, which can't be read here. Turn it into text with Bash first.`,
      );
    }
    if (bytes.subarray(0, 8_000).includes(0)) {
      return failed(
        `${path} is a binary file. Look into it with Bash, such as with strings or od.`,
      );
    }

    const text = new TextDecoder().decode(bytes);
    const notebook = path.endsWith(".ipynb") ? notebookText(text) : undefined;
    return showLines(path, splitLines(notebook ?? text), offset, limit);
  },
};

function showLines(path: string, lines: string[], offset = 1, limit = DEFAULT_LINES): ToolResult {
  const first = Math.max(1, offset);
  if (first > lines.length) {
    return failed(`${path} has no line ${first}: it ends with line ${lines.length}.`);
  }
  const wanted = numbered(lines.slice(first - 1, first - 1 + limit), first);
  const shown = fitting(wanted, MAX_CHARS);
  const last = first + shown.length - 1;
  if (last < lines.length) {
    shown.push(
      `[These are lines ${first} to ${last} of ${lines.length}. Go on with offset ${last + 1}.]`,
    );
  }
  return { content: shown.join("\n") };
}

function showImage(path: string, bytes: Uint8Array, image: Image): ToolResult {
  const { mediaType, width, height } = image;
  if (bytes.length > MAX_IMAGE_BYTES || Math.max(width, height) > MAX_IMAGE_PIXELS) {
    const size = `${width} x ${height} pixels, ${(bytes.length / 1024 ** 2).toFixed(1)} MiB`;
    return failed(
      `${path} is too large to be shown (${size}): an image may have ${MAX_IMAGE_BYTES / 1024 ** 2} MiB and ${MAX_IMAGE_PIXELS} pixels a side. Make a smaller copy first.`,
    );
  }
  const problem = imageProblem(bytes, mediaType);
  if (problem) return failed(`${path} can't be shown: the image ${problem}.`);
  const source = { type: "base64" as const, media_type: mediaType, data: toBase64(bytes) };
  return { content: [{ type: "image", source }] };
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return [...text].every((character, index) => bytes[index] === character.charCodeAt(0));
}
