import { backoffMs } from "../shared/backoff";
import { log } from "../shared/log";

/** Number of consecutive crashes during a task after which the task is paused. */
const MAX_DEATHS = 2;
/** The first pause and the longest, in ms. */
const BASE_REST_MS = 3_600_000;
const MAX_REST_MS = 86_400_000;
/** A clock that is this far behind an earlier reading, in ms, was set back. Clocks may normally differ by less. */
const SET_BACK_MS = 60_000;

/** A task that was started and has not ended: it is running, or the object crashed during it. */
interface Begun {
  /** How often it was started since it last ended. */
  times: number;
  /** When it was last started, in ms since 1970. */
  at: number;
}

const KEY = "begun";

/**
 * Prevents an object from crashing in its own tasks again and again. A task is recorded before it starts, and its
 * record is deleted when it has ended. If a new object finds a record, the object before it crashed during the task.
 */
export class CrashGuard {
  readonly #storage: DurableObjectStorage;
  readonly #session: string | undefined;
  /** Running tasks, by name. */
  readonly #running = new Map<string, Promise<boolean>>();
  /** Tasks whose pause was logged. */
  readonly #logged = new Set<string>();
  #known: Record<string, Begun> | undefined;

  constructor(storage: DurableObjectStorage, session: string | undefined) {
    this.#storage = storage;
    this.#session = session;
  }

  /**
   * Runs a task unless it is paused. After two consecutive crashes, a task is tried once an hour, then less and less
   * often, down to once a day. Returns whether the task ran. If a task with this name is running, waits for that one.
   * Rejects if the task rejects.
   */
  attempt(task: string, act: () => void | Promise<void>): Promise<boolean> {
    const running = this.#running.get(task);
    if (running) return running;
    const attempted = this.#attempt(task, act).finally(() => this.#running.delete(task));
    this.#running.set(task, attempted);
    return attempted;
  }

  /** Returns when a task may be started, in ms since 1970: `now`, or later if it is paused. */
  pausedUntil(task: string, now: number): number {
    const { times, at } = this.#begun[task] ?? { times: 0, at: 0 };
    if (this.#running.has(task) || times < MAX_DEATHS || at > now + SET_BACK_MS) return now;
    const restMs = backoffMs(times - MAX_DEATHS + 1, BASE_REST_MS, MAX_REST_MS);
    return Math.max(now, at + restMs);
  }

  async #attempt(task: string, act: () => void | Promise<void>): Promise<boolean> {
    const now = Date.now();
    const deaths = this.#begun[task]?.times ?? 0;
    const pausedUntil = this.pausedUntil(task, now);
    if (pausedUntil > now) {
      this.#logPause(task, deaths, pausedUntil);
      return false;
    }
    this.#save({ ...this.#begun, [task]: { times: deaths + 1, at: now } });
    // The record must be on disk even if the task crashes the runtime.
    await this.#storage.sync();
    try {
      await act();
      return true;
    } finally {
      this.#crossOut(task);
    }
  }

  #crossOut(task: string): void {
    // The task may have emptied the storage. Nothing must be written in that case.
    this.#known = undefined;
    const { [task]: begun, ...others } = this.#begun;
    if (begun) this.#save(others);
  }

  #logPause(task: string, deaths: number, pausedUntil: number): void {
    if (this.#logged.has(task)) return;
    this.#logged.add(task);
    const retryAt = new Date(pausedUntil).toISOString();
    log("task.given_up", { session: this.#session, task, deaths, retryAt });
  }

  get #begun(): Record<string, Begun> {
    this.#known ??= this.#storage.kv.get<Record<string, Begun>>(KEY) ?? {};
    return this.#known;
  }

  #save(begun: Record<string, Begun>): void {
    this.#known = begun;
    if (Object.keys(begun).length > 0) this.#storage.kv.put(KEY, begun);
    else this.#storage.kv.delete(KEY);
  }
}
