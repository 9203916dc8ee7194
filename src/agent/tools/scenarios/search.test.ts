import fc from "fast-check";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { CommandResult } from "../../../sandbox/sandbox";
import { aContext, aFakeSandbox, aSandbox, textOf } from "../../../testing/tool-context";
import type { ToolContext } from "../../tool";
import { runTool } from "../../tools";
import { glob, searchOf } from "../glob";
import { expandBraces, globMatcher, globToRegex } from "../glob-pattern";
import { grep } from "../grep";

const sandbox = aSandbox();
const find = async (pattern: string, path?: string, parts: Partial<ToolContext> = {}) =>
  textOf(await runTool(glob, { pattern, path }, aContext({ sandbox, ...parts }))).split("\n");
const search = async (input: object, parts: Partial<ToolContext> = {}) =>
  textOf(await runTool(grep, input, aContext({ sandbox, ...parts }))).split("\n");

const FILES = {
  "/workspace/a.ts": "const one = 1;\nfoo();\nconst two = 2;\n",
  "/workspace/src/b c.ts": "foo\nFoo\n",
  "/workspace/src/deep/d.tsx": "it's foo $HOME\n",
  "/workspace/src/.hidden": "foo\n",
  "/workspace/src/long.txt": `needle ${"x".repeat(10_000)}\n`,
  "/workspace/node_modules/m/index.js": "foo\n",
  "/workspace/.git/HEAD": "foo\n",
  "/workspace/.gitignore": "node_modules\n",
};

beforeAll(async () => {
  for (const [path, text] of Object.entries(FILES)) {
    await sandbox.writeFile(path, new TextEncoder().encode(text));
  }
  const touch = [
    "touch -d 2026-01-01 a.ts",
    "touch -d 2026-03-01 'src/b c.ts'",
    "touch -d 2026-02-01 src/deep/d.tsx",
  ];
  const command = touch.join("\n");
  await sandbox.run({ id: "touch", command, timeoutMs: 5_000, maxOutputBytes: 1_000 });
});

describe("Glob", () => {
  it("gives absolute paths, the last changed first", async () => {
    expect(await find("**/*.{ts,tsx}")).toEqual([
      "/workspace/src/b c.ts",
      "/workspace/src/deep/d.tsx",
      "/workspace/a.ts",
    ]);
  });

  it.each([
    ["*.ts", undefined, ["/workspace/a.ts"]],
    ["src/*.ts", undefined, ["/workspace/src/b c.ts"]],
    ["*.ts", "src", ["/workspace/src/b c.ts"]],
    ["*.ts", "/workspace/src/", ["/workspace/src/b c.ts"]],
    ["/workspace/src/*.ts", undefined, ["/workspace/src/b c.ts"]],
    ["../*.ts", "src", ["/workspace/a.ts"]],
    ["[!b].ts", undefined, ["/workspace/a.ts"]],
    ["**/?.tsx", undefined, ["/workspace/src/deep/d.tsx"]],
    ["src/deep/d.tsx", undefined, ["/workspace/src/deep/d.tsx"]],
    ["src/.*", undefined, ["/workspace/src/.hidden"]],
    ["node_modules/**", undefined, ["/workspace/node_modules/m/index.js"]],
  ])("finds %s in %s", async (pattern, path, files) => {
    expect(await find(pattern, path)).toEqual(files);
  });

  it("leaves out .git and node_modules", async () => {
    const found = await find("**");
    expect(found).toContain("/workspace/src/.hidden");
    expect(found.join()).not.toMatch(/node_modules|HEAD/);
  });

  it("takes no character for the shell's or the regular expression's", async () => {
    const name = "/workspace/odd/$(x)'\"+{(a).ts";
    await sandbox.writeFile(name, new Uint8Array([10]));
    expect(await find("odd/$(x)'*+*(a).ts")).toEqual([name]);
    expect(await find("odd/$(x)'*+*(a)ats")).toEqual([expect.stringContaining("No files")]);
  });

  it("shows 100 files and says that there are more", async () => {
    const command = "mkdir many; cd many; for n in $(seq 1 105); do : > $n.txt; done";
    await sandbox.run({ id: "many", command, timeoutMs: 5_000, maxOutputBytes: 1_000 });
    const found = await find("many/*.txt");
    expect(found).toHaveLength(101);
    expect(found.at(-1)).toContain("more than these 100");
  });

  it("says when nothing matches, and when there is no such directory", async () => {
    expect(await find("*.none")).toEqual(["No files in /workspace match *.none."]);
    const missing = await runTool(glob, { pattern: "*", path: "gone" }, aContext({ sandbox }));
    expect(missing).toMatchObject({ isError: true, content: expect.stringContaining("gone") });
  });

  it("runs anew after an interruption, under an id of its own", async () => {
    const done: CommandResult = {
      exitCode: 0,
      stdout: "",
      stderr: "",
      ended: "exited",
      truncated: false,
    };
    const run = vi.fn(async () => done);
    const fake = aFakeSandbox({ run });
    await find("*", undefined, { sandbox: fake, callId: "c", interrupted: true });
    expect(run.mock.calls).toEqual([[expect.objectContaining({ id: "c.1" }), undefined]]);
  });
});

