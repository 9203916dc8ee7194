import { ownNameOf } from "../../agent/claude-code/client-server";
import type { CallResult } from "../../agent/claude-code/protocol";
import { type ProgramCall, readProgramCall } from "../../agent/claude-code/request";
import {
  type RefusedMedia,
  type SentMessage,
  withdrawnMedia,
} from "../../agent/claude-code/withdrawn-media";
import { type Block, toolCalls } from "../../agent/messages";
import { emptyDraft } from "../../agent/model/assemble";
import type { ModelOutcome } from "../../agent/model/model";
import { failureOfResponse, isOverflow } from "../../agent/model/model-failure";
import {
  apiError,
  countRelayed,
  type RelayedCall,
  relay,
  type Upstream,
} from "../../agent/model/relay";
import { MAX_OUTPUT_TOKENS } from "../../agent/model/reply-bounds";
import { retryDelayMs } from "../../agent/model/retry";
import { replyToStore } from "../../agent/model/stored-reply";
import { thinkingFor, thinkingWithin } from "../../agent/model/thinking";
import type { PricedModel } from "../../agent/pricing/models";
import { reserveTurn, type Turn } from "../../agent/reserve-turn";
import { wireSchema } from "../../agent/schema/json-schema";
import type { StopReason, TurnKind } from "../../events/event";
import { sha256, toBase64 } from "../../shared/bytes";
import type { Notifier } from "../../shared/notifier";
import { settledWithin } from "../../shared/timeout";
import type { SessionContext } from "../context";
import { knownModel } from "../deployment";
import { reserveTurnOf } from "../reserve";
import { MAIN } from "../storage/agents";
import type { Run } from "../storage/runs";
import type { SessionStore } from "../storage/store";
import { setupOf } from "../transactions/agents";
import { noteLimit, noteWithdrawal } from "../transactions/claude-code";
import { receiveCall, withDecisions } from "../transactions/claude-code-approvals";
import { containsPrompt, openSteers, startedSteers } from "../transactions/claude-code-steers";
import { type RunChange, scopeOf } from "../transactions/state";
import { completeTurn, failTurn } from "../transactions/turns";

/** Maximum size of a request body in bytes, the limit of the API. */
const MAX_BODY_BYTES = 32 << 20;
/** How long a call of an unknown agent waits for the process to report the agent's start, in ms. */
const AGENT_WAIT_MS = 10_000;

/** How long a call waits for the process to report the tool results that the call contains, in ms. */
const RESULT_WAIT_MS = 1_000;

/** The header with the process's id of the calling agent; absent for the main agent. */
const AGENT_HEADER = "x-claude-code-agent-id";

/** The context for forwarding model calls of the process while a message runs. */
export interface ProxyDeps extends SessionContext {
  upstream: Upstream;
  messageId: string;
  /** Whether the session's agents have any tools. */
  hasTools: boolean;
  signal: AbortSignal;
  /** Notified whenever a model call was settled, a tool result was stored, or an agent was recorded. */
  settled: Notifier;
  /** Notified when a limit may have been raised. */
  decisions: Notifier;
  /** The images and documents that the API has refused. */
  refusedMedia: RefusedMedia;
  /** Journals a tool result from a model call, if it is not journaled yet. */
  finish(result: CallResult): void;
}

/**
 * Forwards a model call of the Claude Code process to the API, with the deployment's key. The session's limits apply as
 * in the loop: a call that does not fit is refused before it is made, and its cost is settled from the API's usage
 * report. The outcome is journaled before the process can receive the whole response.
 */
export async function passOn(request: Request, deps: ProxyDeps): Promise<Response> {
  const { store, signal } = deps;
  const text = await request.text();
  if (text.length > MAX_BODY_BYTES) {
    return apiError(413, "request_too_large", "Request exceeds the maximum size");
  }
  const call = readProgramCall(text, deps);
  if (!call.ok) return apiError(400, "invalid_request_error", call.message);
  const caller = await callerOf(request, deps);
  if (signal.aborted) return later();
  // A call of an unknown agent is charged to the message's own run and not shown to subscribers.
  const run = caller ?? store.runs.get(deps.messageId);
  const kind = caller || call.kind !== "reply" ? call.kind : "helper";
  if (!run) return later();
  await resultsKnown(call.results, deps);
  const priced = knownModel(call.model);
  if (!priced) return apiError(404, "not_found_error", `model: "${call.model}" has no known price`);

  const maxTokens = Math.min(call.maxTokens, MAX_OUTPUT_TOKENS, priced.maxOutput);
  const ref = kind === "reply" ? "" : await refOf(call.body);
  const isOwn = kind === "reply" && run.id === deps.messageId;
  const steers = isOwn ? await steersOf(call.body.messages as SentMessage[], deps) : [];
  const prepared = { ...call, kind, ref, maxTokens, run, priced, headers: request.headers, steers };
  const sent = withDecisions(call.body.messages as SentMessage[], store);
  const messages = await deps.refusedMedia.removeFrom(sent);
  const response = await send(prepared, messages, deps);
  if (kind !== "reply" || response.status !== 400) return response;
  return (await sendWithoutRefused(prepared, messages, response, deps)) ?? response;
}

