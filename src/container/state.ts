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
import { RUNNER_HOME } from "./protocol.ts";

// What the runner writes down. Each of its processes may be killed at any point, and others look at the same files.

/** The runner's own folder. */
export const HOME = process.env.RIGGER_HOME ?? RUNNER_HOME;

/** Something that was asked for cannot be done, and could not be done again. */
export class Refusal extends Error {}

/** Returns the folder of a command or program. Its name has no letter that a path or a shell could take amiss. */
export const folderOf = (kind: "commands" | "programs", id: string): string =>
  join(HOME, kind, createHash("sha256").update(id).digest("hex").slice(0, 32));

/** Makes a folder that was not there, below others that may not be there; false where it was. */
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

/** Writes a file so that others find all of it or none. */
export function publish(path: string, content: string): void {
  const draft = `${path}.${randomUUID()}`;
  roomFor(() => writeFileSync(draft, content));
  renameSync(draft, path);
}

const SPARE = join(HOME, "spare");
const SPARE_BYTES = 16 * 1024 ** 2;

/** Sets room aside, so that where the disk is full commands can still be run that make some. */
export function spareRoom(): void {
  try {
    writeFileSync(SPARE, Buffer.alloc(SPARE_BYTES), { flag: "wx" });
  } catch (error) {
    if (codeOf(error) === "ENOSPC") rmSync(SPARE, { force: true });
  }
}

/** Writes something of ours, where there is no room in what was set aside. */
export function roomFor<T>(write: () => T): T {
  try {
    return write();
  } catch (error) {
    if (codeOf(error) !== "ENOSPC") throw error;
    rmSync(SPARE, { force: true });
    return write();
  }
}

/** Returns the text of a file, or undefined where there is none. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Returns the machine's name; with `make`, one that has none is given one. */
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

/** Returns what tells a process from a later one with the same number. */
function identityOf(pid: number): string | undefined {
  const stat = textOf(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name in the second field may hold anything, so count from behind its parenthesis.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? undefined : `${pid} ${fields[19]}`;
}

/** Returns the number of the process of an identity, while it lives. */
export function livingPid(identity: string | undefined): number | undefined {
  const pid = Number(identity?.split(" ")[0]);
  return identity !== undefined && identityOf(pid) === identity ? pid : undefined;
}

/** Says in a folder that this process is the one that looks after it. */
export function signOn(folder: string): void {
  publish(join(folder, "supervisor"), identityOf(process.pid) ?? "");
}

const SAVING = join(HOME, "saving");
const BUSY = join(HOME, "busy");

/** Does something that changes files, never while the workspace is being saved; at once where that is given up. */
export async function whileNotSaving<T>(act: () => Promise<T>, givenUp?: AbortSignal): Promise<T> {
  roomFor(() => mkdirSync(BUSY, { recursive: true }));
  const sign = join(BUSY, randomUUID());
  // Whoever saves looks at the signs after putting up its own, so that one of the two always sees the other.
  for (;;) {
    publish(sign, identityOf(process.pid) ?? "");
    if (givenUp?.aborted || !isSaving()) break;
    rmSync(sign, { force: true });
    await pause(20);
  }
  try {
    return await act();
  } finally {
    rmSync(sign, { force: true });
  }
}

/** Does something while nobody changes files: what is under way is waited for. */
export async function whileSaving<T>(act: () => Promise<T>): Promise<T> {
  const draft = `${SAVING}.${randomUUID()}`;
  for (;;) {
    roomFor(() => writeFileSync(draft, identityOf(process.pid) ?? ""));
    try {
      // A link, so that nobody finds the sign without its name, and takes it for one that was left behind.
      linkSync(draft, SAVING);
      break;
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
      if (!isSaving()) rmSync(SAVING, { force: true });
      await pause(20);
    } finally {
      rmSync(draft, { force: true });
    }
  }
  try {
    while (isBusy()) await pause(20);
    return await act();
  } finally {
    rmSync(SAVING, { force: true });
  }
}

const isSaving = (): boolean => existsSync(SAVING) && livingPid(textOf(SAVING)) !== undefined;

function isBusy(): boolean {
  if (!existsSync(BUSY)) return false;
  return readdirSync(BUSY).some((name) => livingPid(textOf(join(BUSY, name))) !== undefined);
}

/** Waits. */
export const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Returns the code of an error of the system. */
export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error ? String(error.code) : undefined;
