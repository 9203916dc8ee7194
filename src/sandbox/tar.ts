import { concat } from "../container/path-bytes.ts";
import { PAX, paddingOf, TAR_BLOCK, TAR_TYPES, tarHeader } from "../container/tar-format.ts";

export { TAR_END } from "../container/tar-format.ts";

// Reads and writes tar archives in POSIX's format (pax), which any tool can read.

/** One entry of an archive. `path` is relative; a directory's has no slash at its end. */
export type TarEntry = { path: string; mode: number; mtimeMs: number } & (
  | { kind: "file"; bytes: Uint8Array }
  | { kind: "directory" }
  | { kind: "symlink"; target: string }
);

const fromUtf8 = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

/** Returns the bytes of an entry in an archive. */
export function writeEntry(entry: TarEntry): Uint8Array {
  const bytes = entry.kind === "file" ? entry.bytes : new Uint8Array();
  const { kind: type, ...facts } = entry;
  const head = tarHeader({ ...facts, type, size: bytes.length });
  return concat([head, bytes, new Uint8Array(paddingOf(bytes.length))]);
}

/** Yields the entries of an archive that `writeEntry` made. Throws for any other content. */
export function* readEntries(archive: Uint8Array): Generator<TarEntry> {
  let pax: Record<string, string> = {};
  for (let at = 0; at + TAR_BLOCK <= archive.length; ) {
    const head = archive.subarray(at, at + TAR_BLOCK);
    if (head[0] === 0) return;
    if (textAt(head, 257, 5) !== "ustar") throw new Error("not a tar archive");
    const size = octalAt(head, 124, 12);
    const bytes = archive.subarray(at + TAR_BLOCK, at + TAR_BLOCK + size);
    if (bytes.length < size) throw new Error("the tar archive is cut off");
    at += TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
    const type = textAt(head, 156, 1);
    if (type === PAX) {
      pax = readPax(bytes);
      continue;
    }
    const path = (pax.path ?? textAt(head, 0, 100)).replace(/\/$/, "");
    const mtimeMs = Math.round(Number(pax.mtime ?? octalAt(head, 136, 12)) * 1000);
    const facts = { path, mode: octalAt(head, 100, 8), mtimeMs };
    if (type === TAR_TYPES.file) yield { ...facts, kind: "file", bytes };
    else if (type === TAR_TYPES.directory) yield { ...facts, kind: "directory" };
    else if (type === TAR_TYPES.symlink) {
      yield { ...facts, kind: "symlink", target: pax.linkpath ?? textAt(head, 157, 100) };
    }
    pax = {};
  }
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

const textAt = (block: Uint8Array, at: number, length: number): string =>
  fromUtf8.decode(block.subarray(at, at + length)).replace(/\0.*$/s, "");

const octalAt = (block: Uint8Array, at: number, length: number): number =>
  Number.parseInt(textAt(block, at, length).trim() || "0", 8);
