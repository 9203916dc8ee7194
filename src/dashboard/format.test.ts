import { describe, expect, it } from "vitest";
import { ending, oneLine, pretty, short, size } from "./format.ts";

const NOW = Date.parse("2026-11-28T10:00:00.000Z");
const at = (ms: number) => new Date(NOW + ms).toISOString();

describe("what the dashboard shows", () => {
  it.each([
    [950, "950"],
    [1200, "1.2k"],
    [18_800, "18.8k"],
    [310_233, "310k"],
    [999_960, "1M"],
    [3_400_000, "3.4M"],
  ])("counts: %d is %s", (count, text) => expect(short(count)).toBe(text));

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1 KB"],
    [1_234, "1.2 KB"],
    [999_600, "1 MB"],
    [34_000_000, "34 MB"],
    [2_500_000_000_000_000, "2500 TB"],
  ])("sizes: %d bytes are %s", (bytes, text) => expect(size(bytes)).toBe(text));

  it("when and why a session ends: one that is hybrid sleeps instead", () => {
    const idle = { expiresAt: at(60_000), expiresBecause: "idle_timeout" } as const;
    expect(ending({ ...idle, pattern: "hybrid" }, NOW)).toBe("sleeps in 1 min");
    expect(ending({ ...idle, pattern: "long-running" }, NOW)).toBe("ends when idle in 1 min");
    expect(ending({ expiresAt: null, expiresBecause: null, pattern: "hybrid" }, NOW)).toBeNull();
  });

  it("values in their own order: characters that hide or turn others are seen", () => {
    const command = "echo \u202e# safe\u2066; rm -rf ~";
    expect(pretty({ command })).toContain("echo \\u202e# safe\\u2066; rm -rf ~");
    expect(oneLine(command)).toBe("echo \\u202e# safe\\u2066; rm -rf ~");
    expect(pretty("שלום")).toBe("שלום");
  });

  it("values on one line, cut where they are long", () => {
    expect(oneLine("a\n  b")).toBe("a b");
    expect(oneLine({ a: 1 })).toBe('{"a":1}');
    expect(oneLine("abcdef", 4)).toBe("abc…");
    expect(oneLine(undefined)).toBe("");
  });
});
