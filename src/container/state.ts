import { createHash, randomUUID } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { readProcess } from "./processes.ts";
import { RUNNER_HOME, type SaveMode } from "./protocol.ts";

// The runner's files. Each of its processes may be killed at any point, and several processes use the same
// files.

/** The runner's folder. */
export const HOME = process.env.RIGGER_HOME ?? RUNNER_HOME;

/** An error for a request that cannot be executed, now or later. */
export class Refusal extends Error {}

/**
 * Returns the folder of a command, program or change of a file. The name is a hash, so it has no characters that are special in a
 * path or a shell.
 */
export const folderOf = (kind: "commands" | "programs" | "changes", id: string): string =>
  join(HOME, kind, createHash("sha256").update(id).digest("hex").slice(0, 32));

/** Creates a folder and its parents. Returns false if the folder already exists. */
export function claim(folder: string): boolean {
  return roomFor(() => {
    mkdirSync(join(folder, ".."), { recursive: true });
    try {
      mkdirSync(folder);
      return true;
    } catch (error) {
      if (codeOf(error) === "EEXIST") return false;
      throw error;
    }
  });
}

/** Writes a file atomically: other processes see all of it or nothing. */
export function publish(path: string, content: string): void {
  const draft = `${path}.${randomUUID()}`;
  try {
    roomFor(() => writeFileSync(draft, content));
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

const SPARE = join(HOME, "spare");
const SPARE_BYTES = 16 * 1024 ** 2;

/** Reserves disk space, so that commands that free space can still run when the disk is full. */
export function spareRoom(): void {
  try {
    writeFileSync(SPARE, Buffer.alloc(SPARE_BYTES), { flag: "wx" });
  } catch (error) {
    if (codeOf(error) === "ENOSPC") rmSync(SPARE, { force: true });
  }
}

/** Runs a write of the runner. If the disk is full, frees the reserved space and retries. */
export function roomFor<T>(write: () => T): T {
  try {
    return write();
  } catch (error) {
    if (codeOf(error) !== "ENOSPC") throw error;
    rmSync(SPARE, { force: true });
    return write();
  }
}

/** Returns the text of a file; undefined if it does not exist. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Returns the name of the container. With `make`, creates one if there is none. */
export function machineName({ make }: { make: boolean }): string | undefined {
  const path = join(HOME, "machine");
  mkdirSync(HOME, { recursive: true });
  if (make) {
    try {
      writeFileSync(path, randomUUID(), { flag: "wx" });
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
  }
  return textOf(path);
}

/** Returns the number of the process with an identity; undefined if it has ended. */
export function livingPid(identity: string | undefined): number | undefined {
  const pid = Number(identity?.split(" ")[0]);
  return identity !== undefined && readProcess(pid)?.identity === identity ? pid : undefined;
}

/** Records this process as the supervisor of a folder. */
export function signOn(folder: string): void {
  publish(join(folder, "supervisor"), readProcess(process.pid)?.identity ?? "");
}

/** Maximum wait of a save for running operations, in ms. */
const BUSY_MS = 150_000;
const SAVING = join(HOME, "saving");
const CHANGING = join(HOME, "changing");
const BUSY = join(HOME, "busy");
const WAITING = join(HOME, "waiting");
/** The folder that records what a restore has done, until another operation changes files. */
export const RESTORE = join(HOME, "restore");

/**
 * Runs an operation that changes files. Waits until no save of the workspace runs; stops waiting if `givenUp`
 * aborts.
 */
export async function whileNotSaving<T>(act: () => Promise<T>, givenUp?: AbortSignal): Promise<T> {
  for (const folder of [BUSY, WAITING]) roomFor(() => mkdirSync(folder, { recursive: true }));
  const name = randomUUID();
  const sign = join(BUSY, name);
  const wish = join(WAITING, name);
  // Both sides first publish their own file and then check the other's, so at least one of the two sees the
  // other.
  for (;;) {
    publish(sign, readProcess(process.pid)?.identity ?? "");
    if (givenUp?.aborted || !isSaving()) break;
    if (!existsSync(wish)) publish(wish, readProcess(process.pid)?.identity ?? "");
    rmSync(sign, { force: true });
    await pause(20);
  }
  rmSync(wish, { force: true });
  rmSync(RESTORE, { recursive: true, force: true });
  try {
    return await act();
  } finally {
    rmSync(sign, { force: true });
  }
}

/** Thrown by a save that gives up for another operation. */
export class GaveWay extends Error {}

/**
 * Runs a save, or a restore, while no other operation changes files. `act` must call its argument from time to time: it
 * throws `GaveWay` if the save must give up.
 */
export async function whileSaving<T>(
  mode: SaveMode,
  act: (checkWay: () => void) => Promise<T>,
): Promise<T> {
  const yields = mode === "yield";
  await take(SAVING, () => {
    if (yields) throw new GaveWay();
  });
  const checkWay = () => {
    if (yields && (hasLiving(BUSY) || hasLiving(WAITING))) throw new GaveWay();
  };
  try {
    checkWay();
    const until = Date.now() + BUSY_MS;
    while (mode === "all" && hasLiving(BUSY)) {
      // Others wait for this save meanwhile.
      if (Date.now() > until) throw new Error("a command does not end");
      await pause(20);
    }
    return await act(checkWay);
  } finally {
    rmSync(SAVING, { force: true });
  }
}

const isSaving = (): boolean => isTaken(SAVING);

/** Runs a change of a file, which decides by what is there, while no other process makes one. */
export async function alone<T>(act: () => T): Promise<T> {
  await take(CHANGING);
  try {
    return act();
  } finally {
    rmSync(CHANGING, { force: true });
  }
}

/** Takes a lock, which is a file. Waits for the process that has it, and calls `onTaken` meanwhile. */
async function take(lock: string, onTaken: () => void = () => {}): Promise<void> {
  const draft = `${lock}.${randomUUID()}`;
  for (;;) {
    roomFor(() => writeFileSync(draft, readProcess(process.pid)?.identity ?? ""));
    try {
      // A hard link creates the file with its content in one step, so that no process mistakes it for the file
      // of a dead process.
      linkSync(draft, lock);
      return;
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
      if (!isTaken(lock)) rmSync(lock, { force: true });
      else onTaken();
      await pause(20);
    } finally {
      rmSync(draft, { force: true });
    }
  }
}

const isTaken = (lock: string): boolean =>
  existsSync(lock) && livingPid(textOf(lock)) !== undefined;

/** Returns whether a process that published its file in a folder is alive. */
function hasLiving(folder: string): boolean {
  if (!existsSync(folder)) return false;
  return readdirSync(folder).some((name) => livingPid(textOf(join(folder, name))) !== undefined);
}

/** Waits `ms` milliseconds, or until the signal aborts. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    });
  });

/** Returns the code of a system error. */
export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error ? String(error.code) : undefined;
