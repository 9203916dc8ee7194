import type { Ending } from "../../agent/agent-deps";
import { type ProgramSetup, uuidOf } from "../../agent/claude-code/options";
import type { CallResult, OutputEvent } from "../../agent/claude-code/protocol";
import { endingOf } from "../../agent/loop";
import type { StopReason } from "../../events/event";
import { modelOf, workspace } from "../deployment";
import type { Call } from "../storage/calls";
import type { Run } from "../storage/runs";
import type { SessionStore } from "../storage/store";
import { closeAgentRun, openTask, setupOf } from "./agents";
import { scopeOf } from "./state";
import { finishTool } from "./tool-calls";
import { closeTurns, type Drafts } from "./turns";

// What the words of a session's program change. What changes something runs within a transaction.

/** The message that a change belongs to, and when it happens. */
export interface MessageChange {
  store: SessionStore;
  drafts: Drafts;
  messageId: string;
  now: number;
}

/** As much of a program's own words is shown. */
const MAX_WORDS_CHARACTERS = 500;

/** Opens the run of an agent that the program has started. */
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

/** Writes down the result of a call, and the end of the agent that it had started; a second one changes nothing. */
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
  finishTool({ store, run, now }, tool, result);
}

/** Answers the calls that a dead program has not, and closes its agents, which nobody carries on. */
export function giveUpCalls({ store, messageId, now, drafts }: MessageChange): void {
  for (const run of store.runs.openOf(messageId)) {
    closeTurns({ store, run, now }, "restarted", drafts);
    if (run.id !== messageId) closeAgentRun({ store, run, now }, { stopReason: "interrupted" });
  }
}

/** Tells that the conversation was summarised. */
export function noteCompaction(
  { store, messageId, now }: MessageChange,
  tokensBefore: number,
): void {
  const run = store.runs.get(messageId);
  const turnId = store.calls.newestTurn(messageId, "compaction");
  if (!run || turnId === undefined) return;
  store.log.append({ type: "context.compacted", turnId, tokensBefore }, scopeOf(run), now);
}

/** Returns how a message ends whose program is done, or has failed. */
export function endingOfMessage(
  store: SessionStore,
  messageId: string,
  failure: string | null,
): Ending {
  const run = store.runs.get(messageId);
  return run ? outcomeOf(run, failure) : { stopReason: "end_turn" };
}

/** Returns the newest try for a reply that the program gave up on and that is to be tried for again; undefined for none. */
export function tryLeftOpen(
  store: SessionStore,
  messageId: string,
  failure: string | null,
): Call | undefined {
  const run = store.runs.get(messageId);
  if (failure === null || !run || limitOf(run)) return undefined;
  return store.calls.openTurn(messageId, "reply", "");
}

/** Notes that a limit has forbidden a call of a run. It is how the run ends if the program then fails. */
export const noteLimit = (store: SessionStore, run: Run, limit: Limit): void =>
  store.runs.saveProgress(run.id, limit);

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

/** Returns a session as its program is to know it, with the environment of its commands. */
export function setupOfProgram(store: SessionStore, env: Record<string, string>): ProgramSetup {
  const { config, sessionId } = store.identity;
  const { systemPrompt, effort, allowedTools, disallowedTools } = config;
  const names = Object.keys(config.customAgents ?? {});
  return {
    uuid: uuidOf(sessionId),
    workspace,
    env,
    model: modelOf(config.model).id,
    systemPrompt,
    effort,
    allowedTools,
    disallowedTools,
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
