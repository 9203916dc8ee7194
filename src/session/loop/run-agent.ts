import type { Ending, Journal } from "../../agent/agent-deps";
import { runAgent } from "../../agent/loop";
import { serverIn } from "../../agent/mcp/names";
import { type McpTools, mcpDefinitions } from "../../agent/mcp/tools";
import type { Message, ToolCall } from "../../agent/messages";
import { emptyDraft } from "../../agent/model/assemble";
import type { Model } from "../../agent/model/model";
import { MAX_OUTPUT_TOKENS } from "../../agent/model/reply-bounds";
import { thinkingFor } from "../../agent/model/thinking";
import { commandRules, isOffered, offeredTools } from "../../agent/permissions/permissions";
import type { PricedModel } from "../../agent/pricing/models";
import { systemPrompt } from "../../agent/prompt";
import { wireSchema } from "../../agent/schema/json-schema";
import type { AgentMessaging, FileGuard, ToolContext } from "../../agent/tool";
import { findTool, runTool, TOOLS, toolDefinitions } from "../../agent/tools";
import { publish as publishTool } from "../../agent/tools/publish";
import { refused } from "../../agent/tools/result";
import type { Pattern } from "../../db/schema";
import { decidesOnCommands } from "../../sandbox/providers";
import { sha256, toHex } from "../../shared/bytes";
import type { Notifier } from "../../shared/notifier";
import type { SessionContext } from "../context";
import { lookup, modelOf, workspace } from "../deployment";
import { reserveTurnOf } from "../reserve";
import type { Run } from "../storage/runs";
import type { SessionStore } from "../storage/store";
import { deliverInbox, introduction, permissionOf, setupOf } from "../transactions/agents";
import { admitCalls, withDecision } from "../transactions/approvals";
import { offersPublish, type Published, type PublishRequest } from "../transactions/artifacts";
import { setWakeUp } from "../transactions/schedules";
import { scopeOf } from "../transactions/state";
import { steerBlocks, steersFor } from "../transactions/steers";
import { finishTool, startTool } from "../transactions/tool-calls";
import {
  compactTurn,
  completeTurn,
  failTurn,
  isSteered,
  withdrawContent,
} from "../transactions/turns";

/** The context of a run. */
export interface RunContext extends SessionContext {
  model: Model;
  /** The environment variables of the session's commands. */
  commandEnv: Record<string, string>;
  signal: AbortSignal;
  /** Notified whenever a model call of the session was settled. */
  settled: Notifier;
  /** Notified when somebody has decided about a call, has changed a limit, or has sent a prompt that is to join. */
  decisions: Notifier;
  /** Publishes a file of the workspace. A repeat for the same call and path publishes it once. */
  publishFile(file: PublishRequest): Promise<Published>;
  /** Absent in a session with one agent. */
  messaging: AgentMessaging | undefined;
  files: FileGuard | undefined;
  /** Absent in a session without MCP servers. */
  mcp: McpTools | undefined;
}

