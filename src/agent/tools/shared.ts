import { resolveFrom } from "../../sandbox/paths";
import type { ToolContext, ToolResult } from "../tool";
import { failed } from "./result";

/**
 * Changes a file that other agents may change too, under its lock and only if the agent has seen its current
 * content. `change` gets the content, and returns the new one or why there is none.
 */
export async function changeShared(
  file: string,
  context: Pick<ToolContext, "cwd" | "sandbox" | "files" | "interrupted">,
  change: (
    path: string,
    before: Uint8Array | null,
  ) => { bytes: Uint8Array; result: ToolResult } | { bytes?: undefined; result: ToolResult },
): Promise<ToolResult> {
  const { sandbox, files, interrupted } = context;
  const path = resolveFrom(context.cwd, file);
  const act = async (): Promise<ToolResult> => {
    const before = await sandbox.readFile(path);
    const { bytes, result } = change(path, before);
    if (bytes === undefined) return result;
    if (before && files) {
      // An interrupted call may have made its change already.
      const made = interrupted && sameBytes(before, bytes);
      if (!made && !(await files.isCurrent(path, before))) return failed(unseen(path));
    }
    await sandbox.writeFile(path, bytes);
    await files?.record(path, bytes);
    return result;
  };
  return files ? files.lock(path, act) : act();
}

const unseen = (path: string): string =>
  `${path} was not changed: you have not read it, or it has changed since you did. Read it and try again.`;

const sameBytes = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index]);
