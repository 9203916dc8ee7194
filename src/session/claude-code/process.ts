import { initializeLine } from "../../agent/claude-code/client-server";
import { programStart, transcriptPath, uuidOf } from "../../agent/claude-code/options";
import { interruptLine, promptLine, readLine } from "../../agent/claude-code/protocol";
import { type ProgramLine, type Programs, type Sandbox, SandboxError } from "../../sandbox/sandbox";
import { errorText, log } from "../../shared/log";
import { settledWithin } from "../../shared/timeout";
import type { SessionContext } from "../context";
import { workspace } from "../deployment";
import type { SessionEnv } from "../session-env";
import type { StoredProcess } from "../storage/claude-code";
import { giveUpCalls, setupOfProcess } from "../transactions/claude-code";
import { missingResults } from "../transactions/claude-code-client-tools";
import { openSteers, steersIn, uuidIn } from "../transactions/claude-code-steers";
import { putBackTranscript, saveTranscript } from "./transcript";

/** How long the process may take to stop its work before it is killed, in ms. Also the timeout of `kill`. */
const STOP_MS = 3_000;
/** How the work of a process has ended that was stopped: the message has ended, or goes on with another process. */
const REPLACED = { stopReason: "interrupted" } as const;

/** How long a message's end waits for the transcript to be saved, in ms. The rest is saved the next time. */
const SAVE_MS = 20_000;

/**
 * The Claude Code process of a session. There is at most one in the session's container. It is started when needed,
 * with the transcript of the one before it. Its id, its newest input and the offset of its processed output are stored.
 */
export class ClaudeCodeProcess {
  readonly #context: SessionContext;
  readonly #sessionEnv: SessionEnv;
  #saving: Promise<unknown> | null = null;
  /** Identifies the newest input that the process has: `<process id> <number>`. Empty after a loss of the object. */
  #delivered = "";

  constructor(context: SessionContext, sessionEnv: SessionEnv) {
    this.#context = context;
    this.#sessionEnv = sessionEnv;
  }

  /** The stored process. Throws if there is none. */
  get stored(): StoredProcess {
    const stored = this.#context.store.process.read();
    if (!stored) throw new Error("the session has no process");
    return stored;
  }

  /**
   * Makes sure that a process runs and that the message's prompt is recorded for it. The prompt may still have to be
   * sent.
   */
  async start(messageId: string, signal: AbortSignal): Promise<void> {
    const { store, commit } = this.#context;
    const sandbox = this.#context.sandbox();
    const programs = programsOf(sandbox);
    // Empty for a sandbox that needs no start.
    const container = (await sandbox.start?.()) ?? "";
    await this.#forgetUnusable(messageId, container, sandbox);
    // The message waits if the caller has not answered all calls of the process before.
    if (signal.aborted) return;
    await this.#startIn(messageId, container, sandbox, programs);
    if (signal.aborted || this.stored.messageId === messageId) return;
    const line = promptLine(uuidIn(messageId), store.messages.prompt(messageId));
    const steers = await this.#steersInTranscript(messageId);
    if (!signal.aborted) commit(() => store.process.beginMessage(messageId, line, steers));
  }

