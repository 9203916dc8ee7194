import { describe, expect, it } from "vitest";
import { capTools, checkToolRules } from "./tool-cap";

const CAP = ["Read", "Bash(git *)"];

describe("a session made with a key of some tools", () => {
  it("has those tools if it names none", () => {
    expect(capTools({ model: "m" }, CAP)).toEqual({
      config: { model: "m", allowedTools: CAP },
      issues: [],
    });
  });

  it.each([
    ["the same rules", ["Read", "Bash(git *)"]],
    ["a part of a whole tool", ["Read(/workspace/src/**)"]],
    ["no tool", []],
  ])("may name %s", (_, allowedTools) => {
    expect(capTools({ allowedTools }, CAP)).toEqual({ config: { allowedTools }, issues: [] });
  });

  it.each(["Write", "Bash", "Bash(*)", "Bash(git push)", "Bash(rm *)", "no rule"])(
    "may not name %s, for any agent",
    (rule) => {
      const config = {
        allowedTools: ["Read", rule],
        customAgents: { helper: { allowedTools: [rule] }, other: {} },
      };
      expect(capTools(config, CAP).issues.map(({ path }) => path)).toEqual([
        "config.allowedTools.1",
        "config.customAgents.helper.allowedTools.0",
      ]);
    },
  );
});

it("a session made with a key of some tools may ask for no others", () => {
  const config = {
    askTools: ["Bash(git *)", "Write"],
    customAgents: { a: { askTools: ["Edit"] } },
  };
  expect(capTools(config, CAP).issues.map(({ path }) => path)).toEqual([
    "config.askTools.1",
    "config.customAgents.a.askTools.0",
  ]);
});

it("a session made with a key of some tools has a set-up only if they contain all of Bash", () => {
  const config = { setup: ["npm ci"] };
  expect(capTools(config, CAP).issues.map(({ path }) => path)).toEqual(["config.setup"]);
  expect(capTools(config, ["Bash"]).issues).toEqual([]);
});

it("a key without such a limit changes no config", () => {
  const config = { customAgents: { a: { allowedTools: ["Bash"] } } };
  expect(capTools(config, null)).toEqual({ config, issues: [] });
});

it("the rules of a key are checked as those of a session are", () => {
  expect(checkToolRules(["Read", "Nope"], "tools")).toEqual([
    { path: "tools.1", message: expect.stringContaining('there is no tool "Nope"') },
  ]);
});

it("a session made with a key of an MCP server may name its tools, and those of no other", () => {
  const allowedTools = ["mcp__issues__search", "mcp__issues__*", "mcp__mail", "mcp__issues2__x"];
  expect(capTools({ allowedTools }, ["mcp__issues"]).issues.map(({ path }) => path)).toEqual([
    "config.allowedTools.2",
    "config.allowedTools.3",
  ]);
  const whole = { allowedTools: ["mcp__issues__search", "mcp__issues"] };
  expect(capTools(whole, ["mcp__issues__search"]).issues.map(({ path }) => path)).toEqual([
    "config.allowedTools.1",
  ]);
});
