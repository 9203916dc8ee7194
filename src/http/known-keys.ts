import type { Identified } from "../account/keys";
import { Remembered } from "./remembered";

/** What an isolate knows of keys, by the hashes of their secrets. */
export class KnownKeys {
  readonly #known = new Remembered<Identified>();

  /** Returns whom a secret identifies. Asks by `look` if that is not known. */
  async find(hash: string, look: () => Promise<Identified>, now: number): Promise<Identified> {
    return ifNotEnded(await this.#known.find(hash, look, now), now);
  }

  /** Returns the id of the valid key that a secret is known to be of. */
  idOf(hash: string, now: number): string | undefined {
    const identified = this.#known.get(hash, now);
    return identified?.state === "valid" ? identified.key.id : undefined;
  }

  /** Forgets a key, after a change of it. */
  forget(id: string): void {
    this.#known.forget((one) => one.state === "valid" && one.key.id === id);
  }
}

function ifNotEnded(identified: Identified, now: number): Identified {
  const ends = identified.state === "valid" ? identified.until : null;
  return ends !== null && ends <= now ? { state: "expired" } : identified;
}
