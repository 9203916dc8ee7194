import { SandboxError } from "../../sandbox/sandbox";
import { settledWithin } from "../../shared/timeout";
import type { SessionContext } from "../context";
import { requestStart } from "../rules/container-state";
import { containerOf, setContainerState } from "../transactions/state";

/** How long a call waits for a container whose start or restore makes no progress, in ms. The start continues after that. */
const CALL_WAIT_MS = 180_000;

/** How long a container waits for stopped calls to end before it is saved or destroyed, in ms. */
const SETTLE_MS = 60_000;

/** The calls of a session's container: those that wait for it, and those that run. */
export class Calls {
  readonly #context: SessionContext;
  /** Resolves calls that wait for the container with its name; null if none wait. */
  #waiting: PromiseWithResolvers<string> | null = null;
  readonly #running = new Set<Promise<unknown>>();
  #progressAt = 0;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /** Waits until the container is ready and returns its name. Requests a start if necessary. */
  async ready(): Promise<string> {
    const { store, commit } = this.#context;
    const container = containerOf(store);
    if (container?.phase === "ready") return container.name;
    if (!container || !this.#isAwake()) throw RELEASED;
    this.#waiting ??= Promise.withResolvers<string>();
    const { promise } = this.#waiting;
    commit((now) => setContainerState(store, requestStart(container), now));
    while (!(await settledWithin(promise, CALL_WAIT_MS))) {
      if (Date.now() - this.#progressAt > CALL_WAIT_MS) throw STILL_STARTING;
    }
    return promise;
  }

  /** Notes that the start of the container makes progress. */
  noteProgress(): void {
    this.#progressAt = Date.now();
  }

  /** Answers the waiting calls if the container is ready, or the session has released it. */
  answerWaiting(): void {
    const { store } = this.#context;
    const container = containerOf(store);
    if (container?.phase === "ready") this.#waiting?.resolve(container.name);
    else if (!this.#isAwake()) this.#waiting?.reject(RELEASED);
    else return;
    this.#waiting = null;
  }

  /** Answers the waiting calls with an error. */
  rejectWaiting(error: SandboxError): void {
    this.#waiting?.reject(error);
    this.#waiting = null;
  }

  /** Tracks a call until it has settled, and returns it. */
  async during<T>(call: T | Promise<T>): Promise<T> {
    const settled = Promise.allSettled([call]);
    this.#running.add(settled);
    void settled.then(() => this.#running.delete(settled));
    return call;
  }

  /**
   * Waits until the running calls have settled, with a timeout. A call that is under way when its container is destroyed
   * is tried again, which would start another container.
   */
  async settled(): Promise<void> {
    await settledWithin(Promise.allSettled(this.#running), SETTLE_MS);
  }

  #isAwake(): boolean {
    const { store } = this.#context;
    return store.exists() && store.state.lifecycle.status === "active";
  }
}

const RELEASED = new SandboxError("the session has no machine any more", { transient: false });
const STILL_STARTING = new SandboxError("its machine is still starting", { transient: true });
