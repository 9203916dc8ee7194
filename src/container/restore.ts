import { spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Entry, type Index, NO_PACK, readIndex } from "./archive-format.ts";
import { getIndexText, getPack, type ObjectStore } from "./archive-writer.ts";
import { KnownFiles, SETTLED_MS, toKnown } from "./known-files.ts";
import { objectStore } from "./object-store.ts";
import { bytesBelow, bytesOfPath } from "./paths.ts";
import type { RestoreAsk, Tell } from "./protocol.ts";
import { keepIndex, remember } from "./save.ts";
import { codeOf, pause, RESTORE, textOf, whileSaving } from "./state.ts";

/** How many packs are read at the same time. */
const PACKS_AT_ONCE = 6;
/** Pages of a sparse file that contain zeros only are not written. */
const PAGE_BYTES = 4_096;

/**
 * Empties the workspace and restores a saved one. A repeat after an interruption goes on where that was. A repeat after
 * the end changes nothing, unless another operation has run since. Returns true: the runner of an earlier version, which
 * does not know such saves, does not.
 */
export function restore(ask: RestoreAsk, tell: Tell): Promise<boolean> {
  const onProgress = () => tell({ progress: true });
  const store = objectStore(ask.token, onProgress);
  const { saved, workspace } = ask;
  // Files are created with their modes.
  process.umask(0);
  return whileSaving("all", async () => {
    if ("parts" in saved) await restoreArchives(store, workspace, saved.parts, onProgress);
    else await restoreIndex(store, workspace, saved.index, onProgress);
    return true;
  });
}

async function restoreIndex(
  store: ObjectStore,
  workspace: string,
  name: string,
  onProgress: () => void,
): Promise<void> {
  const text = await getIndexText(store, name);
  const index = readIndex(text);
  const record = join(RESTORE, name);
  const done = new Set(textOf(record)?.split("\n"));
  if (done.has("all")) return;
  if (!existsSync(record)) await begin(workspace, record);
  for (const { kind, path } of index.entries) {
    if (kind === "directory") mkdirSync(bytesBelow(workspace, path), { recursive: true });
  }
  await restoreContents(store, workspace, index, { record, done });
  await restoreRest(workspace, index.entries, onProgress);
  // Otherwise the files would count as just changed, and be read again by the next save.
  await pause(SETTLED_MS);
  remember(() => noteFiles(workspace, index.entries));
  remember(() => keepIndex(name, text));
  appendFileSync(record, "all\n");
}

/** Empties the workspace, and records that a restore has begun. */
async function begin(workspace: string, record: string): Promise<void> {
  rmSync(RESTORE, { recursive: true, force: true });
  mkdirSync(workspace, { recursive: true });
  await call("find", [workspace, "-mindepth", "1", "-delete"]);
  mkdirSync(RESTORE, { recursive: true });
  appendFileSync(record, "begun\n");
}

/** A piece of a file: its place in the file, and in its pack. */
interface Piece {
  entry: Entry & { kind: "file" };
  at: number;
  offset: number;
  length: number;
}

/** Restores the contents of files, pack by pack. */
async function restoreContents(
  store: ObjectStore,
  workspace: string,
  { packs, entries }: Index,
  { record, done }: { record: string; done: ReadonlySet<string> },
): Promise<void> {
  const pieces = piecesByPack(entries);
  const rest = [...packs.entries()].filter(([, { name }]) => !done.has(name)).values();
  const work = async () => {
    // All workers take from the same iterator.
    for (const [number, pack] of rest) {
      const bytes = await getPack(store, pack);
      for (const piece of pieces.get(number) ?? []) writePiece(workspace, piece, bytes);
      appendFileSync(record, `${pack.name}\n`);
    }
  };
  const works = Array.from({ length: PACKS_AT_ONCE }, work);
  // All of them have ended when the restore ends: none may change the workspace after that.
  for (const { reason } of (await Promise.allSettled(works)).filter(isRejected)) throw reason;
}

const isRejected = (result: PromiseSettledResult<void>): result is PromiseRejectedResult =>
  result.status === "rejected";

function piecesByPack(entries: readonly Entry[]): Map<number, Piece[]> {
  const pieces = new Map<number, Piece[]>();
  for (const entry of entries) {
    if (entry.kind !== "file") continue;
    let at = 0;
    for (const [pack, offset, length] of entry.chunks) {
      const list = pieces.get(pack) ?? [];
      if (list.length === 0) pieces.set(pack, list);
      list.push({ entry, at, offset, length });
      at += length;
    }
  }
  pieces.delete(NO_PACK);
  return pieces;
}

function writePiece(workspace: string, piece: Piece, pack: Uint8Array): void {
  const { entry, at, offset, length } = piece;
  const { path, sparse = false, mode } = entry;
  const bytes = pack.subarray(offset, offset + length);
  if (bytes.length < length) throw new Error("a part of the saved workspace is too short");
  const file = openSync(bytesBelow(workspace, path), CREATE, mode);
  try {
    const step = sparse ? PAGE_BYTES : length;
    for (let from = 0; from < length; from += step) {
      const page = bytes.subarray(from, Math.min(length, from + step));
      if (!sparse || page.some((byte) => byte !== 0)) writeFully(file, page, at + from);
    }
    if (isWhole(entry)) restoreFactsOf(file, entry);
  } finally {
    closeSync(file);
  }
}

