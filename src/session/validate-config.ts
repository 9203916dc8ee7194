import { SERVER } from "../agent/claude-code/client-server";
import { checkProgramRules } from "../agent/claude-code/options";
import { checkClientTools } from "../agent/client-tools";
import { expandedLength } from "../agent/permissions/rule-patterns";
import { checkRules } from "../agent/permissions/rules";
import { knownModels, resolveModel } from "../agent/pricing/models";
import { checkSchema } from "../agent/schema/json-schema";
import { TOOLS } from "../agent/tools";
import { globMatcher } from "../agent/tools/glob-pattern";
import { hostProblem } from "../sandbox/egress";
import { hasPrograms, PROVIDERS, type Provider, sandboxProblems } from "../sandbox/providers";
import { messageOf } from "../sandbox/sandbox";
import type { Settings } from "../settings";
import { defaultProviderOf } from "./deployment";
import { missingSettings } from "./machines";
import type { SessionConfig } from "./rpc";
import { mayPublish } from "./transactions/artifacts";
import { checkMcpServers, checkServersOf } from "./validate-mcp";
import { checkWorkspace } from "./validate-workspace";

/** A problem of a request, with its path in the body, such as `config.model`. */
export interface Issue {
  path: string;
  message: string;
}

/** Maximum number of characters of the globs of files to publish, of all together. */
const MAX_GLOB_CHARACTERS = 2_000;

/** Maximum number of agent types of a session. */
const MAX_TYPES = 50;

/** Returns the parts of a session's config that this deployment does not support; empty if there are none. */
export function checkConfig(
  config: SessionConfig,
  settings: Partial<Settings> & Pick<Settings, "MODEL_PRICES" | "CONTAINERS">,
  now = Date.now(),
): Issue[] {
  const issues: Issue[] = [];
  const { resumeSessionId, continueSession, snapshotId } = config;
  if (config.forkSession && !resumeSessionId && !continueSession && !snapshotId) {
    const message = "needs resumeSessionId or continueSession";
    issues.push({ path: "config.forkSession", message });
  }
  const provider =
    config.sandbox?.provider ?? defaultProviderOf({ SANDBOX_PROVIDER: undefined, ...settings });
  const known = PROVIDERS.find((name) => name === provider);
  const problem = known
    ? problemOfProvider(known, settings)
    : `is not one of ${PROVIDERS.join(", ")}`;
  if (problem !== null) issues.push({ path: "config.sandbox.provider", message: problem });
  for (const { path, message } of known
    ? sandboxProblems(known, config.sandbox ?? {}, settings.SANDBOX_DEFAULTS?.[known])
    : []) {
    issues.push({ path: `config.sandbox.${path}`, message });
  }
  if (config.runtime === "claude-code") issues.push(...checkProgram(config, provider));
  issues.push(...checkHosts(config));
  issues.push(...checkWorkspace(config, provider));
  issues.push(...checkMcpServers(config, settings));
  const agents = Object.entries(config.customAgents ?? {});
  if (agents.length > MAX_TYPES) {
    const message = `has ${agents.length} agents, of ${MAX_TYPES} at most`;
    issues.push({ path: "config.customAgents", message });
  }
  for (const [name] of agents) {
    if (/^[\w-]{1,64}$/.test(name) && name !== "main") continue;
    const message = 'must be letters, digits, "_" and "-", 64 at most, and not "main"';
    issues.push({ path: `config.customAgents.${name}`, message });
  }
  const { clientTools = [] } = config;
  issues.push(...checkClientTools(clientTools).map(at("config.clientTools")));
  const setups = [
    ["config", config] as const,
    ...agents.map(([name, agent]) => [`config.customAgents.${name}`, agent] as const),
  ];
  const tools = [...TOOLS, ...clientTools];
  for (const [at, { model, ...rules }] of setups) {
    if (model !== undefined && !resolveModel(model, now, settings.MODEL_PRICES)) {
      const message = `has no known price: use one of ${knownModels(now).join(", ")}, or set MODEL_PRICES`;
      issues.push({ path: `${at}.model`, message });
    }
    for (const { path, message } of [...checkRules(rules, tools), ...checkServersOf(rules, config)])
      issues.push({ path: `${at}.${path}`, message });
  }
  issues.push(...checkGlobs(config.artifacts ?? []));
  for (const { path, message } of config.outputSchema ? checkSchema(config.outputSchema) : []) {
    issues.push({ path: ["config.outputSchema", path].filter(Boolean).join("."), message });
  }
  return issues;
}

