import type { Ending } from "../../agent/agent-deps";
import { readLine } from "../../agent/claude-code/protocol";
import { Serial } from "../../shared/serial";
import type { SessionContext } from "../context";
import {
  endingOfMessage,
  finishCall,
  type MessageChange,
  noteCompaction,
  retryableTry,
  startAgent,
} from "../transactions/claude-code";
import { takeAnswer, takeRequest, unmadeCalls } from "../transactions/claude-code-approvals";
import {
  hasResult,
  openPublishCalls,
  takeResult,
  takeServerRequest,
  toldResults,
} from "../transactions/claude-code-client-tools";
import { goesOn, openSteers, takeSteer, uuidIn } from "../transactions/claude-code-steers";
import { type Change, callsOf, decide, type Reaction } from "./decide";
import type { ClaudeCodeProcess } from "./process";
import { makePublishCall } from "./publish-call";
import { type Failed, noiseOf, pauseBefore, type Work } from "./work";

/**
 * What a session and its process tell each other, over the input and the output of the process. Each line of output is
 * processed once and journaled as the loop journals its own steps. Each line of input is stored before it is sent.
 */
export class Dialogue {
  readonly #context: SessionContext;
  readonly #process: ClaudeCodeProcess;
  readonly #inputs: Serial;

  constructor(context: SessionContext, process: ClaudeCodeProcess) {
    this.#context = context;
    this.#process = process;
    this.#inputs = new Serial(context.waitUntil);
  }

  /**
   * Tells the process what was decided about the calls that it waits for, and the prompts that are to join the message: now
   * and whenever there is more, until it is over. Makes its calls of Publish meanwhile.
   */
  async passDecisions(
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
  async handleLine(line: string, end: number, work: Work): Promise<Ending | Failed | undefined> {
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
      work.noise = noiseOf(reaction.noise);
      return undefined;
    }
    if (reaction.unreached !== undefined) {
      work.noise = noiseOf(reaction.unreached);
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
        await pauseBefore(askAgain.attempt + 1, work.signal);
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
    const { store, drafts, commit } = this.#context;
    return commit((now) => {
      const at = { store, drafts, messageId, now };
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
