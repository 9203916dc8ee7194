import { concat, pathBytes } from "./path-bytes.ts";

// Writes tar archives in POSIX's format (pax), which any tool can read. Without I/O.

/** The header of an entry. `path` is relative; a directory's has no slash at its end. `target` is that of a link. */
export interface TarHeader {
  path: string;
  type: "file" | "directory" | "symlink";
  mode: number;
  mtimeMs: number;
  size: number;
  target?: string;
}

/** The size of a block in bytes. */
export const TAR_BLOCK = 512;
/** The type of the records before an entry. */
export const PAX = "x";
export const TAR_TYPES = { file: "0", symlink: "2", directory: "5" } as const;

/** The largest size that a header has room for. */
const MAX_OCTAL_SIZE = 8 ** 11 - 1;

/** The two empty blocks at the end of an archive. */
export const TAR_END = new Uint8Array(2 * TAR_BLOCK);

/** Returns the blocks before the content of an entry. */
export function tarHeader({ type, mode, mtimeMs, size, ...entry }: TarHeader): Uint8Array {
  const path = type === "directory" ? `${entry.path}/` : entry.path;
  const target = type === "symlink" ? (entry.target ?? "") : "";
  // The plain header has no room for long names, characters beyond ASCII, fractions of a second or large sizes.
  const records = Object.entries({
    path,
    mtime: String(mtimeMs / 1000),
    ...(target !== "" && { linkpath: target }),
    ...(size > MAX_OCTAL_SIZE && { size: String(size) }),
  });
  const pax = concat(records.map(([name, value]) => paxRecord(name, value)));
  const mtime = Math.max(0, Math.floor(mtimeMs / 1000));
  return concat([
    block({ path: "pax", target: "", mode: 0o644, mtime, size: pax.length, type: PAX }),
    pax,
    new Uint8Array(paddingOf(pax.length)),
    block({
      path,
      target,
      mode,
      mtime,
      size: Math.min(size, MAX_OCTAL_SIZE),
      type: TAR_TYPES[type],
    }),
  ]);
}

/** Returns the number of bytes after a content of this size, up to the next block. */
export const paddingOf = (size: number): number => (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;

function block(of: {
  path: string;
  target: string;
  mode: number;
  mtime: number;
  size: number;
  type: string;
}): Uint8Array {
  const header = new Uint8Array(TAR_BLOCK);
  const put = (at: number, length: number, text: string) =>
    header.set(pathBytes(text).subarray(0, length), at);
  const octal = (at: number, length: number, value: number) =>
    put(at, length, value.toString(8).padStart(length - 1, "0"));
  put(0, 100, of.path);
  octal(100, 8, of.mode);
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, of.size);
  octal(136, 12, of.mtime);
  put(148, 8, " ".repeat(8));
  put(156, 1, of.type);
  put(157, 100, of.target);
  put(257, 8, "ustar\x0000");
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(148, 8, `${sum.toString(8).padStart(6, "0")}\0 `);
  return header;
}

/** Returns a record, which begins with its own length in decimal, the digits of the length included. */
function paxRecord(name: string, value: string): Uint8Array {
  const rest = concat([pathBytes(` ${name}=`), pathBytes(value), pathBytes("\n")]);
  let length = rest.length;
  while (length !== rest.length + String(length).length) {
    length = rest.length + String(length).length;
  }
  return concat([pathBytes(String(length)), rest]);
}
