import type { PublicError } from "../events/event";
import { errorText, log } from "../shared/log";
import { type Notifier, notifier } from "../shared/notifier";
import type { ClaudeCode } from "./claude-code/claude-code";
import type { SessionContext } from "./context";
import type { CrashGuard } from "./crash-guard";
import { model } from "./deployment";
import { runMessage } from "./loop/run-message";
import type { McpServers } from "./mcp/servers";
import type { Publisher } from "./publisher";
import { markSurvived, SURVIVAL_MS } from "./rules/recovery";
import { problemOf, type SessionEnv, withoutSecrets } from "./session-env";
import type { Snapshots } from "./snapshots/snapshots";
import { Supervisor } from "./supervisor";
import { type FailedArtifact, type PublishRequest, recordFailures } from "./transactions/artifacts";
import { endMessage, type MessageEnding } from "./transactions/messages";
import { failLostMessage, noteRestart } from "./transactions/restarts";

/** The error of a message in a deployment without a model. */
export const NO_MODEL = {
  type: "unavailable_error",
  message: "No model is configured: set the secret ANTHROPIC_API_KEY.",
} as const satisfies PublicError;

const OUR_FAULT: PublicError = {
  type: "api_error",
  message: "The message failed by a fault of ours.",
};

/** The parts of a session that running its messages uses. */
export interface MessageWorkerDeps {
  sessionEnv: SessionEnv;
  guard: CrashGuard;
  snapshots: Snapshots;
  publisher: Publisher;
  claudeCode: ClaudeCode;
  mcp: McpServers;
}

/**
 * Runs the session's message with the runtime of its config. Starts a new message, and resumes one whose object was
 * lost.
 */
export class MessageWorker {
  readonly #context: SessionContext;
  readonly #deps: MessageWorkerDeps;
  readonly #supervisor: Supervisor;
  /** The message whose start this object committed, until work on it begins. Work on any other is a restart after a loss. */
  #started: string | null = null;
  /** Notified when somebody has decided about a call of the running message, changed a limit, or steered it. */
  #decisions: Notifier | null = null;
  /** The message that this object resumed, and when, in ms since 1970. */
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

  /** Returns the id of the running message, whether or not work on it has begun; null if there is none. */
  running(): string | null {
    const { store } = this.#context;
    return store.exists() ? store.state.running : null;
  }

  /** Records which message runs after a commit of this object that started or ended one; null for none. */
  noteRunning(messageId: string | null): void {
    this.#started = messageId;
  }

  /** Starts and stops work as the session's state requires. */
  drive(): void {
    this.#supervisor.drive();
  }

  /** Wakes what waits for a decision about a call, for a limit to be raised, or for a prompt that is to join. */
  noteDecision(): void {
    this.#decisions?.notify();
  }

  /** Waits until stopped work has ended, with a timeout. */
  stopped(): Promise<void> {
    return this.#supervisor.stopped();
  }

  /**
   * If the resumed message still runs `SURVIVAL_MS` after its restart, records that its restarts so far were not caused
   * by the message.
   */
  noteSurvival(now: number): void {
    const resumed = this.#resumed;
    if (resumed === null || now - resumed.at < SURVIVAL_MS) return;
    this.#resumed = null;
    const { store, commit } = this.#context;
    const { recovery } = store;
    if (resumed.messageId !== this.running() || recovery === null) return;
    commit(() => {
      store.recovery = markSurvived(recovery);
    });
  }

  /** Runs a message until it has ended by itself or was ended by another call. */
  async #work(messageId: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { sessionEnv, guard, snapshots, publisher, claudeCode, mcp } = this.#deps;
    if (!this.#admit(messageId)) {
      await guard.attempt("give up", () => this.#giveUp(messageId));
      return;
    }
    const { store, storage } = this.#context;
    // Even if the message crashes the runtime, the record that it ran must be on disk. If it was accepted just now,
    // nothing of it is on disk that could be resumed.
    if (!this.#isJustAccepted(messageId)) await storage.sync();
    // No message runs while a copy of the session is made.
    await snapshots.settled();
    if (signal.aborted) return;
    const known = model;
    if (!known) return this.#end(messageId, { stopReason: "error", error: NO_MODEL });
    await sessionEnv.reencrypt();
    const clear = await sessionEnv.read();
    if (signal.aborted) return;
    const servers = store.identity.hasMcpServers ? mcp : undefined;
    await servers?.prepare(messageId, signal);
    if (signal.aborted) return servers?.close(messageId);
    const decisions = notifier(signal);
    this.#decisions = decisions;
    const publishFile = (file: PublishRequest) => publisher.publish(file, signal);
    const run = async () =>
      store.identity.config.runtime === "claude-code"
        ? claudeCode.runMessage(messageId, signal, decisions, publishFile)
        : runMessage(messageId, {
            ...this.#context,
            model: known,
            commandEnv: await sessionEnv.ofCommands(),
            mcp: servers,
            publishFile,
            decisions,
            signal,
          });
    const ending = await run().finally(() => servers?.close(messageId));
    if (!ending || signal.aborted) return;
    const failures = await publisher.publishMatching(messageId, signal);
    if (!signal.aborted) this.#end(messageId, withoutSecrets(ending, clear), failures);
  }

  #isJustAccepted(messageId: string): boolean {
    const message = this.#context.store.messages.get(messageId);
    return this.#resumed?.messageId !== messageId && message?.startedAt === message?.createdAt;
  }

  /** Counts a restart if another object started the message. Returns whether the message may run. */
  #admit(messageId: string): boolean {
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

  /** Ends the message, unless it was ended meanwhile. `failures` are files that could not be published before. */
  #end(messageId: string, ending: MessageEnding, failures: readonly FailedArtifact[] = []): void {
    const { store, drafts, commit } = this.#context;
    commit((now) => {
      if (this.running() === messageId) recordFailures(store, messageId, failures, now);
      endMessage(store, messageId, ending, drafts, now);
    });
  }
}
