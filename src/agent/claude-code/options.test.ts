import { describe, expect, it } from "vitest";
import {
  checkProgramRules,
  type ProgramSetup,
  programStart,
  programTools,
  uuidOf,
} from "./options";

const setup = (changes: Partial<ProgramSetup> = {}): ProgramSetup => ({
  uuid: "11111111-1111-4111-8111-111111111111",
  workspace: "/workspace",
  env: {},
  model: "claude-sonnet-5-5",
  customAgents: {},
  serverTools: [],
  ...changes,
});
const start = (changes?: Partial<ProgramSetup>) => programStart("claude_1", setup(changes));

/** The words of the command that starts the program. */
function argsOf({ command }: { command: string }): string[] {
  const line = command.split("\n").find((one) => one.startsWith("exec claude")) ?? "";
  return [...line.matchAll(/'((?:[^']|'\\'')*)'/g)].map(([, word = ""]) => word);
}
const optionOf = (args: string[], option: string) => args[args.indexOf(option) + 1];

describe("the program's command", () => {
  it("talks in lines, and takes nothing from the workspace", () => {
    const args = argsOf(start());
    expect(optionOf(args, "--input-format")).toBe("stream-json");
    expect(optionOf(args, "--output-format")).toBe("stream-json");
    expect(optionOf(args, "--setting-sources")).toBe("");
    expect(args).toContain("--strict-mcp-config");
    expect(args).toContain("--disable-slash-commands");
    expect(optionOf(args, "--model")).toBe("claude-sonnet-5-5");
  });

  it("resumes the transcript that is there, or the one that was put back, or begins one", () => {
    const { command } = start();
    const path =
      "/home/agent/.claude/projects/-workspace/11111111-1111-4111-8111-111111111111.jsonl";
    const saved = "/home/agent/start/claude_1/transcript.jsonl";
    expect(command).toContain(`if [ ! -s '${path}' ] && [ -s '${saved}' ]`);
    expect(command).toContain("set -- --resume 11111111-1111-4111-8111-111111111111");
    expect(command).toContain("set -- --session-id 11111111-1111-4111-8111-111111111111");
  });

  it("knows no secret, and sends nothing home", () => {
    const { env } = start({
      env: { MINE: "1", ANTHROPIC_API_KEY: "theirs", DISABLE_AUTOUPDATER: "0" },
    });
    expect(env).toMatchObject({
      MINE: "1",
      ANTHROPIC_API_KEY: "none",
      DISABLE_AUTOUPDATER: "1",
      DISABLE_TELEMETRY: "1",
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    });
  });

  it("carries prompts of any size in files", () => {
    const systemPrompt = "It's yours. ".repeat(20_000);
    const { files, command } = start({ systemPrompt });
    const path = optionOf(argsOf({ command }), "--system-prompt-file");
    expect(files).toEqual([{ path, text: systemPrompt }]);
    expect(command.length).toBeLessThan(4_000);
    expect(start().files).toEqual([]);
  });
});

