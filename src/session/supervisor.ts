import { settledWithin } from "../shared/timeout";

/** How long an ending waits for what it stopped to be gone. */
const STOP_WAIT_MS = 5_000;

/** What a supervisor needs of its session. */
export interface SupervisorDeps {
  /** Returns the message that is to run; null when none is, or the session is gone. */
  running(): string | null;
  /** Works on a message until it has ended, one way or another, or the signal is aborted. */
  work(messageId: string, signal: AbortSignal): Promise<void>;
  /** Ends a message whose work threw. */
  fail(messageId: string, error: unknown): void;
  waitUntil(work: Promise<unknown>): void;
}

/**
 * Sees to it that the running message, and no other, is worked on: whoever worked on it may have been
 * lost with the object, and work on a message that was ended from outside is stopped.
 */
export class Supervisor {
  readonly #deps: SupervisorDeps;
  #stopped: Promise<void> = Promise.resolve();
  #worker: { messageId: string; controller: AbortController; done: Promise<void> } | null = null;

  constructor(deps: SupervisorDeps) {
    this.#deps = deps;
  }

  /** Starts and stops work as the session's state asks for it. Call it after every change of that. */
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
    // Begun in a tick of its own, so that the worker is known before its work can change the state. Between two
    // messages of a queue whatever else the isolate has to do gets its turn, timers and sockets too.
    const tick = stopped ? scheduler.wait(0) : Promise.resolve();
    const done = tick.then(() => this.#work(messageId, controller));
    this.#worker = { messageId, controller, done };
    this.#deps.waitUntil(done);
  }

  /** Waits, within a bound, until the work that was stopped last is over. */
  async stopped(): Promise<void> {
    await settledWithin(this.#stopped, STOP_WAIT_MS);
  }

  /** Never rejects. */
  async #work(messageId: string, controller: AbortController): Promise<void> {
    try {
      await this.#deps.work(messageId, controller.signal);
    } catch (error) {
      this.#fail(messageId, error);
    }
    // Calls of a batch may be under way still.
    controller.abort();
    if (this.#worker?.controller === controller) this.#worker = null;
    // Work that left its message running is begun again by the heartbeat, never in a loop.
    if (this.#deps.running() !== messageId) this.drive();
  }

  #fail(messageId: string, error: unknown): void {
    try {
      this.#deps.fail(messageId, error);
    } catch {
      // The storage is gone with the object; the next one carries the message on.
    }
  }
}
