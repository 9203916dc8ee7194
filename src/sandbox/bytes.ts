import type { IFileSystem } from "just-bash/browser";

/** A string with one byte in each character: just-bash's type for the content of its pipes. */
export type ByteString = Awaited<ReturnType<NonNullable<IFileSystem["readFileBytes"]>>>;

const utf8 = new TextEncoder();
// A byte order mark is content: `cat` must output what was written.
const fromUtf8 = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

/** Returns the bytes of a file's content as just-bash passes it. Throws for an unsupported encoding. */
export function toBytes(content: string | Uint8Array, encoding = "utf8"): Uint8Array {
  if (typeof content !== "string") return content;
  if (isUtf8(encoding)) return utf8.encode(content);
  assertOneByte(encoding);
  const bytes = new Uint8Array(content.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = content.charCodeAt(i);
  return bytes;
}

/** Returns the text of bytes in one of just-bash's encodings. Throws for an unsupported one. */
export function toText(bytes: Uint8Array, encoding = "utf8"): string {
  if (isUtf8(encoding)) return fromUtf8.decode(bytes);
  assertOneByte(encoding);
  // The platform's "latin1" decoder is windows-1252, which changes 0x80 to 0x9f.
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += 8192) {
    pieces.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  }
  return pieces.join("");
}

/** Returns bytes in the form of just-bash's pipes. */
export function toByteString(bytes: Uint8Array): ByteString {
  return toText(bytes, "binary") as unknown as ByteString;
}

function isUtf8(encoding: string): boolean {
  return encoding === "utf8" || encoding === "utf-8";
}

/** Throws for an encoding other than those with one byte a character. just-bash's commands use no base64 or hex. */
function assertOneByte(encoding: string): void {
  if (encoding === "binary" || encoding === "latin1" || encoding === "ascii") return;
  throw new Error(`EINVAL: unsupported encoding '${encoding}'`);
}
