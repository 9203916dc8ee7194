import { textOf } from "../../agent/messages";
import type { Rules } from "../../agent/rules";
import type { ToolResult } from "../../agent/tool";
import { failed } from "../../agent/tools/result";
import { workspace } from "../deployment";
import type { CustomAgent } from "../rpc";
import { MAIN } from "../storage/agents";
import type { Outcome, Run } from "../storage/runs";
import type { SessionStore } from "../storage/store";
import { type RunChange, scopeOf } from "./state";

// The agents of a session. The main one has no name; the others are of the types in `config.customAgents`
// and share the sandbox with it. Every function here that changes something runs within a transaction.

/** Agents that a session may have come to have, whatever their types. */
const MAX_AGENTS = 64;

/** Returns how an agent is set up: its own way where its type says so, and the session's otherwise. */
export function setupOf(store: SessionStore, agent: string): CustomAgent & { rules: Rules } {
  const { config } = store.identity;
  const { model, thinking, effort, allowedTools, disallowedTools } = config;
  // The session's own number of turns is that of a message, over all agents.
  if (agent === MAIN) {
    return { model, thinking, effort, systemPrompt: config.systemPrompt, rules: config };
  }
  const own = typeNamed(store, store.agents.typeOf(agent) ?? agent) ?? {};
  return {
    model,
    thinking,
    effort,
    ...own,
    rules: {
      allowedTools: own.allowedTools ?? allowedTools,
      // What a session forbids it forbids to all. Agents do not start agents.
      disallowedTools: [...(disallowedTools ?? []), ...(own.disallowedTools ?? []), "Task"],
    },
  };
}

/** Returns whether a session has any agents beside the main one. */
export const hasAgents = ({ identity }: SessionStore): boolean =>
  Object.keys(identity.config.customAgents ?? {}).length > 0;

/** Returns what an agent is told of the others, for its system prompt; empty where it is alone. */
export function introduction(store: SessionStore, agent: string): string {
  if (!hasAgents(store)) return "";
  const types = Object.entries(store.identity.config.customAgents ?? {});
  const list = types.map(([type, { description, systemPrompt }]) => {
    return `- ${type}: ${description ?? firstLine(systemPrompt) ?? "an agent"}`;
  });
  const who =
    agent === MAIN
      ? "You are the main agent of this session. With Task you have other agents work for you, of these types:"
      : `You are the agent "${agent}" of a session in which several agents share the sandbox. Your last words are your answer to who gave you your task. "main" is the main agent; the types of the others:`;
  return [
    who,
    ...list,
    "Read a file before you change it, and again when it has changed since: others may work on it too.",
  ].join("\n");
}

const firstLine = (text: string | undefined): string | undefined =>
  text?.split("\n")[0]?.slice(0, 200);

/**
 * Returns the agent that a name means, of those at work or of the types; undefined for none. An inherited one whose
 * type this session does not have is none: nothing says what it may do.
 */
export function findAgent(store: SessionStore, name: string): string | undefined {
  if (name === MAIN) return MAIN;
  return typeNamed(store, store.agents.typeOf(name) ?? name) && name;
}

/** Returns a type of agents; whatever every object has besides, such as a `constructor`, is none. */
function typeNamed({ identity }: SessionStore, name: string): CustomAgent | undefined {
  const types = identity.config.customAgents ?? {};
  return Object.hasOwn(types, name) ? types[name] : undefined;
}

/** Returns the type of the agent of that name, who may never have worked; undefined where there is none. */
const typeOf = (store: SessionStore, name: string): string | undefined =>
  store.agents.typeOf(name) ?? (typeNamed(store, name) && name);

/** A task for an agent. */
export interface Assignment {
  /** The call that gives it. */
  callId: string;
  type: string;
  name?: string | undefined;
  prompt: string;
  background: boolean;
}

/**
 * Opens the run of an agent on a task, or finds it open or ended already. Answers what is wrong where
 * there can't be one.
 */
export function openTask(at: RunChange, task: Assignment): Run | ToolResult {
  const { store, run } = at;
  const known = store.runs.get(runIdOf(run, task.callId));
  if (known) return known;
  const types = Object.keys(store.identity.config.customAgents ?? {});
  if (!types.includes(task.type)) {
    return failed(`There is no agent "${task.type}". There are: ${types.join(", ")}.`);
  }
  const agent = task.name ?? freeName(at, task.type);
  const type = typeOf(store, agent);
  if (agent === MAIN || (type !== undefined && type !== task.type)) {
    return failed(`"${agent}" is another agent's name. Choose another one.`);
  }
  if (isAtWork(at, agent)) {
    return failed(`"${agent}" is at work. Use SendMessage, or another name.`);
  }
  if (type === undefined && store.agents.names().length >= MAX_AGENTS) {
    return failed(`A session may have ${MAX_AGENTS} agents. Give the task to one that is there.`);
  }
  return openRun(at, { ...task, agent });
}

