// Which tools a session may use, and for what. Rules are written as in Claude Code: `Bash` speaks of every
// call of a tool, `Bash(git *)` of those that match a pattern.

import type { CommandRules } from "../sandbox/command-rules";
import { resolveFrom } from "../sandbox/paths";
import type { Tool } from "./tool";
import { TOOLS } from "./tools";
import { forbidden, uncovered } from "./tools/command-rules";
import { searchOf } from "./tools/glob";
import { expandBraces, globMatcher } from "./tools/glob-pattern";

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

/** Whether a call may be made; the reason is written for the model. */
export type Permission = { allowed: true } | { allowed: false; reason: string };

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

/** Returns the tools that the model is told of: those of which some call may be allowed. */
export function offeredTools(rules: Rules, tools: readonly Tool[] = TOOLS): Tool[] {
  const allowed = rules.allowedTools && parsed(rules.allowedTools);
  const disallowed = parsed(rules.disallowedTools);
  return tools.filter(
    ({ name }) =>
      (!allowed || allowed.some(({ tool }) => tool === name)) &&
      !disallowed.some(({ tool, pattern }) => tool === name && pattern === undefined),
  );
}

/**
 * Decides about one call, before it is made.
 *
 * A disallowing rule wins. A tool that is allowed by patterns only needs one that matches:
 * - Bash: `*` is any text, and a trailing ` *` or `:*` also matches no arguments at all. Every command of
 *   the script must match a pattern as it is written. What can't be read for sure matches none:
 *   substitutions, groups, here-documents, redirections to files.
 * - Read, Write, Edit, Glob, Grep: a glob of absolute paths, which covers what is below it too. Links are
 *   not looked at. A search is held against the directory it starts in.
 * - WebFetch: `domain:example.com` is that host, `domain:*.example.com` are those below it.
 *
 * Disallowing patterns take in more: any command of the script, in any quotes and behind `sudo`, `xargs`,
 * `sh -c` and the like; a domain with all below it; for `Edit(…)` also Write, for `Read(…)` also a
 * search that starts there. Of Bash they are a guard rail and no wall, as a program may start others:
 * what must not happen is kept out by the sandbox, or by disallowing Bash.
 *
 * Where the sandbox decides on each command by `commandRules`, patterns of Bash are left to it.
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
  const against = parsed(rules.disallowedTools).filter(
    (rule) => concerns(rule, tool) && !(leftToSandbox && rule.pattern !== undefined),
  );
  const disallowing = patternsOf(against);
  const forbids = disallowing.length > 0 ? patterned?.forbids(disallowing, input, cwd) : undefined;
  for (const rule of against) {
    if (rule.pattern === undefined || forbids?.(rule.pattern)) {
      return refused(`${textOf(rule)} is disallowed.`);
    }
  }
  if (!rules.allowedTools) return { allowed: true };

  const own = parsed(rules.allowedTools).filter((rule) => rule.tool === tool);
  const patterns = patternsOf(own);
  if (patterns.length < own.length) return { allowed: true };
  if (!patterned || patterns.length === 0) return refused(`${tool} is not allowed.`);
  if (leftToSandbox) return { allowed: true };
  const problem = patterned.uncovered(patterns, input, cwd);
  if (problem === undefined) return { allowed: true };
  return refused(`Only ${own.map(textOf).join(", ")} is allowed: ${problem}.`);
}

/** Returns the patterns of Bash for a sandbox that decides by them; undefined when there are none. */
export function commandRules(rules: Rules): CommandRules | undefined {
  const patternsIn = (list: readonly string[] | undefined) =>
    parsed(list).flatMap(({ tool, pattern }) => (tool === "Bash" ? [pattern] : []));
  const own = patternsIn(rules.allowedTools);
  const allowed = own.includes(undefined) ? [] : (own as string[]);
  const disallowed = patternsIn(rules.disallowedTools).filter((pattern) => pattern !== undefined);
  if (allowed.length === 0 && disallowed.length === 0) return undefined;
  return { ...(allowed.length > 0 && { allowed }), disallowed };
}

/** How the patterns of a tool's rules are read. */
interface Patterned {
  /** Returns what is wrong with a pattern. */
  problem(pattern: string): string | undefined;
  /** Why none of the patterns allows a call; undefined when one does. */
  uncovered(patterns: readonly string[], input: unknown, cwd?: string): string | undefined;
  /** Reads a call once; what it returns tells of each of the patterns whether it disallows the call. */
  forbids(patterns: readonly string[], input: unknown, cwd?: string): (pattern: string) => boolean;
}

const commands: Patterned = {
  problem: () => undefined,
  uncovered: (patterns, input) => uncovered(patterns, textIn(input, "command") ?? ""),
  forbids: (patterns, input) => forbidden(patterns, textIn(input, "command") ?? ""),
};

