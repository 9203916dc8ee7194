import { randomUUID } from "node:crypto";
import {
  appendFileSync,
  type BigIntStats,
  chmodSync,
  copyFileSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { once } from "./changes.ts";
import {
  type Condition,
  etagOf,
  type FileRefusal,
  type FileWritten,
  holdsFor,
  isRefusal,
  refusals,
} from "./file-facts.ts";
import {
  entryOf,
  microsecondsOf,
  nameOfKind,
  type Place,
  withOpened,
  withPlace,
} from "./inside.ts";
import type { PutAsk, RemoveAsk } from "./protocol.ts";
import { alone, codeOf, HOME, Refusal, whileNotSaving } from "./state.ts";

// Writes and removes files of the workspace for callers. A file is assembled in the runner's folder and takes its place in
// one step, so that other processes see the old content or the new one, and an interrupted request leaves nothing.

/** Where files are assembled, and where what is removed is put first. */
const INBOX = "inbox";

/** Replaces a file, or makes it with its directories, if its condition holds. A repeated id returns the first result. */
export function putFile(ask: PutAsk): Promise<FileWritten | FileRefusal> {
  const { workspace, path, content, condition } = ask;
  return once(ask.id, async () => {
    const draft = join(HOME, INBOX, `draft-${randomUUID()}`);
    try {
      await assemble(draft, content);
      return await whileNotSaving(() => alone(() => place(draft, { workspace, path, condition })));
    } catch (error) {
      if (codeOf(error) !== "ENOSPC") throw error;
      return NO_ROOM;
    } finally {
      rmSync(draft, { force: true });
      if ("files" in content) dropFiles(content.files);
    }
  });
}

/** Removes files that were uploaded for a request that is not made. */
export function dropFiles(files: readonly string[]): true {
  for (const file of files) rmSync(uploaded(file), { force: true });
  return true;
}

/** Removes a file, a link, or with `recursive` a directory with all below it, in one step if its condition holds. */
export function remove(ask: RemoveAsk): Promise<{ type: string } | FileRefusal> {
  const { workspace, path, recursive, condition } = ask;
  return once(ask.id, async () => {
    const trash = join(HOME, INBOX, `trash-${randomUUID()}`);
    const removed = await whileNotSaving(() =>
      alone(() =>
        withPlace<{ type: string } | FileRefusal>(
          workspace,
          path,
          ({ directory, name, before }) => {
            if (!before) return refusals.notFound(path);
            if (before.isDirectory() && !recursive) return refusals.notAFile(path, "a directory");
            if (!holdsFor(condition, etagAt(workspace, path)))
              return refusals.preconditionFailed(path);
            const place = `${directory}/${name}`;
            const moved = orElse("EXDEV", () => renameSync(place, trash));
            // The workspace is on another disk.
            if (!moved) rmSync(place, { recursive: true, force: true });
            return { type: entryOf(path, before).type };
          },
        ),
      ),
    );
    rmSync(trash, { recursive: true, force: true });
    return removed;
  });
}

const NO_ROOM: FileRefusal = {
  problem: "too_large",
  message: "The disk of the session has no room for it.",
};

/** Writes the content of a request to a file. */
async function assemble(draft: string, content: PutAsk["content"]): Promise<void> {
  mkdirSync(join(HOME, INBOX), { recursive: true });
  if ("base64" in content) return writeFileSync(draft, Buffer.from(content.base64, "base64"));
  for (const file of content.files) {
    appendFileSync(draft, readFileSync(uploaded(file)));
    rmSync(uploaded(file));
    // The heartbeat is sent meanwhile.
    await new Promise(setImmediate);
  }
}

function uploaded(file: string): string {
  if (!/^inbox\/[\w.-]+$/.test(file)) throw new Refusal("that is no upload");
  return join(HOME, file);
}

/** How often a program may change the directories of a path under a request, besides those that are made. */
const MAX_CHANGES = 100;

/** Puts a draft into its place. A link to a file is followed. */
function place(
  draft: string,
  { workspace, path, condition }: { workspace: string; path: string; condition: Condition },
): FileWritten | FileRefusal {
  const attempt = () =>
    withPlace<FileWritten | FileRefusal | typeof AGAIN>(workspace, path, (at) => {
      const { before } = at;
      if (before?.isSymbolicLink()) {
        const real = linkedFile(workspace, path);
        return typeof real === "string" ? place(draft, { workspace, path: real, condition }) : real;
      }
      if (before && !before.isFile()) return refusals.notAFile(path, nameOfKind(before));
      const etag = before ? etagOf(entryOf(path, before)) : null;
      if (!holdsFor(condition, etag)) return refusals.preconditionFailed(path);
      if (at.missing.length === 0) return put(draft, at);
      makeDirectory(at);
      return AGAIN;
    });
  // Each directory is opened after it was made: a program may have put a link in its place.
  for (let left = path.split("/").length + MAX_CHANGES; left > 0; left--) {
    const placed = attempt();
    if (placed !== AGAIN) return placed;
  }
  return refusals.notAFile(path, "below directories that change all the time");
}

const AGAIN = Symbol();

/** Makes the first of the missing directories of a place, unless a program has. */
function makeDirectory({ directory, missing: [name = ""] }: Place): void {
  const made = `${directory}/${name}`;
  const isMade = orElse("EEXIST", () => mkdirSync(made));
  if (isMade) giveTo(statSync(directory, { bigint: true }), made);
}

/** Gives a new file or directory an owner. */
function giveTo(owner: Pick<BigIntStats, "uid" | "gid">, path: string): void {
  if (process.getuid?.() === 0) lchownSync(path, Number(owner.uid), Number(owner.gid));
}

/** Returns the path of the file that a link leads to. It has no links itself, unless they are made just now. */
function linkedFile(workspace: string, path: string): string | FileRefusal {
  const found = withOpened<{ real: string } | FileRefusal>(workspace, path, ({ real, stat }) =>
    stat.isFile() ? { real } : refusals.notAFile(path, nameOfKind(stat)),
  );
  if (!isRefusal(found)) return found.real === path ? refusals.notFound(path) : found.real;
  return found.problem === "not_found" ? refusals.notAFile(path, "a link to nowhere") : found;
}

function put(draft: string, { directory, name, before }: Place): FileWritten {
  const owner = before ?? statSync(directory, { bigint: true });
  giveTo(owner, draft);
  chmodSync(draft, before ? Number(before.mode) & 0o7777 : 0o644);
  setNewTime(draft, before && microsecondsOf(before.mtimeNs));
  const entry = entryOf("", statSync(draft, { bigint: true }));
  const place = `${directory}/${name}`;
  if (!orElse("EXDEV", () => renameSync(draft, place))) {
    copyInto(draft, place, directory, (path) => giveTo(owner, path));
  }
  return { etag: etagOf(entry), size: entry.size, created: before === undefined };
}

/** Sets the time of a draft to now, and after that of the file that it replaces: two contents have two ETags. */
function setNewTime(draft: string, before: number | undefined): void {
  const now = Math.max(Date.now() * 1_000, (before ?? 0) + 1);
  // In the middle of the microsecond, since a fraction is not exact.
  const seconds = (now + 0.5) / 1_000_000;
  utimesSync(draft, seconds, seconds);
}

/** Puts a draft into a place on another disk. */
function copyInto(
  draft: string,
  place: string,
  folder: string,
  giveAway: (path: string) => void,
): void {
  const beside = `${folder}/.${randomUUID()}`;
  try {
    copyFileSync(draft, beside);
    const { atime, mtime, mode } = statSync(draft);
    chmodSync(beside, mode & 0o7777);
    giveAway(beside);
    utimesSync(beside, atime, mtime);
    renameSync(beside, place);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}

/** Returns the ETag of what a path leads to; null if that is no file of the workspace. */
function etagAt(workspace: string, path: string): string | null {
  const found = withOpened<{ etag: string | null }>(workspace, path, ({ stat }) => ({
    etag: stat.isFile() ? etagOf(entryOf(path, stat)) : null,
  }));
  return isRefusal(found) ? null : found.etag;
}

/** Runs an action. Returns false if it fails with a code. */
function orElse(code: string, act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (codeOf(error) === code) return false;
    throw error;
  }
}