/** Runs an agent from where its journal ends. Returns how the run ended; null if the signal was aborted. */
export function runAgentForSession(run: Run, context: RunContext): Promise<Ending | null> {
  const { store, commit, publish, drafts, signal } = context;
  const { config, createdAt, pattern } = store.identity;
  const scope = scopeOf(run);
  const setup = setupOf(store, run.agent);
  const priced = modelOf(setup.model);
  const asksForAny = setup.rules.askTools !== undefined;
  const { clientTools = [] } = config;
  const admits = asksForAny || clientTools.length > 0;
  const publishes = offersPublish(config, setup.rules);
  const offered = offeredTools(setup.rules, TOOLS)
    .filter(({ name }) => context.messaging || !MULTI_AGENT_TOOLS.has(name))
    .filter(({ name }) => isUsable(name, pattern))
    .filter(({ name }) => name !== publishTool.name || publishes);
  const own = toolDefinitions(offered, offeredTools(setup.rules, clientTools));
  const ofServers = isOffered(setup.rules);
  const mcpTool = (name: string) => context.mcp?.every().find((tool) => tool.name === name);

  const toolContext = (
    { id: toolUseId, name }: ToolCall,
    given: Pick<ToolContext, "callId" | "interrupted" | "search">,
  ): ToolContext => ({
    ...given,
    sandbox: context.sandbox(),
    cwd: store.agents.cwdOf(run.agent),
    setCwd: (path) => {
      if (!signal.aborted) commit(() => store.agents.saveCwd(run.agent, path));
    },
    env: context.commandEnv,
    commandRules: decidesOnCommands(store.state.sandbox.provider)
      ? commandRules(setup.rules)
      : undefined,
    signal,
    fetch: (input, init) => fetch(input, init),
    lookup,
    messaging: context.messaging,
    files: context.files ?? callerGuard(run, context),
    wake: async ({ when, prompt }) => {
      const id = await wakeUpId(run.id, given.callId);
      signal.throwIfAborted();
      return commit((now) => setWakeUp(store, { id, agent: run.agent, when, prompt }, now));
    },
    ...(publishes && {
      publishFile: (path: string, description: string | null) =>
        context.publishFile({
          ...{ messageId: run.messageId, agent: run.agent, toolUseId },
          ...{ path, description },
        }),
    }),
    output: (stream, text) => {
      if (!signal.aborted)
        publish({ type: "tool.output", ...scope, toolUseId, name, stream, text });
    },
  });

  return runAgent({
    model: context.model,
    request: {
      model: priced.id,
      system: systemPrompt({
        given: setup.systemPrompt,
        others: introduction(store, run.agent),
        workspace,
        createdAt,
      }),
      // Servers may change their tools while the agent works. Theirs come last, so that a change leaves ours in the cache.
      get tools() {
        return [...own, ...mcpDefinitions(context.mcp?.every().filter(ofServers) ?? [])];
      },
      thinking: thinkingFor(priced, setup.thinking),
      effort: setup.effort,
      // Only the agent of the message's own run answers the client.
      outputSchema:
        run.parentToolUseId === null && config.outputSchema
          ? wireSchema(config.outputSchema)
          : undefined,
    },
    maxTokens: Math.min(MAX_OUTPUT_TOKENS, priced.maxOutput),
    journal: openJournal(run, priced, admits, context),
    signal,
    runTool: async (call, given) => {
      const { name, input } = call;
      const { callId, interrupted } = given;
      const tool = findTool(name);
      const servers = serverIn(name) === undefined ? undefined : context.mcp;
      if (!tool && !servers) return refused(`There is no tool "${name}".`);
      const verdict = permissionOf(store, run.agent, call);
      if (!verdict.allowed) return refused(verdict.reason);
      const result = tool
        ? await runTool(tool, input, toolContext(call, given))
        : await servers?.call({ name, input, interrupted }, signal);
      if (!result) return refused(`There is no tool "${name}".`);
      return asksForAny ? withDecision(store, callId, result) : result;
    },
    sideBySide: ({ name }) =>
      serverIn(name) === undefined
        ? findTool(name)?.effect !== "acting"
        : (mcpTool(name)?.reads ?? true),
    watch: (turnId, live) => {
      const draft = emptyDraft();
      drafts.set(turnId, { draft, scope, live });
      return {
        draft,
        onDelta: (delta) => {
          if (live) publish({ type: "assistant.delta", ...scope, turnId, ...delta });
        },
      };
    },
    random: Math.random,
  });
}

/**
 * Returns what keeps the only agent of a session from overwriting what callers have written since it saw it; undefined if
 * they have written nothing.
 */
function callerGuard(
  { agent }: Run,
  { store, commit, signal }: Pick<RunContext, "store" | "commit" | "signal">,
): FileGuard | undefined {
  if (!store.agents.hasFiles()) return undefined;
  const seen = (path: string) => store.agents.seenFile(agent, path);
  return {
    lock: (_, act) => act(),
    seen,
    record(path, hash) {
      if (signal.aborted || [undefined, hash].includes(seen(path))) return;
      commit(() => store.agents.saveSeenFile(agent, path, hash));
    },
  };
}

