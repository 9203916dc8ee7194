import { describe, expect, it } from "vitest";
import { MAX_ENTRIES, Quota } from "./quota";

const quotaOf = (bytes: number, entries = 1) => {
  const usage = { bytes, entries, counted: 0 };
  const quota = new Quota(
    {
      bytes: () => usage.bytes,
      countEntries: () => {
        usage.counted++;
        return usage.entries;
      },
    },
    { maxBytes: 1_000, maxFileBytes: 100 },
  );
  return { quota, usage };
};

describe("a quota", () => {
  it("bounds one file", () => {
    const { quota } = quotaOf(0);
    quota.reserveBytes("/file", 100, 1);
    expect(() => quota.reserveBytes("/file", 101, 1)).toThrow(
      "EFBIG: file too large (a file may hold 100 bytes), write '/file'",
    );
  });

  it("bounds the disk", () => {
    const { quota } = quotaOf(950);
    quota.reserveBytes("/file", 50, 50);
    expect(() => quota.reserveBytes("/file", 51, 51)).toThrow(
      "ENOSPC: no space left on device (the disk may hold 1000 bytes), write '/file'",
    );
  });

  it("has no room for an entry on a disk beyond its bound", () => {
    quotaOf(1_000).quota.reserveEntry("/file");
    expect(() => quotaOf(1_001).quota.reserveEntry("/file")).toThrow(
      "ENOSPC: no space left on device, create '/file'",
    );
  });

  it("counts the entries once, and again when it is asked to", () => {
    const { quota, usage } = quotaOf(0, MAX_ENTRIES - 2);
    quota.reserveEntry("/one");
    quota.reserveEntry("/two");
    expect(() => quota.reserveEntry("/three")).toThrow(/^ENOSPC/);
    expect(usage.counted).toBe(1);
    usage.entries = 10;
    quota.recountEntries();
    quota.reserveEntries("/tree", MAX_ENTRIES - 10);
    expect(() => quota.reserveEntry("/three")).toThrow(/^ENOSPC/);
    expect(usage.counted).toBe(2);
  });
});
