import { applyChange, UNSEEN } from "../container/change-file";
import { sha256, toBase64 } from "../shared/bytes";
import type { Change, Changed, ChangeOptions, Sandbox } from "./sandbox";

export { decodeText, excerptOf, withLineEndsOf } from "../container/change-file";

/** Changes a file of a sandbox: see `changeFile` of `Sandbox`. Reads and writes it if the sandbox has no such step. */
export async function changeFile(
  sandbox: Sandbox,
  path: string,
  change: Change,
  options: ChangeOptions,
): Promise<Changed> {
  const { seen } = options;
  const changed = await sandbox.changeFile?.(path, change, options);
  if (changed) return changed;
  const before = await sandbox.readFile(path);
  const after = applyChange(before, change);
  if ("unchanged" in after) return after;
  if (before && seen && !seen.includes(await hashOf(before))) return { unchanged: UNSEEN };
  await sandbox.writeFile(path, after.bytes);
  return { hash: await hashOf(after.bytes), edited: after.edited };
}

/** Returns the SHA-256 of a file's content, in base64. */
export const hashOf = async (bytes: Uint8Array): Promise<string> => toBase64(await sha256(bytes));
