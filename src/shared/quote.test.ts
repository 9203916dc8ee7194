import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aSandbox } from "../testing/tool-context";
import { quote } from "./quote";

describe("quote", () => {
  it.each([
    ["", "''"],
    ["plain", "'plain'"],
    ["it's", `'it'\\''s'`],
    ['$(rm x) `y` \\ "', `'$(rm x) \`y\` \\ "'`],
  ])("makes one word of %s", (text, quoted) => {
    expect(quote(text)).toBe(quoted);
  });

  it("gives any text back through a shell", async () => {
    const special = fc.constantFrom(
      "'",
      '"',
      "\\",
      "$",
      "`",
      "\n",
      " ",
      "*",
      "!",
      "{a,b}",
      "~",
      "#",
      "ä",
      "😀",
    );
    // A shell can't hold the character 0, and half a surrogate pair is no text.
    const letter = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 1 });
    const text = fc
      .array(fc.oneof(special, letter), { maxLength: 12 })
      .map((parts) => parts.join(""));
    const sandbox = aSandbox();
    let n = 0;
    const echo = async (words: string[]) => {
      const command = `printf '%s\\0' ${words.map(quote).join(" ")}`;
      const id = `echo-${n++}`;
      return (await sandbox.run({ id, command, timeoutMs: 5_000, maxOutputBytes: 100_000 })).stdout;
    };
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 20 }), async (words) => {
        expect(await echo(words)).toBe(words.map((word) => `${word}\0`).join(""));
      }),
      { numRuns: 50 },
    );
  });
});
