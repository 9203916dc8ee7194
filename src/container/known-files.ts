import type { BigIntStats } from "node:fs";
import { join } from "node:path";
import { HOME, publish, textOf } from "./state.ts";

// Remembers the hashes of the chunks of unchanged files, so that a save does not read them again. A file is unchanged if
// its inode, size and times are those that were noted: a program can set the time of the last modification, but not that of
// the last change.

const PATH = join(HOME, "known-files");

/**
 * How long a file must be unchanged before it is noted, in ns. Changes within a tick of the kernel's clock, of up to
 * 10 ms, have the same time.
 */
const SETTLED_NS = 50_000_000n;
/** The same in ms. */
export const SETTLED_MS = 50;

/** The hashes of the chunks of known files. A chunk of zeros is its length. */
export type KnownChunks = (string | number)[];

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
    if (BigInt(readAt) * 1_000_000n - stat.ctimeNs < SETTLED_NS) return;
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
