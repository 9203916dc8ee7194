/** Runs one piece of work at a time. Work goes on when whoever asked for it goes away. */
export class Serial {
  readonly #waitUntil: (work: Promise<unknown>) => void;
  #running: Promise<void> | null = null;

  constructor(waitUntil: (work: Promise<unknown>) => void) {
    this.#waitUntil = waitUntil;
  }

  get busy(): boolean {
    return this.#running !== null;
  }

  /** Resolves when nothing runs. Never rejects. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** Runs some work when nothing else runs, at once if nothing does. Settles as the work does. */
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
