// Builds the command line of Claude Code for a session: the loop's config as options of the program. Limits of
// money, turns and thinking are not among them: they are enforced on its model calls.

import { quote } from "../../shared/quote";
import { serverIn } from "../mcp/names";
import { MAX_OUTPUT_TOKENS } from "../model/reply-bounds";
import { isOffered, offeredTools, permittedRules } from "../permissions/permissions";
import { parseRule, RULE_LISTS, type Rule, type Rules, rulesOfAgent } from "../permissions/rules";
import { DEFAULT_PROMPT } from "../prompt";
import type { ClientTool } from "../tool";
import { findTool, TOOLS } from "../tools";
import { publish } from "../tools/publish";
import { programNameOf } from "./client-server";

/** The program's home in its container. It is outside the workspace, so no snapshot holds it. */
const HOME = "/home/agent";
const CONFIG_DIR = `${HOME}/.claude`;

/** Our tools that the program does not get: it cannot be woken, and its agents do not message each other. */
const WITHOUT = new Set(["SendMessage", "wake"]);

/** Returns whether the program has a tool by the session's server, as it has the caller's. */
const isOfServer = (name: string): boolean => !findTool(name) || name === publish.name;

/** Retries of one call, as many as the loop makes. */
const MAX_RETRIES = 7;

type Effort = "low" | "medium" | "high" | "xhigh" | "max";

/** An agent as it is described to the program. The model is the name that is sent to the API. */
interface ProgramAgent extends Rules {
  model: string;
  systemPrompt?: string | undefined;
  effort?: Effort | undefined;
}

/** A session as it is described to the program. */
export interface ProgramSetup extends ProgramAgent {
  /** The session's UUID, which is also the name of the program's transcript. */
  uuid: string;
  workspace: string;
  env: Record<string, string>;
  /** The tools of the session's server that any of its agents may call. */
  serverTools: readonly ClientTool[];
  /** Where it sends its model calls, if they are not answered where they leave the container. */
  api?: { url: string; key: string } | undefined;
  /** Says where it finds the tools of MCP servers: below `url`, by the servers' names. Absent without servers. */
  mcp?: ProgramMcp | undefined;
  customAgents: Record<
    string,
    ProgramAgent & { description: string; maxTurns?: number | undefined }
  >;
}

/** MCP servers as they are described to the program. `tools` has the names of all their tools. */
interface ProgramMcp {
  servers: readonly string[];
  tools: readonly string[];
  url: string;
  headers: Record<string, string>;
}

/** The start of the program: files to write first, a shell command, and its environment. */
export interface ProgramStart {
  files: { path: string; text: string }[];
  command: string;
  env: Record<string, string>;
}

/** Returns the UUID in a `sessionId`. */
export const uuidOf = (sessionId: string): string => sessionId.replace(/^sdk_sess_/, "");

/** Returns the path of a session's transcript. */
export function transcriptPath(workspace: string, uuid: string): string {
  return `${CONFIG_DIR}/projects/${workspace.replace(/[^a-zA-Z0-9]/g, "-")}/${uuid}.jsonl`;
}

/** Returns the directory of the files that are written for a program before it starts. */
const startDir = (programId: string): string => `${HOME}/start/${programId}`;

/**
 * Returns the path at which a saved transcript is written before a program starts. The program uses it only if
 * it has none.
 */
export const savedTranscriptPath = (programId: string): string =>
  `${startDir(programId)}/transcript.jsonl`;

/** Returns the tools that a session's program has itself, under our names. */
export function programTools(rules: Rules, hasAgents: boolean): string[] {
  const permitted = permittedRules(rules);
  const allowed = permitted && new Set(rulesOf(permitted).map(({ tool }) => tool));
  const whole = rulesOf(rules.disallowedTools).filter(({ pattern }) => pattern === undefined);
  const disallowed = new Set(whole.map(({ tool }) => tool));
  return TOOLS.map(({ name }) => name).filter(
    (name) =>
      !WITHOUT.has(name) &&
      !isOfServer(name) &&
      (name !== "Task" || hasAgents) &&
      (!allowed || allowed.has(name)) &&
      !disallowed.has(name),
  );
}

