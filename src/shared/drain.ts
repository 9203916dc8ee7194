/** Drains an outbox: one run at a time, soon or now. */
export class Drain {
  readonly #run: (dueAt: number) => Promise<void>;
  readonly #afterwards: () => void;
  #running: Promise<void> | null = null;
  #planned: { timer: ReturnType<typeof setTimeout>; at: number } | null = null;

  /**
   * `run` sends what is to be sent by `dueAt`, in ms since 1970, and never rejects. `afterwards` is called after each run, to
   * plan one for what has come meanwhile.
   */
  constructor(run: (dueAt: number) => Promise<void>, afterwards: () => void = () => {}) {
    this.#run = run;
    this.#afterwards = afterwards;
  }

  /** Runs after a delay in ms, unless a run is planned that is sooner. */
  soon(delayMs: number): void {
    const at = Date.now() + delayMs;
    if (this.#planned && this.#planned.at <= at) return;
    this.#cancel();
    this.#planned = { timer: setTimeout(() => void this.now(), delayMs), at };
  }

  /** Runs at once, in place of a planned run. Returns the run that is under way, if there is one. Never rejects. */
  now(dueAt = Date.now()): Promise<void> {
    this.#cancel();
    this.#running ??= this.#run(dueAt).finally(() => {
      this.#running = null;
      this.#afterwards();
    });
    return this.#running;
  }

  /** Resolves when no run is under way. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  #cancel(): void {
    if (this.#planned) clearTimeout(this.#planned.timer);
    this.#planned = null;
  }
}
