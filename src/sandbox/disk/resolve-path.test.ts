import { describe, expect, it } from "vitest";
import { type FindEntry, resolveDirectory, resolveLinks } from "./resolve-path";

/** Returns a lookup over a tree: the target of each link, null for any other entry. */
const treeOf =
  (entries: Record<string, string | null>): FindEntry =>
  (path) => {
    const target = entries[path];
    return target === undefined ? undefined : { target };
  };

const find = treeOf({
  "/": null,
  "/real": null,
  "/real/file": null,
  "/real/deep": null,
  "/dir": "real",
  "/real/deep/up": "../file",
  "/far": "/dir/deep/up",
  "/dots": "./real/./deep/../file",
  "/broken": "nowhere",
  "/loop": "loop",
  "/root": "/",
});

describe("resolveLinks", () => {
  it.each([
    ["/", "/"],
    ["/real/file", "/real/file"],
    ["/real/../real//file/.", "/real/file"],
    ["/dir", "/real"],
    ["/dir/file", "/real/file"],
    ["/dir/deep/up", "/real/file"],
    ["/far", "/real/file"],
    ["/dots", "/real/file"],
    ["/root/dir/file", "/real/file"],
    ["/broken", "/nowhere"],
    ["/dir/new/below", "/real/new/below"],
    ["/real/file/below", "/real/file/below"],
  ])("takes %s for %s", (path, end) => {
    expect(resolveLinks(path, "open", find)).toBe(end);
  });

  it("follows forty links and no more", () => {
    const chain = (length: number) =>
      treeOf(
        Object.fromEntries([
          ["/0", null],
          ...Array.from({ length }, (_, n) => [`/${n + 1}`, `${n}`]),
        ]),
      );
    expect(resolveLinks("/40", "open", chain(40))).toBe("/0");
    expect(() => resolveLinks("/41", "open", chain(41))).toThrow(/^ELOOP/);
    expect(() => resolveLinks("/loop", "open", find)).toThrow(/^ELOOP.*open '\/loop'/);
  });

  it("refuses paths that cannot exist", () => {
    expect(() => resolveLinks("/a\0b", "open", find)).toThrow(/^EINVAL/);
    expect(() => resolveLinks(`/${"a".repeat(4096)}`, "open", find)).toThrow(/^ENAMETOOLONG/);
    expect(resolveLinks(`/${"a".repeat(4095)}`, "open", find)).toHaveLength(4096);
  });

  it("looks an entry up once where no link is on its way", () => {
    const asked: string[] = [];
    resolveLinks("/real/deep", "open", (path) => {
      asked.push(path);
      return find(path);
    });
    expect(asked).toEqual(["/real/deep"]);
  });
});

describe("resolveDirectory", () => {
  it.each([
    ["/", "/"],
    ["/dir", "/dir"],
    ["/dir/deep/up", "/real/deep/up"],
    ["/dir/new", "/real/new"],
    ["/loop", "/loop"],
  ])("takes %s for %s", (path, end) => {
    expect(resolveDirectory(path, "lstat", find)).toBe(end);
  });

  it("refuses a directory whose links go in a circle", () => {
    expect(() => resolveDirectory("/loop/file", "lstat", find)).toThrow(/^ELOOP/);
  });
});
