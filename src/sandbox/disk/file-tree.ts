import { parentOf } from "../paths";
import type { Kind } from "./file-table";

/** The most of a tree that is copied or removed in one transaction. */
const BATCH_ENTRIES = 200;
const BATCH_BYTES = 8 * 1024 ** 2;

/** A part of a tree: its entries from one path to another in the order of paths, both included. */
export interface TreeRange {
  tree: string;
  first: string;
  last: string;
}

/** The next part of a tree to work on; `bytes` is the size of its files. */
export interface Batch {
  first: string;
  last: string;
  entries: number;
  bytes: number;
  /** True if nothing of the tree comes after it. */
  isLast: boolean;
}

/** Changes whole subtrees of the disk with one statement for many rows. A tree is a path and all below it. */
export class FileTree {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Returns the size of a tree's files in bytes, and the number of its entries. */
  measure(tree: string): { bytes: number; entries: number } {
    return this.#sql
      .exec<{ bytes: number; entries: number }>(
        `SELECT coalesce(sum(size), 0) AS bytes, count(*) AS entries FROM files
         WHERE path = ? OR (path > ? AND path < ?)`,
        tree,
        ...boundsBelow(tree),
      )
      .one();
  }

  /** Removes a part of a tree, with the contents of its files. */
  remove({ tree, first, last }: TreeRange): void {
    this.#sql.exec(
      `DELETE FROM files WHERE path >= ?4 AND path <= ?5 AND (path = ?1 OR (path > ?2 AND path < ?3))`,
      tree,
      ...boundsBelow(tree),
      first,
      last,
    );
  }

  /** Moves a tree to a path where nothing is. */
  move(from: string, to: string): void {
    this.#sql.exec(
      `UPDATE files SET
         parent = CASE WHEN path = ?1 THEN ?3 ELSE ?2 || substr(parent, length(?1) + 1) END,
         path = ?2 || substr(path, length(?1) + 1)
       WHERE path = ?1 OR (path > ?4 AND path < ?5)`,
      from,
      to,
      parentOf(to),
      ...boundsBelow(from),
    );
  }

  /**
   * Returns the kind of an entry below `to` that a copy of `from` cannot replace, since one of the two is a
   * directory and the other is not; undefined if there is none.
   */
  findClash(from: string, to: string): Kind | undefined {
    return this.#sql
      .exec<{ kind: Kind }>(
        `SELECT taken.kind FROM files AS source
           JOIN files AS taken ON taken.path = ?2 || substr(source.path, length(?1) + 1)
         WHERE (source.path = ?1 OR (source.path > ?3 AND source.path < ?4))
           AND (source.kind = 'directory') <> (taken.kind = 'directory') LIMIT 1`,
        from,
        to,
        ...boundsBelow(from),
      )
      .toArray()[0]?.kind;
  }

  /** Copies a part of a tree to `to`: directories merge, files replace files. */
  copy({ tree, first, last }: TreeRange, to: string): void {
    const part = [tree, to, ...boundsBelow(tree), first, last];
    const IS_MEANT = `source.path >= ?5 AND source.path <= ?6
      AND (source.path = ?1 OR (source.path > ?3 AND source.path < ?4))`;
    this.#sql.exec(
      `DELETE FROM files WHERE kind <> 'directory' AND path IN (
         SELECT ?2 || substr(path, length(?1) + 1) FROM files AS source WHERE ${IS_MEANT})`,
      ...part,
    );
    this.#sql.exec(
      `INSERT OR IGNORE INTO files (path, parent, kind, mode, mtime, size, target)
       SELECT ?2 || substr(path, length(?1) + 1),
         CASE WHEN path = ?1 THEN ?7 ELSE ?2 || substr(parent, length(?1) + 1) END,
         kind, mode, ?8, size, target
       FROM files AS source WHERE ${IS_MEANT}`,
      ...part,
      parentOf(to),
      Date.now(),
    );
    this.#sql.exec(
      `INSERT INTO chunks (file, at, bytes)
       SELECT copy.id, chunks.at, chunks.bytes
       FROM files AS source JOIN chunks ON chunks.file = source.id
         JOIN files AS copy ON copy.path = ?2 || substr(source.path, length(?1) + 1)
       WHERE ${IS_MEANT}`,
      ...part,
    );
  }

  /**
   * Returns the part of a tree that comes after the path `after`, or its beginning, in the given order of
   * paths; undefined if nothing is left. It is small enough for one transaction.
   */
  nextBatch(tree: string, order: "ASC" | "DESC", after: string | undefined): Batch | undefined {
    const beyond = order === "ASC" ? ">" : "<";
    const rows = this.#sql
      .exec<{ path: string; size: number }>(
        `SELECT path, size FROM files WHERE (path = ?1 OR (path > ?2 AND path < ?3))
         ${after === undefined ? "" : `AND path ${beyond} ?4`} ORDER BY path ${order} LIMIT ${BATCH_ENTRIES}`,
        tree,
        ...boundsBelow(tree),
        ...(after === undefined ? [] : [after]),
      )
      .toArray();
    return batchOf(rows, BATCH_ENTRIES, BATCH_BYTES);
  }
}

/**
 * Returns the leading rows whose files have `maxBytes` together, but at least one; undefined for no rows.
 * Fewer rows than `limit` are the last ones of their tree.
 */
export function batchOf(
  rows: readonly { path: string; size: number }[],
  limit: number,
  maxBytes: number,
): Batch | undefined {
  const [first] = rows;
  if (!first) return undefined;
  let { size: bytes } = first;
  let entries = 1;
  for (const { size } of rows.slice(1)) {
    if (bytes + size > maxBytes) break;
    bytes += size;
    entries += 1;
  }
  const last = rows[entries - 1] ?? first;
  const isLast = rows.length < limit && entries === rows.length;
  return { first: first.path, last: last.path, entries, bytes, isLast };
}

/** Returns the bounds, both excluded, between which the paths below a directory sort. "0" comes right after "/". */
function boundsBelow(path: string): [string, string] {
  return path === "/" ? ["/", "0"] : [`${path}/`, `${path}0`];
}
