import { beforeAll, describe, expect, it } from "vitest";
import { imageOf } from "../../../shared/image";
import { aContext, aFakeSandbox, aSandbox, textOf } from "../../../testing/tool-context";
import type { ToolResult } from "../../tool";
import { runTool } from "../../tools";
import { edit } from "../edit";
import { read } from "../read";
import { write } from "../write";

const sandbox = aSandbox();
const bytes = (text: string) => new TextEncoder().encode(text);
const put = (path: string, content: string | Uint8Array) =>
  sandbox.writeFile(path, typeof content === "string" ? bytes(content) : content);
const held = async (path: string) =>
  new TextDecoder().decode((await sandbox.readFile(path)) ?? undefined);

const readFile = (input: object) => runTool(read, input, aContext({ sandbox }));
const editFile = (input: object, parts = {}) =>
  runTool(edit, input, aContext({ sandbox, ...parts }));
const error = (text: string | RegExp): ToolResult => ({
  content: expect.stringMatching(text),
  isError: true,
});

/** A PNG of one pixel. */
const PNG = Uint8Array.from(
  atob(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  ),
  (character) => character.charCodeAt(0),
);

describe("Read", () => {
  beforeAll(async () => {
    await put("/workspace/three.txt", "one\r\ntwo\nthree\n");
    await put(
      "/workspace/long.txt",
      Array.from({ length: 2_500 }, (_, n) => `line ${n + 1}\n`).join(""),
    );
    await put("/workspace/empty.txt", "");
    await put("/workspace/pixel.png", PNG);
  });

  it("numbers the lines", async () => {
    const result = await readFile({ file_path: "/workspace/three.txt" });
    expect(result).toEqual({ content: "     1\tone\n     2\ttwo\n     3\tthree" });
  });

  it("takes a relative path from the working directory", async () => {
    expect(textOf(await readFile({ file_path: "./sub/../three.txt" }))).toContain("1\tone");
  });

  it("shows 2,000 lines and tells where to go on", async () => {
    const lines = textOf(await readFile({ file_path: "long.txt" })).split("\n");
    expect(lines.at(-2)).toBe("  2000\tline 2000");
    expect(lines.at(-1)).toBe("[These are lines 1 to 2000 of 2500. Go on with offset 2001.]");
  });

  it("begins at the offset and ends at the limit", async () => {
    expect(textOf(await readFile({ file_path: "long.txt", offset: 2_400, limit: 2 }))).toBe(
      "  2400\tline 2400\n  2401\tline 2401\n[These are lines 2400 to 2401 of 2500. Go on with offset 2402.]",
    );
    expect(textOf(await readFile({ file_path: "long.txt", offset: 2_500 }))).toBe(
      "  2500\tline 2500",
    );
  });

  it("says how long the file is when the offset is behind its end", async () => {
    const result = await readFile({ file_path: "three.txt", offset: 4 });
    expect(result).toEqual(error("no line 4: it ends with line 3"));
  });

  it("cuts long lines and keeps to 100,000 characters", async () => {
    await put("/workspace/wide.txt", `${"x".repeat(3_000)}\n`.repeat(100));
    const text = textOf(await readFile({ file_path: "wide.txt" }));
    expect(text.split("\n")[0]).toBe(`     1\t${"x".repeat(2_000)} [... 1,000 more characters]`);
    expect(text.length).toBeLessThan(100_200);
    expect(text).toMatch(/\[These are lines 1 to 49 of 100\. Go on with offset 50\.\]$/);
  });

  it("says that an empty file is empty", async () => {
    const result = await readFile({ file_path: "empty.txt" });
    expect(result).toEqual({ content: "/workspace/empty.txt exists but is empty." });
  });

  it("shows an image as an image, whatever its name", async () => {
    await put("/workspace/pixel.txt", PNG);
    const source = {
      type: "base64",
      media_type: "image/png",
      data: btoa(String.fromCharCode(...PNG)),
    };
    for (const file_path of ["pixel.png", "pixel.txt"]) {
      expect(await readFile({ file_path })).toEqual({ content: [{ type: "image", source }] });
    }
  });

  it.each([
    ["bytes", PNG.length, 3.6 * 1024 ** 2],
    ["pixels", 8_001, 0],
  ])("refuses an image of too many %s", async (what, width, padding) => {
    const large = new Uint8Array(PNG.length + padding);
    large.set(PNG);
    if (what === "pixels") new DataView(large.buffer).setUint32(16, width);
    await put("/workspace/large.png", large);
    expect(await readFile({ file_path: "large.png" })).toEqual(error("is too large to be shown"));
  });

  it("shows a notebook's cells with what they printed", async () => {
    const cells = [
      { cell_type: "markdown", source: ["# Title\n", "text"] },
      { cell_type: "code", source: "1 + 1", outputs: [{ data: { "text/plain": ["2"] } }] },
      { cell_type: "code", source: "x", outputs: [{ ename: "NameError", evalue: "no x" }] },
    ];
    await put("/workspace/a.ipynb", JSON.stringify({ cells }));
    const text = textOf(await readFile({ file_path: "a.ipynb" })).replace(/^ *\d+\t/gm, "");
    expect(text).toBe(
      "--- cell 1, markdown\n# Title\ntext\n\n--- cell 2, code\n1 + 1\n--- output\n2\n\n--- cell 3, code\nx\n--- output\nNameError: no x",
    );
  });

  it.each([
    ["a missing file", "missing.txt", null, "does not exist"],
    ["a PDF", "a.pdf", bytes("%PDF-1.7\n"), "is a PDF"],
    ["a binary file", "a.bin", Uint8Array.of(1, 0, 2), "is a binary file"],
    ["an image without its size", "cut.png", PNG.slice(0, 12), "is a binary file"],
    ["an image that is cut off", "cut.png", PNG.slice(0, -12), "the image ends too early"],
    ["a directory", "/workspace", null, "could not do this: EISDIR"],
  ])("says what is wrong with %s", async (_, file_path, content, message) => {
    if (content) await put(`/workspace/${file_path}`, content);
    expect(await readFile({ file_path })).toEqual(error(message));
  });
});

