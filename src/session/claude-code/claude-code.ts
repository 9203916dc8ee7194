import type { Ending } from "../../agent/agent-deps";
import { programTools } from "../../agent/claude-code/options";
import { type CallResult, readLine } from "../../agent/claude-code/protocol";
import { RefusedMedia } from "../../agent/claude-code/withdrawn-media";
import { apiError } from "../../agent/model/relay";
import { SandboxError } from "../../sandbox/sandbox";
import { backoffMs, pause } from "../../shared/backoff";
import { errorText, log } from "../../shared/log";
import { type Notifier, notifier } from "../../shared/notifier";
import { Serial } from "../../shared/serial";
import { settledWithin } from "../../shared/timeout";
import type { SessionContext } from "../context";
import { upstream } from "../deployment";
import type { SessionEnv } from "../session-env";
import { hasAgents } from "../transactions/agents";
import {
  endingOfMessage,
  finishCall,
  giveUpCalls,
  type MessageChange,
  noteCompaction,
  retryableTry,
  startAgent,
} from "../transactions/claude-code";
import {
  startedCall,
  takeAnswer,
  takeRequest,
  unmadeCalls,
} from "../transactions/claude-code-approvals";
import {
  hasResult,
  openPublishCalls,
  serverTools,
  takeResult,
  takeServerRequest,
  toldResults,
} from "../transactions/claude-code-client-tools";
import { goesOn, openSteers, takeSteer, uuidIn } from "../transactions/claude-code-steers";
import { withdrawOpenCalls } from "../transactions/turns";
import { currentMessage } from "../transactions/waiting";
import { type Change, callsOf, decide, type Reaction } from "./decide";
import { later, passOn, stopped } from "./model-proxy";
import { ClaudeCodeProcess } from "./process";
import { makePublishCall, type PublishFile } from "./publish-call";

/** Number of losses of the process or its container without progress after which the message fails. */
const MAX_LOSSES = 5;
/** The same for a process that could not reach the session: each one has tried for more than a minute. */
const MAX_UNREACHED = 2;
/** The first and the longest pause before a restart of the process, in ms. */
const RESTART_PAUSE_MS = 500;
const MAX_RESTART_PAUSE_MS = 32_000;
/** How long a model call waits for work on the message to start after a loss of the object, in ms. */
const TAKE_UP_MS = 10_000;
/** How long a call of an MCP server's tool waits until the reply that it is from is stored, in ms. */
const ADMIT_MS = 10_000;
/** Maximum number of characters kept of output that is not part of the protocol. */
const MAX_NOISE_CHARACTERS = 500;

/** The state of work on a message. */
interface Work {
  messageId: string;
  signal: AbortSignal;
  /** Notified whenever a model call was settled, a tool result was stored, or an agent was recorded. */
  settled: Notifier;
  /** Notified when somebody has decided about a call, has changed a limit, or has sent a prompt that is to join. */
  decisions: Notifier;
  /** The last output of the process that was not a line of its protocol. */
  noise: string;
  /** The id of the failed attempt after which the process was last asked to call the model again. */
  askedAfter: string | null;
  /** Aborts the pending model calls of the process when it exits. */
  process: AbortController;
  publishFile: PublishFile;
  /** The calls of MCP servers' tools and of Publish that were made, by their ids. */
  made: Set<string>;
}

/**
 * Why another attempt is needed: the process exited or was lost, it gave up since it could not reach the session, or its
 * output could not be read.
 */
type Failed = "died" | "unreached" | "unread";

/**
 * Runs Claude Code as a session's agent. One process handles one message after another. Each line of its output is
 * processed once and journaled as the loop journals its own steps. The costs are settled by the model proxy, through
 * which its model calls pass. The process and its container may be lost at any time; then the process is started again
 * with its transcript.
 */
export class ClaudeCode {
  readonly #context: SessionContext;
  readonly #process: ClaudeCodeProcess;
  readonly #refusedMedia = new RefusedMedia();
  readonly #inputs: Serial;
  #work: Work | null = null;
  #begun = Promise.withResolvers<void>();
  /** Resolves when no message is being worked on or being stopped. */
  #free: Promise<void> = Promise.resolve();
  /** Whether a message is being stopped. Its model calls are refused meanwhile. */
  #stopping = false;

