import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { HOME, publish } from "./state.ts";

/** Age at which the result of a command or change is removed, in ms. The session reads it within seconds, or after an outage. */
const RESULT_MS = 24 * 3_600_000;
/** Minimum time between two removals of old results, in ms. */
const PRUNE_MS = 3_600_000;

/**
 * Removes the folders of commands and changes that ended more than `RESULT_MS` before `now`, and uploads of that age. Does nothing if that was
 * done less than `PRUNE_MS` ago: the folders of a day may be many.
 */
export function pruneResults(now: number): void {
  const pruned = join(HOME, "pruned");
  if (now - (changedAt(pruned) ?? 0) < PRUNE_MS) return;
  publish(pruned, "");
  for (const file of filesIn(join(HOME, "inbox"))) {
    if (now - (changedAt(file) ?? now) > RESULT_MS) rmSync(file, { recursive: true, force: true });
  }
  const parents = ["commands", "changes"].map((kind) => join(HOME, kind));
  for (const folder of parents.flatMap(filesIn)) {
    const endedAt = changedAt(join(folder, "result"));
    if (endedAt !== undefined && now - endedAt > RESULT_MS) {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

const filesIn = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];

/** Returns when a file was last changed, in ms since 1970; undefined if it does not exist. */
export const changedAt = (path: string): number | undefined =>
  statSync(path, { throwIfNoEntry: false })?.mtimeMs;