describe("imageOf", () => {
  const hex = (text: string) =>
    Uint8Array.from(text.replaceAll(" ", "").match(/../g) ?? [], (byte) =>
      Number.parseInt(byte, 16),
    );
  const gif = "47494638 3961 0300 0200";
  const lossy = "52494646 00000000 57454250 56503820 00000000 000000 9d012a 0300 0200";
  const lossless = "52494646 00000000 57454250 5650384c 00000000 2f 02400000";
  const extended = "52494646 00000000 57454250 56503858 00000000 00000000 020000 010000";
  const jpeg = "ffd8 ffe0 0004 0000 ffc2 0011 08 0002 0003";

  it.each([
    ["image/gif", gif],
    ["image/webp", lossy],
    ["image/webp", lossless],
    ["image/webp", extended],
    ["image/jpeg", jpeg],
  ])("tells %s and its size by the bytes", (mediaType, text) => {
    expect(imageOf(hex(text))).toEqual({ mediaType, width: 3, height: 2 });
  });

  it.each([gif, lossy, lossless, extended, jpeg, "", "ffd8", "00"])(
    "knows no image in a beginning: %s",
    (text) => {
      const whole = hex(text);
      expect(imageOf(whole.slice(0, -1))).toBeUndefined();
    },
  );
});

describe("Write", () => {
  it("writes a file with the directories above it", async () => {
    const input = { file_path: "new/dir/file.txt", content: "ä\nb\n" };
    const result = await runTool(write, input, aContext({ sandbox }));
    expect(result).toEqual({ content: "Wrote 2 lines to /workspace/new/dir/file.txt." });
    expect(await held("/workspace/new/dir/file.txt")).toBe("ä\nb\n");
  });

  it("writes again when it was cut off", async () => {
    const input = { file_path: "again.txt", content: "x" };
    await runTool(write, input, aContext({ sandbox, interrupted: true }));
    expect(await held("/workspace/again.txt")).toBe("x");
  });
});

