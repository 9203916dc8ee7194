// How Claude Code is started for a session: the same config as the loop's, as options of the program. What
// counts money, turns and thoughts is not told to it: its model calls are held to that where they are made.

import { DEFAULT_PROMPT } from "../prompt";
import { MAX_OUTPUT_TOKENS } from "../reply-bounds";
import { parseRule, type Rule, type Rules } from "../rules";
import { TOOLS } from "../tools";
import { quote } from "../tools/quote";

/** The program's home in its machine. Nothing of it is in the workspace, and no snapshot holds it. */
const HOME = "/home/agent";
const CONFIG_DIR = `${HOME}/.claude`;

/** What of ours the program has not: it could not be woken, and its agents do not write to each other. */
const WITHOUT = new Set(["SendMessage", "wake"]);

/** Tries after the first, of one call; as many as the loop makes. */
const MAX_RETRIES = 7;

type Effort = "low" | "medium" | "high" | "xhigh" | "max";

/** An agent as the program is to know it; models are those that are sent to the API. */
interface ProgramAgent extends Rules {
  model: string;
  systemPrompt?: string | undefined;
  effort?: Effort | undefined;
}

/** A session as the program is to know it. */
export interface ProgramSetup extends ProgramAgent {
  /** The session's UUID, which names the program's transcript. */
  uuid: string;
  workspace: string;
  env: Record<string, string>;
  customAgents: Record<
    string,
    ProgramAgent & { description: string; maxTurns?: number | undefined }
  >;
}

/** How the program is started: files that have to be there first, a command for the shell, its environment. */
export interface ProgramStart {
  files: { path: string; text: string }[];
  command: string;
  env: Record<string, string>;
}

/** Returns the UUID in a session's `sessionId`. */
export const uuidOf = (sessionId: string): string => sessionId.replace(/^sdk_sess_/, "");

/** Returns where the program keeps the transcript of a session. */
export function transcriptPath(workspace: string, uuid: string): string {
  return `${CONFIG_DIR}/projects/${workspace.replace(/[^a-zA-Z0-9]/g, "-")}/${uuid}.jsonl`;
}

/** Returns where files are put for a program that is about to start. */
const startDir = (programId: string): string => `${HOME}/start/${programId}`;

/** Returns where a transcript is put for a program that is about to start; it takes it where it has none. */
export const savedTranscriptPath = (programId: string): string =>
  `${startDir(programId)}/transcript.jsonl`;

/** Returns the tools that a session's program has, under our names. */
export function programTools(rules: Rules, hasAgents: boolean): string[] {
  const allowed =
    rules.allowedTools && new Set(rulesOf(rules.allowedTools).map(({ tool }) => tool));
  const whole = rulesOf(rules.disallowedTools).filter(({ pattern }) => pattern === undefined);
  const disallowed = new Set(whole.map(({ tool }) => tool));
  return TOOLS.map(({ name }) => name).filter(
    (name) =>
      !WITHOUT.has(name) &&
      (name !== "Task" || hasAgents) &&
      (!allowed || allowed.has(name)) &&
      !disallowed.has(name),
  );
}

/** Returns what of a session's rules the program can't keep, each with the path of the rule. */
export function checkProgramRules(
  rules: Rules,
  { ofAgent }: { ofAgent: boolean },
): { path: string; message: string }[] {
  return (["allowedTools", "disallowedTools"] as const).flatMap((list) =>
    (rules[list] ?? []).flatMap((text, index) => {
      const path = `${list}.${index}`;
      const rule = parseRule(text);
      if (list === "allowedTools" && rule && WITHOUT.has(rule.tool)) {
        return [{ path, message: `runtime "claude-code" has no tool "${rule.tool}"` }];
      }
      if (!ofAgent || rule?.pattern === undefined) return [];
      const message = 'of an agent must be a tool without a pattern with runtime "claude-code"';
      return [{ path, message }];
    }),
  );
}