/** A model call of the process that may be made: its kind, run and bounds are known. */
interface PreparedCall extends Omit<ProgramCall, "model"> {
  ref: string;
  /** The prompts that join the message with it. */
  steers: readonly string[];
  run: Run;
  priced: PricedModel;
  headers: Headers;
}

/** Reserves a turn for a call with these messages, makes it, and returns its answer. */
async function send(
  call: PreparedCall,
  messages: readonly SentMessage[],
  deps: ProxyDeps,
): Promise<Response> {
  const { kind, run, priced, maxTokens, headers, steers } = call;
  const { store, signal, settled, upstream } = deps;
  const relayed = (turn: Pick<Turn, "maxTokens" | "attempt">): RelayedCall => ({
    body: bodyOf({ ...call.body, messages }, { ...call, maxTokens: turn.maxTokens }, store),
    headers,
    attempt: turn.attempt,
  });
  for (;;) {
    const otherSettled = settled.wait();
    const granted = await reserveTurn(call, {
      begin: (turnRequest) => reserveTurnOf(run, priced, { ...turnRequest, steers }, deps),
      count: () => countRelayed(upstream, relayed({ maxTokens, attempt: 1 }), signal),
      signal,
      random: Math.random,
    });
    if (granted.ok) {
      const cut = granted.maxTokens < maxTokens;
      return make(relayed(granted), { run, turn: granted, live: kind === "reply", cut }, deps);
    }
    if ("failure" in granted) {
      const { status, type, message } = granted.failure;
      return apiError(status ?? 502, type, message);
    }
    if (granted.why === "interrupted") return later();
    if (granted.why !== "pending_calls") {
      const limit = granted.why === "over_budget" ? "budget_limit" : granted.why;
      if (kind !== "helper") deps.commit(() => noteLimit(store, run, limit));
      return refusal(limit);
    }
    await otherSettled;
    if (signal.aborted) return later();
  }
}

/**
 * Makes a refused call again without the images and documents that may be the reason. Returns undefined if there are
 * none, or if it is refused all the same.
 */
async function sendWithoutRefused(
  call: PreparedCall,
  messages: readonly SentMessage[],
  refused: Response,
  deps: ProxyDeps,
): Promise<Response | undefined> {
  // The body was redacted when it was relayed.
  const failure = failureOfResponse(refused, await refused.clone().text(), (text) => text);
  // Claude Code compacts a conversation that is too long.
  if (isOverflow(failure)) return undefined;
  const reason = failure.message;
  for (const fewer of withdrawnMedia(messages, reason)) {
    const answer = await send(call, fewer, deps);
    if (answer.status === 400) continue;
    if (answer.ok) {
      await deps.refusedMedia.add(messages, fewer, reason);
      const { store, signal } = deps;
      if (!signal.aborted) deps.commit((now) => noteWithdrawal(at(call.run, store, now), reason));
    }
    return answer;
  }
  return undefined;
}

/** Returns the response for a call that a limit forbids. Claude Code does not retry a call after this status. */
const refusal = (limit: StopReason): Response =>
  apiError(402, "billing_error", `A limit of the session is reached [${limit}]`);

/** Returns the response for a call whose message has ended. */
export const stopped = (): Response =>
  apiError(402, "billing_error", "The message has ended that this was for");

/** Returns the response for a call that can't be handled at the moment. Claude Code retries it. */
export const later = (): Response => apiError(529, "overloaded_error", "Overloaded");

/** Returns the run that makes a call; undefined if its agent stays unknown for `AGENT_WAIT_MS`. */
async function callerOf(
  { headers }: Request,
  { store, messageId, signal, settled }: ProxyDeps,
): Promise<Run | undefined> {
  const agentId = headers.get(AGENT_HEADER);
  if (agentId === null) return store.runs.get(messageId);
  const giveUpAt = Date.now() + AGENT_WAIT_MS;
  for (;;) {
    const next = settled.wait();
    const runId = store.process.runOfAgent(agentId);
    if (runId !== undefined) return store.runs.get(runId);
    if (!(await settledWithin(next, giveUpAt - Date.now())) || signal.aborted) return undefined;
  }
}

/**
 * Waits until the tool results that a call contains are journaled. The process also reports them in its output, but the
 * call may arrive first. Results that are not reported within `RESULT_WAIT_MS` are taken from the call.
 */
async function resultsKnown(
  results: readonly CallResult[],
  { store, messageId, signal, settled, finish }: ProxyDeps,
): Promise<void> {
  const isOpen = ({ toolUseId }: CallResult) => store.tools.openInMessage(messageId, toolUseId);
  const giveUpAt = Date.now() + RESULT_WAIT_MS;
  for (;;) {
    const next = settled.wait();
    if (signal.aborted || !results.some(isOpen)) return;
    if (!(await settledWithin(next, giveUpAt - Date.now()))) break;
  }
  if (!signal.aborted) for (const result of results.filter(isOpen)) finish(result);
}

