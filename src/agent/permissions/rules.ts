// The rules of a session, written as in Claude Code: `Bash` applies to every call of a tool, `Bash(git *)` to
// those that match the pattern.

import { namesTool, serverIn } from "../mcp/names";
import type { Tool } from "../tool";
import { TOOLS } from "../tools";
import { expandedLength, MAX_PATTERN_CHARS, PATHS, PATTERNED } from "./rule-patterns";

/**
 * A session's rules. Without `allowedTools` every tool is allowed. A call that matches `askTools` is allowed too, once
 * somebody has approved it. `disallowedTools` take precedence over both.
 */
export interface Rules {
  allowedTools?: readonly string[] | undefined;
  askTools?: readonly string[] | undefined;
  disallowedTools?: readonly string[] | undefined;
}

/**
 * Returns the rules of an agent of a session. What the session disallows or asks for is so for all agents. Others than the
 * main one start no agents.
 */
export const rulesOfAgent = (session: Rules, own: Rules): Rules => ({
  allowedTools: own.allowedTools ?? session.allowedTools,
  askTools:
    session.askTools || own.askTools
      ? [...(session.askTools ?? []), ...(own.askTools ?? [])]
      : undefined,
  disallowedTools: [...(session.disallowedTools ?? []), ...(own.disallowedTools ?? []), "Task"],
});

/** The names of the lists of rules. */
export const RULE_LISTS = ["allowedTools", "askTools", "disallowedTools"] as const;

/** One rule. Without a pattern it applies to every call of its tool. */
export interface Rule {
  tool: string;
  pattern?: string;
}

/**
 * Parses a rule; undefined if the text is none. `Bash(*)` is the same as `Bash`, and `mcp__server__*` the same as
 * `mcp__server`: all tools of the server.
 */
export function parseRule(text: string): Rule | undefined {
  // A name before the `*` that contains "__" is that of a tool, whose end has no pattern.
  const plain = text.trim().replace(/^(mcp__(?:(?!__)[\w-])+)__\*$/, "$1");
  const [, tool, pattern] = /^([\w-]+)(?:\((.+)\))?$/s.exec(plain) ?? [];
  if (tool === undefined) return undefined;
  return pattern === undefined || pattern === "*" ? { tool } : { tool, pattern };
}

/** Returns whether a rule is about a tool, with any pattern. */
export const isAbout = (rule: Rule, tool: string): boolean => namesTool(rule.tool, tool);

/** Returns what is wrong with rules, each with the path of the rule; empty if all are valid. */
export function checkRules(
  rules: Rules,
  tools: readonly Pick<Tool, "name">[] = TOOLS,
): { path: string; message: string }[] {
  return RULE_LISTS.flatMap((list) =>
    problemsOf(rules[list] ?? [], tools).map(({ index, message }) => ({
      path: `${list}.${index}`,
      message,
    })),
  );
}

function problemsOf(
  rules: readonly string[],
  tools: readonly Pick<Tool, "name">[],
): { index: number; message: string }[] {
  const problems: { index: number; message: string }[] = [];
  let chars = 0;
  for (const [index, text] of rules.entries()) {
    const message = problemOf(text, tools);
    if (message !== undefined) problems.push({ index, message });
    const { tool, pattern } = parseRule(text) ?? {};
    if (message !== undefined || pattern === undefined || !PATHS.has(tool)) continue;
    chars += expandedLength(pattern);
    if (chars <= MAX_PATTERN_CHARS) continue;
    const excess = `the patterns of paths up to this one have more than ${MAX_PATTERN_CHARS} characters, with every alternative of {a,b} written out`;
    return [...problems, { index, message: excess }];
  }
  return problems;
}

function problemOf(text: string, tools: readonly Pick<Tool, "name">[]): string | undefined {
  const rule = parseRule(text);
  if (!rule) return `"${text}" is no rule: write a tool, as in Bash, or Bash(git *)`;
  const { tool, pattern } = rule;
  // Which tools a server has is not known yet.
  if (serverIn(tool) === undefined && !tools.some(({ name }) => name === tool)) {
    return `there is no tool "${tool}", only ${tools.map(({ name }) => name).join(", ")}`;
  }
  if (pattern === undefined) return undefined;
  const patterned = PATTERNED[tool];
  return patterned ? patterned.problem(pattern) : `rules of ${tool} take no pattern`;
}

/** Parsed rules by the lists that they come from: a run asks for them with each call. */
const READ = new WeakMap<readonly string[], Rule[]>();

/** Parses a list of rules. Texts that are not rules are left out. */
export function parseRules(rules: readonly string[] = []): Rule[] {
  const known = READ.get(rules);
  if (known) return known;
  const read = rules.flatMap((text) => parseRule(text) ?? []);
  READ.set(rules, read);
  return read;
}
