import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { truncateMiddle } from "./output";

describe("truncateMiddle", () => {
  it.each([
    ["short", 5, "short", false],
    ["", 0, "", false],
    ["0123456789", 4, "01\n[... 6 bytes left out ...]\n89", true],
    ["0123456789", 5, "01\n[... 5 bytes left out ...]\n789", true],
    ["0123456789", 0, "\n[... 10 bytes left out ...]\n", true],
    ["ab🎉cd", 6, "ab\n[... 4 bytes left out ...]\ncd", true],
    ["🎉🎉🎉", 8, "🎉\n[... 4 bytes left out ...]\n🎉", true],
  ])("of %j in %i bytes is %j", (text, maxBytes, kept, truncated) => {
    expect(truncateMiddle(text, maxBytes)).toEqual({ text: kept, truncated });
  });

  it("never breaks a character and never keeps more than asked", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(40), (text, maxBytes) => {
        const kept = truncateMiddle(text, maxBytes);
        if (!kept.truncated) return kept.text === text;
        const [head = "", tail = ""] = kept.text.split(/\n\[\.\.\. \d+ bytes left out \.\.\.\]\n/);
        const bytes = new TextEncoder().encode(head + tail).length;
        return text.startsWith(head) && text.endsWith(tail) && bytes <= maxBytes;
      }),
    );
  });
});
