import { changeFile } from "../../sandbox/change-file";
import type { Change, Changed } from "../../sandbox/sandbox";
import type { ToolContext } from "../tool";

/**
 * Changes a file that others may change too, under its lock and only if the agent has seen its current content.
 * `alsoSeen` is the hash of another content that it may have.
 */
export async function changeShared(
  path: string,
  change: Change,
  { sandbox, files, callId: id }: Pick<ToolContext, "sandbox" | "files" | "callId">,
  alsoSeen?: string,
): Promise<Changed> {
  if (!files || files.seen(path) === undefined) return changeFile(sandbox, path, change, { id });
  return files.lock(path, async () => {
    const seen = [files.seen(path), alsoSeen].filter((hash) => typeof hash === "string");
    const changed = await changeFile(sandbox, path, change, { id, seen });
    if ("hash" in changed) files.record(path, changed.hash);
    return changed;
  });
}