describe("Grep", () => {
  it("gives the files that match, unless told otherwise", async () => {
    expect(await search({ pattern: "foo" })).toEqual([
      "Found 4 files:",
      "a.ts",
      "src/.hidden",
      "src/b c.ts",
      "src/deep/d.tsx",
    ]);
  });

  it("shows matching lines with their numbers", async () => {
    const input = { pattern: "foo", output_mode: "content", glob: "*.ts" };
    expect(await search(input)).toEqual(["a.ts:2:foo();", "src/b c.ts:1:foo"]);
    expect(await search({ ...input, "-n": false })).toEqual(["a.ts:foo();", "src/b c.ts:foo"]);
    expect(await search({ ...input, "-o": true, "-i": true })).toEqual([
      "a.ts:2:foo",
      "src/b c.ts:1:foo",
      "src/b c.ts:2:Foo",
    ]);
  });

  it("counts", async () => {
    const input = { pattern: "foo", output_mode: "count", type: "ts", "-i": true };
    expect(await search(input)).toEqual(["a.ts:1", "src/b c.ts:2", "src/deep/d.tsx:1"]);
  });

  it.each([
    [{ "-A": 1 }, ["a.ts:2:foo();", "a.ts-3-const two = 2;"]],
    [{ "-B": 1 }, ["a.ts-1-const one = 1;", "a.ts:2:foo();"]],
    [{ "-C": 1 }, ["a.ts-1-const one = 1;", "a.ts:2:foo();", "a.ts-3-const two = 2;"]],
    [{ context: 1 }, ["a.ts-1-const one = 1;", "a.ts:2:foo();", "a.ts-3-const two = 2;"]],
  ])("shows lines around a match: %j", async (more, lines) => {
    expect(await search({ pattern: "foo\\(", output_mode: "content", ...more })).toEqual(lines);
  });

  it("matches over line ends when told to", async () => {
    const input = { pattern: "one.*two", output_mode: "count" };
    expect(await search(input)).toEqual(["No matches found."]);
    expect(await search({ ...input, multiline: true })).toEqual([expect.stringMatching(/^a\.ts:/)]);
  });

  it.each([
    ["*.{ts,tsx}", ["a.ts", "src/b c.ts", "src/deep/d.tsx"]],
    ["**/*.ts", ["a.ts", "src/b c.ts"]],
    ["src/**/*.tsx", ["src/deep/d.tsx"]],
    ["!*.ts", ["src/.hidden", "src/deep/d.tsx"]],
  ])("searches only what the glob matches: %s", async (pattern, files) => {
    expect((await search({ pattern: "foo", glob: pattern })).slice(1)).toEqual(files);
  });

  it("gives absolute paths where it is not the working directory that is searched", async () => {
    const input = { pattern: "FOO", "-i": true, output_mode: "content", glob: "*.ts" };
    const lines = ["/workspace/src/b c.ts:1:foo", "/workspace/src/b c.ts:2:Foo"];
    expect(await search({ ...input, path: "src" })).toEqual(lines);
    expect(await search({ ...input, path: "src/b c.ts" })).toEqual(lines);
  });

  it("takes the pattern as it is, whatever the shell would make of it", async () => {
    const patterns = ["it's foo \\$HOME", "\\$HOME", "^it's"];
    for (const pattern of patterns) {
      expect(await search({ pattern })).toEqual(["Found 1 file:", "src/deep/d.tsx"]);
    }
    expect(await search({ pattern: "--help" })).toEqual(["No matches found."]);
    expect(await search({ pattern: "$(touch /workspace/ran)" })).toEqual(["No matches found."]);
    expect(await sandbox.readFile("/workspace/ran")).toBeNull();
  });

  it("shows a part of the output and how to go on", async () => {
    const input = { pattern: "foo", head_limit: 2 };
    expect(await search(input)).toEqual([
      "Found 2 files:",
      "a.ts",
      "src/.hidden",
      "[There are more. Go on with offset 2.]",
    ]);
    expect(await search({ ...input, offset: 2 })).toEqual([
      "Found 2 files:",
      "src/b c.ts",
      "src/deep/d.tsx",
    ]);
    expect(await search({ ...input, head_limit: 0 })).toHaveLength(5);
  });

  it("cuts long lines", async () => {
    const [line = ""] = await search({ pattern: "needle", output_mode: "content" });
    expect(line).toMatch(/^src\/long\.txt:1:needle x+ \[\.\.\.\]$/);
    expect(line.length).toBeLessThan(520);
  });

  it.each([
    [{ pattern: "(" }, /regex/],
    [{ pattern: "x", path: "/gone" }, /\/gone does not exist/],
    [{ pattern: "x", glob: "{a,b}".repeat(8) }, /more than 100 alternatives/],
    [{ pattern: "x", "-A": -1, output_mode: "all" }, /output_mode: .*\n-A: /],
  ])("says what is wrong with %j", async (input, message) => {
    const result = await runTool(grep, input, aContext({ sandbox }));
    expect(result).toMatchObject({ isError: true, content: expect.stringMatching(message) });
  });

  it("says that ripgrep is missing where it is", async () => {
    const fake = aFakeSandbox({
      run: async () => ({
        exitCode: 127,
        stdout: "",
        stderr: "",
        ended: "exited",
        truncated: false,
      }),
    });
    expect(await search({ pattern: "x" }, { sandbox: fake })).toEqual([
      expect.stringContaining("(rg) is not"),
    ]);
  });
});