const sites: Patterned = {
  problem: (pattern) =>
    /^domain:(\*\.)?[\w-]+(\.[\w-]+)*$/.test(pattern)
      ? undefined
      : "must be like WebFetch(domain:example.com) or WebFetch(domain:*.example.com)",
  uncovered(patterns, input) {
    const host = hostOf(input);
    const domains = patterns.map(domainOf);
    const covers = (domain: string) =>
      domain.startsWith("*.") ? host.endsWith(domain.slice(1)) : host === domain;
    return domains.some(covers) ? undefined : `${host || "the address"} does not match`;
  },
  forbids(_, input) {
    const host = `.${hostOf(input)}`;
    return (pattern) => host.endsWith(`.${domainOf(pattern).replace(/^\*\./, "")}`);
  },
};

function paths(pathOf: (input: unknown, cwd?: string) => string | undefined): Patterned {
  return {
    problem: pathProblem,
    uncovered(patterns, input, cwd) {
      const path = pathOf(input, cwd);
      if (path === undefined) return "give an absolute path";
      if (isTooMuch(patterns, path)) return "the path is too long, or the patterns are too many";
      return patterns.some((pattern) => covers(pattern, path))
        ? undefined
        : `${path} does not match`;
    },
    forbids(patterns, input, cwd) {
      const path = pathOf(input, cwd);
      if (path === undefined || isTooMuch(patterns, path)) return () => true;
      return (pattern) => covers(pattern, path);
    },
  };
}

const files = paths((input, cwd) => resolved(cwd, textIn(input, "file_path")));

const PATTERNED: Record<string, Patterned> = {
  Bash: commands,
  Read: files,
  Write: files,
  Edit: files,
  Glob: paths((input, cwd) => {
    const base = resolved(cwd, textIn(input, "path") ?? ".");
    const pattern = textIn(input, "pattern");
    if (pattern?.startsWith("/")) return searchOf({ pattern }, "/").root;
    return base && searchOf({ pattern: pattern ?? "" }, base).root;
  }),
  Grep: paths((input, cwd) => resolved(cwd, textIn(input, "path") ?? ".")),
  WebFetch: sites,
};

const PATHS = new Set<string | undefined>(["Read", "Write", "Edit", "Glob", "Grep"]);

/** Tools that do what another one's disallowing pattern is about. */
const ALSO_FORBIDDEN: Record<string, readonly string[]> = {
  Edit: ["Write"],
  Read: ["Glob", "Grep"],
};

/** Returns whether a disallowing rule may be about a call of a tool. */
function concerns({ tool, pattern }: Rule, called: string): boolean {
  if (tool === called) return true;
  return pattern !== undefined && (ALSO_FORBIDDEN[tool]?.includes(called) ?? false);
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

function pathProblem(pattern: string): string | undefined {
  if (!/^(\/|\*\*\/)/.test(pattern)) return `"${pattern}" must begin with / or **/`;
  try {
    globMatcher(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Characters of all path patterns of a list, expanded, and those times the characters of a path. */
const MAX_PATTERN_CHARS = 50_000;
const MAX_STEPS = 10_000_000;
const MAX_PATH_CHARS = 4_096;

/** Returns whether a decision would take too long. Rules of sessions from before there was a bound may be more. */
function isTooMuch(patterns: readonly string[], path: string): boolean {
  if (path.length > MAX_PATH_CHARS) return true;
  let chars = 0;
  return patterns.some((pattern) => {
    chars += expandedLength(pattern);
    return chars > MAX_PATTERN_CHARS || chars * path.length > MAX_STEPS;
  });
}

function expandedLength(pattern: string): number {
  if (!pattern.includes("{")) return pattern.length;
  return expandBraces(pattern).reduce((sum, { length }) => sum + length, 0);
}

/** Returns whether a glob matches a path, or a directory above it. */
function covers(pattern: string, path: string): boolean {
  const directory = pattern.replace(/^\/+/, "/").replace(/\/(\*\*)?$/, "");
  const plain = /^[^*?[\]{}\\]*/.exec(directory)?.[0] ?? "";
  if (!path.startsWith(plain)) return false;
  return [directory, `${directory}/**`].some((glob) => globMatcher(glob)(path));
}

function resolved(cwd: string | undefined, path: string | undefined): string | undefined {
  if (path === undefined || (cwd === undefined && !path.startsWith("/"))) return undefined;
  return resolveFrom(cwd ?? "/", path);
}

function domainOf(pattern: string): string {
  return pattern.replace(/^domain:/, "").toLowerCase();
}

function hostOf(input: unknown): string {
  return URL.parse(textIn(input, "url") ?? "")?.hostname.replace(/\.$/, "") ?? "";
}

function textIn(input: unknown, field: string): string | undefined {
  if (typeof input !== "object" || input === null || !(field in input)) return undefined;
  const value: unknown = Reflect.get(input, field);
  return typeof value === "string" ? value : undefined;
}

/** Rules as they were read, by the lists they stand in: a run asks again for each of its calls. */
const READ = new WeakMap<readonly string[], Rule[]>();

function parsed(rules: readonly string[] = []): Rule[] {
  const known = READ.get(rules);
  if (known) return known;
  const read = rules.flatMap((text) => parseRule(text) ?? []);
  READ.set(rules, read);
  return read;
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
