import { settledWithin } from "../shared/timeout";

/** Maximum time that a call waits for stopped work to end, in ms. */
const STOP_WAIT_MS = 5_000;

/** The functions of the session that the supervisor calls. */
export interface SupervisorDeps {
  /** Returns the id of the message that should run; null if there is none or the session does not exist. */
  running(): string | null;
  /** Works on a message until it has ended in any way, or the signal is aborted. */
  work(messageId: string, signal: AbortSignal): Promise<void>;
  /** Ends a message whose work rejected. */
  fail(messageId: string, error: unknown): void;
  waitUntil(work: Promise<unknown>): void;
}

/**
 * Makes sure that exactly one worker runs for the running message, and none for other messages. Starts a worker if the
 * earlier one was lost with its object. Stops the worker of a message that was ended by another call.
 */
export class Supervisor {
  readonly #deps: SupervisorDeps;
  #stopped: Promise<void> = Promise.resolve();
  #worker: { messageId: string; controller: AbortController; done: Promise<void> } | null = null;

  constructor(deps: SupervisorDeps) {
    this.#deps = deps;
  }

  /** Starts and stops work as the session's state requires. Call it after every change of the state. */
  drive(): void {
    const messageId = this.#deps.running();
    if (messageId !== null && this.#worker?.messageId === messageId) return;
    const stopped = this.#worker;
    if (stopped) {
      stopped.controller.abort();
      this.#stopped = stopped.done;
    }
    this.#worker = null;
    if (messageId === null) return;
    const controller = new AbortController();
    // Started in a later tick, so that `#worker` is set before the work can change the state. Between two queued
    // messages, the wait lets other tasks of the isolate run, such as timers and sockets.
    const tick = stopped ? scheduler.wait(0) : Promise.resolve();
    const done = tick.then(() => this.#work(messageId, controller));
    this.#worker = { messageId, controller, done };
    this.#deps.waitUntil(done);
  }

  /** Waits until the work that was stopped last has ended, with a timeout. */
  async stopped(): Promise<void> {
    await settledWithin(this.#stopped, STOP_WAIT_MS);
  }

  /** Works on a message, and fails it if the work rejects. Never rejects. */
  async #work(messageId: string, controller: AbortController): Promise<void> {
    try {
      await this.#deps.work(messageId, controller.signal);
    } catch (error) {
      // Another call has stopped the work: what fails then has no meaning for the message, which may go on later.
      if (!controller.signal.aborted) this.#fail(messageId, error);
    }
    // Calls of a batch may still be running.
    controller.abort();
    if (this.#worker?.controller === controller) this.#worker = null;
    // If the message is still running, the heartbeat starts the work again. Starting it here could loop.
    if (this.#deps.running() !== messageId) this.drive();
  }

  #fail(messageId: string, error: unknown): void {
    try {
      this.#deps.fail(messageId, error);
    } catch {
      // The storage was lost with the object. The next object resumes the message.
    }
  }
}
