/**
 * The time for which an isolate believes what an account has told it. With the time that a question takes, a change holds
 * everywhere within 30 s.
 */
const BELIEVED_MS = 25_000;
/** The most answers that are remembered at a time: 10 MB if all are keys with as many rules as they can have. */
const MAX_REMEMBERED = 1_000;

/** Answers of accounts that an isolate remembers, so that a request seldom has to ask. */
export class Remembered<T> {
  readonly #known = new Map<string, { answer: T; until: number }>();
  readonly #believedMs: number;

  constructor(believedMs: number = BELIEVED_MS) {
    this.#believedMs = believedMs;
  }

  /** Returns what is known; undefined if nothing is, or not any more. */
  get(key: string, now: number): T | undefined {
    const known = this.#known.get(key);
    return known && now < known.until ? known.answer : undefined;
  }

  /** Returns what is known. Asks by `look` if nothing is. */
  async find(key: string, look: () => Promise<T>, now: number): Promise<T> {
    const known = this.get(key, now);
    if (known !== undefined) return known;
    // An answer is kept, and not the question: a question ends with the request that asks it.
    const answer = await look();
    this.put(key, answer, now);
    return answer;
  }

  /** Remembers an answer. */
  put(key: string, answer: T, now: number): void {
    // Deleted first, so that the oldest is at the front.
    this.#known.delete(key);
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size >= MAX_REMEMBERED) this.#known.delete(oldest);
    this.#known.set(key, { answer, until: now + this.#believedMs });
  }

  /** Forgets what is no longer right. */
  forget(isWrong: (answer: T, key: string) => boolean): void {
    for (const [key, { answer }] of this.#known) if (isWrong(answer, key)) this.#known.delete(key);
  }
}
