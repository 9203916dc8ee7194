import type { Ending } from "../../agent/agent-deps";
import { type ProgramSetup, uuidOf } from "../../agent/claude-code/options";
import type { CallResult, OutputEvent } from "../../agent/claude-code/protocol";
import { endingOf } from "../../agent/loop";
import type { McpTool } from "../../agent/mcp/tools";
import { isOffered } from "../../agent/permissions/permissions";
import { rulesOfAgent } from "../../agent/permissions/rules";
import type { StopReason } from "../../events/event";
import { tokenHeaders } from "../../sandbox/machines/requests";
import { MCP_HOST } from "../../sandbox/outbound";
import { modelOf, workspace } from "../deployment";
import type { Call } from "../storage/calls";
import type { Run } from "../storage/runs";
import type { SessionStore } from "../storage/store";
import type { StoredTool } from "../storage/tools";
import { closeAgentRun, openTask, setupOf } from "./agents";
import { withDecision } from "./approvals";
import { serverTools } from "./claude-code-client-tools";
import { hasEndedByItself } from "./claude-code-steers";
import { machineAccess } from "./machine-access";
import { type RunChange, scopeOf } from "./state";
import { finishTool } from "./tool-calls";
import { isRequested } from "./tool-requests";
import { closeTurns, type Drafts } from "./turns";

// Changes that the output of a session's Claude Code process causes. Call functions that change something within a
// transaction.

/** The message that a change belongs to, and the time of the change in ms since 1970. */
export interface MessageChange {
  store: SessionStore;
  drafts: Drafts;
  messageId: string;
  now: number;
}

/** Maximum number of characters of the process's own error text in an error. */
const MAX_WORDS_CHARACTERS = 500;

/** Opens the run of an agent that the process has started. */
export function startAgent(
  at: MessageChange,
  started: Extract<OutputEvent, { type: "agent" }>,
): void {
  const { store, messageId, now } = at;
  const tool = store.tools.openInMessage(messageId, started.toolUseId);
  const run = store.runs.get(tool?.runId ?? messageId);
  if (!run) return;
  const { toolUseId, agentType: type, prompt } = started;
  const task = { callId: tool?.callId ?? toolUseId, type, prompt, background: false };
  const opened = openTask({ store, run, now }, task);
  if ("messageId" in opened) store.process.addAgent(started.agentId, opened.id);
}

/**
 * Journals the result of a tool call, and the end of the agent that the call started, if it did. Does nothing if the
 * call has a result already.
 */
export function finishCall(at: MessageChange, { toolUseId, result }: CallResult): void {
  const { store, messageId, now, drafts } = at;
  const tool = store.tools.openInMessage(messageId, toolUseId);
  const run = tool && store.runs.get(tool.runId);
  if (!run) return;
  const agent = store.runs.get(`${run.id}/${tool.callId}`);
  if (agent?.open) {
    const text = typeof result.content === "string" ? result.content : JSON.stringify(result);
    const ending = outcomeOf(agent, result.isError ? text : null);
    closeTurns({ store, run: agent, now }, ending.stopReason, drafts);
    closeAgentRun({ store, run: agent, now }, ending);
  }
  finishTool({ store, run, now }, tool, withDecision(store, tool.callId, result));
}

/**
 * Adds results to the open tool calls of a process that exited, and closes the runs of its agents. What the main agent has
 * requested from the caller stays so: the next process gets the results.
 */
export function giveUpCalls({ store, messageId, now, drafts }: MessageChange): void {
  store.approvals.unlink(messageId);
  for (const run of store.runs.openOf(messageId)) {
    const keeps = (tool: StoredTool) => run.id === messageId && isRequested(store, tool);
    closeTurns({ store, run, now }, "restarted", drafts, keeps);
    if (run.id !== messageId) closeAgentRun({ store, run, now }, { stopReason: "interrupted" });
  }
}

/** Appends the event that the conversation was summarized. Does nothing if the message has no compaction turn. */
export function noteCompaction(
  { store, messageId, now }: MessageChange,
  tokensBefore: number,
): void {
  const run = store.runs.get(messageId);
  const turnId = store.calls.newestTurn(messageId, "compaction");
  if (!run || turnId === undefined) return;
  store.log.append({ type: "context.compacted", turnId, tokensBefore }, scopeOf(run), now);
}

/** Logs that content was withdrawn from the conversation because the API refused it for a reason. */
export function noteWithdrawal({ store, run, now }: RunChange, reason: string): void {
  const turnId = store.calls.newestTurn(run.id, "reply");
  if (turnId === undefined) return;
  store.log.append({ type: "content.withdrawn", turnId, reason }, scopeOf(run), now);
}

