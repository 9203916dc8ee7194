import { SKIPPED, searchOf } from "../agent/tools/glob";
import { expandBraces, globMatcher } from "../agent/tools/glob-pattern";
import { type FileEntry, isRefusal, type WorkspaceReader } from "../sandbox/files";
import { isWithin } from "../sandbox/paths";

/** The most entries of a page of a list. */
const PAGE_ENTRIES = 1_000;

/** Sorts after every name in a directory. */
const LAST_NAME = "\u{10ffff}";

/** A directory that has files to look at. */
interface Root {
  path: string;
  /** Whether files below its directories count too. */
  recursive: boolean;
}

/**
 * Yields the regular files of a workspace that match any of the globs, each once. As in the tool Glob, what is in .git and
 * node_modules is left out, unless a glob names them.
 */
export async function* filesMatching(
  files: WorkspaceReader,
  globs: readonly string[],
): AsyncGenerator<FileEntry> {
  const patterns = globs.flatMap(expandBraces);
  const matchers = patterns.map(globMatcher);
  const names = SKIPPED.filter((name) => !patterns.some((one) => `/${one}/`.includes(`/${name}/`)));
  for (const { path, recursive } of rootsOf(patterns)) {
    for (let after: string | null = ""; after !== null; ) {
      const page = await files.list(path, { recursive, after, limit: PAGE_ENTRIES });
      // There is no such directory yet.
      if (isRefusal(page)) break;
      for (const entry of page.entries) {
        const isWanted = entry.type === "file" && skippedIn(entry.path, names) === null;
        if (isWanted && matchers.some((matches) => matches(entry.path))) yield entry;
      }
      const skipped = page.next && skippedIn(page.next, names);
      // Directories like these are large: the rest of it is not listed.
      after = skipped === null ? page.next : `${skipped}/${LAST_NAME}`;
    }
  }
}

/** Returns the directories where files can match, none of which is below another one that counts as a whole. */
function rootsOf(patterns: readonly string[]): Root[] {
  const roots = new Map<string, boolean>();
  for (const pattern of patterns) {
    const search = searchOf({ pattern }, "/");
    const path = search.root.slice(1);
    const recursive = search.pattern.includes("/") || search.pattern.includes("**");
    roots.set(path, recursive || (roots.get(path) ?? false));
  }
  const all = [...roots].map(([path, recursive]) => ({ path, recursive }));
  const covers = (one: Root, other: Root) =>
    one !== other && one.recursive && isWithin(`/${one.path}`, `/${other.path}`);
  return all.filter((root) => !all.some((other) => covers(other, root)));
}

/** Returns the directory with one of the names that a path is in or below; null if there is none. */
function skippedIn(path: string, names: readonly string[]): string | null {
  const parts = path.split("/");
  const at = parts.findIndex((part) => names.includes(part));
  return at === -1 || at === parts.length - 1 ? null : parts.slice(0, at + 1).join("/");
}
