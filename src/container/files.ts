import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { AskFile, SavedPart, Tell } from "./protocol.ts";
import { codeOf, HOME, Refusal, whileNotSaving, whileSaving } from "./state.ts";

/** Maximum size of a file that is read at once. Larger files must be read in parts, by commands. */
const MAX_READ_BYTES = 32 * 1024 ** 2;
const PIECE_BYTES = 96 * 1024;

/** Size from which an archive of a saved workspace is completed and the next one begins. */
const PART_BYTES = 4 * 1024 ** 2;

/** Sends the bytes of a file. Returns whether the file exists. */
export function read(path: string, tell: Tell): boolean {
  const stat = statOf(path);
  if (!stat) return false;
  if (!stat.isFile()) throw new Refusal(`${path} is ${nameOf(stat)}`);
  if (stat.size > MAX_READ_BYTES) {
    throw new Refusal(
      `${path} is too large: it has ${stat.size} bytes, of ${MAX_READ_BYTES} at most`,
    );
  }
  const bytes = readFileSync(path);
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    tell({ base64: bytes.toString("base64", at, at + PIECE_BYTES) });
  }
  return true;
}

/** Writes a complete file and creates missing directories. Other processes see either the old or the new content. */
export function write(path: string, content: { base64: string } | AskFile): Promise<void> {
  return whileNotSaving(async () => {
    const before = statOf(path);
    if (before && !before.isFile()) throw new Refusal(`${path} is ${nameOf(before)}`);
    // If the path is a symbolic link, its target is written.
    const place = before ? realpathSync(path) : resolve(path);
    const draft = join(dirname(place), `.${basename(place).slice(0, 40)}.${randomUUID()}`);
    try {
      const owner = before ?? ownerAbove(place);
      const made = mkdirSync(dirname(place), { recursive: true });
      if ("base64" in content) writeFileSync(draft, Buffer.from(content.base64, "base64"));
      else copyFileSync(join(HOME, content.file), draft);
      chmodSync(draft, before ? before.mode & 0o7777 : 0o644);
      if (made !== undefined) giveTo(owner, made, dirname(place));
      giveTo(owner, draft, draft);
      renameSync(draft, place);
    } catch (error) {
      rmSync(draft, { force: true });
      throw new Refusal(
        `${path} can't be written: ${error instanceof Error ? error.message : error}`,
      );
    } finally {
      if ("file" in content) rmSync(join(HOME, content.file), { force: true });
    }
  });
}

/** Saves the workspace as archives of bounded size, each a complete tar file. Replaces those of the previous save. */
export function save(workspace: string): Promise<SavedPart[]> {
  return whileSaving(async () => {
    rmSync(join(HOME, SAVED), { recursive: true, force: true });
    const folder = join(SAVED, randomUUID());
    mkdirSync(join(HOME, folder), { recursive: true });
    const parts: SavedPart[] = [];
    for (const group of groups(workspace)) {
      const file = join(folder, `${parts.length + 1}.tar`);
      const path = join(HOME, file);
      const names = bytesOf(`${group.join("\0")}\0`);
      await call(
        "tar",
        [...SAVE_OPTIONS, "-cf", path, "-C", workspace, "--null", "-T", "-"],
        names,
      );
      parts.push({ file, sizeBytes: statSync(path).size });
    }
    return parts;
  });
}

const SAVED = "saved";

// Hard links become separate files, because not every provider supports them.
const SAVE_OPTIONS = [
  "--format=pax",
  "--pax-option=delete=atime,delete=ctime",
  "--numeric-owner",
  "--hard-dereference",
  "--no-recursion",
  // Skips files that background processes removed meanwhile.
  "--ignore-failed-read",
  "--verbatim-files-from",
];

/** Empties the workspace and restores it from archives. Removes the archives. */
export function restore(workspace: string, parts: string[]): Promise<void> {
  return whileSaving(async () => {
    mkdirSync(workspace, { recursive: true });
    await call("find", [workspace, "-mindepth", "1", "-delete"]);
    const archives = parts.map((part) => join(HOME, part));
    for (const path of archives) {
      await call("tar", ["-xpf", path, "-C", workspace, "--numeric-owner"]);
    }
    for (const path of archives) rmSync(path, { force: true });
  });
}

/**
 * Yields the paths below the workspace in groups of similar size, each directory before its content. A name may
 * consist of any bytes, so each character of a path represents one byte.
 */
function* groups(workspace: string): Generator<string[]> {
  const root = Buffer.from(workspace).toString("latin1");
  let group: string[] = [];
  let bytes = 0;
  const rest = statOf(workspace)?.isDirectory() ? [""] : [];
  for (let path = rest.pop(); path !== undefined; path = rest.pop()) {
    const place = bytesOf(join(root, path));
    const stat = lstatSync(place, { throwIfNoEntry: false });
    // A background process may have removed it meanwhile.
    if (!stat) continue;
    if (path !== "") {
      group.push(path);
      bytes += stat.isFile() ? stat.size : 512;
    }
    if (stat.isDirectory()) {
      const names = namesIn(place).reverse();
      rest.push(...names.map((name) => join(path, name)));
    }
    if (bytes < PART_BYTES) continue;
    yield group;
    [group, bytes] = [[], 0];
  }
  if (group.length > 0) yield group;
}

function namesIn(directory: Buffer): string[] {
  try {
    return readdirSync(directory, { encoding: "latin1" });
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

const bytesOf = (latin1: string): Buffer => Buffer.from(latin1, "latin1");

async function call(program: "tar" | "find", args: string[], input?: Buffer): Promise<void> {
  const child = spawn(program, args, { stdio: ["pipe", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (bytes) => {
    if (complaint.length < 2_000) complaint += bytes;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const code = await new Promise<number>((done) => {
    child.once("close", (code) => done(code ?? 137));
    child.once("error", () => done(127));
  });
  // Exit code 1 of tar means that a file changed while it was read, which background processes may cause at any
  // time.
  const isFine = code === 0 || (program === "tar" && code === 1);
  if (!isFine) throw new Error(`${program} failed with ${code}: ${complaint}`);
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