/** Returns how a message ends after its process has finished it, or has failed with the error text `failure`. */
export function endingOfMessage(
  store: SessionStore,
  messageId: string,
  failure: string | null,
): Ending {
  const run = store.runs.get(messageId);
  if (!run || (failure !== null && hasEndedByItself(store, messageId))) {
    return { stopReason: "end_turn" };
  }
  return outcomeOf(run, failure);
}

/**
 * Returns the newest attempt of a reply that the process gave up on although another attempt was to follow; undefined
 * if there is none, the process did not fail, or a limit ended the run.
 */
export function retryableTry(
  store: SessionStore,
  messageId: string,
  failure: string | null,
): Call | undefined {
  const run = store.runs.get(messageId);
  if (failure === null || !run || limitOf(run)) return undefined;
  return store.calls.openTurn(messageId, "reply", "");
}

/**
 * Records that a limit forbade a call of a run. If the process then fails, the run ends with this limit, unless it had ended
 * by itself before.
 */
export function noteLimit(store: SessionStore, run: Run, limit: Limit): void {
  const hasEnded = run.id === run.messageId && hasEndedByItself(store, run.messageId);
  if (!hasEnded) store.runs.saveProgress(run.id, limit);
}

const LIMITS = ["budget_limit", "turn_limit", "max_turns"] as const satisfies StopReason[];
type Limit = (typeof LIMITS)[number];

const limitOf = ({ lastStop }: Run): Limit | undefined =>
  LIMITS.find((limit) => limit === lastStop);

function outcomeOf(run: Run, failure: string | null): Ending {
  if (failure === null) return endingOf(run.lastStop) ?? { stopReason: "end_turn" };
  const limit = limitOf(run);
  if (limit) return { stopReason: limit };
  const message = `Claude Code failed: ${failure.slice(0, MAX_WORDS_CHARACTERS)}`;
  return { stopReason: "error", error: { type: "upstream_error", message } };
}

/** Returns the configuration of a session's process. `env` is the environment of its commands. */
export function setupOfProcess(store: SessionStore, env: Record<string, string>): ProgramSetup {
  const { config, sessionId } = store.identity;
  const { systemPrompt, effort, allowedTools, askTools, disallowedTools } = config;
  const names = Object.keys(config.customAgents ?? {});
  return {
    uuid: uuidOf(sessionId),
    workspace,
    env,
    api: apiOf(store),
    mcp: mcpOf(store),
    model: modelOf(config.model).id,
    systemPrompt,
    effort,
    allowedTools,
    askTools,
    disallowedTools,
    serverTools: serverTools(store),
    customAgents: Object.fromEntries(
      names.map((name) => {
        const own = config.customAgents?.[name] ?? {};
        const { model, effort } = setupOf(store, name);
        const description = own.description ?? own.systemPrompt?.slice(0, 200) ?? "an agent";
        return [name, { ...own, model: modelOf(model).id, effort, description }];
      }),
    ),
  };
}

/**
 * Returns the tools of an MCP server that any agent of the process may be allowed to call; undefined if the session has no
 * such server, or has not Claude Code.
 */
export function toolsOfProcess(store: SessionStore, server: string): McpTool[] | undefined {
  const { config } = store.identity;
  if (config.runtime !== "claude-code") return undefined;
  const own = Object.values(config.customAgents ?? {}).map((agent) => rulesOfAgent(config, agent));
  const offers = [config, ...own].map(isOffered);
  const tools = store.mcpServers.get(server)?.tools;
  return tools?.filter((tool) => offers.some((isOffered) => isOffered(tool)));
}

/** Returns the MCP servers of the process, which the session stands in for; undefined if there are none. */
function mcpOf(store: SessionStore): ProgramSetup["mcp"] {
  if (!store.identity.hasMcpServers) return undefined;
  const access = machineAccess(store);
  const servers = store.mcpServers.every();
  return {
    servers: servers.map(({ name }) => name),
    tools: servers.flatMap(({ tools }) => tools.map(({ name }) => name)),
    url: access ? `${access.url}/mcp` : `http://${MCP_HOST}`,
    headers: access ? tokenHeaders(access.token) : {},
  };
}

/** Returns where the process sends its model calls; undefined if they are answered where they leave the container. */
function apiOf(store: SessionStore): ProgramSetup["api"] {
  const access = machineAccess(store);
  return access && { url: `${access.url}/model`, key: access.token };
}
