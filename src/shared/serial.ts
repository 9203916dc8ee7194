/** Runs one task at a time. A task continues even if its caller goes away. */
export class Serial {
  readonly #waitUntil: (work: Promise<unknown>) => void;
  #running: Promise<void> | null = null;

  constructor(waitUntil: (work: Promise<unknown>) => void) {
    this.#waitUntil = waitUntil;
  }

  get busy(): boolean {
    return this.#running !== null;
  }

  /** Resolves when no task runs. Never rejects. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** Runs a task after the current ones, immediately if there are none. Settles as the task does. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    while (this.#running) await this.#running;
    const running = work();
    const over = () => {
      this.#running = null;
    };
    this.#running = running.then(over, over);
    this.#waitUntil(this.#running);
    return running;
  }
}
