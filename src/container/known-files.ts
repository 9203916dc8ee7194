import type { BigIntStats } from "node:fs";
import { join } from "node:path";
import { type Chunk, NO_PACK } from "./archive-format.ts";
import { HOME, publish, textOf } from "./state.ts";

// Remembers the hashes of the chunks of unchanged files, so that a save does not read them again. A file is unchanged if
// its inode, size and times are those that were noted: a program can set the time of the last modification, but not that of
// the last change.

const PATH = join(HOME, "known-files");

/**
 * How long a file must be unchanged before it is noted, in ms. Changes within a tick of the kernel's clock, of up to
 * 10 ms, have the same time.
 */
export const SETTLED_MS = 50;

/** The hashes of the chunks of known files. A chunk of zeros is its length. */
export type KnownChunks = (string | number)[];

/** Returns the chunks of a file as they are noted. */
export const toKnown = (chunks: readonly Chunk[]): KnownChunks =>
  chunks.map(([pack, , length, hash]) => (pack === NO_PACK ? length : hash));

/** The files whose chunks are known. */
export class KnownFiles {
  readonly #before: ReadonlyMap<string, KnownChunks>;
  readonly #lines: string[] = [];

  constructor(before: ReadonlyMap<string, KnownChunks> = new Map()) {
    this.#before = before;
  }

  /** Returns the chunks of a file if it is unchanged since it was noted. */
  find(stat: BigIntStats): KnownChunks | undefined {
    return this.#before.get(keyOf(stat));
  }

  /** Notes the chunks of a file with the state that it had before it was read, from `readAt` on, in ms since 1970. */
  note(stat: BigIntStats, chunks: KnownChunks, readAt: number = Date.now()): void {
    if (BigInt(readAt - SETTLED_MS) * 1_000_000n < stat.ctimeNs) return;
    this.#lines.push(JSON.stringify([keyOf(stat), chunks]));
  }

  /** Stores what was noted, for `readKnownFiles`. */
  store(): void {
    publish(PATH, this.#lines.join("\n"));
  }
}

/** Returns the files whose chunks were noted by the last save or restore. */
export function readKnownFiles(): KnownFiles {
  const lines = textOf(PATH)?.split("\n").filter(Boolean) ?? [];
  return new KnownFiles(new Map(lines.map((line): [string, KnownChunks] => JSON.parse(line))));
}

const keyOf = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join(" ");