/** Returns why this deployment can't use a provider; null if it can. */
function problemOfProvider(provider: Provider, settings: Partial<Settings>): string | null {
  if (provider === "cloudflare" && !settings.CONTAINERS) {
    return '"cloudflare" needs containers, which this deployment does not have';
  }
  const missing = missingSettings(provider, settings);
  if (missing.length === 0) return null;
  return `"${provider}" needs ${missing.join(", ")}, which this deployment does not have`;
}

/** Returns problems of the hosts that the sandbox may reach and of those that secrets are sent to. */
function checkHosts({ sandbox: { network } = {}, env = {} }: SessionConfig): Issue[] {
  const allowed = typeof network === "object" ? network.allow : [];
  const lists = [
    [
      "config.sandbox.network.allow",
      allowed.map((host) => (host === "default" ? null : hostProblem(host))),
    ] as const,
    ...Object.entries(env).map(([name, value]) => {
      const hosts = typeof value === "object" ? value.hosts : [];
      return [`config.env.${name}.hosts`, hosts.map(hostProblem)] as const;
    }),
  ];
  return lists.flatMap(([at, problems]) =>
    problems.flatMap((message, n) => (message === null ? [] : [{ path: `${at}.${n}`, message }])),
  );
}

/** Returns problems of the globs of files to publish. Each is held against many paths, so together they are short. */
function checkGlobs(globs: readonly string[]): Issue[] {
  const issues = globs.flatMap((glob, n) => {
    const message = globProblem(glob);
    return message === null ? [] : [{ path: `config.artifacts.${n}`, message }];
  });
  if (issues.length > 0) return issues;
  const characters = globs.reduce((sum, glob) => sum + expandedLength(glob), 0);
  if (characters <= MAX_GLOB_CHARACTERS) return [];
  const message = `has ${characters} characters with every alternative of {a,b} written out, of ${MAX_GLOB_CHARACTERS} at most`;
  return [{ path: "config.artifacts", message }];
}

/** Returns what is wrong with a glob of files of the workspace; null if nothing is. */
function globProblem(glob: string): string | null {
  if (glob.split("/").some((name) => ["", ".", ".."].includes(name))) {
    return 'must be a path below the workspace, such as dist/**, without "." and ".."';
  }
  try {
    globMatcher(glob);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Returns the parts of a config that Claude Code does not support. */
function checkProgram(config: SessionConfig, provider: string): Issue[] {
  if (!hasPrograms(provider)) {
    return [{ path: "config.runtime", message: '"claude-code" needs a container' }];
  }
  const agents = Object.entries(config.customAgents ?? {});
  const hasServer = config.clientTools?.length || mayPublish(config);
  const isTaken = hasServer && Object.hasOwn(config.mcpServers ?? {}, SERVER);
  const message = "is how Claude Code names clientTools and Publish: choose another name";
  return [
    ...(isTaken ? [{ path: `config.mcpServers.${SERVER}`, message }] : []),
    ...checkProgramRules(config, { ofAgent: false }).map(at("config")),
    ...agents.flatMap(([name, agent]) =>
      checkProgramRules(agent, { ofAgent: true }).map(at(`config.customAgents.${name}`)),
    ),
  ];
}

const at =
  (place: string) =>
  ({ path, message }: Issue): Issue => ({ path: `${place}.${path}`, message });
