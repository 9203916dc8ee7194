import { createHash } from "node:crypto";
import { join } from "node:path";
import { applyChange, UNSEEN } from "./change-file.ts";
import { isSupervised, signedOn } from "./commands.ts";
import { bytesOf, put } from "./files.ts";
import type { Change, ChangeAsk, Changed } from "./protocol.ts";
import {
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
export async function change(ask: ChangeAsk): Promise<Changed> {
  const folder = folderOf("changes", ask.id);
  if (!claim(folder)) return resultOf(folder);
  signOn(folder);
  const result = await whileNotSaving(async () => attempt(ask));
  publish(join(folder, "result"), JSON.stringify(result));
  if ("refused" in result) throw new Refusal(result.refused);
  return result;
}

type Stored = Changed | { refused: string };

function attempt(ask: ChangeAsk): Stored {
  try {
    return make(ask);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { refused: error.message };
  }
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
async function resultOf(folder: string): Promise<Changed> {
  await signedOn(folder);
  for (;;) {
    const supervised = isSupervised(folder);
    const text = textOf(join(folder, "result"));
    if (text !== undefined) {
      const result: Stored = JSON.parse(text);
      if ("refused" in result) throw new Refusal(result.refused);
      return result;
    }
    if (!supervised) throw new Refusal("the change was interrupted, its effect is unknown");
    await pause(POLL_MS);
  }
}

const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("base64");