  constructor(context: SessionContext, sessionEnv: SessionEnv) {
    this.#context = context;
    this.#inputs = new Serial(context.waitUntil);
    this.#process = new ClaudeCodeProcess(context, sessionEnv);
  }

  /** Works on a message until it has ended, after earlier work has stopped. Returns null if the signal was aborted. */
  async runMessage(
    messageId: string,
    signal: AbortSignal,
    decisions: Notifier,
    publishFile: PublishFile,
  ): Promise<Ending | null> {
    const before = this.#free;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#free = promise;
    try {
      await before;
      return signal.aborted
        ? null
        : await this.#runAlone(messageId, signal, decisions, publishFile);
    } finally {
      resolve();
    }
  }

  async #runAlone(
    messageId: string,
    signal: AbortSignal,
    decisions: Notifier,
    publishFile: PublishFile,
  ): Promise<Ending | null> {
    const over = new AbortController();
    const both = AbortSignal.any([signal, over.signal]);
    const settled = notifier(both);
    const process = new AbortController();
    const shared = { messageId, signal: both, settled, decisions, process, publishFile };
    const work: Work = { ...shared, noise: "", askedAfter: null, made: new Set() };
    const { store, commit } = this.#context;
    for (const run of store.runs.openOf(messageId)) {
      if (store.calls.openOf(run.id).length > 0)
        commit((now) => withdrawOpenCalls({ store, run, now }));
    }
    this.#work = work;
    this.#begun.resolve();
    try {
      return await this.#untilItEnds(work);
    } finally {
      over.abort();
      this.#work = null;
      this.#begun = Promise.withResolvers();
      if (signal.aborted) await this.#leave(messageId);
    }
  }

  /**
   * Stops the work of the process on a message that has ended, or that waits for a limit. If it waits for approval, the
   * process stays as it is, and is answered if it is still there by then.
   */
  async #leave(messageId: string): Promise<void> {
    const { store } = this.#context;
    const isCurrent = store.exists() && currentMessage(store.state) === messageId;
    if (isCurrent && !store.state.pausedBecause) return this.#process.saveTranscript();
    this.#stopping = true;
    await this.#process.stop(messageId);
    // It goes on with another process. Its container may be on its way to sleep, so this one is ended when that is awake.
    if (isCurrent) this.#process.replace();
    this.#stopping = false;
  }

  /** Answers a request of the process: forwards a model call, and returns 404 for any other path. */
  async answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (request.method !== "POST" || pathname !== "/model/v1/messages") {
      return apiError(404, "not_found_error", "Not found");
    }
    const { store } = this.#context;
    const { running, waiting } = store.state;
    // A page that a call reads beside one that waits is summarized later.
    if (running === null && waiting && !this.#stopping) return later();
    if (running === null || this.#stopping || !upstream) return stopped();
    await settledWithin(this.#begun.promise, TAKE_UP_MS);
    const work = this.#work;
    if (!work) return later();
    if (work.messageId !== running) return stopped();
    // With a prompt that was to join the message, which has ended.
    if (store.process.read()?.ending) return stopped();
    const { identity, mcpServers } = store;
    const hasTools =
      programTools(identity.config, hasAgents(store)).length > 0 ||
      serverTools(store).length > 0 ||
      (identity.hasMcpServers === true && mcpServers.every().some(({ tools }) => tools.length > 0));
    const finish = (result: CallResult) =>
      this.#context.commit((now) => finishCall(this.#at(work.messageId, now), result));
    const { messageId, settled, decisions } = work;
    const signal = AbortSignal.any([work.signal, work.process.signal]);
    const refusedMedia = this.#refusedMedia;
    const call = {
      messageId,
      settled,
      decisions,
      signal,
      upstream,
      hasTools,
      refusedMedia,
      finish,
    };
    const deps = { ...this.#context, ...call };
    return passOn(request, deps).catch((error) => {
      log("model_call.crashed", { session: store.identity.id, error: errorText(error) });
      return later();
    });
  }

  /**
   * Admits a call of an MCP server's tool by the process, once: if a reply that is stored makes it, the rules allow it, and
   * nobody has to approve it any more. Returns the signal that stops the call, or why it is not admitted.
   */
  async admit(
    name: string,
    input: unknown,
  ): Promise<{ signal: AbortSignal } | { refused: string }> {
    const { store } = this.#context;
    const work = this.#work;
    if (!work || work.signal.aborted) return { refused: "No message runs." };
    const signal = AbortSignal.any([work.signal, work.process.signal]);
    const giveUpAt = Date.now() + ADMIT_MS;
    for (;;) {
      const next = work.settled.wait();
      const call = startedCall(store, { messageId: work.messageId, name, input }, work.made);
      if (call && !call.permission.allowed) return { refused: call.permission.reason };
      if (call) {
        work.made.add(call.callId);
        return { signal };
      }
      const isLate = !(await settledWithin(next, giveUpAt - Date.now()));
      if (isLate || signal.aborted) return { refused: "The session has no such call to make." };
    }
  }

  /** Runs attempts until the message ends. Fails it after `MAX_LOSSES` losses without progress. */
  async #untilItEnds(work: Work): Promise<Ending | null> {
    const { store, commit } = this.#context;
    const { messageId, signal } = work;
    for (;;) {
      const before = store.process.read()?.id;
      const ending = await this.#attempt(work).catch((error) => {
        work.noise = errorText(error).slice(0, MAX_NOISE_CHARACTERS);
        return failureOf(error);
      });
      if (signal.aborted) return null;
      if (typeof ending === "object") return ending;
      const run = store.runs.get(messageId);
      const maxLosses = ending === "unreached" ? MAX_UNREACHED : MAX_LOSSES;
      if (!run || run.restarts >= maxLosses) return lostTooOften(work.noise);
      if (ending !== "unread") await this.#cleanUpAfterExit(work);
      commit(() => store.runs.saveRestarts(run.id, run.restarts + 1));
      // A process of an earlier message may have been lost before this message, so its first loss causes no pause.
      if (run.restarts > 0 || before === undefined || ending === "unread") {
        const pauseMs = backoffMs(run.restarts + 1, RESTART_PAUSE_MS, MAX_RESTART_PAUSE_MS);
        await pause(pauseMs, signal);
      }
      if (signal.aborted) return null;
    }
  }

  /** Settles the open calls of a process that exited or gave up, and kills the processes that it left running. */
  async #cleanUpAfterExit(work: Work): Promise<void> {
    const { store, commit } = this.#context;
    const { messageId } = work;
    const id = store.process.read()?.id;
    commit((now) => {
      store.process.forget();
      for (const run of store.runs.openOf(messageId)) withdrawOpenCalls({ store, run, now });
      giveUpCalls(this.#at(messageId, now));
    });
    work.process.abort();
    work.process = new AbortController();
    work.settled.notify();
    if (id !== undefined) await this.#process.kill(id);
  }

  /** Makes sure that the process runs and has its prompt, then processes its output. */
  async #attempt(work: Work): Promise<Ending | Failed> {
    const { messageId, signal } = work;
    if (!this.#context.sandbox().programs) return NO_PROGRAMS;
    await this.#process.start(messageId, signal);
    if (signal.aborted) return "died";
    const { ending } = this.#process.stored;
    if (ending) return this.#finish(ending);
    await this.#process.sendInput();
    const over = new AbortController();
    let failure: { error: unknown } | undefined;
    const fail = (error: unknown) => {
      failure = { error };
      over.abort();
    };
    void this.#passDecisions(work, over.signal, fail).catch(fail);
    try {
      for await (const { line, end } of this.#process.output(
        AbortSignal.any([signal, over.signal]),
      )) {
        const ended = await this.#handleLine(line, end, work);
        if (typeof ended === "object") return await this.#finish(ended);
        if (ended) return ended;
        if (signal.aborted) break;
      }
    } finally {
      over.abort();
    }
    if (failure) throw failure.error;
    return "died";
  }

  /** Leaves the process ready for the next message. */
  async #finish(ending: Ending): Promise<Ending> {
    await this.#process.killIfSteered();
    await this.#process.saveTranscript();
    return ending;
  }

  /**
   * Tells the process what was decided about the calls that it waits for, and the prompts that are to join the message: now
   * and whenever there is more, until it is over. Makes its calls of Publish meanwhile.
   */
  async #passDecisions(
    work: Work,
    over: AbortSignal,
    fail: (error: unknown) => void,
  ): Promise<void> {
    const { messageId, decisions, signal } = work;
    while (!signal.aborted && !over.aborted) {
      const next = decisions.wait();
      this.#publishRequested(work, fail);
      await this.#answerRequests(messageId, signal);
      await this.#tellSteers(messageId, signal);
      await next;
    }
  }

  /** Begins the calls of Publish that the process waits for, each once. */
  #publishRequested(
    { made, publishFile, decisions, signal }: Work,
    fail: (error: unknown) => void,
  ): void {
    for (const call of openPublishCalls(this.#context.store)) {
      const { callId } = call.tool;
      if (made.has(callId)) continue;
      made.add(callId);
      const done = makePublishCall(this.#context, call, publishFile, signal);
      void done.then(decisions.notify, (error) => {
        made.delete(callId);
        fail(error);
      });
    }
  }

  async #answerRequests(messageId: string, signal: AbortSignal): Promise<void> {
    const { store } = this.#context;
    const hasAnswer = () => store.approvals.unanswered(messageId).length > 0 || hasResult(store);
    while (!signal.aborted && hasAnswer()) {
      await this.#tell((now) => takeAnswer({ store, messageId, now }) ?? takeResult(store), signal);
    }
  }

  async #tellSteers(messageId: string, signal: AbortSignal): Promise<void> {
    const { store } = this.#context;
    if (store.messages.steersOf(messageId).length === 0) return;
    while (await this.#tell(() => takeSteer(store, messageId), signal));
  }

  /** Sends the process the line that `take` returns in its transaction. Returns whether there was one. */
  #tell(take: (now: number) => string | null, signal: AbortSignal): Promise<boolean> {
    const { store, commit } = this.#context;
    return this.#inputs.run(async () => {
      if (signal.aborted) return false;
      const line = commit((now) => {
        const taken = take(now);
        if (taken !== null) store.process.addInput(taken);
        return taken;
      });
      if (line !== null) await this.#process.sendInput();
      return line !== null;
    });
  }

  /**
   * Processes a line of output: commits its changes and sends the input it requires. Returns how the message or the
   * attempt ends, if it does.
   */
  async #handleLine(line: string, end: number, work: Work): Promise<Ending | Failed | undefined> {
    const { store } = this.#context;
    const { messageId, askedAfter } = work;
    const event = readLine(line);
    const { promptStarted } = this.#process.stored;
    const openTry =
      event?.type === "ended" ? retryableTry(store, messageId, event.failure) : undefined;
    const isDone = event?.type === "done";
    const facts = {
      ...{ promptUuid: uuidIn(messageId), promptStarted, openTry, askedAfter },
      steers: new Map(openSteers(store).map((steer) => [uuidIn(steer.id), steer])),
      unfinished: isDone ? this.#unfinished(messageId) : "",
    };
    const reaction = decide(event, facts, crypto.randomUUID());
    if (!reaction) return undefined;
    if (reaction.noise !== undefined) {
      work.noise = reaction.noise.slice(0, MAX_NOISE_CHARACTERS);
      return undefined;
    }
    if (reaction.unreached !== undefined) {
      work.noise = reaction.unreached.slice(0, MAX_NOISE_CHARACTERS);
      return "unreached";
    }
    const { change, askAgain } = reaction;
    if (change) for (const id of callsOf(change)) await this.#callIsStored(id, work);
    let ending: Ending | undefined;
    // Only the newest input can be sent again after a loss, so each is sent before the next one is added.
    await this.#inputs.run(async () => {
      const committed = this.#commitLine(reaction, end, work);
      ending = committed.ending;
      const isAwaited = change?.type === "agent" || change?.type === "results";
      if (isAwaited || reaction.steerStarted !== undefined) work.settled.notify();
      if (change?.type === "results") this.#process.saveTranscriptSoon();
      if (askAgain) {
        work.askedAfter = askAgain.id;
        // Claude Code stops retrying sooner than the loop does.
        const pauseMs = backoffMs(askAgain.attempt + 1, RESTART_PAUSE_MS, MAX_RESTART_PAUSE_MS);
        await pause(pauseMs, work.signal);
        if (work.signal.aborted) return;
      }
      if (committed.hasInput) await this.#process.sendInput();
    });
    if (work.signal.aborted) return undefined;
    if (change?.type === "server") work.decisions.notify();
    if (change?.type === "ask") await this.#answerRequests(messageId, work.signal);
    const mayTell = reaction.promptStarted || (change?.type === "ended" && !ending);
    if (mayTell) await this.#tellSteers(messageId, work.signal);
    return ending;
  }

  /**
   * Commits the changes of a line together with the offset of its end. Returns whether it has added an input line, which is
   * to be sent, and how the message ends, if it does. Does nothing after the work was stopped.
   */
  #commitLine(
    { promptStarted, steerStarted, change, input: given }: Reaction,
    end: number,
    { messageId, signal }: Work,
  ): { hasInput: boolean; ending?: Ending } {
    if (signal.aborted) return { hasInput: false };
    const { store, commit } = this.#context;
    return commit((now) => {
      const at = this.#at(messageId, now);
      const input = change ? this.#take(at, change) : (given ?? null);
      if (input !== null) store.process.addInput(input);
      if (promptStarted) store.process.savePromptStarted();
      // It is told with this line what its transcript lacks.
      const isToldOfLoss = given !== undefined && (promptStarted || steerStarted !== undefined);
      if (isToldOfLoss) store.process.saveOwed([]);
      if (steerStarted !== undefined) store.process.saveSteer(steerStarted, true);
      if (change) apply(at, change);
      const ending = change?.type === "ended" ? endOf(at, change.failure) : undefined;
      if (ending) store.process.saveEnding(ending);
      store.process.saveOutputOffset(end);
      return { hasInput: input !== null, ...(ending && { ending }) };
    });
  }

  /** Takes a request of the process, if a change is one. Returns the line that answers it, if that can be said. */
  #take(at: MessageChange, change: Change): string | null {
    if (change.type === "ask") return takeRequest(at, change);
    return change.type === "server" ? takeServerRequest(at.store, change.request) : null;
  }

  #unfinished(messageId: string): string {
    const { store } = this.#context;
    return [unmadeCalls(store, messageId), toldResults(store)].filter(Boolean).join("\n");
  }

  #at(messageId: string, now: number): MessageChange {
    const { store, drafts } = this.#context;
    return { store, drafts, messageId, now };
  }

  /** Waits until the reply with a tool call is stored, or no open model call is left that could return it. */
  async #callIsStored(toolUseId: string, { messageId, settled, signal }: Work): Promise<void> {
    const { runs, calls, tools } = this.#context.store;
    for (;;) {
      const next = settled.wait();
      if (signal.aborted || tools.openInMessage(messageId, toolUseId)) return;
      if (!runs.openOf(messageId).some(({ id }) => calls.openOf(id).length > 0)) return;
      await next;
    }
  }
}

