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

/** Larger files are read in parts, by commands. */
const MAX_READ_BYTES = 32 * 1024 ** 2;
const PIECE_BYTES = 96 * 1024;

/** An archive of a saved workspace is closed once it holds this much. */
const PART_BYTES = 4 * 1024 ** 2;

/** Says a file's bytes; answers whether there is such a file. */
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

/** Writes a whole file, with the directories above it. Others find the old content or the new. */
export function write(path: string, content: { base64: string } | AskFile): Promise<void> {
  return whileNotSaving(async () => {
    const before = statOf(path);
    if (before && !before.isFile()) throw new Refusal(`${path} is ${nameOf(before)}`);
    // Where a link stands it is the file behind it that is written.
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

/** Puts the workspace into archives of bounded size, each a whole one, in place of those of the last time. */
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

// Links to the same file become files of their own: not every provider has such links.
const SAVE_OPTIONS = [
  "--format=pax",
  "--pax-option=delete=atime,delete=ctime",
  "--numeric-owner",
  "--hard-dereference",
  "--no-recursion",
  // What is gone by now, as what runs in the background may remove it, is left out.
  "--ignore-failed-read",
  "--verbatim-files-from",
];

/** Empties the workspace and fills it from archives, which are removed. */
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
 * Returns the paths below the workspace, each directory before what it holds, in groups of about the same size. A name
 * may be any bytes, so a letter of a path is a byte.
 */
function* groups(workspace: string): Generator<string[]> {
  const root = Buffer.from(workspace).toString("latin1");
  let group: string[] = [];
  let bytes = 0;
  const rest = statOf(workspace)?.isDirectory() ? [""] : [];
  for (let path = rest.pop(); path !== undefined; path = rest.pop()) {
    const place = bytesOf(join(root, path));
    const stat = lstatSync(place, { throwIfNoEntry: false });
    // What runs in the background may remove it meanwhile.
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
  // Of tar, 1 means that a file changed while it was read, as what runs in the background may do at any time.
  const isFine = code === 0 || (program === "tar" && code === 1);
  if (!isFine) throw new Error(`${program} failed with ${code}: ${complaint}`);
}

/** Returns the nearest directory above a path that is there: what is made below it belongs to whom it belongs. */
function ownerAbove(path: string): Stats {
  const above = dirname(path);
  return statOf(above) ?? ownerAbove(above);
}

/** Gives a path and those above it, up to `from`, to an owner. */
function giveTo(owner: Stats, from: string, path: string): void {
  if (process.getuid?.() === 0) chownSync(path, owner.uid, owner.gid);
  if (path !== from) giveTo(owner, from, dirname(path));
}

/** Returns what something is that is no file. A pipe or a device would be waited for, or never end. */
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
