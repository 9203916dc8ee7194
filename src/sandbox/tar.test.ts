import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat } from "../container/path-bytes";
import { readEntries, TAR_END, type TarEntry, writeEntry } from "./tar";

const NOW = Date.UTC(2026, 10, 23, 12, 0, 0, 123);

const archiveOf = (entries: readonly TarEntry[]) => concat([...entries.map(writeEntry), TAR_END]);

/** Names as a file system may hold them: any text but "/" and NUL, in any letters. */
const name = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 60 })
  .filter((text) => !/[/\0]/.test(text) && text !== "." && text !== ".." && text.isWellFormed());
const path = fc.array(name, { minLength: 1, maxLength: 8 }).map((names) => names.join("/"));
const facts = {
  path,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  mtimeMs: fc.integer({ min: -1_000_000, max: 4_000_000_000_000 }),
};
const entry: fc.Arbitrary<TarEntry> = fc.oneof(
  fc.record({ ...facts, kind: fc.constant("file"), bytes: fc.uint8Array({ maxLength: 2_000 }) }),
  fc.record({ ...facts, kind: fc.constant("directory") }),
  fc.record({ ...facts, kind: fc.constant("symlink"), target: path }),
);

describe("a tar archive", () => {
  it("gives back every entry as it was", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 6 }), (entries) => {
        expect([...readEntries(archiveOf(entries))]).toEqual(entries);
      }),
    );
  });

  it("is what other tools write and read: blocks of 512 bytes with a checksum", () => {
    const bytes = new TextEncoder().encode("hello\n");
    const archive = archiveOf([{ kind: "file", path: "a.txt", mode: 0o640, mtimeMs: NOW, bytes }]);
    expect(archive.length % 512).toBe(0);
    const header = archive.subarray(1024, 1536);
    const text = (at: number, length: number) =>
      new TextDecoder().decode(header.subarray(at, at + length));
    expect(text(0, 6)).toBe("a.txt\0");
    expect(text(100, 8)).toBe("0000640\0");
    expect(text(124, 12)).toBe("00000000006\0");
    expect(text(257, 8)).toBe("ustar\x0000");
    const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
    expect(Number.parseInt(text(148, 6), 8)).toBe(sum);
    expect(new TextDecoder().decode(archive.subarray(512, 1024))).toContain(
      `mtime=${NOW / 1000}\n`,
    );
  });

  it.each([
    ["something else", new TextEncoder().encode("x".repeat(600))],
    ["one that is cut off", archiveOf([aFile(2_000)]).subarray(0, 2_000)],
  ])("is not %s", (_, bytes) => {
    expect(() => [...readEntries(bytes)]).toThrow();
  });
});

function aFile(size: number): TarEntry {
  return { kind: "file", path: "f", mode: 0o644, mtimeMs: NOW, bytes: new Uint8Array(size) };
}