/** Adds a message to an agent's inbox, or opens a run for it if the agent has none. */
export function sendAgentMessage(
  at: RunChange,
  sent: { callId: string; to: string; message: string },
): { result: ToolResult; opened?: Run } {
  const { store, run } = at;
  const to = findAgent(store, sent.to);
  if (to === undefined) {
    const names = new Set([MAIN, ...Object.keys(store.identity.config.customAgents ?? {})]);
    for (const name of store.agents.names()) if (findAgent(store, name)) names.add(name);
    return {
      result: failed(`There is no agent "${sent.to}". There are: ${[...names].join(", ")}.`),
    };
  }
  if (to === run.agent) return { result: failed("That is yourself.") };
  const content = `Message from ${run.agent}:\n${sent.message}`;
  const id = runIdOf(run, sent.callId);
  const result = { content: `Sent to ${to}.` };
  const woken = store.runs.get(id);
  if (woken) return { result, opened: woken };
  if (isAtWork(at, to) || store.agents.wasAddedToInbox(id)) {
    store.agents.addToInbox({ id, from: run.agent, to, content });
    return { result };
  }
  const task = { callId: sent.callId, type: to, agent: to, prompt: content, background: true };
  return { result, opened: openRun(at, task) };
}

/** Moves an agent's inbox into its conversation. Returns false if the inbox is empty. */
export function deliverInbox({ store, run }: RunChange): boolean {
  const messages = store.agents.takeInbox(run.agent);
  if (messages.length === 0) return false;
  store.history.addPrompt({ agent: run.agent, runId: run.id, prompt: messages.join("\n\n") });
  // Whatever the newest reply stopped for, there is something to answer now.
  store.runs.saveProgress(run.id, null);
  return true;
}

/** What becomes of a run that has come to an end. */
export type Next = "ended" | "goes on" | "waits";

/**
 * Ends a run, unless its agent's inbox holds a message to answer. A message's own run is ended with its
 * message: it `waits` while agents work in the background.
 */
export function finishRun(at: RunChange, outcome: Outcome): Next {
  const { store, run } = at;
  if (outcome.stopReason === "end_turn" && deliverInbox(at)) return "goes on";
  if (run.parentToolUseId === null) {
    const others = store.runs.openOf(run.messageId).length > 1;
    return others && outcome.stopReason === "end_turn" ? "waits" : "ended";
  }
  closeAgentRun(at, outcome);
  if (run.background) {
    const id = `end_${run.id}`;
    const content = `${run.agent} has ended (${outcome.stopReason}):\n${shown(store, run)}`;
    store.agents.addToInbox({ id, from: run.agent, to: starterOf(at), content });
  }
  return "ended";
}

/** Closes the run of an agent that another one had started. */
export function closeAgentRun({ store, run, now }: RunChange, outcome: Outcome): void {
  store.runs.close(run.id, outcome);
  if (run.parentToolUseId === null) return;
  const { stopReason } = outcome;
  const result = lastText(store, run.id);
  const scope = scopeOf(run);
  const toolUseId = run.parentToolUseId;
  store.log.append({ type: "agent.completed", toolUseId, stopReason, result }, scope, now);
}

/** Returns what an agent answers to who waits for it. */
export function resultOf(store: SessionStore, run: Run): ToolResult {
  const { stopReason = "interrupted", error } = store.runs.get(run.id)?.outcome ?? {};
  const text = shown(store, run);
  if (stopReason === "end_turn") return { content: text };
  const why = error?.message ?? stopReason;
  return failed(`${run.agent} did not come to its end (${why}). It said last:\n${text}`);
}

const shown = (store: SessionStore, run: Run): string => lastText(store, run.id) ?? "(nothing)";

/** Returns the newest text that was said in a run: its result, whole or so far. */
export function lastText(store: SessionStore, runId: string): string | null {
  for (const content of store.history.repliesNewestFirst(runId)) {
    const text = textOf(content);
    if (text !== "") return text;
  }
  return null;
}

/** Whom to tell of a run's end: the agent that started it while it works, and the message's own otherwise. */
function starterOf({ store, run }: RunChange): string {
  const open = store.runs.openOf(run.messageId);
  // The ids of all above it begin its own.
  const starter = open.find(
    (one) => run.id.startsWith(`${one.id}/`) && !run.id.includes("/", one.id.length + 1),
  );
  return starter?.agent ?? store.runs.get(run.messageId)?.agent ?? MAIN;
}

const isAtWork = ({ store, run }: RunChange, agent: string): boolean =>
  store.runs.openOf(run.messageId).some((open) => open.agent === agent);

/** Returns the type's own name, or a numbered one while that agent is at work or is another type's. */
function freeName(at: RunChange, type: string): string {
  const isFree = (name: string) => !isAtWork(at, name) && (typeOf(at.store, name) ?? type) === type;
  let name = type;
  for (let n = 2; !isFree(name); n++) name = `${type}-${n}`;
  return name;
}

function openRun(
  { store, run, now }: RunChange,
  { callId, type, agent, prompt, background }: Assignment & { agent: string },
): Run {
  const { messageId } = run;
  const id = runIdOf(run, callId);
  store.agents.add(agent, type, workspace);
  const call = store.tools.openOf(run.id).find((tool) => tool.callId === callId);
  const toolUseId = call?.id ?? callId;
  store.runs.add({ id, messageId, agent, parentToolUseId: toolUseId, background });
  store.history.addPrompt({ agent, runId: id, prompt });
  const scope = scopeOf({ messageId, agent });
  store.log.append({ type: "agent.started", toolUseId, prompt }, scope, now);
  const opened = store.runs.get(id);
  if (!opened) throw new Error(`there is no run ${id}`);
  return opened;
}

/** Returns the id of the run that a call of a run starts. */
const runIdOf = (run: Run, callId: string): string => `${run.id}/${callId}`;