/** Returns the rules that the program cannot enforce, each with its path; empty if it can enforce all. */
export function checkProgramRules(
  rules: Rules,
  { ofAgent }: { ofAgent: boolean },
): { path: string; message: string }[] {
  return RULE_LISTS.flatMap((list) =>
    (rules[list] ?? []).flatMap((text, index) => {
      const path = `${list}.${index}`;
      const rule = parseRule(text);
      if (list !== "disallowedTools" && rule && WITHOUT.has(rule.tool)) {
        return [{ path, message: `runtime "claude-code" has no tool "${rule.tool}"` }];
      }
      if (!ofAgent || rule?.pattern === undefined || list === "askTools") return [];
      const message = 'of an agent must be a tool without a pattern with runtime "claude-code"';
      return [{ path, message }];
    }),
  );
}

/** Returns the start of a session's program, with its transcript if there is one. */
export function programStart(programId: string, setup: ProgramSetup): ProgramStart {
  const { uuid, workspace, systemPrompt, effort, model } = setup;
  const agents = Object.entries(setup.customAgents);
  const tools = programTools(setup, agents.length > 0);
  const promptFile = `${startDir(programId)}/system-prompt.txt`;
  const agentsFile = `${startDir(programId)}/agents.json`;
  const mcpFile = `${startDir(programId)}/mcp.json`;
  const args = [
    ...["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"],
    // The workspace's own settings, servers, commands and skills are not loaded: they may come from anywhere.
    ...["--setting-sources", "", "--strict-mcp-config", "--disable-slash-commands"],
    ...["--settings", JSON.stringify(settingsOf(setup)), "--model", model],
    ...(effort ? ["--effort", effort] : []),
    ...(systemPrompt === undefined ? [] : ["--system-prompt-file", promptFile]),
    ...(agents.length > 0 ? ["--agents", agentsFile] : []),
    ...(setup.mcp ? ["--mcp-config", mcpFile] : []),
    ...["--tools", tools.join(",")],
    ...permissionArgs(setup),
  ];
  return {
    files: [
      ...(systemPrompt === undefined ? [] : [{ path: promptFile, text: systemPrompt }]),
      ...(agents.length > 0 ? [{ path: agentsFile, text: JSON.stringify(agentsJson(setup)) }] : []),
      ...(setup.mcp ? [{ path: mcpFile, text: JSON.stringify(mcpJson(setup.mcp)) }] : []),
    ],
    command: script(transcriptPath(workspace, uuid), savedTranscriptPath(programId), setup, args),
    env: {
      ...{ ...setup.env, ...ENV },
      ...(setup.api && { ANTHROPIC_BASE_URL: setup.api.url, ANTHROPIC_API_KEY: setup.api.key }),
    },
  };
}

/**
 * Returns the shell command that restores the saved transcript, unless the container has one, which can only be
 * newer, and resumes it. A transcript without messages cannot be resumed and blocks a new one.
 */
function script(
  transcript: string,
  saved: string,
  { uuid, workspace }: ProgramSetup,
  args: readonly string[],
): string {
  const own = quote(transcript);
  return [
    `mkdir -p ${quote(transcript.replace(/\/[^/]*$/, ""))}`,
    `if [ ! -s ${own} ] && [ -s ${quote(saved)} ]; then cat ${quote(saved)} > ${own}; fi`,
    `if grep -qs '"type":"user"' ${own}; then set -- --resume ${uuid}; else rm -f ${own}; set -- --session-id ${uuid}; fi`,
    `cd ${quote(workspace)}`,
    // As root, which it is where the machine has no user for it, it bypasses permissions only if it is told this.
    '[ "$(id -u)" != 0 ] || export IS_SANDBOX=1',
    `exec claude ${args.map(quote).join(" ")} "$@" 2>&1`,
  ].join("\n");
}

const SETTINGS = {
  attribution: { commit: "", pr: "" },
  // The sandbox decides which pages may be fetched; this check would need a site that cannot be reached.
  skipWebFetchPreflight: true,
};

/**
 * Returns the program's settings. It asks for every call of a tool that has a rule in `askTools`, of any agent: the session
 * decides by the rule which of them has to be approved.
 */
