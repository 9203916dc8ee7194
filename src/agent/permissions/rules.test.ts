import { describe, expect, it } from "vitest";
import { TOOLS } from "../tools";
import { checkRules, parseRule } from "./rules";

describe("parseRule", () => {
  it.each([
    ["Bash", { tool: "Bash" }],
    [" Bash ", { tool: "Bash" }],
    ["Bash(git *)", { tool: "Bash", pattern: "git *" }],
    ["Bash(npm run test:*)", { tool: "Bash", pattern: "npm run test:*" }],
    ["Bash(echo (a))", { tool: "Bash", pattern: "echo (a)" }],
    ["Bash(*)", { tool: "Bash" }],
    ["Read(/a/**)", { tool: "Read", pattern: "/a/**" }],
    ["mcp__a-b__c", { tool: "mcp__a-b__c" }],
    ["mcp__a__*", { tool: "mcp__a" }],
    ["mcp__a", { tool: "mcp__a" }],
    ["mcp__*", undefined],
    ["mcp__a__b__*", undefined],
    ["", undefined],
    ["Bash(", undefined],
    ["Bash()", undefined],
    ["Bash(a) b", undefined],
    ["(git *)", undefined],
  ])("reads %s", (text, rule) => {
    expect(parseRule(text)).toEqual(rule);
  });
});

describe("checkRules", () => {
  it("finds nothing wrong with good rules", () => {
    const good = [
      ...TOOLS.map(({ name }) => name),
      "Bash(git *)",
      "Read(/workspace/src/**)",
      "Edit(**/*.ts)",
      "WebFetch(domain:example.com)",
      "WebFetch(domain:*.example.com)",
      ...["mcp__issues", "mcp__issues__*", "mcp__issues__search"],
    ];
    expect(checkRules({ allowedTools: good, disallowedTools: good })).toEqual([]);
    expect(checkRules({})).toEqual([]);
  });

  it.each([
    ["Bsah", /no tool "Bsah", only Bash, Edit, /],
    ["bash", /no tool "bash"/],
    ["Bash(", /is no rule/],
    ["TodoWrite(x)", /take no pattern/],
    ["mcp__issues(x)", /take no pattern/],
    ["mcp__", /no tool "mcp__"/],
    ["mcp__a_", /no tool "mcp__a_"/],
    ["WebFetch(example.com)", /must be like WebFetch\(domain:/],
    ["WebFetch(domain:*)", /must be like/],
    ["Read(src/**)", /must begin with \/ or \*\*\//],
    ["Edit(~/x)", /must begin with/],
    ["Read(/[z-a])", /\[z-a\] has a range whose ends are in the wrong order/],
    [`Read(/${"{a,b}".repeat(8)})`, /alternatives/],
  ])("says what is wrong with %s, and where", (rule, message) => {
    expect(checkRules({ allowedTools: ["Bash"], disallowedTools: ["Read", rule] })).toEqual([
      { path: "disallowedTools.1", message: expect.stringMatching(message) },
    ]);
  });

  it("knows the tools it is given", () => {
    expect(checkRules({ allowedTools: ["Task"] }, [{ name: "Task" }])).toEqual([]);
  });
});
