import {
  publishTool,
  resultLine,
  type ServerRequest,
  serverLine,
} from "../../agent/claude-code/client-server";
import { offeredTools } from "../../agent/permissions/permissions";
import type { ClientTool } from "../../agent/tool";
import { publish } from "../../agent/tools/publish";
import { failed, keepEnds } from "../../agent/tools/result";
import { canonicalJson } from "../../shared/canonical-json";
import { MAIN } from "../storage/agents";
import type { Run } from "../storage/runs";
import type { SessionStore } from "../storage/store";
import type { StoredTool } from "../storage/tools";
import { setupOf } from "./agents";
import { inputOf } from "./approvals";
import { mayPublish } from "./artifacts";
import type { RunChange } from "./state";
import { clientToolOf, finishTool, shownContent } from "./tool-calls";
import { requestCall } from "./tool-requests";

// Client tools of Claude Code, and Publish, which the session has for it in the same way. The session requests a call from
// the caller as soon as it has the reply with the call. The process asks for the result when it makes the call, and gets it
// as soon as it is there: also if the object was lost meanwhile. If the process is lost, no new one is started before all
// results are there, and that one is told them. Call functions that change something within a transaction.

/** Maximum number of characters of an input and of a result that a new process is told, and of all of them together. */
const MAX_INPUT_CHARACTERS = 1_000;
const MAX_TOLD_CHARACTERS = 50_000;
const MAX_ALL_CHARACTERS = 250_000;

/** Returns the tools of the session's server that any of its agents may call: the caller's, and Publish. */
export function serverTools(store: SessionStore): ClientTool[] {
  const { config } = store.identity;
  const { clientTools = [], customAgents = {} } = config;
  const tools = mayPublish(config) ? [publishTool(), ...clientTools] : clientTools;
  if (tools.length === 0) return [];
  const agents = [MAIN, ...Object.keys(customAgents)];
  const offered = agents.flatMap((agent) => offeredTools(setupOf(store, agent).rules, tools));
  return tools.filter((tool) => offered.includes(tool));
}

/** Returns whether calls of a tool are made by the session's server. */
export const isOfServer = (store: SessionStore, name: string): boolean =>
  name === publish.name || clientToolOf(store, name) !== undefined;

/** Takes a request of the process. Returns the line that answers it; null if it is a call that waits for its result. */
export function takeServerRequest(store: SessionStore, request: ServerRequest): string | null {
  if (request.method !== "tools/call") return serverLine(request, serverTools(store));
  const tool = store.tools.newest(request.toolUseId ?? "");
  if (tool?.result) return resultLine(request, tool.result);
  // Any other one may not be made, or waits for approval.
  if (tool?.state !== "started" || !isOfServer(store, tool.name)) {
    return resultLine(request, failed("The call can't be made."));
  }
  store.process.addRequest(request);
  return null;
}

/** Returns whether the process waits for a result that is there. */
export const hasResult = (store: SessionStore): boolean => readyRequest(store) !== undefined;

/** Returns the line with a result that the process waits for; null if there is none. */
export function takeResult(store: SessionStore): string | null {
  const ready = readyRequest(store);
  if (!ready) return null;
  store.process.dropRequest(ready.request);
  return resultLine(ready.request, ready.result);
}

/** A call of Publish, with the input that it is to be made with. */
export interface PublishCall {
  tool: StoredTool;
  run: Run;
}

/** Returns the calls of Publish that the process waits for, and that have no result. */
export function openPublishCalls(store: SessionStore): PublishCall[] {
  return openRequests(store).flatMap(({ toolUseId = "" }) => {
    const tool = store.tools.newest(toolUseId);
    const run = tool && store.runs.get(tool.runId);
    if (!run || tool.name !== publish.name || tool.result) return [];
    const approval = store.approvals.ofCall(tool.callId);
    return [{ tool: approval ? { ...tool, input: inputOf(approval) } : tool, run }];
  });
}

function readyRequest(store: SessionStore) {
  for (const request of openRequests(store)) {
    const result = store.tools.newest(request.toolUseId ?? "")?.result;
    if (result) return { request, result };
  }
  return undefined;
}

function openRequests(store: SessionStore): ServerRequest[] {
  const { config } = store.identity;
  return config.clientTools || mayPublish(config) ? store.process.requests() : [];
}

/** Requests a call from the caller, or gives it the result that a process before had asked for and did not get. */
export function receiveClientCall(at: RunChange, tool: StoredTool): void {
  const { store, run } = at;
  const owed = owedResults(store).find(
    (one) => one.name === tool.name && canonicalJson(one.input) === canonicalJson(tool.input),
  );
  if (owed?.result && run.agent === MAIN) {
    store.process.saveOwed(store.process.owed().filter((callId) => callId !== owed.callId));
    finishTool(at, tool, owed.result);
  } else requestCall(at, tool);
}

/**
 * Returns the ids of the main agent's calls in a message whose results a new process does not find in its transcript, which
 * is the stored one.
 */
export function missingResults(store: SessionStore, messageId: string): string[] {
  const names = store.identity.config.clientTools?.map(({ name }) => name) ?? [];
  const done = names.length === 0 ? [] : store.tools.doneOf(messageId, names);
  const asked = done.filter(({ result }) => !result?.refused);
  if (asked.length === 0) return [];
  const transcript = new TextDecoder().decode(store.process.transcript());
  return asked
    .filter(({ id }) => !transcript.includes(`"tool_use_id":${JSON.stringify(id)}`))
    .map(({ callId }) => callId);
}

/** Returns the results that the process has to be told, as a text; empty if there are none. */
export function toldResults(store: SessionStore): string {
  const owed = owedResults(store);
  const max = Math.min(MAX_TOLD_CHARACTERS, MAX_ALL_CHARACTERS / owed.length);
  return owed.map((tool) => wordsOf(tool, max)).join("\n");
}

function wordsOf({ name, input, result }: StoredTool, max: number): string {
  const call = `${name} ${keepEnds(JSON.stringify(input), MAX_INPUT_CHARACTERS)}`;
  const text = keepEnds(result ? shownContent(result) : "", max);
  return `Your call ${call} ${result?.isError ? "has failed" : "has this result"}:\n${text}`.toWellFormed();
}

function owedResults(store: SessionStore): StoredTool[] {
  if (!store.identity.config.clientTools) return [];
  const callIds = store.process.owed();
  return callIds.flatMap((callId) => store.tools.byCallId(callId) ?? []);
}
