import { createHash } from "node:crypto";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import {
  CHUNK_BYTES,
  type Chunk,
  DamagedError,
  type Entry,
  type Index,
  NO_PACK,
  PACK_BYTES,
  type Pack,
  packsToReplace,
  type Saved,
  sizeOf,
  writeIndex,
} from "./archive-format.ts";

/** Stores the packs and indexes of workspaces. An object is named by the SHA-256 of its bytes. */
export interface ObjectStore {
  put(name: string, bytes: Uint8Array): Promise<void>;
  get(name: string): Promise<Uint8Array>;
}

/** A pack with its chunks. */
export interface FilledPack extends Pack {
  chunks: [offset: number, length: number, hash: string][];
}

/** How many packs are sent at the same time. */
const PUTS_AT_ONCE = 4;
/** The maximum size of an index in bytes, before compression. */
const MAX_INDEX_BYTES = 256 * 1024 ** 2;

/**
 * Saves a workspace: stores the chunks that no earlier save has, and then the index. Holds a few packs in memory at a
 * time.
 */
export class ArchiveWriter {
  readonly #store: ObjectStore;
  readonly #compress: (bytes: Uint8Array) => Uint8Array;
  readonly #packs: Pack[] = [];
  readonly #chunks = new Map<string, Chunk>();
  readonly #sending = new Set<Promise<void>>();
  #failure: { error: unknown } | null = null;
  #pieces: Uint8Array[] = [];
  #open: FilledPack["chunks"] = [];
  #openBytes = 0;
  readonly #onPack: (pack: FilledPack) => void;

  /**
   * `compress` must use gzip or zstd. `base` is the index of an earlier save, and `sent` are packs of an interrupted one:
   * their chunks are not stored again. `onPack` is called for every pack that was stored.
   */
  constructor(
    store: ObjectStore,
    compress: (bytes: Uint8Array) => Uint8Array,
    base: Index | null = null,
    sent: readonly FilledPack[] = [],
    onPack: (pack: FilledPack) => void = () => {},
  ) {
    this.#store = store;
    this.#compress = compress;
    this.#onPack = onPack;
    if (base) this.#addBase(base);
    for (const pack of sent) this.#register(pack);
  }

  /** Returns where a chunk with this hash is stored; undefined if no save has it. */
  find(hash: string): Chunk | undefined {
    return this.#chunks.get(hash);
  }

