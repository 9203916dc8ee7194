import { textOf } from "../../agent/messages";
import { mayCall, type Permission } from "../../agent/permissions/permissions";
import { type Rules, rulesOfAgent } from "../../agent/permissions/rules";
import type { ToolResult } from "../../agent/tool";
import { failed } from "../../agent/tools/result";
import { decidesOnCommands } from "../../sandbox/providers";
import { workspace } from "../deployment";
import type { CustomAgent } from "../rpc";
import { MAIN } from "../storage/agents";
import type { Outcome, Run } from "../storage/runs";
import type { SessionStore } from "../storage/store";
import { type RunChange, scopeOf } from "./state";

// The agents of a session: the main agent, and agents of the types in `config.customAgents`. All share one sandbox.
// Call functions that change something within a transaction.

/** Maximum number of agents that work concurrently, besides the agent of the message's own run. Others wait. */
export const MAX_AT_WORK = 16;

/** Maximum number of agents of a session, of all types together. */
const MAX_AGENTS = 64;

/** Returns an agent's configuration. Its type's fields take precedence over the session's. */
export function setupOf(store: SessionStore, agent: string): CustomAgent & { rules: Rules } {
  const { config } = store.identity;
  const { model, thinking, effort } = config;
  // The session's `maxTurns` limits a message over all its agents, so it is not part of an agent's configuration.
  if (agent === MAIN) {
    return { model, thinking, effort, systemPrompt: config.systemPrompt, rules: config };
  }
  const own = typeNamed(store, store.agents.typeOf(agent) ?? agent) ?? {};
  return {
    model,
    thinking,
    effort,
    ...own,
    rules: rulesOfAgent(config, own),
  };
}

/** Decides about a call of an agent by the agent's rules. */
export function permissionOf(
  store: SessionStore,
  agent: string,
  { name, input }: { name: string; input: unknown },
): Permission {
  const isProgram = store.identity.config.runtime === "claude-code";
  // The paths of Claude Code's calls are absolute, or are those of the workspace.
  const cwd = isProgram ? workspace : store.agents.cwdOf(agent);
  const sandboxDecides = !isProgram && decidesOnCommands(store.state.sandbox.provider);
  return mayCall(setupOf(store, agent).rules, name, input, cwd, sandboxDecides);
}

/** Returns whether a session has types of agents besides the main agent. */
export const hasAgents = ({ identity }: SessionStore): boolean =>
  Object.keys(identity.config.customAgents ?? {}).length > 0;

/** Returns the description of the other agents for an agent's system prompt; empty if there are none. */
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
 * Returns the agent that a name refers to: one that has worked in the session, or a type. Returns undefined if there is
 * none. An inherited agent whose type this session lacks counts as none, since no configuration says what it may do.
 */
export function findAgent(store: SessionStore, name: string): string | undefined {
  if (name === MAIN) return MAIN;
  return typeNamed(store, store.agents.typeOf(name) ?? name) && name;
}

/**
 * Returns the configuration of a type; undefined for an unknown one. Inherited properties, such as `constructor`, don't
 * count.
 */
function typeNamed({ identity }: SessionStore, name: string): CustomAgent | undefined {
  const types = identity.config.customAgents ?? {};
  return Object.hasOwn(types, name) ? types[name] : undefined;
}

/** Returns the type of the agent with a name, even if it has not worked yet; undefined if there is none. */
const typeOf = (store: SessionStore, name: string): string | undefined =>
  store.agents.typeOf(name) ?? (typeNamed(store, name) && name);

/** A task for an agent. */
export interface Assignment {
  /** The tool call that assigns it. */
  callId: string;
  type: string;
  name?: string | undefined;
  prompt: string;
  background: boolean;
}

/**
 * Opens the run of an agent for a task. Returns the existing run, open or ended, if the task was opened before. Returns
 * an error result for the caller if the run can't be opened.
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

/**
 * Sends a message to an agent: adds it to the agent's inbox, or opens a run for it if the agent has no open run.
 * Idempotent by `callId`. Returns the result for the sender, with the run if one was opened.
 */
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
  // The inbox must be answered, even if the newest reply would have ended the run.
  store.runs.saveProgress(run.id, null);
  return true;
}

/** What happens to a run whose agent has finished: it ends, continues, or waits for other agents. */
export type Next = "ended" | "goes on" | "waits";

/**
 * Ends a run, unless its agent's inbox contains a message to answer. A message's own run ends with the message. It
 * `waits` while other agents of the message work in the background.
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

/** Closes a run. Appends the event of its end if another agent started it. */
export function closeAgentRun({ store, run, now }: RunChange, outcome: Outcome): void {
  store.runs.close(run.id, outcome);
  if (run.parentToolUseId === null) return;
  const { stopReason } = outcome;
  const result = lastText(store, run);
  const scope = scopeOf(run);
  const toolUseId = run.parentToolUseId;
  store.log.append({ type: "agent.completed", toolUseId, stopReason, result }, scope, now);
}

/** Returns the result of an ended run for the agent that waits for it. */
export function resultOf(store: SessionStore, run: Run): ToolResult {
  const { stopReason = "interrupted", error } = store.runs.get(run.id)?.outcome ?? {};
  const text = shown(store, run);
  if (stopReason === "end_turn") return { content: text };
  const why = error?.message ?? stopReason;
  return failed(`${run.agent} did not come to its end (${why}). It said last:\n${text}`);
}

const shown = (store: SessionStore, run: Run): string => lastText(store, run) ?? "(nothing)";

/** Returns the text of the newest reply of a run that has text: its result so far; null if there is none. */
export function lastText(store: SessionStore, run: Run): string | null {
  for (const content of store.history.repliesNewestFirst(run)) {
    const text = textOf(content);
    if (text !== "") return text;
  }
  return null;
}

/**
 * Returns the agent to notify of a run's end: the agent that started it if its run is still open, or else the agent of
 * the message's own run.
 */
function starterOf({ store, run }: RunChange): string {
  const open = store.runs.openOf(run.messageId);
  // A run's id starts with the id of the run that started it.
  const starter = open.find(
    (one) => run.id.startsWith(`${one.id}/`) && !run.id.includes("/", one.id.length + 1),
  );
  return starter?.agent ?? store.runs.get(run.messageId)?.agent ?? MAIN;
}

const isAtWork = ({ store, run }: RunChange, agent: string): boolean =>
  store.runs.openOf(run.messageId).some((open) => open.agent === agent);

/** Returns a name for a new task: the type's name, or a numbered one if that agent is working or has another type. */
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

/** Returns the id of the run that a tool call of a run starts. */
const runIdOf = (run: Run, callId: string): string => `${run.id}/${callId}`;
