import { FsError } from "./fs-error";

/** The most bytes of one disk. SQLite's own bound is 10 GB an object; this keeps a runaway loop cheap. */
export const MAX_DISK_BYTES = 1024 ** 3;

/** The most bytes of one file. A file is read into memory whole, and just-bash's copies take several times its size. */
export const MAX_FILE_BYTES = 8 * 1024 ** 2;

/** The most entries of one disk: the rename of a directory changes every row below it at once. */
export const MAX_ENTRIES = 50_000;

/** The bounds of a disk. */
export interface QuotaLimits {
  maxBytes: number;
  maxFileBytes: number;
}

/** The current content of a disk. */
export interface DiskUsage {
  /** Returns the size of the whole database: it includes what the object keeps besides files. */
  bytes(): number;
  /** Returns the number of entries, the root included. Costs a scan. */
  countEntries(): number;
}

/** Decides whether a disk has room for what is about to be written. Throws EFBIG or ENOSPC if it has not. */
export class Quota {
  readonly #usage: DiskUsage;
  readonly #limits: QuotaLimits;
  /** The number of entries; undefined until it is counted. */
  #entries: number | undefined;

  constructor(usage: DiskUsage, limits: QuotaLimits) {
    this.#usage = usage;
    this.#limits = limits;
  }

  /** Reserves room for `newBytes` of content, in a file that will hold `fileBytes`. */
  reserveBytes(path: string, fileBytes: number, newBytes: number): void {
    const { maxBytes, maxFileBytes } = this.#limits;
    if (fileBytes > maxFileBytes) {
      throw new FsError("EFBIG", "write", path, `a file may hold ${maxFileBytes} bytes`);
    }
    if (this.#usage.bytes() + newBytes > maxBytes) {
      throw new FsError("ENOSPC", "write", path, `the disk may hold ${maxBytes} bytes`);
    }
  }

  /** Reserves room for one entry without content. */
  reserveEntry(path: string): void {
    if (this.#usage.bytes() > this.#limits.maxBytes) throw new FsError("ENOSPC", "create", path);
    this.reserveEntries(path, 1);
  }

  /** Counts `count` entries that are about to be created. */
  reserveEntries(path: string, count: number): void {
    this.#entries ??= this.#usage.countEntries();
    if (this.#entries + count > MAX_ENTRIES) {
      throw new FsError("ENOSPC", "create", path, `the disk may hold ${MAX_ENTRIES} files`);
    }
    this.#entries += count;
  }

  /** Has entries counted again at the next reservation. Call it after entries were removed. */
  recountEntries(): void {
    this.#entries = undefined;
  }
}
