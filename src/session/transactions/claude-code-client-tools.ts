import { resultLine, type ServerRequest, serverLine } from "../../agent/claude-code/client-server";
import { offeredTools } from "../../agent/permissions/permissions";
import type { ClientTool } from "../../agent/tool";
import { failed, keepEnds } from "../../agent/tools/result";
import { canonicalJson } from "../../shared/canonical-json";
import { MAIN } from "../storage/agents";
import type { SessionStore } from "../storage/store";
import type { StoredTool } from "../storage/tools";
import { setupOf } from "./agents";
import type { RunChange } from "./state";
import { finishTool, shownContent } from "./tool-calls";
import { isRequested, requestCall } from "./tool-requests";

// Client tools of Claude Code. The session requests a call from the caller as soon as it has the reply with the call. The
// process asks for the result when it makes the call, and gets it as soon as it is there: also if the object was lost
// meanwhile. If the process is lost, no new one is started before all results are there, and that one is told them. Call
// functions that change something within a transaction.

/** Maximum number of characters of an input and of a result that a new process is told, and of all of them together. */
const MAX_INPUT_CHARACTERS = 1_000;
const MAX_TOLD_CHARACTERS = 50_000;
const MAX_ALL_CHARACTERS = 250_000;

/** Returns the client tools that any agent of the session may call. */
export function programClientTools(store: SessionStore): ClientTool[] {
  const { clientTools = [], customAgents = {} } = store.identity.config;
  const agents = [MAIN, ...Object.keys(customAgents)];
  const offered = agents.flatMap((agent) => offeredTools(setupOf(store, agent).rules, clientTools));
  return clientTools.filter((tool) => offered.includes(tool));
}

/** Takes a request of the process. Returns the line that answers it; null if it is a call that waits for its result. */
export function takeServerRequest(store: SessionStore, request: ServerRequest): string | null {
  if (request.method !== "tools/call") return serverLine(request, programClientTools(store));
  const tool = store.tools.newest(request.toolUseId ?? "");
  if (tool?.result) return resultLine(request, tool.result);
  // The caller was not asked for any other one: it may not be made, or waits for approval.
  if (!tool || !isRequested(store, tool)) {
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

function readyRequest(store: SessionStore) {
  if (!store.identity.config.clientTools) return undefined;
  for (const request of store.process.requests()) {
    const result = store.tools.newest(request.toolUseId ?? "")?.result;
    if (result) return { request, result };
  }
  return undefined;
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
