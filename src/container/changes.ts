import { createHash } from "node:crypto";
import { join } from "node:path";
import { applyChange, UNSEEN } from "./change-file.ts";
import { isSupervised, signedOn } from "./commands.ts";
import { bytesOf, put } from "./files.ts";
import type { Change, ChangeAsk, Changed } from "./protocol.ts";
import {
  alone,
  claim,
  folderOf,
  pause,
  publish,
  Refusal,
  signOn,
  textOf,
  whileNotSaving,
} from "./state.ts";

// Changes of files in one step. An edit can't be repeated: the first process for an id makes it, and a later one returns
// the stored result.

const POLL_MS = 25;

/** Changes a file if its content is one that the caller has seen. A repeat returns the result of the first. */
export const change = (ask: ChangeAsk): Promise<Changed> =>
  once(ask.id, () => whileNotSaving(() => alone(() => make(ask))));

/** Makes a change, unless its id was used before: then waits for the result of that change and returns it. */
export async function once<T extends object>(id: string, make: () => Promise<T>): Promise<T> {
  const folder = folderOf("changes", id);
  if (!claim(folder)) return resultOf(folder);
  signOn(folder);
  const result = await attempt(make);
  publish(join(folder, "result"), JSON.stringify(result));
  return returned(result);
}

type Stored<T> = T | { refused: string };

async function attempt<T>(make: () => Promise<T>): Promise<Stored<T>> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { refused: error.message };
  }
}

function returned<T extends object>(result: Stored<T>): T {
  if ("refused" in result) throw new Refusal(String(result.refused));
  return result;
}

function make({ path, change, seen }: ChangeAsk): Changed {
  const before = bytesOf(path) ?? null;
  const after = applyChange(before, decoded(change));
  if ("unchanged" in after) return after;
  if (before && seen && !seen.includes(hashOf(before))) return { unchanged: UNSEEN };
  put(path, after.bytes);
  return { hash: hashOf(after.bytes), edited: after.edited };
}

const decoded = (change: ChangeAsk["change"]): Change =>
  "edit" in change ? change : { content: Buffer.from(change.content, "base64") };

/** Waits for the result of the process that makes a change. */
async function resultOf<T extends object>(folder: string): Promise<T> {
  await signedOn(folder);
  for (;;) {
    const supervised = isSupervised(folder);
    const text = textOf(join(folder, "result"));
    if (text !== undefined) return returned<T>(JSON.parse(text));
    if (!supervised) throw new Refusal("the change was interrupted, its effect is unknown");
    await pause(POLL_MS);
  }
}

const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("base64");
