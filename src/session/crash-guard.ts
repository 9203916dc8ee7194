import { backoffMs } from "../shared/backoff";
import { log } from "../shared/log";

/** Deaths in a row in a task after which it rests. */
const MAX_DEATHS = 2;
const BASE_REST_MS = 3_600_000;
const MAX_REST_MS = 86_400_000;
/** A clock that is this much behind what it was has been set back; less is what clocks differ by. */
const SET_BACK_MS = 60_000;

/** A task that was begun and has not ended yet, or never will. */
interface Begun {
  /** Times it was begun since it last ended. */
  times: number;
  /** When it was last begun. */
  at: number;
}

const KEY = "begun";

/**
 * Keeps an object from dying of its own tasks again and again. A task is written down before it begins, and
 * crossed out when it has ended. An object that finds one written down has died in it.
 */
export class CrashGuard {
  readonly #storage: DurableObjectStorage;
  readonly #session: string | undefined;
  /** Tasks under way, by name. */
  readonly #under = new Map<string, Promise<boolean>>();
  /** Tasks whose rest is in the log. */
  readonly #logged = new Set<string>();
  #known: Record<string, Begun> | undefined;

  constructor(storage: DurableObjectStorage, session: string | undefined) {
    this.#storage = storage;
    this.#session = session;
  }

  /**
   * Does a task, unless it rests: after two deaths in a row it is tried once an hour, and ever more seldom, once a
   * day at last. Returns whether it was done. Joins a task of that name that is under way. Rejects as the task does.
   */
  attempt(task: string, act: () => void | Promise<void>): Promise<boolean> {
    const under = this.#under.get(task);
    if (under) return under;
    const attempted = this.#attempt(task, act).finally(() => this.#under.delete(task));
    this.#under.set(task, attempted);
    return attempted;
  }

  /** Returns when a task may be begun: `now`, or later for one that rests. */
  restsUntil(task: string, now: number): number {
    const { times, at } = this.#begun[task] ?? { times: 0, at: 0 };
    if (this.#under.has(task) || times < MAX_DEATHS || at > now + SET_BACK_MS) return now;
    const restMs = backoffMs(times - MAX_DEATHS + 1, BASE_REST_MS, MAX_REST_MS);
    return Math.max(now, at + restMs);
  }

  async #attempt(task: string, act: () => void | Promise<void>): Promise<boolean> {
    const now = Date.now();
    const deaths = this.#begun[task]?.times ?? 0;
    const restsUntil = this.restsUntil(task, now);
    if (restsUntil > now) {
      this.#logRest(task, deaths, restsUntil);
      return false;
    }
    this.#save({ ...this.#begun, [task]: { times: deaths + 1, at: now } });
    // Whatever the task does to the runtime, the next object has to know.
    await this.#storage.sync();
    try {
      await act();
      return true;
    } finally {
      this.#crossOut(task);
    }
  }

  #crossOut(task: string): void {
    // A task may have emptied the storage: nothing is written then.
    this.#known = undefined;
    const { [task]: begun, ...others } = this.#begun;
    if (begun) this.#save(others);
  }

  #logRest(task: string, deaths: number, restsUntil: number): void {
    if (this.#logged.has(task)) return;
    this.#logged.add(task);
    const retryAt = new Date(restsUntil).toISOString();
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
