import type { PublicError } from "../events/event";
import { commandEnv } from "../sandbox/egress";
import { errorText, log } from "../shared/log";
import type { ClaudeCode } from "./claude-code/claude-code";
import type { SessionContext } from "./context";
import type { CrashGuard } from "./crash-guard";
import { model } from "./deployment";
import { runMessage } from "./loop/run-message";
import { outlive, SURVIVAL_MS } from "./rules/recovery";
import { problemOf, type SessionEnv, withoutSecrets } from "./session-env";
import type { Snapshots } from "./snapshots/snapshots";
import { Supervisor } from "./supervisor";
import { endMessage, type MessageEnding } from "./transactions/messages";
import { failLostMessage, noteRestart } from "./transactions/restarts";

/** Why no message can be run in a deployment without a model. */
export const NO_MODEL = {
  type: "unavailable_error",
  message: "No model is configured: set the secret ANTHROPIC_API_KEY.",
} as const satisfies PublicError;

const OUR_FAULT: PublicError = {
  type: "api_error",
  message: "The message failed by a fault of ours.",
};

/** The parts of a session that work on its messages uses. */
export interface MessageWorkerDeps {
  env: SessionEnv;
  guard: CrashGuard;
  snapshots: Snapshots;
  claudeCode: ClaudeCode;
}

/** Runs the session's message with the runtime of its config, from its first start or from where a lost object left it. */
export class MessageWorker {
  readonly #context: SessionContext;
  readonly #deps: MessageWorkerDeps;
  readonly #supervisor: Supervisor;
  /** The message that this object has started, until work on it begins. Any other was started by an object that is lost. */
  #started: string | null = null;
  /** The message that this object has resumed, and since when. */
  #resumed: { messageId: string; at: number } | null = null;

  constructor(context: SessionContext, deps: MessageWorkerDeps) {
    this.#context = context;
    this.#deps = deps;
    this.#supervisor = new Supervisor({
      running: () => this.running(),
      work: (messageId, signal) => this.#work(messageId, signal),
      fail: (messageId, error) => this.#fail(messageId, error),
      waitUntil: (work) => context.waitUntil(work),
    });
  }

  /** Returns the message that is to run; null for none. */
  running(): string | null {
    const { store } = this.#context;
    return store.exists() ? store.state.running : null;
  }

  /** Notes that a commit of this object has started a message, or ended the one that ran. */
  noteStart(messageId: string | null): void {
    this.#started = messageId;
  }

  /** Starts and stops work as the session's state asks for. */
  drive(): void {
    this.#supervisor.drive();
  }

  /** Waits, within a bound, until work that was stopped is over. */
  stopped(): Promise<void> {
    return this.#supervisor.stopped();
  }

  /** Notes that a resumed message is at work long after its restart: it is not what ended the object. */
  noteSurvival(now: number): void {
    const resumed = this.#resumed;
    if (resumed === null || now - resumed.at < SURVIVAL_MS) return;
    this.#resumed = null;
    const { store, commit } = this.#context;
    const { recovery } = store;
    if (resumed.messageId !== this.running() || recovery === null) return;
    commit(() => {
      store.recovery = outlive(recovery);
    });
  }

  /** Works on a message until it has ended by itself or was ended from outside. */
  async #work(messageId: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { env, guard, snapshots, claudeCode } = this.#deps;
    if (!this.#mayRun(messageId)) {
      await guard.attempt("give up", () => this.#giveUp(messageId));
      return;
    }
    const { store, storage } = this.#context;
    // Whatever the message does to the runtime, the next object has to know that it ran.
    await storage.sync();
    await snapshots.settled();
    if (signal.aborted) return;
    if (!model) return this.#end(messageId, { stopReason: "error", error: NO_MODEL });
    await env.renew();
    const clear = await env.read();
    if (signal.aborted) return;
    const ending =
      store.identity.config.runtime === "claude-code"
        ? await claudeCode.runMessage(messageId, signal)
        : await runMessage(messageId, {
            ...this.#context,
            model,
            commandEnv: commandEnv(clear),
            signal,
          });
    if (ending) this.#end(messageId, withoutSecrets(ending, clear));
  }

  /** Returns whether a message may be run. One that this object has not started was lost, which counts as a restart. */
  #mayRun(messageId: string): boolean {
    const isNew = this.#started === messageId;
    this.#started = null;
    if (isNew) return true;
    this.#resumed = { messageId, at: Date.now() };
    const { store, commit } = this.#context;
    return commit(() => noteRestart(store, messageId));
  }

  #giveUp(messageId: string): void {
    if (this.running() !== messageId) return;
    const { id, store, drafts, commit } = this.#context;
    const { restarts } = store.recovery ?? {};
    log("message.given_up", { session: id, messageId, restarts });
    commit((now) => failLostMessage(store, messageId, drafts, now));
  }

  #fail(messageId: string, error: unknown): void {
    log("message.crashed", { session: this.#context.id, messageId, error: errorText(error) });
    this.#end(messageId, { stopReason: "error", error: problemOf(error) ?? OUR_FAULT });
  }

  #end(messageId: string, ending: MessageEnding): void {
    const { store, drafts, commit } = this.#context;
    commit((now) => endMessage(store, messageId, ending, drafts, now));
  }
}
