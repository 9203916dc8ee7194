// The patterns of rules, the part in parentheses of `Bash(git *)`, for each tool that has any.

import { resolveFrom } from "../../sandbox/paths";
import { forbidden, uncovered } from "../tools/command-rules";
import { searchOf } from "../tools/glob";
import { expandBraces, globMatcher } from "../tools/glob-pattern";

/** The semantics of the patterns of one tool. */
export interface Patterned {
  /** Returns what is wrong with a pattern; undefined if it is valid. */
  problem(pattern: string): string | undefined;
  /** Returns why none of the patterns allows a call; undefined if one does. */
  uncovered(patterns: readonly string[], input: unknown, cwd?: string): string | undefined;
  /** Parses a call once. Returns a function that says whether a pattern disallows the call. */
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

/** The semantics of patterns by tool. Tools that are absent have no patterns. */
export const PATTERNED: Record<string, Patterned> = {
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

export const PATHS = new Set<string | undefined>(["Read", "Write", "Edit", "Glob", "Grep"]);

function pathProblem(pattern: string): string | undefined {
  if (!/^(\/|\*\*\/)/.test(pattern)) return `"${pattern}" must begin with / or **/`;
  try {
    globMatcher(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * Bounds of the time that path patterns take: the characters of all patterns of a list, expanded, and those
 * times the characters of a path.
 */
export const MAX_PATTERN_CHARS = 50_000;
const MAX_STEPS = 10_000_000;
const MAX_PATH_CHARS = 4_096;

/** Returns whether a decision would take too long. Rules that were stored before the bounds existed may exceed them. */
function isTooMuch(patterns: readonly string[], path: string): boolean {
  if (path.length > MAX_PATH_CHARS) return true;
  let chars = 0;
  return patterns.some((pattern) => {
    chars += expandedLength(pattern);
    return chars > MAX_PATTERN_CHARS || chars * path.length > MAX_STEPS;
  });
}

export function expandedLength(pattern: string): number {
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