function settingsOf(setup: ProgramSetup): object {
  const tools = askedTools(setup);
  return tools.length === 0 ? SETTINGS : { ...SETTINGS, permissions: { ask: tools } };
}

/** Returns the tools of which any agent has a rule in `askTools`. */
function askedTools({ askTools, customAgents }: ProgramSetup): string[] {
  const lists = [askTools, ...Object.values(customAgents).map((agent) => agent.askTools)];
  return [...new Set(lists.flatMap((list) => rulesOf(list).map(({ tool }) => nameIn(tool))))];
}

const ENV = {
  HOME,
  CLAUDE_CONFIG_DIR: CONFIG_DIR,
  // The key is added where requests leave the container.
  ANTHROPIC_BASE_URL: "https://api.anthropic.com",
  ANTHROPIC_API_KEY: "none",
  CLAUDE_CODE_MAX_OUTPUT_TOKENS: String(MAX_OUTPUT_TOKENS),
  CLAUDE_CODE_MAX_RETRIES: String(MAX_RETRIES),
  CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK: "1",
  // Background work would continue, and speak, while no message runs.
  CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: "1",
  CLAUDE_AGENT_SDK_DISABLE_BUILTIN_AGENTS: "1",
  CLAUDE_CODE_ENABLE_TASKS: "0",
  CLAUDE_CODE_DISABLE_AUTO_MEMORY: "1",
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  ENABLE_TOOL_SEARCH: "false",
  DISABLE_TELEMETRY: "1",
  DISABLE_ERROR_REPORTING: "1",
  DISABLE_AUTOUPDATER: "1",
};

function permissionArgs(setup: ProgramSetup): string[] {
  const { allowedTools, disallowedTools } = setup;
  const asks = askedTools(setup).length > 0;
  const forbidden = rulesOf(disallowedTools).filter(({ tool }) => !WITHOUT.has(tool));
  return [
    // In the mode "dontAsk" it asks for nothing.
    ...["--permission-mode", allowedTools ? (asks ? "default" : "dontAsk") : "bypassPermissions"],
    ...(asks ? ["--permission-prompt-tool", "stdio"] : []),
    ...(allowedTools?.length ? ["--allowedTools", ...rulesOf(allowedTools).map(ruleText)] : []),
    ...(forbidden.length > 0 ? ["--disallowedTools", ...forbidden.map(ruleText)] : []),
  ];
}

/** Returns the name that the program has for a tool that rules name. */
const nameIn = (tool: string): string =>
  isOfServer(tool) && serverIn(tool) === undefined ? programNameOf(tool) : tool;

/** Returns a rule in the program's syntax: there a path from the root begins with two slashes. */
function ruleText({ tool, pattern }: Rule): string {
  if (pattern === undefined) return nameIn(tool);
  const ofPaths = tool !== "Bash" && tool !== "WebFetch";
  return `${tool}(${ofPaths ? pattern.replace(/^\/+/, "//") : pattern})`;
}

function mcpJson({ servers, url, headers }: ProgramMcp) {
  const entries = servers.map((name) => [name, { type: "http", url: `${url}/${name}`, headers }]);
  return { mcpServers: Object.fromEntries(entries) };
}

function agentsJson(setup: ProgramSetup) {
  return Object.fromEntries(
    Object.entries(setup.customAgents).map(([name, agent]) => {
      const { description, systemPrompt, model, maxTurns, effort } = agent;
      const rules = rulesOfAgent(setup, agent);
      const ofServers = (setup.mcp?.tools ?? []).map((tool) => ({ name: tool }));
      const ofSession = offeredTools(rules, setup.serverTools).map((tool) => nameIn(tool.name));
      return [
        name,
        {
          description,
          prompt: systemPrompt ?? DEFAULT_PROMPT,
          tools: [
            ...programTools(rules, false),
            ...ofSession,
            ...ofServers.filter(isOffered(rules)).map((tool) => tool.name),
          ],
          model,
          ...(maxTurns !== undefined && { maxTurns }),
          ...(effort && { effort }),
        },
      ];
    }),
  );
}

const rulesOf = (rules: readonly string[] = []): Rule[] =>
  rules.flatMap((text) => parseRule(text) ?? []);
