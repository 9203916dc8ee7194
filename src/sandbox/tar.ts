// Reads and writes tar archives in POSIX's format (pax), which any tool can read.

/** One entry of an archive. `path` is relative; a directory's has no slash at its end. */
export type TarEntry = { path: string; mode: number; mtimeMs: number } & (
  | { kind: "file"; bytes: Uint8Array }
  | { kind: "directory" }
  | { kind: "symlink"; target: string }
);

const BLOCK = 512;
const TYPES = { file: "0", symlink: "2", directory: "5" } as const;
const PAX = "x";

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

/** The two empty blocks at the end of an archive. */
export const TAR_END = new Uint8Array(2 * BLOCK);

/** Returns the bytes of an entry in an archive. */
export function writeEntry(entry: TarEntry): Uint8Array {
  const path = entry.kind === "directory" ? `${entry.path}/` : entry.path;
  const target = entry.kind === "symlink" ? entry.target : "";
  const bytes = entry.kind === "file" ? entry.bytes : new Uint8Array();
  // The plain header has no room for long names, characters beyond ASCII or fractions of a second.
  const records = Object.entries({
    path,
    mtime: String(entry.mtimeMs / 1000),
    ...(target !== "" && { linkpath: target }),
  });
  const pax = utf8.encode(records.map(([name, value]) => paxRecord(name, value)).join(""));
  const { mode } = entry;
  const mtime = Math.max(0, Math.floor(entry.mtimeMs / 1000));
  return concat([
    header({ path: "pax", target: "", mode: 0o644, mtime, size: pax.length, type: PAX }),
    padded(pax),
    header({ path, target, mode, mtime, size: bytes.length, type: TYPES[entry.kind] }),
    padded(bytes),
  ]);
}

/** Yields the entries of an archive that `writeEntry` made. Throws for any other content. */
export function* readEntries(archive: Uint8Array): Generator<TarEntry> {
  let pax: Record<string, string> = {};
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const head = archive.subarray(at, at + BLOCK);
    if (head[0] === 0) return;
    if (textAt(head, 257, 5) !== "ustar") throw new Error("not a tar archive");
    const size = octalAt(head, 124, 12);
    const bytes = archive.subarray(at + BLOCK, at + BLOCK + size);
    if (bytes.length < size) throw new Error("the tar archive is cut off");
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const type = textAt(head, 156, 1);
    if (type === PAX) {
      pax = readPax(bytes);
      continue;
    }
    const path = (pax.path ?? textAt(head, 0, 100)).replace(/\/$/, "");
    const mtimeMs = Math.round(Number(pax.mtime ?? octalAt(head, 136, 12)) * 1000);
    const facts = { path, mode: octalAt(head, 100, 8), mtimeMs };
    if (type === TYPES.file) yield { ...facts, kind: "file", bytes };
    else if (type === TYPES.directory) yield { ...facts, kind: "directory" };
    else if (type === TYPES.symlink) {
      yield { ...facts, kind: "symlink", target: pax.linkpath ?? textAt(head, 157, 100) };
    }
    pax = {};
  }
}

/** Returns the concatenation of pieces. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function header(of: {
  path: string;
  target: string;
  mode: number;
  mtime: number;
  size: number;
  type: string;
}): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, length: number, text: string) =>
    block.set(utf8.encode(text).subarray(0, length), at);
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
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, 8, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** Returns a record, which begins with its own length in decimal, the digits of the length included. */
function paxRecord(name: string, value: string): string {
  const rest = utf8.encode(` ${name}=${value}\n`).length;
  let length = rest;
  while (length !== rest + String(length).length) length = rest + String(length).length;
  return `${length} ${name}=${value}\n`;
}

function readPax(bytes: Uint8Array): Record<string, string> {
  const found: Record<string, string> = {};
  for (let at = 0; at < bytes.length; ) {
    const blank = bytes.indexOf(0x20, at);
    const length = Number(fromUtf8.decode(bytes.subarray(at, blank)));
    if (blank < 0 || !(length > 0)) throw new Error("the tar archive is damaged");
    const record = fromUtf8.decode(bytes.subarray(blank + 1, at + length - 1));
    const equals = record.indexOf("=");
    found[record.slice(0, equals)] = record.slice(equals + 1);
    at += length;
  }
  return found;
}

function padded(bytes: Uint8Array): Uint8Array {
  const block = new Uint8Array(Math.ceil(bytes.length / BLOCK) * BLOCK);
  block.set(bytes);
  return block;
}

const textAt = (block: Uint8Array, at: number, length: number): string =>
  fromUtf8.decode(block.subarray(at, at + length)).replace(/\0.*$/s, "");

const octalAt = (block: Uint8Array, at: number, length: number): number =>
  Number.parseInt(textAt(block, at, length).trim() || "0", 8);
