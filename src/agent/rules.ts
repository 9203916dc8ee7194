// The rules of a session as text, written as in Claude Code: `Bash` speaks of every call of a tool,
// `Bash(git *)` of those that match a pattern.

import { expandedLength, MAX_PATTERN_CHARS, PATHS, PATTERNED } from "./rule-patterns";
import type { Tool } from "./tool";
import { TOOLS } from "./tools";

/** A session's rules. Absent `allowedTools` allow everything; `disallowedTools` win over them. */
export interface Rules {
  allowedTools?: readonly string[] | undefined;
  disallowedTools?: readonly string[] | undefined;
}

/** A rule: without a pattern it speaks of every call of its tool. */
export interface Rule {
  tool: string;
  pattern?: string;
}

/** Returns a rule from its text, undefined when it is none. `Bash(*)` is `Bash`. */
export function parseRule(text: string): Rule | undefined {
  const [, tool, pattern] = /^([A-Za-z][\w-]*)(?:\((.+)\))?$/s.exec(text.trim()) ?? [];
  if (tool === undefined) return undefined;
  return pattern === undefined || pattern === "*" ? { tool } : { tool, pattern };
}

/** Returns what is wrong with rules, each with the path of the rule; empty when nothing is. */
export function checkRules(
  rules: Rules,
  tools: readonly Pick<Tool, "name">[] = TOOLS,
): { path: string; message: string }[] {
  return (["allowedTools", "disallowedTools"] as const).flatMap((list) =>
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
  if (!tools.some(({ name }) => name === tool)) {
    return `there is no tool "${tool}", only ${tools.map(({ name }) => name).join(", ")}`;
  }
  if (pattern === undefined) return undefined;
  const patterned = PATTERNED[tool];
  return patterned ? patterned.problem(pattern) : `rules of ${tool} take no pattern`;
}

/** Rules as they were read, by the lists they stand in: a run asks again for each of its calls. */
const READ = new WeakMap<readonly string[], Rule[]>();

/** Returns the rules of a list; texts that are none are left out. */
export function parseRules(rules: readonly string[] = []): Rule[] {
  const known = READ.get(rules);
  if (known) return known;
  const read = rules.flatMap((text) => parseRule(text) ?? []);
  READ.set(rules, read);
  return read;
}
