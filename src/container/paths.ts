import { isUtf8 } from "node:buffer";
import { pathBytes } from "./path-bytes.ts";

// Paths in a container may consist of any bytes. In saved workspaces they are texts, in which a byte that is not part
// of UTF-8 is a lone surrogate: U+DC00 + the byte.

/** Returns the text of a path. */
export function textOfPath(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((size) => isUtf8(bytes.subarray(at, at + size)));
    text += length
      ? bytes.toString("utf8", at, at + length)
      : String.fromCharCode(0xdc00 + (bytes[at] ?? 0));
    at += length ?? 1;
  }
  return text;
}

/** Returns the bytes of a path from its text. */
export const bytesOfPath = (text: string): Buffer => Buffer.from(pathBytes(text));

/** Returns the bytes of the path of an entry below a directory. */
export const bytesBelow = (root: string, path: string): Buffer =>
  path === "" ? Buffer.from(root) : Buffer.concat([Buffer.from(`${root}/`), bytesOfPath(path)]);