/**
 * Returns the prompts that join the message with a call. The process reports that it has added a prompt before it makes the
 * call that has it, but the call may arrive first.
 */
async function steersOf(
  messages: readonly SentMessage[],
  { store, signal, settled }: ProxyDeps,
): Promise<string[]> {
  if (openSteers(store).length === 0) return [];
  const last = messages.findLastIndex(({ role }) => role === "assistant");
  const json = JSON.stringify(messages.slice(last + 1));
  const isUnreported = () =>
    openSteers(store).some(
      ({ id, started }) => !started && containsPrompt(json, store.messages.prompt(id)),
    );
  const giveUpAt = Date.now() + RESULT_WAIT_MS;
  for (;;) {
    const next = settled.wait();
    if (signal.aborted || !isUnreported()) break;
    if (!(await settledWithin(next, giveUpAt - Date.now()))) break;
  }
  return startedSteers(store);
}

/** Returns the body to send for a call. Thinking and the output format of a reply are set as in the loop. */
function bodyOf(
  { thinking: own, context_management: edits, ...body }: Record<string, unknown>,
  call: { run: Run; kind: TurnKind; priced: PricedModel; maxTokens: number },
  store: SessionStore,
): object {
  const { run, kind, priced, maxTokens } = call;
  const { outputSchema } = store.identity.config;
  const isReply = kind === "reply";
  const thinking = thinkingWithin({
    thinking: isReply ? replyThinking(own, run, priced, store) : (own as Thinking),
    maxTokens,
  });
  const format = isReply && run.agent === MAIN && outputSchema && wireSchema(outputSchema);
  return {
    ...body,
    model: priced.id,
    max_tokens: maxTokens,
    // The API refuses context edits for thinking blocks in a request without thinking.
    ...(thinking && { thinking, ...(edits ? { context_management: edits } : {}) }),
    ...(format && {
      output_config: {
        ...(body.output_config as object | undefined),
        format: { type: "json_schema", schema: format },
      },
    }),
  };
}

type Thinking = ReturnType<typeof thinkingFor>;

/**
 * Returns the thinking options of a reply: those of the session's config, or else those of the process's request, with
 * summarized thinking made visible.
 */
function replyThinking(own: unknown, run: Run, priced: PricedModel, store: SessionStore): Thinking {
  const given = setupOf(store, run.agent).thinking;
  if (given) return thinkingFor(priced, given);
  const asked = own as Thinking;
  return asked?.type === "adaptive" ? { ...asked, display: "summarized" } : asked;
}

/** Makes a call whose turn was reserved. */
function make(
  call: RelayedCall,
  granted: { run: Run; turn: Turn; live: boolean; cut: boolean },
  deps: ProxyDeps,
): Promise<Response> {
  const { run, turn, live, cut } = granted;
  const { store, drafts, publish, signal, settled } = deps;
  const scope = scopeOf(run);
  const { turnId } = turn;
  const draft = emptyDraft();
  drafts.set(turnId, { draft, scope, live });
  const watch = {
    draft,
    onDelta: (delta: {
      block: number;
      kind: "text" | "thinking";
      offset: number;
      text: string;
    }) => {
      if (live) publish({ type: "assistant.delta", ...scope, turnId, ...delta });
    },
  };
  const settle = (outcome: ModelOutcome) => {
    // The change that ended the message has settled the call with the part that had arrived.
    if (signal.aborted) return;
    if (drafts.get(turnId)?.draft === draft) drafts.delete(turnId);
    deps.commit((now) => {
      const change = at(run, store, now);
      if (!outcome.ok) {
        const delayMs = retryDelayMs(outcome.failure, turn.attempt, Math.random());
        failTurn(change, turn, outcome, delayMs);
        return;
      }
      // The process makes the tool calls that it received, whether or not their inputs could be stored.
      const { unusable: _, ...reply } = outcome;
      const kept = live ? replyToStore(reply, cut) : { ...reply, content: [] };
      const content = kept.content.map(asOurs);
      completeTurn(change, turn, { ...kept, content });
      for (const { id } of toolCalls(content)) {
        const tool = store.tools.open(run.id, id);
        if (tool) receiveCall(change, tool);
      }
    });
    settled.notify();
  };
  return relay(deps.upstream, call, signal, watch, settle);
}

/** Returns a block with our tool names. */
const asOurs = (block: Block): Block =>
  block.type === "tool_use" ? { ...block, name: ownNameOf(block.name) } : block;

/** Returns the change for a run, with the run's current row: it may have changed since the run was read. */
const at = (run: Run, store: SessionStore, now: number): RunChange => ({
  store,
  run: store.runs.get(run.id) ?? run,
  now,
});

/** Returns a hash of a call's body. It distinguishes concurrent calls of one kind; the same body is another attempt. */
async function refOf(body: object): Promise<string> {
  return toBase64((await sha256(JSON.stringify(body))).subarray(0, 12));
}