  /** Returns those of the message's prompts that an earlier process has added to the transcript. */
  async #steersInTranscript(messageId: string): Promise<string[]> {
    const { store } = this.#context;
    if (store.messages.steersOf(messageId).length === 0) return [];
    // That process may have stopped before the newest lines were saved.
    await this.saveTranscript();
    return steersIn(new TextDecoder().decode(store.process.transcript()), store, messageId);
  }

  /** Kills the process if it would go on, after its message has ended, with a prompt that it was told. Never rejects. */
  async killIfSteered(): Promise<void> {
    const { store } = this.#context;
    if (openSteers(store).length > 0) await this.kill(this.stored.id);
  }

  /** Yields the unprocessed lines of output until the process exits or the signal aborts. */
  output(signal: AbortSignal): AsyncGenerator<ProgramLine> {
    const { id, outputOffset } = this.stored;
    const programs = programsOf(this.#context.sandbox());
    return untilAborted(signal, programs.listen(id, outputOffset, signal));
  }

  /** Sends the newest input line. Idempotent. */
  async sendInput(): Promise<void> {
    const { id, inputCount, lastInput } = this.stored;
    await programsOf(this.#context.sandbox()).tell(id, inputCount, lastInput);
    this.#delivered = inputName(id, inputCount);
  }

  /** Kills the process with an id and all processes that it has started, with a timeout. Never rejects. */
  async kill(id: string): Promise<void> {
    const killed = this.#context.sandbox().kill(id);
    await settledWithin(
      // If the container was lost, no process is left.
      killed.catch(() => {}),
      STOP_MS,
    );
  }

  /** Stops the work of the process on a message that another call has ended. Never rejects. */
  async stop(messageId: string): Promise<void> {
    const { store, commit } = this.#context;
    const stored = store.process.read();
    if (stored?.messageId !== messageId || stored.ending !== null) return;
    try {
      const sandbox = this.#context.sandbox();
      if (!(await this.#interrupt(stored, sandbox))) {
        await sandbox.kill(stored.id);
        commit(() => store.process.forget());
      }
      await this.saveTranscript();
    } catch (error) {
      // The next message finds the process busy with this one and kills it.
      log("program.stop_failed", { session: store.identity.id, error: errorText(error) });
    }
  }

  /** Records that the message is to go on with another process. */
  replace(): void {
    const { store, commit } = this.#context;
    commit(() => store.process.saveEnding(REPLACED));
  }

  #forget(messageId: string): void {
    const { store, drafts, commit } = this.#context;
    commit((now) => {
      store.process.forget();
      giveUpCalls({ store, drafts, messageId, now });
    });
  }

  /** Saves the transcript, with a timeout. Never rejects: after a failure, the next call saves it. */
  async saveTranscript(): Promise<void> {
    if (this.#saving) await settledWithin(this.#saving, SAVE_MS);
    const { store, commit } = this.#context;
    const path = transcriptPath(workspace, uuidOf(store.identity.sessionId));
    const sandbox = this.#context.sandbox();
    this.#saving = saveTranscript(path, sandbox, store, (change) => commit(change)).catch((error) =>
      log("transcript.save_failed", { session: store.identity.id, error: errorText(error) }),
    );
    await settledWithin(this.#saving, SAVE_MS);
    this.#saving = null;
  }

  /** Saves the transcript in the background, unless it is being saved already. */
  saveTranscriptSoon(): void {
    if (!this.#saving) void this.saveTranscript();
  }

  /**
   * Forgets a process of another container. Kills and forgets one that is busy with another message, or would go on with
   * one of its prompts, or is to be replaced.
   */
  async #forgetUnusable(messageId: string, container: string, sandbox: Sandbox): Promise<void> {
    const { store } = this.#context;
    const earlier = store.process.read();
    if (!earlier) return;
    const isOfMessage = earlier.messageId === messageId;
    const isSteered = openSteers(store).length > 0;
    const busy =
      earlier.messageId !== null && !isOfMessage && (earlier.ending === null || isSteered);
    const isReplaced = isOfMessage && earlier.ending?.stopReason === REPLACED.stopReason;
    if (earlier.container === container && !busy && !isReplaced) return;
    if (earlier.container === container) await sandbox.kill(earlier.id);
    this.#forget(messageId);
  }

  /** Starts the process. A new one gets the transcript first; one that was started before is left as it is. */
  async #startIn(
    messageId: string,
    container: string,
    sandbox: Sandbox,
    programs: Programs,
  ): Promise<void> {
    const { store, commit } = this.#context;
    const known = store.process.read();
    const id = known?.id ?? `claude_${crypto.randomUUID()}`;
    const setup = setupOfProcess(store, await this.#sessionEnv.ofCommands());
    const { files, command, env } = programStart(id, setup);
    if (!known) {
      await putBackTranscript(id, sandbox, store);
      for (const { path, text } of files) {
        await sandbox.writeFile(path, new TextEncoder().encode(text));
      }
      commit(() => store.process.start(id, container, missingResults(store, messageId)));
    }
    await programs.begin({ id, command, env });
    if (setup.serverTools.length > 0) await this.#tellOfServer();
  }

  /** Tells a new process of the session's server, as its first input. */
  async #tellOfServer(): Promise<void> {
    const { store, commit } = this.#context;
    const { inputCount, messageId } = this.stored;
    if (messageId !== null) return;
    if (inputCount === 0) commit(() => store.process.addInput(initializeLine()));
    await this.sendInput();
  }

  /**
   * Asks the process to stop its work, and ends what the message's calls have left running. Returns whether both were
   * done within `STOP_MS`.
   */
  async #interrupt(stored: StoredProcess, { programs }: Sandbox): Promise<boolean> {
    const { id, inputCount, firstInput } = stored;
    const { store, commit } = this.#context;
    // It would go on with a prompt that it was told.
    if (openSteers(store).length > 0) return false;
    // A process that may not have its prompt yet can't be asked to stop working on it.
    if (!programs || this.#delivered !== inputName(id, inputCount)) return false;
    commit(() => store.process.addInput(interruptLine(crypto.randomUUID())));
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), STOP_MS);
    const interrupted = async () => {
      await this.sendInput();
      for await (const { line, end } of this.output(over.signal)) {
        if (readLine(line)?.type !== "ended") continue;
        await programs.endSince(id, firstInput);
        if (over.signal.aborted) return;
        commit(() => {
          store.process.saveOutputOffset(end);
          store.process.saveEnding(REPLACED);
        });
        return;
      }
    };
    // After a failure, the process is killed, which ends all that it has started.
    const tried = interrupted().catch(() => {});
    await settledWithin(tried, STOP_MS);
    clearTimeout(timer);
    return store.process.read()?.ending != null;
  }
}

const inputName = (processId: string, n: number): string => `${processId} ${n}`;

function programsOf({ programs }: Sandbox): Programs {
  if (!programs) throw new SandboxError("it can't run Claude Code", { transient: false });
  return programs;
}

/** Yields the values of an iterable and stops immediately when the signal aborts. */
async function* untilAborted<T>(signal: AbortSignal, values: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = values[Symbol.asyncIterator]();
  const { promise: aborted, resolve } = Promise.withResolvers<null>();
  const stop = () => resolve(null);
  signal.addEventListener("abort", stop);
  try {
    while (!signal.aborted) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next === null || next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    // Not awaited: an iterator that hangs would block its reader.
    iterator.return?.().catch(() => {});
  }
}
