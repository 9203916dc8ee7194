import type { Identified } from "../account/keys";

/**
 * The time for which an isolate believes what it knows of a key. With the time that a question takes, a revoked key is
 * refused everywhere within 30 s.
 */
const BELIEVED_MS = 25_000;
/** The most keys that are known at a time: 10 MB if all have as many rules as they can. */
const MAX_KNOWN = 1_000;

/** What an isolate knows of keys, by the hashes of their secrets, so that a request seldom has to ask an account. */
export class KnownKeys {
  readonly #known = new Map<string, { identified: Identified; until: number }>();

  /** Returns whom a secret identifies. Asks by `look` if that is not known. */
  async find(hash: string, look: () => Promise<Identified>, now: number): Promise<Identified> {
    const known = this.#known.get(hash);
    // An answer is kept, and not the question: a question ends with the request that asks it.
    const identified = known && now < known.until ? known.identified : await look();
    if (identified !== known?.identified) this.#keep(hash, identified, now);
    const ends = identified.state === "valid" ? identified.until : null;
    return ends !== null && ends <= now ? { state: "expired" } : identified;
  }

  /** Forgets a key, after a change of it. */
  forget(id: string): void {
    for (const [hash, { identified }] of this.#known) {
      if (identified.state === "valid" && identified.key.id === id) this.#known.delete(hash);
    }
  }

  #keep(hash: string, identified: Identified, now: number): void {
    // Deleted first, so that the oldest is at the front.
    this.#known.delete(hash);
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size >= MAX_KNOWN) this.#known.delete(oldest);
    this.#known.set(hash, { identified, until: now + BELIEVED_MS });
  }
}