describe("globs", () => {
  it.each([
    ["a", ["a"]],
    ["*.{ts,tsx}", ["*.ts", "*.tsx"]],
    ["{a,{b,c}}", ["a", "b", "c"]],
    ["{a,b}{c,d}", ["ac", "ad", "bc", "bd"]],
    ["{a}", ["a"]],
    ["{a", ["{a"]],
    ["$&{x,$&}", ["$&x", "$&$&"]],
  ])("expand %s", (pattern, expanded) => {
    expect(expandBraces(pattern).sort()).toEqual(expanded.sort());
  });

  it.each([
    ["*.ts", ["a.ts", ".ts"], ["a/b.ts", "ats", "a.tsx"]],
    ["**/*.ts", ["a.ts", "a/b.ts", "a/b/c.ts"], ["a.js"]],
    ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]],
    ["a/**", ["a/b", "a/b/c"], ["a", "b"]],
    ["a?[0-9]", ["ab1"], ["a/1", "abc"]],
    ["a.b+(c)", ["a.b+(c)"], ["aXb+(c)", "a.bb(c)"]],
    ["[!a]", ["b"], ["a"]],
    ["a[", ["a["], ["a"]],
  ])("match as %s says", (pattern, matching, others) => {
    const regex = new RegExp(globToRegex(pattern));
    expect(matching.filter((path) => !regex.test(path))).toEqual([]);
    expect(others.filter((path) => regex.test(path))).toEqual([]);
    const isMatch = globMatcher(pattern);
    expect(matching.filter((path) => !isMatch(path))).toEqual([]);
    expect(others.filter((path) => isMatch(path))).toEqual([]);
  });

  it("match as their regular expressions do", () => {
    const part = fc.constantFrom(
      "a",
      "b",
      "/",
      "*",
      "?",
      "**",
      "**/",
      "[ab]",
      "[!a]",
      "{a,b*}",
      ".",
    );
    const pattern = fc.array(part, { maxLength: 8 }).map((parts) => parts.join(""));
    const path = fc.array(fc.constantFrom("a", "b", "/", ".", "\n"), { maxLength: 8 });
    fc.assert(
      fc.property(pattern, path, (glob, characters) => {
        const text = characters.join("");
        expect(globMatcher(glob)(text)).toBe(new RegExp(globToRegex(glob), "s").test(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it("end, however many stars they have", () => {
    expect(globMatcher(`${"**/".repeat(300)}x`)("a/".repeat(2_000))).toBe(false);
    expect(globMatcher(`${"*a".repeat(400)}b`)("a".repeat(4_000))).toBe(false);
    expect(globMatcher("?")("\u{1f600}")).toBe(true);
    expect(() => expandBraces("{a}".repeat(100_000))).toThrow("more than 1000 characters");
  });

  it("are refused when they are too long", async () => {
    expect(await find("{a}".repeat(1_000))).toEqual([expect.stringContaining("more than 1000")]);
  });

  it.each([
    ["*.ts", undefined, "/w", "*.ts"],
    ["src/a/*.ts", undefined, "/w/src/a", "*.ts"],
    ["/etc/*", "src", "/etc", "*"],
    ["../../etc/passwd", undefined, "/etc", "passwd"],
    ["{a,b}/c", "src", "/w/src", "{a,b}/c"],
  ])(
    "start a search for %s in %s where its plain directories lead",
    (pattern, path, root, rest) => {
      expect(searchOf({ pattern, path }, "/w")).toEqual({ root, pattern: rest });
    },
  );
});
