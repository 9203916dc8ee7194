import type { FileEntry } from "./file-facts.ts";
import { pathBytes } from "./path-bytes.ts";

// The order of what is below a directory: each directory before its content, names by their bytes. It is that of the
// entries of a saved workspace, so a list that was begun in a container can go on after its workspace was saved.

/** An entry of a directory. `stat` returns what it is; undefined if it is gone. */
export interface Child {
  name: string;
  stat(): FileEntry | undefined | Promise<FileEntry | undefined>;
}

/** Returns the entries of a directory by their names; none if it is gone. */
export type Children = (path: string) => Iterable<Child> | AsyncIterable<Child>;

/** Returns the order of two names in a directory. */
export function compareNames(one: string, other: string): number {
  const [bytes, others] = [pathBytes(one), pathBytes(other)];
  for (const [n, byte] of bytes.entries()) {
    const facing = others[n] ?? -1;
    if (byte !== facing) return byte - facing;
  }
  return bytes.length - others.length;
}

/** Returns the order of two paths. */
export function comparePaths(one: string, other: string): number {
  const [names, others] = [one.split("/"), other.split("/")];
  for (const [n, name] of names.entries()) {
    const facing = others[n];
    if (facing === undefined) return 1;
    const order = compareNames(name, facing);
    if (order !== 0) return order;
  }
  return names.length - others.length;
}

/** Returns the path of an entry of a directory; the workspace is the empty path. */
export const below = (directory: string, name: string): string =>
  directory === "" ? name : `${directory}/${name}`;

/** Returns a path relative to a directory above it. */
export const relativeTo = (directory: string, path: string): string =>
  directory === "" ? path : path.slice(directory.length + 1);

/** Yields what is below a directory, after the path `after`, which is empty or below it too. Links are not followed. */
export function walk(
  children: Children,
  directory: string,
  { recursive, after }: { recursive: boolean; after: string },
): AsyncGenerator<FileEntry> {
  return contentOf(directory, after === "" ? [] : relativeTo(directory, after).split("/"));

  async function* contentOf(path: string, [seen, ...rest]: string[]): AsyncGenerator<FileEntry> {
    for await (const child of children(path)) {
      const order = seen === undefined ? 1 : compareNames(child.name, seen);
      if (order < 0) continue;
      const entry = await child.stat();
      if (!entry) continue;
      if (order > 0) yield entry;
      if (recursive && entry.type === "directory") {
        yield* contentOf(entry.path, order === 0 ? rest : []);
      }
    }
  }
}
