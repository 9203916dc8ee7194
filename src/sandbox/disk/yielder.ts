/** One unit of work for each call and each entry, and one for each 4 KiB of content. */
const WORK_BETWEEN_PAUSES = 64;
const BYTES_PER_WORK = 4096;

/**
 * Counts the work of a file system and yields to the event loop in between. SQLite answers synchronously:
 * without pauses a busy script would hold back every timer, kill and request until it ends.
 */
export class Yielder {
  #work = 0;

  /** Counts `count` entries that were read or written. */
  addEntries(count: number): void {
    this.#work += count;
  }

  /** Counts `bytes` of content that were read or written. */
  addBytes(bytes: number): void {
    this.#work += bytes / BYTES_PER_WORK;
  }

  /** Counts a call, and resolves after a pause if enough work was done since the last one. */
  async yieldIfDue(): Promise<void> {
    this.#work += 1;
    if (this.#work < WORK_BETWEEN_PAUSES) return;
    this.#work = 0;
    await scheduler.wait(0);
  }
}
