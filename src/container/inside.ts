import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
} from "node:fs";
import { type FileRefusal, type FileStat, pathProblem, refusals } from "./file-facts.ts";
import { bytesBelow, bytesOfPath, textOfPath } from "./paths.ts";
import { codeOf } from "./state.ts";

// Opens paths of callers, which must not lead out of the workspace. What runs in the container may change links at any
// time, so nothing is used by a path that was checked before: it is opened first, without an effect, and then the kernel
// is asked where that is.

/** Opens something without reading from it or waiting for it. Node has no name for it. */
const O_PATH = 0o10000000;
const { O_DIRECTORY, O_NOFOLLOW } = constants;

/** Something that is open: a path to it that no link can change, where it is below the workspace, and its state. */
export interface Opened {
  place: string;
  real: string;
  stat: BigIntStats;
}

/** Opens what a path leads to, links followed, and closes it after `act`. Refuses what is missing or outside. */
export function withOpened<T>(
  workspace: string,
  path: string,
  act: (opened: Opened) => T,
): T | FileRefusal {
  return refusing(path, refusals.notFound(path), () => {
    const file = openSync(bytesBelow(workspace, path), O_PATH);
    try {
      const real = placeBelow(workspace, file);
      if (real === undefined) return refusals.outside(path);
      return act({ place: fdPath(file), real, stat: fstatSync(file, { bigint: true }) });
    } finally {
      closeSync(file);
    }
  });
}

/**
 * Opens a directory below the workspace and yields it once. Yields nothing if it is gone, or a link is on the way: a walk
 * follows none.
 */
export function* openedDirectory(workspace: string, path: string): Generator<Opened> {
  let file: number | undefined;
  try {
    file = openSync(bytesBelow(workspace, path), O_PATH | O_DIRECTORY | O_NOFOLLOW);
    const real = placeBelow(workspace, file);
    if (real !== path) return;
    yield { place: fdPath(file), real, stat: fstatSync(file, { bigint: true }) };
  } catch (error) {
    if (!GONE.has(codeOf(error) ?? "")) throw error;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Where a file is, or is to be: its directory as a path that no link can change, and its name there. */
export interface Place {
  directory: string;
  name: string;
  /** The names of the directories that are missing below `directory`, before the name. */
  missing: string[];
  /** The state of what is there; undefined if there is nothing. It may be a link. */
  before: BigIntStats | undefined;
}

/** Finds the place of a path, links in its directories followed, and calls `act` while they are open. */
export function withPlace<T>(
  workspace: string,
  path: string,
  act: (place: Place) => T | FileRefusal,
): T | FileRefusal {
  const below = refusals.notAFile(path, "below something that is no directory");
  return refusing(path, below, () => {
    const names = path.split("/");
    const name = names.pop() ?? "";
    const open = [openSync(workspace, O_PATH | O_DIRECTORY)];
    try {
      for (const [n, part] of names.entries()) {
        const directory = fdPath(open.at(-1) ?? -1);
        const next = directoryIn(directory, part);
        if (next === undefined) {
          return act({ directory, name, missing: names.slice(n), before: undefined });
        }
        open.push(next);
        if (placeBelow(workspace, next) === undefined) return refusals.outside(path);
      }
      const directory = fdPath(open.at(-1) ?? -1);
      const before = lstatSync(`${directory}/${name}`, { bigint: true, throwIfNoEntry: false });
      return act({ directory, name, missing: [], before });
    } finally {
      for (const file of open) closeSync(file);
    }
  });
}

/** Opens a directory in another one; undefined if there is nothing of that name. Throws ENOTDIR for a link to nowhere. */
function directoryIn(directory: string, name: string): number | undefined {
  try {
    return openSync(`${directory}/${name}`, O_PATH | O_DIRECTORY);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    if (!lstatSync(`${directory}/${name}`, { throwIfNoEntry: false })) return undefined;
    throw Object.assign(new Error("a link to nowhere"), { code: "ENOTDIR" });
  }
}

/** Returns where an open file is below the workspace; undefined if it is outside. */
function placeBelow(workspace: string, file: number): string | undefined {
  const root = realpathSync(workspace, { encoding: "buffer" });
  const real = readlinkSync(fdPath(file), { encoding: "buffer" });
  if (real.equals(root)) return "";
  const prefix = root.equals(Buffer.from("/")) ? root : Buffer.concat([root, Buffer.from("/")]);
  if (!real.subarray(0, prefix.length).equals(prefix)) return undefined;
  return textOfPath(real.subarray(prefix.length));
}

const fdPath = (file: number): string => `/proc/self/fd/${file}`;

const GONE = new Set(["ENOENT", "ENOTDIR", "ELOOP"]);

/** Returns the result of an access, or why a path can't be accessed: `below` if something above it is no directory. */
function refusing<T>(path: string, below: FileRefusal, access: () => T): T | FileRefusal {
  if (path !== "" && pathProblem(path) !== null) return refusals.outside(path);
  try {
    return access();
  } catch (error) {
    const code = codeOf(error) ?? "";
    if (code === "ENOENT" || code === "ELOOP") return refusals.notFound(path);
    if (code === "EACCES" || code === "EPERM") return refusals.forbidden(path);
    if (code === "ENOTDIR") return below;
    if (code === "EISDIR" || code === "ENOTEMPTY") return refusals.notAFile(path, "a directory");
    if (code === "ENOSPC" || code === "EFBIG" || code === "EDQUOT") {
      return { problem: "too_large", message: "The disk of the session has no room for it." };
    }
    throw error;
  }
}

/** Returns a time in whole microseconds, rounded down, as a saved workspace has it. */
export const microsecondsOf = (ns: bigint): number => Number((ns - (ns < 0n ? 999n : 0n)) / 1_000n);

/** Returns the bytes of a name in a directory that is open. */
export const inDirectory = (directory: string, name: string): Buffer =>
  Buffer.concat([Buffer.from(`${directory}/`), bytesOfPath(name)]);

/** Returns what a state says of a file, without its ETag. */
export function entryOf(path: string, stat: BigIntStats): Omit<FileStat, "etag" | "id"> {
  const isFile = stat.isFile();
  const isLink = stat.isSymbolicLink();
  return {
    path,
    type: isFile ? "file" : stat.isDirectory() ? "directory" : isLink ? "symlink" : "other",
    size: isFile || isLink ? Number(stat.size) : 0,
    mode: Number(stat.mode) & 0o7777,
    mtimeMs: microsecondsOf(stat.mtimeNs) / 1_000,
  };
}

/** Returns a word for something that is no regular file. */
export const nameOfKind = (stat: BigIntStats): string =>
  stat.isDirectory() ? "a directory" : "a device, a pipe or a socket";
