// What of a file is shown in the page. What agents and callers wrote is never run: text is shown as text, and an image by
// an address that has its bytes, and no origin.

import { readUpTo } from "../shared/body.ts";

/** How much of a text is shown, in bytes. */
const MAX_TEXT_BYTES = 256 * 1024;
/** The size of an image up to which it is shown, in bytes. */
const MAX_IMAGE_BYTES = 8 * 1024 * 1024;

const IMAGES: Readonly<Record<string, string>> = {
  ...{ png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif" },
  ...{ webp: "image/webp", avif: "image/avif", svg: "image/svg+xml" },
};

/** Returns the media type of an image that browsers show, by the end of its name; undefined for other files. */
export function imageTypeOf(path: string): string | undefined {
  const ending = /\.([a-z]+)$/i.exec(path)?.[1]?.toLowerCase() ?? "";
  return Object.hasOwn(IMAGES, ending) ? IMAGES[ending] : undefined;
}

/** What is shown of a file. */
export type Content =
  | { kind: "text"; text: string; isCut: boolean }
  | { kind: "image"; url: string }
  | { kind: "none"; why: string };

/**
 * Reads what is shown of a file. `read` returns its first bytes as a response: as many as it is asked for, or all if they are
 * fewer. Images are read whole.
 */
export async function contentOf(
  path: string,
  size: number | null,
  read: (bytes: number) => Promise<Response>,
): Promise<Content> {
  // No range of an empty file can be read.
  if (size === 0) return { kind: "text", text: "", isCut: false };
  const type = imageTypeOf(path);
  const max = type === undefined ? MAX_TEXT_BYTES : MAX_IMAGE_BYTES;
  if (type !== undefined && (size ?? 0) > max) return TOO_LARGE;
  const response = await read(max);
  // That of a link is not that of what it leads to.
  const isCut = sizeOf(response) > max;
  // Who answers may send more than it is asked for: a range is a wish.
  const { bytes } = await readUpTo(response.body, max);
  if (type !== undefined) {
    if (isCut) return TOO_LARGE;
    return { kind: "image", url: await dataUrl(new Blob([bytes], { type })) };
  }
  const text = textOf(bytes);
  return text === null ? NOT_SHOWN : { kind: "text", text, isCut };
}

const TOO_LARGE: Content = { kind: "none", why: "It is too large to be shown here." };
const NOT_SHOWN: Content = {
  kind: "none",
  why: "It is not text, and no image that can be shown.",
};

/** Returns the size of a file of which a response has a part, or all. */
function sizeOf({ headers }: Response): number {
  const range = headers.get("Content-Range")?.split("/")[1];
  return Number(range ?? headers.get("Content-Length") ?? 0);
}

/** Returns bytes as text, without a character that is cut at their end; null if they are no text. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return text.includes("\0") ? null : text;
  } catch {
    return null;
  }
}

/** Returns an address with the content of a blob. Opened as a page, it belongs to no origin. */
function dataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** Lets the browser store a blob in a file. */
export function save(content: Blob, name: string): void {
  // Browsers open types that they know if they are told to: this one they only store.
  const url = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  // The browser begins to store it after this task.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Returns the whole content of a response. Browsers keep what is large on disk. */
export async function blobOf(response: Response): Promise<Blob> {
  try {
    return await response.blob();
  } catch (cause) {
    throw new Error("The download broke off. Try again.", { cause });
  }
}

/** The end of a complete archive, in bytes. */
const END_BYTES = 1024;

/** Returns an archive. Throws if it has broken off. */
export async function archiveOf(response: Response): Promise<Blob> {
  const archive = await blobOf(response);
  const end = new Uint8Array(await archive.slice(-END_BYTES).arrayBuffer());
  if (end.byteLength === END_BYTES && end.every((byte) => byte === 0)) return archive;
  throw new Error("The download broke off. Try again.");
}