describe("tools and rules", () => {
  it("are all that the program has where nothing is said, and need no leave", () => {
    const args = argsOf(start());
    expect(optionOf(args, "--tools")).toBe(
      "Bash,Edit,Glob,Grep,Read,TodoWrite,WebFetch,WebSearch,Write",
    );
    expect(optionOf(args, "--permission-mode")).toBe("bypassPermissions");
    expect(args).not.toContain("--allowedTools");
  });

  it("are those that are allowed, with paths as the program writes them", () => {
    const args = argsOf(
      start({
        allowedTools: ["Bash(git *)", "Read(/workspace/docs/**)", "WebFetch(domain:a.b)"],
        disallowedTools: ["Bash(git push *)", "wake"],
      }),
    );
    expect(optionOf(args, "--tools")).toBe("Bash,Read,WebFetch");
    expect(optionOf(args, "--permission-mode")).toBe("dontAsk");
    const allowed = args.indexOf("--allowedTools");
    expect(args.slice(allowed + 1)).toEqual([
      "Bash(git *)",
      "Read(//workspace/docs/**)",
      "WebFetch(domain:a.b)",
      "--disallowedTools",
      "Bash(git push *)",
    ]);
  });

  it("are asked for as a whole if the session or an agent has a rule that asks", () => {
    const agent = { description: "a", model: "m", askTools: ["Bash"] };
    const asking = { askTools: ["Bash(git push *)", "WebFetch"], customAgents: { a: agent } };
    const free = argsOf(start(asking));
    expect(JSON.parse(optionOf(free, "--settings") ?? "")).toMatchObject({
      permissions: { ask: ["Bash", "WebFetch"] },
    });
    expect(optionOf(free, "--permission-mode")).toBe("bypassPermissions");
    expect(optionOf(free, "--permission-prompt-tool")).toBe("stdio");
    const limited = argsOf(start({ ...asking, allowedTools: ["Read"] }));
    expect(optionOf(limited, "--permission-mode")).toBe("default");
    expect(optionOf(limited, "--tools")).toBe("Bash,Read,WebFetch");
    expect(argsOf(start())).not.toContain("--permission-prompt-tool");
  });

  it("are none where none is allowed", () => {
    const args = argsOf(start({ allowedTools: [] }));
    expect(optionOf(args, "--tools")).toBe("");
    expect(optionOf(args, "--permission-mode")).toBe("dontAsk");
  });

  it("start agents only where there are any", () => {
    expect(programTools({}, false)).not.toContain("Task");
    expect(programTools({}, true)).toContain("Task");
    expect(programTools({ disallowedTools: ["Task"] }, true)).not.toContain("Task");
  });

  it("that the program can't keep are named", () => {
    const rules = { allowedTools: ["Bash", "wake", "SendMessage"], disallowedTools: ["wake"] };
    expect(checkProgramRules(rules, { ofAgent: false }).map(({ path }) => path)).toEqual([
      "allowedTools.1",
      "allowedTools.2",
    ]);
    const ofAgent = { allowedTools: ["Bash", "Bash(git *)"], disallowedTools: ["Read(/x)"] };
    expect(checkProgramRules(ofAgent, { ofAgent: true }).map(({ path }) => path)).toEqual([
      "allowedTools.1",
      "disallowedTools.0",
    ]);
  });
});

describe("agents", () => {
  it("are told to the program in a file, without the tools that they have not", () => {
    const { files } = start({
      disallowedTools: ["WebFetch"],
      customAgents: {
        writer: {
          description: "Writes",
          model: "claude-haiku-5-5",
          systemPrompt: "You write.",
          allowedTools: ["Read", "Write", "Task", "WebFetch"],
          maxTurns: 3,
          effort: "low",
        },
      },
    });
    expect(JSON.parse(files[0]?.text ?? "")).toEqual({
      writer: {
        description: "Writes",
        prompt: "You write.",
        tools: ["Read", "Write"],
        model: "claude-haiku-5-5",
        maxTurns: 3,
        effort: "low",
      },
    });
  });
});

it("a session's UUID is in its sessionId", () => {
  expect(uuidOf("sdk_sess_11111111-1111-4111-8111-111111111111")).toBe(
    "11111111-1111-4111-8111-111111111111",
  );
});

it("names the tools of the session's server as the program does, in rules and for agents", () => {
  const tool = (name: string) => ({ name, description: "x", inputSchema: { type: "object" } });
  const { command, files } = start({
    serverTools: [tool("Publish"), tool("lookup"), tool("notify")],
    ...{
      allowedTools: ["Bash", "Publish", "lookup"],
      askTools: ["lookup"],
      disallowedTools: ["notify"],
    },
    customAgents: { writer: { model: "m", description: "writes" } },
  });
  const args = argsOf({ command });
  expect(optionOf(args, "--tools")).toBe("Bash");
  expect(JSON.parse(optionOf(args, "--settings") ?? "")).toMatchObject({
    permissions: { ask: ["mcp__client__lookup"] },
  });
  expect(args.slice(args.indexOf("--allowedTools") + 1)).toEqual([
    ...["Bash", "mcp__client__Publish", "mcp__client__lookup"],
    ...["--disallowedTools", "mcp__client__notify"],
  ]);
  const agents = JSON.parse(files.find(({ path }) => path.endsWith("agents.json"))?.text ?? "");
  expect(agents.writer.tools).toEqual(["Bash", "mcp__client__Publish", "mcp__client__lookup"]);
});