/** Tools that are only useful in a session with several agents. */
const MULTI_AGENT_TOOLS = new Set(["Task", "SendMessage"]);
/** Returns whether a tool is usable. An ephemeral session ends before a wake-up could run. */
const isUsable = (tool: string, pattern: Pattern): boolean =>
  tool !== "wake" || pattern !== "ephemeral";

/**
 * Returns a run's journal, backed by the session's store. The conversation is read once and then cached and extended.
 * `admits` says whether calls may have to wait for somebody.
 */
function openJournal(run: Run, priced: PricedModel, admits: boolean, context: RunContext): Journal {
  const { store, drafts, settled, decisions } = context;
  const commit = <T>(change: (at: { store: SessionStore; run: Run; now: number }) => T): T =>
    context.commit((now) => change({ store, run, now }));
  let known: (Message & { n: number })[] | undefined;
  /** The newest reply in `known` if its tool results have not been added to `known` yet. */
  let unanswered: { n: number; turnId: string } | undefined;
  /** The prompts that join the conversation with the next reply. */
  let steers: string[] = [];
  const forget = () => {
    known = undefined;
    unanswered = undefined;
  };

  return {
    progress() {
      const lastStop = store.runs.get(run.id)?.lastStop ?? null;
      const contextTokens = store.agents.contextTokens(run.agent);
      const pending = store.tools.openOf(run.id).map(({ state, ...call }) => {
        const { id, callId, name, input, turnId } = call;
        return { id, callId, name, input, turnId, interrupted: state === "started" };
      });
      return { lastStop, contextTokens, pending };
    },
    conversation() {
      if (steers.length > 0) forget();
      steers = [];
      known ??= store.history.conversation(run.agent, priced.id);
      if (unanswered) {
        const content = store.tools.resultsOf(unanswered.turnId);
        if (content.length > 0) known.push({ n: unanswered.n, role: "user", content });
        unanswered = undefined;
      }
      return known;
    },
    joining() {
      steers = steersFor(store, run);
      return steers.length === 0 ? [] : [{ role: "user", content: steerBlocks(store, steers) }];
    },
    isSteered: () => isSteered({ store, run }),
    deliverInbox() {
      if (!store.agents.hasInboxMessages(run.agent) || !commit(deliverInbox)) return;
      forget();
    },
    otherSettled: () => settled.wait(),
    begin(turnRequest) {
      const wanted = turnRequest.kind === "reply" ? { ...turnRequest, steers } : turnRequest;
      return reserveTurnOf(run, priced, wanted, context);
    },
    complete(turn, reply, withdrawn) {
      drafts.delete(turn.turnId);
      const entries = withdrawn?.replacements.flatMap(({ index, content }) => {
        const n = known?.[index]?.n;
        return n === undefined ? [] : [{ n, content }];
      });
      const n = commit((at) => {
        if (entries) withdrawContent(at, turn, entries, withdrawn?.reason ?? "");
        return completeTurn(at, turn, reply);
      });
      settled.notify();
      if (entries) known = undefined;
      if (n === null || !known) return;
      known.push({ n, role: "assistant", content: reply.content });
      unanswered = { n, turnId: turn.turnId };
    },
    fail(turn, failed, delayMs) {
      drafts.delete(turn.turnId);
      commit((at) => failTurn(at, turn, failed, delayMs));
      settled.notify();
    },
    compact(turn, block, cut, usage) {
      drafts.delete(turn.turnId);
      const upTo = known?.[cut - 1]?.n ?? 0;
      known = undefined;
      commit((at) => compactTurn(at, turn, { block, upTo }, usage));
      settled.notify();
    },
    admit: (calls) => (admits ? commit((at) => admitCalls(at, calls)) : calls),
    decided: () => decisions.wait(),
    startTool: (call) => commit((at) => startTool(at, call)),
    finishTool: (call, result) => commit((at) => finishTool(at, call, result)),
  };
}

/** Returns the id of the wake-up that a tool call sets. A call that is resumed sets the same wake-up. */
async function wakeUpId(runId: string, callId: string): Promise<string> {
  const digest = await sha256(JSON.stringify([runId, callId]));
  return `sched_${toHex(digest.slice(0, 16))}`;
}
