// Decides which tools a session may use, and for which inputs.

import type { CommandRules } from "../../sandbox/command-rules";
import { PATTERNED } from "./rule-patterns";
import { isAbout, parseRules, type Rule, type Rules } from "./rules";

/** The decision on a call: whether it is allowed, and if so, whether somebody has to approve it. The reason is for the model. */
export type Permission = { allowed: true; asks: boolean } | { allowed: false; reason: string };

/** Returns the rules of what is allowed, with or without approval; undefined if that is everything. */
export function permittedRules({ allowedTools, askTools }: Rules): readonly string[] | undefined {
  return allowedTools && askTools ? [...allowedTools, ...askTools] : allowedTools;
}

/** Returns those of some tools that are offered to the model: of which a call may be allowed. */
export const offeredTools = <T extends { name: string }>(rules: Rules, tools: readonly T[]): T[] =>
  tools.filter(isOffered(rules));

/** Returns a function that says whether a tool is offered to the model. */
export function isOffered(rules: Rules): (tool: { name: string }) => boolean {
  const permitted = permittedRules(rules);
  const allowed = permitted && parseRules(permitted);
  const disallowed = parseRules(rules.disallowedTools);
  return ({ name }) =>
    (!allowed || allowed.some((rule) => isAbout(rule, name))) &&
    !disallowed.some((rule) => isAbout(rule, name) && rule.pattern === undefined);
}

/**
 * Decides about one call, before it is made.
 *
 * A disallowing rule wins. A call that matches a rule of `askTools` has to be approved, even if another rule allows it. A
 * tool that is allowed by patterns only, of either list, needs one that matches:
 * - Bash: `*` is any text, and a trailing ` *` or `:*` also matches no arguments at all. Every command of
 *   the script must match a pattern as it is written. What can't be read for sure matches none:
 *   substitutions, groups, here-documents, redirections to files.
 * - Read, Write, Edit, Glob, Grep: a glob of absolute paths, which covers what is below it too. Links are
 *   not looked at. A search is held against the directory it starts in.
 * - WebFetch: `domain:example.com` is that host, `domain:*.example.com` are those below it.
 *
 * Disallowing and asking patterns take in more: any command of the script, in any quotes and behind `sudo`, `xargs`,
 * `sh -c` and the like; a domain with all below it; for `Edit(…)` also Write, for `Read(…)` also a
 * search that starts there. Of Bash they are a guard rail and no wall, as a program may start others:
 * what must not happen is kept out by the sandbox, or by disallowing Bash.
 *
 * Where the sandbox decides on each command by `commandRules`, patterns of Bash are left to it, except those that ask.
 *
 * Without `cwd` a relative path can't be placed, and is refused wherever a pattern speaks of paths.
 */
export function mayCall(
  rules: Rules,
  tool: string,
  input: unknown,
  cwd?: string,
  sandboxDecides = false,
): Permission {
  const patterned = PATTERNED[tool];
  const leftToSandbox = sandboxDecides && tool === "Bash";
  const against = parseRules(rules.disallowedTools).filter(
    ({ pattern }) => !(leftToSandbox && pattern !== undefined),
  );
  const disallowing = firstMatch(against, tool, input, cwd);
  if (disallowing) return refused(`${textOf(disallowing)} is disallowed.`);

  const asks = firstMatch(parseRules(rules.askTools), tool, input, cwd) !== undefined;
  const permitted = permittedRules(rules);
  if (!permitted) return { allowed: true, asks };
  const own = parseRules(permitted).filter((rule) => isAbout(rule, tool));
  const patterns = patternsOf(own);
  if (patterns.length < own.length) return { allowed: true, asks };
  if (!patterned || patterns.length === 0) return refused(`${tool} is not allowed.`);
  if (leftToSandbox) return { allowed: true, asks };
  const problem = patterned.uncovered(patterns, input, cwd);
  if (problem === undefined) return { allowed: true, asks };
  return refused(`Only ${own.map(textOf).join(", ")} is allowed: ${problem}.`);
}

/** Returns the first of the rules that matches a call, as disallowing patterns do; undefined if none does. */
function firstMatch(
  rules: readonly Rule[],
  tool: string,
  input: unknown,
  cwd?: string,
): Rule | undefined {
  const about = rules.filter((rule) => concerns(rule, tool));
  const patterns = patternsOf(about);
  const matches = patterns.length > 0 ? PATTERNED[tool]?.forbids(patterns, input, cwd) : undefined;
  return about.find(({ pattern }) => pattern === undefined || matches?.(pattern));
}

/** Returns the patterns of Bash for a sandbox that decides on commands; undefined if there are none. */
export function commandRules(rules: Rules): CommandRules | undefined {
  const patternsIn = (list: readonly string[] | undefined) =>
    parseRules(list).flatMap(({ tool, pattern }) => (tool === "Bash" ? [pattern] : []));
  const own = patternsIn(permittedRules(rules));
  const allowed = own.includes(undefined) ? [] : (own as string[]);
  const disallowed = patternsIn(rules.disallowedTools).filter((pattern) => pattern !== undefined);
  if (allowed.length === 0 && disallowed.length === 0) return undefined;
  return { ...(allowed.length > 0 && { allowed }), disallowed };
}

/** Tools to which another tool's disallowing or asking pattern applies too. */
const ALSO_CONCERNED: Record<string, readonly string[]> = {
  Edit: ["Write"],
  Read: ["Glob", "Grep"],
};

/** Returns whether a disallowing or asking rule applies to a tool. */
function concerns(rule: Rule, called: string): boolean {
  if (isAbout(rule, called)) return true;
  const { tool, pattern } = rule;
  return pattern !== undefined && (ALSO_CONCERNED[tool]?.includes(called) ?? false);
}

function patternsOf(rules: readonly Rule[]): string[] {
  return rules.flatMap(({ pattern }) => pattern ?? []);
}

function textOf({ tool, pattern }: Rule): string {
  return pattern === undefined ? tool : `${tool}(${pattern})`;
}

function refused(reason: string): Permission {
  return { allowed: false, reason };
}
