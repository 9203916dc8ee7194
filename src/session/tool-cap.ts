import { checkRules, isAbout, parseRule } from "../agent/permissions/rules";
import type { SessionConfig } from "./rpc";
import type { Issue } from "./validate-config";

const BEYOND = "is more than your key allows: see its tools";

/** Returns what is wrong with a list of rules. `at` is its path. */
export const checkToolRules = (rules: readonly string[], at: string): Issue[] =>
  checkRules({ allowedTools: rules }).map(({ path, message }) => ({
    path: path.replace("allowedTools", at),
    message,
  }));

/**
 * Limits a session's tools to those of a key, if it has such a limit. A config without `allowedTools` gets the key's rules; every rule of
 * what is allowed, with or without approval, must be one of the key's, or be about a tool, or an MCP server, that the key has
 * as a whole. Otherwise it is an issue. So is a set-up, unless the key has Bash as a whole, and so are tools of the caller,
 * which the rules of a key can't name.
 */
export function capTools(
  config: SessionConfig,
  cap: readonly string[] | null,
): { config: SessionConfig; issues: Issue[] } {
  if (cap === null) return { config, issues: [] };
  const ofKey = cap.map(parseRule);
  const covers = (text: string) => {
    const rule = parseRule(text);
    return ofKey.some(
      (own) =>
        own &&
        rule &&
        isAbout(own, rule.tool) &&
        (own.pattern === undefined || own.pattern === rule.pattern),
    );
  };
  const setups = [
    ["config", config] as const,
    ...Object.entries(config.customAgents ?? {}).map(
      ([name, agent]) => [`config.customAgents.${name}`, agent] as const,
    ),
  ];
  const lists = setups.flatMap(([at, { allowedTools, askTools }]) => [
    [`${at}.allowedTools`, allowedTools] as const,
    [`${at}.askTools`, askTools] as const,
  ]);
  const issues = lists.flatMap(([path, rules = []]) =>
    rules.flatMap((rule, n) => (covers(rule) ? [] : [{ path: `${path}.${n}`, message: BEYOND }])),
  );
  // Its commands can do what any command of the agent can.
  if (config.setup && !covers("Bash")) issues.push({ path: "config.setup", message: BEYOND });
  if (config.clientTools?.length) issues.push({ path: "config.clientTools", message: BEYOND });
  return { config: { ...config, allowedTools: config.allowedTools ?? [...cap] }, issues };
}