  /** Adds the content of a chunk, if no save has it. Waits while too many packs are being sent. */
  async add(bytes: Uint8Array): Promise<Chunk> {
    if (isZero(bytes)) return [NO_PACK, 0, bytes.length, ""];
    const hash = hashOf(bytes);
    const known = this.#chunks.get(hash);
    if (known) return known;
    const chunk: Chunk = [this.#packs.length, this.#openBytes, bytes.length, hash];
    this.#chunks.set(hash, chunk);
    this.#pieces.push(bytes);
    this.#open.push([this.#openBytes, bytes.length, hash]);
    this.#openBytes += bytes.length;
    if (this.#openBytes >= PACK_BYTES) await this.#send();
    return chunk;
  }

  /** Stores the index, after all packs were stored. Returns its text too. */
  async finish(entries: readonly Entry[]): Promise<{ saved: Saved; text: string }> {
    if (this.#openBytes > 0) await this.#send();
    await Promise.all(this.#sending);
    this.#throwFailure();
    const index = withoutUnusedPacks({ packs: this.#packs, entries: [...entries] });
    const text = writeIndex(index);
    const object = this.#compress(new TextEncoder().encode(text));
    const name = nameOf(object);
    await this.#store.put(name, object);
    const packs = index.packs.map((pack) => pack.name);
    return { saved: { index: name, packs, sizeBytes: sizeOf(index, text) }, text };
  }

  #addBase({ packs, entries }: Index): void {
    const replaced = packsToReplace(packs, usedBytes({ packs, entries }));
    this.#packs.push(...packs);
    for (const entry of entries) {
      if (entry.kind !== "file") continue;
      for (const chunk of entry.chunks) {
        const pack = packs[chunk[0]];
        if (pack && !replaced.has(pack.name)) this.#chunks.set(chunk[3], chunk);
      }
    }
  }

  #register({ chunks, ...pack }: FilledPack): void {
    const number = this.#packs.push(pack) - 1;
    for (const [offset, length, hash] of chunks) {
      if (!this.#chunks.has(hash)) this.#chunks.set(hash, [number, offset, length, hash]);
    }
  }

  async #send(): Promise<void> {
    const raw = new Uint8Array(this.#openBytes);
    for (const [n, piece] of this.#pieces.entries()) raw.set(piece, this.#open[n]?.[0] ?? 0);
    const bytes = this.#compress(raw);
    const pack = { name: nameOf(bytes), rawBytes: raw.length };
    const filled = { ...pack, chunks: this.#open };
    this.#packs.push(pack);
    [this.#pieces, this.#open, this.#openBytes] = [[], [], 0];
    const sending = this.#store.put(pack.name, bytes).then(
      () => this.#onPack(filled),
      (error) => {
        this.#failure ??= { error };
      },
    );
    const sent = sending.finally(() => this.#sending.delete(sent));
    this.#sending.add(sent);
    while (this.#sending.size >= PUTS_AT_ONCE) await Promise.race(this.#sending);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

/** Returns the text of an index. Throws if it is damaged, or larger than `maxBytes`. */
export async function getIndexText(
  store: ObjectStore,
  name: string,
  maxBytes: number = MAX_INDEX_BYTES,
): Promise<string> {
  return new TextDecoder().decode(await getObject(store, name, maxBytes));
}

/** Returns the content of a pack. Throws if it is damaged. */
export const getPack = (store: ObjectStore, { name }: Pack): Promise<Uint8Array> =>
  getObject(store, name, PACK_BYTES + CHUNK_BYTES);

/** The first byte of what gzip has compressed. */
const GZIP_START = 0x1f;

async function getObject(store: ObjectStore, name: string, maxBytes: number): Promise<Uint8Array> {
  const bytes = await store.get(name);
  if (nameOf(bytes) !== name) throw new DamagedError("a part of the saved workspace is damaged");
  const decompress = bytes[0] === GZIP_START ? gunzipSync : zstdDecompressSync;
  return decompress(bytes, { maxOutputLength: maxBytes });
}

/** Returns the bytes of each pack that are in use, by its name. A chunk of several files counts once. */
function usedBytes({ packs, entries }: Index): Map<string, number> {
  const used = new Map<string, number>();
  const seen = new Set<string>();
  for (const entry of entries) {
    if (entry.kind !== "file") continue;
    for (const [number, offset, length] of entry.chunks) {
      const name = packs[number]?.name;
      if (name === undefined || seen.has(`${number} ${offset}`)) continue;
      seen.add(`${number} ${offset}`);
      used.set(name, (used.get(name) ?? 0) + length);
    }
  }
  return used;
}

/** Returns an index whose packs are those that its files need, numbered anew. */
function withoutUnusedPacks({ packs, entries }: Index): Index {
  const kept: Pack[] = [];
  const numbers = new Map<number, number>([[NO_PACK, NO_PACK]]);
  const renumbered = (number: number): number => {
    const known = numbers.get(number);
    if (known !== undefined) return known;
    const pack = packs[number];
    if (!pack) throw new Error("a chunk has no pack");
    numbers.set(number, kept.push(pack) - 1);
    return kept.length - 1;
  };
  return {
    packs: kept,
    entries: entries.map((entry) => {
      if (entry.kind !== "file") return entry;
      const chunks = entry.chunks.map(([number, ...rest]): Chunk => [renumbered(number), ...rest]);
      return { ...entry, chunks };
    }),
  };
}

/** Returns the name of an object. */
const nameOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Returns the hash by which a chunk is known. */
const hashOf = (bytes: Uint8Array): string =>
  createHash("sha256").update(bytes).digest("base64url").slice(0, 27);

/** Returns whether a chunk has zeros only, and is worth not being stored. */
function isZero(bytes: Uint8Array): boolean {
  return bytes.length >= MIN_ZEROS && bytes.every((byte) => byte === 0);
}

const MIN_ZEROS = 4_096;
