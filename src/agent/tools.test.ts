import { describe, expect, it } from "vitest";
import { z } from "zod";
import { SandboxError } from "../sandbox/sandbox";
import { aContext, aFakeSandbox, textOf } from "../testing/tool-context";
import type { Tool, ToolContext } from "./tool";
import { findTool, runTool, TOOLS, toolDefinitions } from "./tools";
import { todoWrite } from "./tools/todo-write";

const sandbox = aFakeSandbox();

const aTool = (run: Tool["run"]): Tool => ({
  name: "Probe",
  description: "",
  effect: "reading",
  input: z.object({ text: z.string(), more: z.array(z.number()).optional() }),
  run,
});
const call = (tool: Tool, input: unknown = { text: "" }, parts: Partial<ToolContext> = {}) =>
  runTool(tool, input, aContext({ sandbox, ...parts }));

describe("toolDefinitions", () => {
  it("describes every tool with the fields of Claude Code", () => {
    const fields = Object.fromEntries(
      toolDefinitions(TOOLS).map(({ name, input_schema }) => [
        name,
        [Object.keys(input_schema.properties ?? {}).join(" "), input_schema.required?.join(" ")],
      ]),
    );
    expect(fields).toEqual({
      Bash: ["command timeout description run_in_background", "command"],
      Edit: ["file_path old_string new_string replace_all", "file_path old_string new_string"],
      Glob: ["pattern path", "pattern"],
      Grep: [
        "pattern path glob type output_mode -A -B -C context -n -i -o head_limit offset multiline",
        "pattern",
      ],
      Publish: ["paths description", "paths"],
      Read: ["file_path offset limit pages", "file_path"],
      SendMessage: ["to message", "to message"],
      Task: ["subagent_type prompt description name run_in_background", "subagent_type prompt"],
      TodoWrite: ["todos", "todos"],
      WebFetch: ["url prompt offset", "url prompt"],
      WebSearch: ["query allowed_domains blocked_domains", "query"],
      Write: ["file_path content", "file_path content"],
      wake: ["delayMs at prompt", "prompt"],
    });
  });

  it("says the same, in the same order, however the tools are given", () => {
    const reversed = toolDefinitions([...TOOLS].reverse());
    expect(JSON.stringify(reversed)).toBe(JSON.stringify(toolDefinitions(TOOLS)));
    expect(reversed.map(({ name }) => name)).toEqual([...reversed.map(({ name }) => name)].sort());
  });

  it("leaves unknown fields to be ignored", () => {
    expect(JSON.stringify(toolDefinitions(TOOLS))).not.toContain("additionalProperties");
  });
});

describe("findTool", () => {
  it("finds a tool by its exact name", () => {
    expect(findTool("Bash")?.effect).toBe("acting");
    expect(findTool("bash")).toBeUndefined();
  });
});

describe("runTool", () => {
  it("names each bad field", async () => {
    const result = await call(
      aTool(async () => ({ content: "ran" })),
      { more: [1, "x"] },
    );
    expect(result.isError).toBe(true);
    expect(textOf(result)).toMatch(/^Probe can't use this input\.\ntext: .+\nmore\.1: .+$/);
    expect(
      textOf(
        await call(
          aTool(async () => ({ content: "ran" })),
          "text",
        ),
      ),
    ).toMatch(/\ninput: /);
  });

  it("ignores fields it does not know", async () => {
    const echo = aTool(async (input) => ({ content: JSON.stringify(input) }));
    expect(await call(echo, { text: "a", extra: 1 })).toEqual({ content: '{"text":"a"}' });
  });

  it.each([
    [new Error("broken"), "Probe failed: broken"],
    ["thrown text", "Probe failed: thrown text"],
    [new SandboxError("gone", { transient: false }), "The sandbox could not do this: gone"],
    [
      new SandboxError("busy", { transient: true }),
      "The sandbox could not do this: busy. It may work when tried again.",
    ],
  ])("makes a result of what is thrown: %s", async (error, content) => {
    expect(await call(aTool(() => Promise.reject(error)))).toEqual({ content, isError: true });
  });

  it("calls it an interruption when the call was stopped", async () => {
    const abort = new AbortController();
    const tool = aTool(async () => {
      abort.abort();
      throw new Error("connection lost");
    });
    const result = await call(tool, { text: "" }, { signal: abort.signal });
    expect(result).toEqual({ content: "The call was interrupted.", isError: true });
  });

  it("mends halves of surrogate pairs, which the API refuses", async () => {
    const half = "😀".slice(0, 1);
    expect(await call(aTool(async () => ({ content: half })))).toEqual({ content: "\uFFFD" });
    const block = { type: "text" as const, text: half };
    expect(await call(aTool(async () => ({ content: [block] })))).toEqual({
      content: [{ type: "text", text: "\uFFFD" }],
    });
  });
});

describe("TodoWrite", () => {
  const todo = (content: string, status: string) => ({
    content,
    status,
    activeForm: `${content}ing`,
  });

  it("confirms the list", async () => {
    const todos = [todo("Read", "completed"), todo("Test", "in_progress"), todo("Ship", "pending")];
    expect(await call(todoWrite, { todos })).toEqual({
      content: "The list now has 3 items, 1 completed:\n[x] Read\n[>] Test\n[ ] Ship",
    });
    expect(await call(todoWrite, { todos: [] })).toEqual({ content: "The list is empty now." });
  });

  it("names what is wrong with an item", async () => {
    const result = await call(todoWrite, { todos: [todo("Read", "done")] });
    expect(textOf(result)).toContain("\ntodos.0.status: ");
  });
});