/** Returns how to start a session's program, with its transcript if there is one. */
export function programStart(programId: string, setup: ProgramSetup): ProgramStart {
  const { uuid, workspace, systemPrompt, effort, model } = setup;
  const agents = Object.entries(setup.customAgents);
  const tools = programTools(setup, agents.length > 0);
  const promptFile = `${startDir(programId)}/system-prompt.txt`;
  const agentsFile = `${startDir(programId)}/agents.json`;
  const args = [
    ...["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"],
    // No settings, servers, commands or skills of whoever wrote the files of the workspace.
    ...["--setting-sources", "", "--strict-mcp-config", "--disable-slash-commands"],
    ...["--settings", JSON.stringify(SETTINGS), "--model", model],
    ...(effort ? ["--effort", effort] : []),
    ...(systemPrompt === undefined ? [] : ["--system-prompt-file", promptFile]),
    ...(agents.length > 0 ? ["--agents", agentsFile] : []),
    ...["--tools", tools.join(",")],
    ...permissionArgs(setup),
  ];
  return {
    files: [
      ...(systemPrompt === undefined ? [] : [{ path: promptFile, text: systemPrompt }]),
      ...(agents.length > 0 ? [{ path: agentsFile, text: JSON.stringify(agentsJson(setup)) }] : []),
    ],
    command: script(transcriptPath(workspace, uuid), savedTranscriptPath(programId), setup, args),
    env: { ...setup.env, ...ENV },
  };
}

/**
 * Takes the saved transcript where the machine has none of its own, which can only be newer, and resumes
 * it. A transcript in which nobody has said anything can't be resumed, and is in the way of a new one.
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
    `exec claude ${args.map(quote).join(" ")} "$@" 2>&1`,
  ].join("\n");
}

const SETTINGS = {
  attribution: { commit: "", pr: "" },
  // Whether a page may be fetched is the sandbox's affair, not that of a site that can't be reached.
  skipWebFetchPreflight: true,
};

const ENV = {
  HOME,
  CLAUDE_CONFIG_DIR: CONFIG_DIR,
  // Whoever intercepts what leaves the machine gives the key.
  ANTHROPIC_BASE_URL: "https://api.anthropic.com",
  ANTHROPIC_API_KEY: "none",
  CLAUDE_CODE_MAX_OUTPUT_TOKENS: String(MAX_OUTPUT_TOKENS),
  CLAUDE_CODE_MAX_RETRIES: String(MAX_RETRIES),
  CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK: "1",
  // Work in the background would go on, and speak, while no message runs.
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

function permissionArgs({ allowedTools, disallowedTools }: Rules): string[] {
  const forbidden = rulesOf(disallowedTools).filter(({ tool }) => !WITHOUT.has(tool));
  return [
    ...["--permission-mode", allowedTools ? "dontAsk" : "bypassPermissions"],
    ...(allowedTools?.length ? ["--allowedTools", ...rulesOf(allowedTools).map(ruleText)] : []),
    ...(forbidden.length > 0 ? ["--disallowedTools", ...forbidden.map(ruleText)] : []),
  ];
}

/** Returns a rule as the program reads it: there a path from the root begins with two strokes. */
function ruleText({ tool, pattern }: Rule): string {
  if (pattern === undefined) return tool;
  const ofPaths = tool !== "Bash" && tool !== "WebFetch";
  return `${tool}(${ofPaths ? pattern.replace(/^\/+/, "//") : pattern})`;
}

function agentsJson({ allowedTools, disallowedTools, customAgents }: ProgramSetup) {
  return Object.fromEntries(
    Object.entries(customAgents).map(([name, agent]) => {
      // What a session forbids it forbids to all. Agents do not start agents.
      const forbidden = [...(disallowedTools ?? []), ...(agent.disallowedTools ?? []), "Task"];
      const rules = {
        allowedTools: agent.allowedTools ?? allowedTools,
        disallowedTools: forbidden,
      };
      const { description, systemPrompt, model, maxTurns, effort } = agent;
      return [
        name,
        {
          description,
          prompt: systemPrompt ?? DEFAULT_PROMPT,
          tools: programTools(rules, false),
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
