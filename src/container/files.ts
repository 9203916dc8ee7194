import { randomUUID } from "node:crypto";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { AskFile, Tell } from "./protocol.ts";
import { codeOf, HOME, Refusal, whileNotSaving } from "./state.ts";

/** Maximum size of a file that is read at once. Larger files must be read in parts, by commands. */
const MAX_READ_BYTES = 32 * 1024 ** 2;
const PIECE_BYTES = 96 * 1024;

/** Sends the bytes of a file. Returns whether the file exists. */
export function read(path: string, tell: Tell): boolean {
  const bytes = bytesOf(path);
  if (!bytes) return false;
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    tell({ base64: bytes.toString("base64", at, at + PIECE_BYTES) });
  }
  return true;
}

/** Writes a complete file and creates missing directories. Other processes see either the old or the new content. */
export async function write(path: string, content: { base64: string } | AskFile): Promise<true> {
  try {
    await whileNotSaving(async () => {
      if ("base64" in content) return put(path, Buffer.from(content.base64, "base64"));
      const upload = join(HOME, content.file);
      put(path, (draft) => copyFileSync(upload, draft));
    });
    return true;
  } finally {
    if ("file" in content) rmSync(join(HOME, content.file), { force: true });
  }
}

/** Returns the bytes of a file; undefined if there is none. */
export function bytesOf(path: string): Buffer | undefined {
  const stat = statOf(path);
  if (!stat) return undefined;
  if (!stat.isFile()) throw new Refusal(`${path} is ${nameOf(stat)}`);
  if (stat.size > MAX_READ_BYTES) {
    throw new Refusal(
      `${path} is too large: it has ${stat.size} bytes, of ${MAX_READ_BYTES} at most`,
    );
  }
  return readFileSync(path);
}

/** Replaces a file in one step. `content` is its bytes, or a function that writes them to a path. */
export function put(path: string, content: Uint8Array | string | ((draft: string) => void)): void {
  const before = statOf(path);
  if (before && !before.isFile()) throw new Refusal(`${path} is ${nameOf(before)}`);
  // If the path is a symbolic link, its target is written.
  const place = before ? realpathSync(path) : resolve(path);
  const draft = join(dirname(place), `.${basename(place).slice(0, 40)}.${randomUUID()}`);
  try {
    const owner = before ?? ownerAbove(place);
    const made = mkdirSync(dirname(place), { recursive: true });
    if (typeof content === "function") content(draft);
    else writeFileSync(draft, content);
    chmodSync(draft, before ? before.mode & 0o7777 : 0o644);
    if (made !== undefined) giveTo(owner, made, dirname(place));
    giveTo(owner, draft, draft);
    renameSync(draft, place);
  } catch (error) {
    rmSync(draft, { force: true });
    throw new Refusal(
      `${path} can't be written: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** Returns the nearest existing directory above a path. New files and directories below it get its owner. */
function ownerAbove(path: string): Stats {
  const above = dirname(path);
  return statOf(above) ?? ownerAbove(above);
}

/** Changes the owner of a path and of its parents up to `from`. */
function giveTo(owner: Stats, from: string, path: string): void {
  if (process.getuid?.() === 0) chownSync(path, owner.uid, owner.gid);
  if (path !== from) giveTo(owner, from, dirname(path));
}

/** Describes something that is not a regular file. Reading a pipe or a device could block or never end. */
const nameOf = (stat: Stats): string =>
  stat.isDirectory() ? "a directory" : "no regular file, but a device, a pipe or a socket";

function statOf(path: string) {
  try {
    return statSync(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error) ?? "")) return undefined;
    throw new Refusal(`${path} can't be read: ${codeOf(error)}`);
  }
}
