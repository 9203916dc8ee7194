import { findTool, TOOLS } from "./tools";
import { matcher } from "./tools/glob";

/** The rules of a session: absent `allowedTools` allow every tool; `disallowedTools` win. */
export interface Rules {
  allowedTools?: string[] | undefined;
  disallowedTools?: string[] | undefined;
}

/** `Bash` is every call of a tool, `Bash(git *)` only those that match. */
interface Rule {
  tool: string;
  pattern?: string;
}

/** A rule out of its text; undefined when it is none. */
export function parseRule(text: string): Rule | undefined {
  const found = /^([A-Za-z]\w*)(?:\((.+)\))?$/s.exec(text.trim());
  const [, tool, pattern] = found ?? [];
  if (!tool) return undefined;
  return pattern === undefined || pattern === "*" ? { tool } : { tool, pattern };
}

/** What is wrong with a session's rules: each names what it should have been. */
export function checkRules(rules: Rules): { path: string; message: string }[] {
  return (["allowedTools", "disallowedTools"] as const).flatMap((list) =>
    (rules[list] ?? []).flatMap((text, index) => {
      const rule = parseRule(text);
      if (rule && findTool(rule.tool)) return [];
      const message = `"${text}" names no tool. Known: ${TOOLS.map(({ name }) => name).join(", ")}`;
      return [{ path: `${list}.${index}`, message }];
    }),
  );
}

/** The tools that a model is told of: those of which some call may be allowed. */
export function offeredTools(rules: Rules): typeof TOOLS {
  const allowed = parsed(rules.allowedTools);
  const denied = parsed(rules.disallowedTools) ?? [];
  return TOOLS.filter(
    ({ name }) =>
      (!allowed || allowed.some((rule) => rule.tool === name)) &&
      !denied.some((rule) => rule.tool === name && rule.pattern === undefined),
  );
}

/** Whether a call may be made. */
export type Verdict = { allowed: true } | { allowed: false; reason: string };

/**
 * Decides about one call. What is disallowed stays so, even if it is allowed too. A pattern is held
 * against what the call acts on: a command, a path, an address. Of a compound command every part must be
 * allowed, and none may be disallowed; one whose parts can't be told apart (a substitution, a redirection)
 * needs a rule without a pattern.
 */
export function mayCall(rules: Rules, name: string, input: unknown): Verdict {
  const denied = (parsed(rules.disallowedTools) ?? []).filter((rule) => rule.tool === name);
  const allowed = parsed(rules.allowedTools)?.filter((rule) => rule.tool === name);
  const subjects = subjectsOf(name, input);
  const deniedBy = denied.find(
    ({ pattern }) =>
      pattern === undefined || subjects.parts.some((part) => matches(name, pattern, part)),
  );
  if (deniedBy) return { allowed: false, reason: `${describe(deniedBy)} is disallowed.` };
  if (!allowed || allowed.some(({ pattern }) => pattern === undefined)) return { allowed: true };
  if (allowed.length === 0) return { allowed: false, reason: `${name} is not allowed.` };
  const covered =
    !subjects.opaque &&
    subjects.parts.length > 0 &&
    subjects.parts.every((part) =>
      allowed.some(({ pattern = "*" }) => matches(name, pattern, part)),
    );
  if (covered) return { allowed: true };
  return { allowed: false, reason: `Only ${allowed.map(describe).join(", ")} is allowed.` };
}

const parsed = (rules: string[] | undefined): Rule[] | undefined =>
  rules?.flatMap((text) => parseRule(text) ?? []);

const describe = ({ tool, pattern }: Rule): string =>
  pattern === undefined ? tool : `${tool}(${pattern})`;

/** What a call acts on. `opaque` says that there may be more than the parts show. */
interface Subjects {
  parts: string[];
  opaque: boolean;
}

function subjectsOf(name: string, input: unknown): Subjects {
  const field = (key: string): string =>
    typeof input === "object" && input !== null && key in input
      ? String((input as Record<string, unknown>)[key])
      : "";
  switch (name) {
    case "Bash":
      return splitCommand(field("command"));
    case "WebFetch":
      return { parts: [field("url")], opaque: false };
    case "WebSearch":
      return { parts: [field("query")], opaque: false };
    case "Glob":
    case "Grep":
      return { parts: [field("path")], opaque: false };
    default:
      return { parts: [field("file_path")], opaque: false };
  }
}

function matches(name: string, pattern: string, subject: string): boolean {
  if (name === "Bash") return matchesCommand(pattern, subject);
  if (name === "WebFetch" && pattern.startsWith("domain:")) {
    const host = URL.canParse(subject) ? new URL(subject).hostname : "";
    const domain = pattern.slice("domain:".length).toLowerCase();
    return host === domain || host.endsWith(`.${domain}`);
  }
  if (name === "WebFetch" || name === "WebSearch") return wildcard(pattern).test(subject);
  // A path that climbs may lead anywhere.
  return !/(^|\/)\.\.(\/|$)/.test(subject) && matcher(pattern)(subject);
}

/** `git *` and the older `git:*` both mean git with or without arguments. */
function matchesCommand(pattern: string, command: string): boolean {
  const prefix = /^(.*?)(?::\*| \*)$/s.exec(pattern)?.[1];
  if (prefix !== undefined && !prefix.includes("*")) {
    return command === prefix || command.startsWith(`${prefix} `);
  }
  return wildcard(pattern).test(command);
}

const wildcard = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .split("*")
      .map((text) => text.replace(/[\\^$.+?()[\]{}|/]/g, "\\$&"))
      .join(".*")}$`,
    "s",
  );

/** The simple commands of a compound one, as far as they can be told apart without running it. */
export function splitCommand(command: string): Subjects {
  const parts: string[] = [];
  let part = "";
  let quoted: "'" | '"' | null = null;
  let opaque = false;
  const finish = () => {
    if (part.trim() !== "") parts.push(part.trim().replace(/\s+/g, " "));
    part = "";
  };
  for (let i = 0; i < command.length; i++) {
    const character = command[i] ?? "";
    if (character === "\\" && quoted !== "'") {
      part += character + (command[++i] ?? "");
    } else if (quoted === "'") {
      if (character === "'") quoted = null;
      part += character;
    } else if (character === "`" || (character === "$" && /[({]/.test(command[i + 1] ?? ""))) {
      opaque = true;
      part += character;
    } else if (quoted === '"') {
      if (character === '"') quoted = null;
      part += character;
    } else if (character === "'" || character === '"') {
      quoted = character;
      part += character;
    } else if (/[;&|\n]/.test(character)) {
      finish();
    } else {
      if (/[<>(){}]/.test(character)) opaque = true;
      part += character;
    }
  }
  finish();
  return { parts, opaque: opaque || quoted !== null };
}