function apply(at: MessageChange, change: Change): void {
  if (change.type === "agent") startAgent(at, change);
  if (change.type === "results") for (const result of change.results) finishCall(at, result);
  if (change.type === "compacted") noteCompaction(at, change.tokensBefore);
}

/** Returns how the message ends of which the process is done; undefined if it goes on with prompts that are to join it. */
const endOf = (at: MessageChange, failure: string | null): Ending | undefined =>
  failure === null && goesOn(at.store, at.messageId, at.now)
    ? undefined
    : endingOfMessage(at.store, at.messageId, failure);

/** Returns the consequence of a sandbox failure: another attempt, or the end of the message. Rethrows other errors. */
function failureOf(error: unknown): Ending | Failed {
  if (!(error instanceof SandboxError)) throw error;
  if (error.lost) return "died";
  if (error.transient) return "unread";
  const message = `The sandbox failed: ${error.message}`;
  return { stopReason: "error", error: { type: "unavailable_error", message } };
}

const NO_PROGRAMS: Ending = {
  stopReason: "error",
  error: { type: "unavailable_error", message: "The session's sandbox can't run Claude Code." },
};

function lostTooOften(noise: string): Ending {
  const why = noise === "" ? "" : ` What was heard last: ${noise}`;
  const message = `Claude Code could not be kept at work: it was started again and again without getting any further.${why}`;
  return { stopReason: "error", error: { type: "unavailable_error", message } };
}
