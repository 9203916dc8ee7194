import { describe, expect, it, vi } from "vitest";
import type { Command, CommandResult } from "../../sandbox/sandbox";
import { aContext, aFakeSandbox, aSandbox, textOf } from "../../testing/tool-context";
import type { ToolContext } from "../tool";
import { runTool } from "../tools";
import { bash } from "./bash";

const sandbox = aSandbox();
const run = (input: object | string, parts: Partial<ToolContext> = {}) =>
  runTool(
    bash,
    typeof input === "string" ? { command: input } : input,
    aContext({ sandbox, ...parts }),
  );

const ended = (parts: Partial<CommandResult> = {}): CommandResult => ({
  exitCode: 0,
  stdout: "",
  stderr: "",
  ended: "exited",
  truncated: false,
  ...parts,
});

/** A sandbox whose command runs until it is killed, or for ever. */
function aSlowSandbox({ killable = true } = {}) {
  const { promise, resolve } = Promise.withResolvers<CommandResult>();
  const kill = vi.fn(async () => {
    if (killable) resolve(ended({ ended: "killed", exitCode: 137, stdout: "so far" }));
  });
  return { ...aFakeSandbox({ run: () => promise, kill }), kill };
}

describe("Bash", () => {
  it("shows stdout and stderr", async () => {
    expect(await run("echo out; echo err >&2")).toEqual({ content: "out\nerr" });
    expect(await run("true")).toEqual({ content: "(no output)" });
  });

  it("gives a failure's exit code and both streams as an error", async () => {
    expect(await run("echo out; echo err >&2; exit 3")).toEqual({
      content: "Exit code 3\nout\nerr",
      isError: true,
    });
  });

  it("names the command by its call, in the agent's directory and variables", async () => {
    const commands: Command[] = [];
    const fake = aFakeSandbox({
      run: async (command) => {
        commands.push(command);
        return ended();
      },
    });
    const context = { sandbox: fake, cwd: "/work", env: { A: "b" }, callId: "toolu_1" };
    await run({ command: "ls", timeout: 5_000, description: "Lists", unknown: 1 }, context);
    await run("ls", context);
    expect(commands).toEqual([
      {
        id: "toolu_1",
        command: "ls",
        cwd: "/work",
        env: { A: "b" },
        timeoutMs: 5_000,
        maxOutputBytes: 1024 ** 2,
        overflow: { path: "/tmp/rigger/toolu_1.txt", maxChars: 30_000, maxFailureChars: 10_000 },
      },
      expect.objectContaining({ timeoutMs: 120_000 }),
    ]);
  });

  it("keeps the shell's directory, after a failure too", async () => {
    const setCwd = vi.fn();
    await run("mkdir -p sub && cd sub; false", { setCwd });
    await run("true", { setCwd });
    expect(setCwd.mock.calls).toEqual([["/workspace/sub"]]);
  });

  it("goes up from a directory that is gone", async () => {
    const setCwd = vi.fn();
    const result = await run("pwd", { cwd: "/workspace/gone", setCwd });
    expect(result).toMatchObject({ isError: true, content: expect.stringContaining("is gone") });
    expect(setCwd.mock.calls).toEqual([["/workspace"]]);
  });

  it("shows output while it comes", async () => {
    const output = vi.fn();
    await run("echo seen", { output });
    expect(output.mock.calls).toEqual([["stdout", "seen\n"]]);
  });

  it("shows the ends of 30,000 characters and saves the whole", async () => {
    const text = textOf(await run("echo first; seq 1 20000; echo last", { callId: "toolu_long" }));
    expect(text.length).toBeLessThan(30_300);
    expect(text).toMatch(/^first\n1\n/);
    expect(text).toMatch(/\[\.\.\. 78,\d+ characters left out \.\.\.\]/);
    expect(text).toMatch(
      /last\n\[The whole output, 108,\d+ characters, is in \/tmp\/rigger\/toolu_long\.txt\.\]$/,
    );
    const saved = await sandbox.readFile("/tmp/rigger/toolu_long.txt");
    expect(new TextDecoder().decode(saved ?? undefined)).toMatch(
      /^first\n1\n2\n[\d\n]+\n20000\nlast$/,
    );
  });

  it("shows the ends of 10,000 characters of a failure", async () => {
    const text = textOf(await run("seq 1 20000; echo why >&2; exit 2"));
    expect(text.length).toBeLessThan(10_300);
    expect(text).toMatch(/^Exit code 2\n1\n2\n/);
    expect(text).toMatch(/20000\nwhy\n\[The whole output/);
  });

  it("tells a timeout from a failure", async () => {
    const result = await run({ command: "sleep 10", timeout: 50 });
    expect(result).toMatchObject({
      isError: true,
      content: expect.stringMatching(
        /^The command ran longer than 0\.05 seconds and was stopped\./,
      ),
    });
  });

  it("says when the sandbox killed a command", async () => {
    const fake = aFakeSandbox({ run: async () => ended({ ended: "killed", exitCode: 137 }) });
    expect(await run("x", { sandbox: fake })).toEqual({
      content: "The command was killed.",
      isError: true,
    });
  });

  it.each([
    ["timeout", { command: "ls", timeout: 600_001 }],
    ["timeout", { command: "ls", timeout: "soon" }],
    ["command", { command: "" }],
    ["command", {}],
  ])("refuses a bad %s by its name", async (field, input) => {
    expect(await run(input)).toMatchObject({
      isError: true,
      content: expect.stringContaining(`\n${field}: `),
    });
  });

  it("does not run in the background", async () => {
    const result = await run({ command: "ls", run_in_background: true });
    expect(result).toMatchObject({ isError: true, content: expect.stringContaining("background") });
  });

  describe("when it is stopped", () => {
    it("kills the command and shows what it had written", async () => {
      const slow = aSlowSandbox();
      const abort = new AbortController();
      const result = run("sleep 100", { sandbox: slow, signal: abort.signal, callId: "toolu_2" });
      abort.abort();
      expect(await result).toEqual({
        content: "The command was interrupted.\nso far",
        isError: true,
      });
      expect(slow.kill.mock.calls).toEqual([["toolu_2"]]);
    });

    it("does not wait for a sandbox that does not answer", async () => {
      vi.useFakeTimers();
      try {
        const abort = new AbortController();
        const slow = aSlowSandbox({ killable: false });
        const result = run("sleep 100", { sandbox: slow, signal: abort.signal });
        abort.abort();
        await vi.advanceTimersByTimeAsync(5_000);
        expect(await result).toEqual({ content: "The command was interrupted.", isError: true });
      } finally {
        vi.useRealTimers();
      }
    });

    it("does not begin after the stop", async () => {
      const result = await run("ls", { sandbox: aFakeSandbox(), signal: AbortSignal.abort() });
      expect(result).toEqual({ content: "The call was interrupted.", isError: true });
    });
  });

  describe("after a restart", () => {
    const again = { callId: "toolu_again", interrupted: true };

    it("gives the result of a command that has ended", async () => {
      await run("echo ran >> ran.txt; echo done", { callId: again.callId });
      expect(await run("echo ran >> ran.txt; echo done", again)).toEqual({ content: "done" });
      expect(await run("cat ran.txt")).toEqual({ content: "ran" });
    });

    it("waits for a command that still runs", async () => {
      const fake = aFakeSandbox({
        find: async () => ({ state: "running" }),
        run: async () => ended({ stdout: "waited for\n" }),
      });
      expect(await run("x", { ...again, sandbox: fake })).toEqual({ content: "waited for" });
    });

    it.each([
      ["has lost the command", { find: async () => ({ state: "unknown" as const }) }],
      ["can't tell", {}],
    ])("says that the effect is unknown when the sandbox %s", async (_, parts) => {
      const result = await run("x", { ...again, sandbox: aFakeSandbox(parts) });
      expect(result).toMatchObject({
        isError: true,
        content: expect.stringContaining("effect is unknown"),
      });
    });
  });
});
