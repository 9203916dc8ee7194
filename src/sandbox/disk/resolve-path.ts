// Path resolution as POSIX has it. It looks entries up through a function, so it needs no storage.

import { join, normalize, parentOf } from "../paths";
import { FsError } from "./fs-error";

const MAX_LINKS_FOLLOWED = 40;

/** The longest path in UTF-16 units, as on Linux. It also bounds the depth of the tree. */
const MAX_PATH_LENGTH = 4096;

/** Returns the entry at a path, if there is one. The path is normal, and no directory of it is a link. */
export type FindEntry = (path: string) => { target: string | null } | undefined;

/**
 * Returns the path with every symbolic link followed, whether or not there is an entry at its end.
 * Throws ELOOP for more links than POSIX systems follow, EINVAL and ENAMETOOLONG for a path that cannot exist.
 */
export function resolveLinks(path: string, operation: string, find: FindEntry): string {
  const plain = checkedPath(path, operation);
  // The stored path of an entry holds no links, so one lookup is enough for most paths.
  if (find(plain)?.target === null) return plain;

  let resolved = "/";
  let followed = 0;
  const rest = plain.split("/").reverse();
  for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      resolved = parentOf(resolved);
      continue;
    }
    const next = join(resolved, part);
    const target = find(next)?.target;
    if (typeof target !== "string") {
      resolved = next;
      continue;
    }
    if (++followed > MAX_LINKS_FOLLOWED) throw new FsError("ELOOP", operation, path);
    if (target.startsWith("/")) resolved = "/";
    rest.push(...target.split("/").reverse());
  }
  return resolved;
}

/** Returns the path with the links in its directories followed, but not one at its end. Throws like `resolveLinks`. */
export function resolveDirectory(path: string, operation: string, find: FindEntry): string {
  const plain = checkedPath(path, operation);
  if (plain === "/") return plain;
  const name = plain.slice(plain.lastIndexOf("/") + 1);
  return join(resolveLinks(parentOf(plain), operation, find), name);
}

/** Returns the normal form of a path. Throws for one that cannot exist. */
function checkedPath(path: string, operation: string): string {
  if (path.includes("\0")) throw new FsError("EINVAL", operation, path);
  if (path.length > MAX_PATH_LENGTH) {
    throw new FsError("ENAMETOOLONG", operation, `${path.slice(0, 80)}...`);
  }
  return normalize(path);
}
