import { type AgentDeps, type Ending, type Journal, runAgent } from "../agent/loop";
import type { Message } from "../agent/messages";
import { type Draft, emptyDraft, type Model, thinkingFor } from "../agent/model";
import type { PricedModel } from "../agent/models";
import { mayCall, offeredTools } from "../agent/permissions";
import { systemPrompt } from "../agent/prompt";
import { findTool, runTool, toolDefinitions } from "../agent/tools";
import type { EventScope, LiveEvent } from "../events/event";
import type { Sandbox } from "../sandbox/sandbox";
import type { Run } from "./journal";
import type { SessionStore } from "./store";
import {
  abandonTurns,
  beginTurn,
  compactTurn,
  completeTurn,
  failTurn,
  finishTool,
  type ModelOf,
  startTool,
} from "./turns";

/** The most a reply says unless its model allows less: enough for a long file, and what a call reserves. */
const MAX_OUTPUT_TOKENS = 16_384;

/** What a run needs of its session. */
export interface RunnerDeps {
  store: SessionStore;
  /** Runs a change as one transaction and shows its events. */
  commit<T>(change: (now: number) => T): T;
  publish(event: LiveEvent): void;
  model: Model;
  /** The model of this session, at its price of today. */
  priced(): PricedModel;
  modelOf: ModelOf;
  sandbox: Sandbox;
  workspace: string;
  /** Replies under way, for whoever joins or stops them in the middle. */
  drafts: Map<string, Draft>;
  signal: AbortSignal;
}

/** Carries a run on from its journal, to its end. Null when it was stopped from outside. */
export function carryOn(run: Run, deps: RunnerDeps): Promise<Ending | null> {
  const { store } = deps;
  const { config } = store.identity;
  deps.commit((now) => abandonTurns(store, run, deps.modelOf, now));
  const priced = deps.priced();
  const scope: EventScope = {
    messageId: run.messageId,
    ...(run.agent !== "" && { agent: run.agent }),
  };

  return runAgent({
    model: deps.model,
    request: {
      model: priced.id,
      system: systemPrompt({
        given: config.systemPrompt,
        workspace: deps.workspace,
        createdAt: store.identity.createdAt,
      }),
      tools: toolDefinitions(offeredTools(config)),
      thinking: thinkingFor(priced, config.thinking),
      effort: config.effort,
      outputSchema: config.outputSchema,
    },
    maxTokens: Math.min(MAX_OUTPUT_TOKENS, priced.maxOutput),
    journal: openJournal(run, deps),
    signal: deps.signal,
    runTool: (call, context) => {
      const tool = findTool(call.name);
      const verdict = tool ? mayCall(config, call.name, call.input) : undefined;
      if (!tool || !verdict) return Promise.resolve(refusal(`There is no tool "${call.name}".`));
      if (!verdict.allowed) return Promise.resolve(refusal(verdict.reason));
      return runTool(tool, call.input, {
        ...context,
        sandbox: deps.sandbox,
        cwd: store.journal.agentCwd(run.agent),
        setCwd: (path) => deps.commit(() => store.journal.saveAgentCwd(run.agent, path)),
        env: config.env ?? {},
        signal: deps.signal,
        fetch: (input, init) => fetch(input, init),
        output: (stream, text) =>
          deps.publish({
            type: "tool.output",
            ...scope,
            toolUseId: call.id,
            name: call.name,
            stream,
            text,
          }),
      });
    },
    readsOnly: (call) => findTool(call.name)?.effect === "reading",
    watch: (turnId, live) => {
      const draft = emptyDraft();
      deps.drafts.set(turnId, draft);
      const onDelta: ReturnType<AgentDeps["watch"]>["onDelta"] = live
        ? (delta) => deps.publish({ type: "assistant.delta", ...scope, turnId, ...delta })
        : () => {};
      return { draft, onDelta };
    },
    random: Math.random,
  });
}

const refusal = (content: string) => ({ content, isError: true, refused: true });

/** A run's journal over the session's store. The conversation is read once and then kept along. */
function openJournal(run: Run, deps: RunnerDeps): Journal {
  const { store, commit, drafts } = deps;
  let known: (Message & { n: number })[] | undefined;
  /** The newest reply in `known`, while its results are not. */
  let unanswered: { n: number; turnId: string } | undefined;

  return {
    progress() {
      const lastStop = store.journal.run(run.id)?.lastStop ?? null;
      const contextTokens = store.journal.contextTokens(run.agent);
      const pending = store.journal.openTools(run.id).map(({ id, name, input, turnId, state }) => {
        return { id, name, input, turnId, interrupted: state === "started" };
      });
      return { lastStop, contextTokens, pending };
    },
    conversation() {
      known ??= store.journal.conversation(run.agent);
      if (unanswered) {
        const content = store.journal.toolResults(unanswered.turnId);
        if (content.length > 0) known.push({ n: unanswered.n, role: "user", content });
        unanswered = undefined;
      }
      return known;
    },
    begin: (turn) => commit((at) => beginTurn(store, run, deps.priced(), turn, at)),
    complete(turn, reply) {
      drafts.delete(turn.turnId);
      const n = commit((at) =>
        completeTurn(store, run, deps.priced(), turn, reply, reply.usage, at),
      );
      if (n === null || !known) return;
      known.push({ n, role: "assistant", content: reply.content });
      unanswered = { n, turnId: turn.turnId };
    },
    fail(turn, failed, delayMs) {
      drafts.delete(turn.turnId);
      commit((at) => failTurn(store, run, deps.priced(), turn, failed, delayMs, at));
    },
    compact(turn, block, cut, usage) {
      drafts.delete(turn.turnId);
      const upTo = known?.[cut - 1]?.n ?? 0;
      known = undefined;
      const summary = { block, upTo };
      commit((at) => compactTurn(store, run, deps.priced(), turn, summary, usage, at));
    },
    startTool: (call) => commit((at) => startTool(store, run, call, at)),
    finishTool(call, result) {
      commit((at) => finishTool(store, run, call, result, at));
    },
  };
}