/** Returns whether a file has all its content, and its facts, when its only chunk is written. */
const isWhole = (entry: Entry): boolean =>
  entry.kind === "file" &&
  entry.chunks.length === 1 &&
  !entry.sparse &&
  entry.chunks[0]?.[0] !== NO_PACK;

/** The flags to write to a file that may not exist. It is not truncated: other pieces may have been written. */
const CREATE = constants.O_WRONLY | constants.O_CREAT;

function writeFully(file: number, bytes: Uint8Array, at: number): void {
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(file, bytes, written, bytes.length - written, at + written);
  }
}

/** Restores what has no content, and then owners, modes and times. */
async function restoreRest(
  workspace: string,
  entries: readonly Entry[],
  onProgress: () => void,
): Promise<void> {
  const place = (path: string) => bytesBelow(workspace, path);
  for (const entry of entries) {
    if (entry.kind === "file" && !isWhole(entry)) {
      const file = openSync(place(entry.path), CREATE, entry.mode);
      ftruncateSync(file, entry.size);
      closeSync(file);
    } else if (entry.kind === "symlink") {
      unlessThere(() => symlinkSync(bytesOfPath(entry.target), place(entry.path)));
    } else if (entry.kind === "hardlink") {
      unlessThere(() => linkSync(place(entry.target), place(entry.path)));
    }
  }
  await makeFifos(entries.filter(({ kind }) => kind === "fifo").map(({ path }) => place(path)));
  onProgress();
  // A directory comes after its content, whose restore changes its time and needs its permissions.
  for (const entry of entries.toReversed()) {
    if (entry.kind !== "hardlink" && !isWhole(entry)) restoreFacts(place(entry.path), entry);
  }
  onProgress();
}

function restoreFacts(place: Buffer, { kind, mode, mtimeMs, uid = 0, gid = 0 }: Entry): void {
  // Before the mode: a change of the owner clears the bits that give its rights to others.
  if (process.getuid?.() === 0) lchownSync(place, uid, gid);
  if (kind !== "symlink") chmodSync(place, mode);
  const mtime = timeOf(mtimeMs);
  lutimesSync(place, mtime, mtime);
}

/** Restores the owner, mode and time of an open file that was created with its mode. */
function restoreFactsOf(file: number, { mode, mtimeMs, uid = 0, gid = 0 }: Entry): void {
  const isRoot = process.getuid?.() === 0;
  if (isRoot && (uid !== 0 || gid !== 0)) fchownSync(file, uid, gid);
  // The rights of others that the owner's change clears, and that the mode of a new file can't have.
  if (mode > 0o777) fchmodSync(file, mode);
  const mtime = timeOf(mtimeMs);
  futimesSync(file, mtime, mtime);
}

/** Returns a time for `lutimesSync`, which takes a negative number of seconds for the present. */
const timeOf = (ms: number): number | Date =>
  // In the middle of the microsecond, since a fraction is not exact.
  ms < 0 ? new Date(ms) : (Math.round(ms * 1_000) + 0.5) / 1_000_000;

async function makeFifos(places: Buffer[]): Promise<void> {
  for (const place of places) {
    if (!existsSync(place)) await call("xargs", ["-0", "mkfifo", "--"], place);
  }
}

/** Notes the restored files, so that the next save does not read them. */
function noteFiles(workspace: string, entries: readonly Entry[]): void {
  const files = new KnownFiles();
  for (const entry of entries) {
    if (entry.kind !== "file") continue;
    const stat = lstatSync(bytesBelow(workspace, entry.path), { bigint: true });
    files.note(stat, toKnown(entry.chunks));
  }
  files.store();
}

/** Restores a workspace that an earlier version saved as tar archives. */
async function restoreArchives(
  store: ObjectStore,
  workspace: string,
  parts: string[],
  onProgress: () => void,
): Promise<void> {
  const record = join(RESTORE, "archives");
  await begin(workspace, record);
  for (const part of parts) {
    await call("tar", ["-xpf", "-", "-C", workspace, "--numeric-owner"], await store.get(part));
    onProgress();
  }
}

/** Makes a link, unless an interrupted restore has made it. */
function unlessThere(make: () => void): void {
  try {
    make();
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
}

async function call(program: string, args: string[], input?: Uint8Array): Promise<void> {
  const child = spawn(program, args, { stdio: ["pipe", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (bytes) => {
    if (complaint.length < 2_000) complaint += bytes;
  });
  const code = new Promise<number>((done) => {
    child.once("close", (code) => done(code ?? 137));
    child.once("error", () => done(127));
  });
  // A program that ends early reports why.
  await pipeline(Readable.from(input ? [input] : []), child.stdin).catch(() => {});
  if ((await code) !== 0) throw new Error(`${program} failed with ${await code}: ${complaint}`);
}
