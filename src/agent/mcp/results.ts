import { fromBase64 } from "../../shared/bytes";
import { imageOf, imageProblem } from "../../shared/image";
import { isDeeperThan, MAX_JSON_DEPTH } from "../../shared/json-depth";
import type { Redact } from "../../shared/redact";
import type { ToolContent, ToolResult } from "../tool";
import { counted, keepEnds } from "../tools/result";

/** Tells the model of a call whose result was lost, and which may not be made again. */
export const INTERRUPTED =
  "This call was interrupted, and its effect is unknown: it may have done all, a part or nothing of its work. Look before you make it again.";

/** The most characters of text of a result that the model reads. */
const MAX_CHARS = 100_000;
/** The most bytes of the images of a result: a result is stored in one row. */
const MAX_IMAGE_BYTES = 1.1 * 1024 ** 2;

/** The result of a call as a server gives it. */
export interface McpResult {
  content?: readonly Content[] | undefined;
  structuredContent?: unknown;
  isError?: boolean | undefined;
}

type Content = { type: string; [field: string]: unknown };
type Block = Exclude<ToolContent, string>[number];

/**
 * Returns a server's result as the model reads it: text and images, within bounds. What it is not shown is replaced by a
 * note. Structured content is shown if there is no text.
 */
export function toolResultOf(given: McpResult, redact: Redact): ToolResult {
  const left = { chars: MAX_CHARS, imageBytes: MAX_IMAGE_BYTES };
  const content = given.content ?? [];
  const hasText = content.some(({ type, text }) => type === "text" && text !== "");
  const structured = hasText ? undefined : structuredText(given.structuredContent);
  const blocks = [
    ...content.map((block) => blockOf(block, left, redact)),
    ...(structured === undefined ? [] : [textBlock(redact(structured), left)]),
  ].filter((block) => block !== undefined);
  return {
    content: blocks.every(isText) ? blocks.map(({ text }) => text).join("\n") : blocks,
    ...(given.isError && { isError: true }),
  };
}

/** What may still be shown. */
interface Left {
  chars: number;
  imageBytes: number;
}

function blockOf(block: Content, left: Left, redact: Redact): Block | undefined {
  const { mimeType, uri, name, description } = block;
  switch (block.type) {
    case "text":
      return textBlock(redact(String(block.text)), left);
    case "image":
      return imageBlock(String(block.data), left);
    case "resource_link": {
      const what = [name, uri, mimeType, description].filter(Boolean).join(", ");
      return textBlock(redact(`[A resource: ${what}]`), left);
    }
    case "resource":
      return textBlock(redact(resourceText(block.resource)), left);
    default:
      return textBlock(
        `[${block.type}${mimeType ? `, ${mimeType}` : ""}, which can't be shown]`,
        left,
      );
  }
}

/** Returns a block with a text, which is cut to what is left; undefined if nothing is to be shown. */
function textBlock(text: string, left: Left): Block | undefined {
  if (text === "") return undefined;
  if (left.chars === 0) return undefined;
  const shown = keepEnds(text, left.chars);
  left.chars = text.length > left.chars ? 0 : left.chars - text.length;
  return { type: "text", text: shown };
}

function imageBlock(data: string, left: Left): Block | undefined {
  const bytes = bytesOf(data);
  const image = bytes && imageOf(bytes);
  if (!bytes || !image) return textBlock("[An image that is not PNG, JPEG, GIF or WebP]", left);
  const problem = imageProblem(bytes, image.mediaType);
  if (problem) return textBlock(`[An image that can't be shown: it ${problem}]`, left);
  if (bytes.length > left.imageBytes) {
    const size = counted(bytes.length, "byte");
    return textBlock(`[An image that is too large to be shown: ${size}]`, left);
  }
  left.imageBytes -= bytes.length;
  return { type: "image", source: { type: "base64", media_type: image.mediaType, data } };
}

function resourceText(resource: unknown): string {
  const { uri = "", mimeType, text, blob } = { ...(resource as Content | undefined) };
  const what = [uri, mimeType].filter(Boolean).join(", ");
  if (typeof text === "string") return `[Resource ${what}]\n${text}`;
  const size =
    typeof blob === "string" ? `, ${counted(Math.floor(blob.length * 0.75), "byte")}` : "";
  return `[Resource ${what}${size}, which can't be shown]`;
}

function structuredText(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (isDeeperThan(value, MAX_JSON_DEPTH)) {
    return `[A structure of more than ${MAX_JSON_DEPTH} levels, which can't be shown]`;
  }
  return JSON.stringify(value);
}

function bytesOf(base64: string): Uint8Array | undefined {
  try {
    return fromBase64(base64);
  } catch {
    return undefined;
  }
}

const isText = (block: Block): block is Block & { type: "text" } => block.type === "text";