describe("Edit", () => {
  const path = "/workspace/edited.txt";
  const change = (old_string: string, new_string: string, more = {}) =>
    editFile({ file_path: path, old_string, new_string, ...more });

  it("replaces the one occurrence and shows the place", async () => {
    await put(path, Array.from({ length: 20 }, (_, n) => `line ${n + 1}\n`).join(""));
    const result = await change("line 10\n", "new 10\nand more\n");
    expect(await held(path)).toContain("line 9\nnew 10\nand more\nline 11\n");
    const lines = textOf(result).split("\n");
    expect(lines[0]).toBe(`Changed ${path}:`);
    expect(lines[1]).toBe("     6\tline 6");
    expect(lines).toContain("    10\tnew 10");
    expect(lines).toContain("    11\tand more");
  });

  it("refuses a text that occurs twice, with the count, unless all are meant", async () => {
    await put(path, "a b a c a");
    expect(await change("a", "x")).toEqual(error("is in it 3 times"));
    expect(await held(path)).toBe("a b a c a");
    expect(textOf(await change("a", "$&", { replace_all: true }))).toContain("3 places");
    expect(await held(path)).toBe("$& b $& c $&");
  });

  it.each([
    ["is not there", "missing", "x", "old_string is not in it"],
    ["is the same as the new one", "a", "a", "are the same"],
    ["is empty while the file is not", "", "x", "old_string is empty, but the file is not"],
  ])("refuses an old text that %s", async (_, old_string, new_string, message) => {
    await put(path, "a b");
    expect(await change(old_string, new_string)).toEqual(error(message));
    expect(await held(path)).toBe("a b");
  });

  it("makes a file from an empty old text", async () => {
    const input = { file_path: "made.txt", old_string: "", new_string: "new\n" };
    expect(await editFile(input)).not.toHaveProperty("isError");
    expect(await held("/workspace/made.txt")).toBe("new\n");
  });

  it("says that a file is missing, or is no text", async () => {
    const input = { file_path: "none.txt", old_string: "a", new_string: "b" };
    expect(await editFile(input)).toEqual(error("does not exist"));
    await put("/workspace/latin1.txt", Uint8Array.of(0xe4, 0x61));
    expect(await editFile({ ...input, file_path: "latin1.txt" })).toEqual(error("not UTF-8"));
  });

  it("keeps the file's line ends and its byte order mark", async () => {
    await put(path, "\uFEFFa\r\nb\r\nc\r\n");
    await change("a\nb", "x\ny\nz");
    expect(await held(path).then((text) => text.replace("\uFEFF", ""))).toBe(
      "x\r\ny\r\nz\r\nc\r\n",
    );
    expect((await sandbox.readFile(path))?.[0]).toBe(0xef);
  });

  describe("after an interruption", () => {
    const resume = async (content: string, old_string: string, new_string: string) => {
      await put(path, content);
      const result = await editFile(
        { file_path: path, old_string, new_string },
        { interrupted: true },
      );
      return { result, content: await held(path) };
    };

    it("is done when the file does not show it", async () => {
      expect((await resume("a b", "a", "x")).content).toBe("x b");
      expect((await resume("a b", "a ", "")).content).toBe("b");
    });

    it("is not done twice when the file shows it", async () => {
      for (const [content, old_string, new_string, report] of [
        ["x b", "a", "x", "Changed /workspace"],
        ["x b x", "a", "x", "was edited before"],
        ["b", "a ", "", "was edited before"],
      ] as const) {
        const { result, content: after } = await resume(content, old_string, new_string);
        expect(result).toEqual({ content: expect.stringContaining(report) });
        expect(after).toBe(content);
      }
    });

    it("is left to the model when the file shows both texts", async () => {
      const { result, content } = await resume("a\na b\n", "a\n", "a\na b\n");
      expect(result).toEqual(error("is unknown"));
      expect(content).toBe("a\na b\n");
    });
  });

  it("reports what the sandbox could not do", async () => {
    const full = aFakeSandbox({
      readFile: async () => bytes("a"),
      writeFile: () => Promise.reject(new Error("disk full")),
    });
    const input = { file_path: "a.txt", old_string: "a", new_string: "b" };
    expect(await editFile(input, { sandbox: full })).toEqual(error("Edit failed: disk full"));
  });
});
