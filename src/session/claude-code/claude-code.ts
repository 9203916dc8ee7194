import type { Ending } from "../../agent/agent-deps";
import { programTools } from "../../agent/claude-code/options";
import type { CallResult } from "../../agent/claude-code/protocol";
import { RefusedMedia } from "../../agent/claude-code/withdrawn-media";
import { apiError } from "../../agent/model/relay";
import { SandboxError } from "../../sandbox/sandbox";
import { errorText, log } from "../../shared/log";
import { type Notifier, notifier } from "../../shared/notifier";
import { settledWithin } from "../../shared/timeout";
import type { SessionContext } from "../context";
import { upstream } from "../deployment";
import type { SessionEnv } from "../session-env";
import { hasAgents } from "../transactions/agents";
import { finishCall, giveUpCalls } from "../transactions/claude-code";
import { startedCall } from "../transactions/claude-code-approvals";
import { serverTools } from "../transactions/claude-code-client-tools";
import { withdrawOpenCalls } from "../transactions/turns";
import { currentMessage } from "../transactions/waiting";
import { Dialogue } from "./dialogue";
import { later, passOn, stopped } from "./model-proxy";
import { ClaudeCodeProcess } from "./process";
import type { PublishFile } from "./publish-call";
import { type Failed, noiseOf, pauseBefore, type Work } from "./work";

/** Number of losses of the process or its container without progress after which the message fails. */
const MAX_LOSSES = 5;
/** The same for a process that could not reach the session: each one has tried for more than a minute. */
const MAX_UNREACHED = 2;
/** How long a model call waits for work on the message to start after a loss of the object, in ms. */
const TAKE_UP_MS = 10_000;
/** How long a call of an MCP server's tool waits until the reply that it is from is stored, in ms. */
const ADMIT_MS = 10_000;

/**
 * Runs Claude Code as a session's agent. One process handles one message after another. The costs are settled by the
 * model proxy, through which its model calls pass. The process and its container may be lost at any time; then the process
 * is started again with its transcript.
 */
export class ClaudeCode {
  readonly #context: SessionContext;
  readonly #process: ClaudeCodeProcess;
  readonly #refusedMedia = new RefusedMedia();
  readonly #dialogue: Dialogue;
  #work: Work | null = null;
  #begun = Promise.withResolvers<void>();
  /** Resolves when no message is being worked on or being stopped. */
  #free: Promise<void> = Promise.resolve();
  /** Whether a message is being stopped. Its model calls are refused meanwhile. */
  #stopping = false;

  constructor(context: SessionContext, sessionEnv: SessionEnv) {
    this.#context = context;
    this.#process = new ClaudeCodeProcess(context, sessionEnv);
    this.#dialogue = new Dialogue(context, this.#process);
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
    const { store, drafts, commit } = this.#context;
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
    const { messageId, settled, decisions } = work;
    const finish = (result: CallResult) =>
      commit((now) => finishCall({ store, drafts, messageId, now }, result));
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
        work.noise = noiseOf(errorText(error));
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
        await pauseBefore(run.restarts + 1, signal);
      }
      if (signal.aborted) return null;
    }
  }

  /** Settles the open calls of a process that exited or gave up, and kills the processes that it left running. */
  async #cleanUpAfterExit(work: Work): Promise<void> {
    const { store, drafts, commit } = this.#context;
    const { messageId } = work;
    const id = store.process.read()?.id;
    commit((now) => {
      store.process.forget();
      for (const run of store.runs.openOf(messageId)) withdrawOpenCalls({ store, run, now });
      giveUpCalls({ store, drafts, messageId, now });
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
    void this.#dialogue.passDecisions(work, over.signal, fail).catch(fail);
    try {
      for await (const { line, end } of this.#process.output(
        AbortSignal.any([signal, over.signal]),
      )) {
        const ended = await this.#dialogue.handleLine(line, end, work);
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
}

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
