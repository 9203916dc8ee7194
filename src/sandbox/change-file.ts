import { applyChange, UNSEEN } from "../container/change-file";
import { sha256, toBase64 } from "../shared/bytes";
import {
  type Change,
  type Changed,
  type ChangeOptions,
  type Sandbox,
  SandboxError,
} from "./sandbox";

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
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const before = await sandbox.readFile(path);
    const after = applyChange(before, change);
    if ("unchanged" in after) return after;
    const hash = before && (await hashOf(before));
    if (hash !== null && seen && !seen.includes(hash)) return { unchanged: UNSEEN };
    const isWritten = sandbox.replaceFile
      ? await sandbox.replaceFile(path, after.bytes, hash)
      : await sandbox.writeFile(path, after.bytes).then(() => true);
    if (isWritten) return { hash: await hashOf(after.bytes), edited: after.edited };
  }
  throw new SandboxError(`${path} is changed all the time`, { transient: true });
}

/** How often a file is read again because somebody else has changed it. */
const MAX_TRIES = 10;

/** Returns the SHA-256 of a file's content, in base64. */
export const hashOf = async (bytes: Uint8Array): Promise<string> => toBase64(await sha256(bytes));
