import { readdirSync } from "node:fs";
import { pause, textOf } from "./state.ts";

// Processes and all they started, also what left its group or was orphaned.

/** The variable that marks every process of a command or program. */
export const MARK = "RIGGER_CALL";

const POLITE_MS = 500;
const FIRM_MS = 3_000;

/** Ends a process, all it started and all that carries the mark; first politely, then at once. */
export async function killTree(root: number, mark: string): Promise<void> {
  const stop = Date.now() + POLITE_MS + FIRM_MS;
  const firmAt = Date.now() + POLITE_MS;
  for (let at = Date.now(); at < stop; at = Date.now()) {
    const tree = treeOf(root, mark);
    if (tree.length === 0) return;
    for (const pid of tree) signal(pid, at < firmAt ? "SIGTERM" : "SIGKILL");
    await pause(25);
  }
}

function treeOf(root: number, mark: string): number[] {
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), ...lineageOf(name) }))
    .filter(({ state }) => state !== undefined && state !== "Z");
  const found = new Set([root]);
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const { pid, parent, group } of processes) {
      if (found.has(parent) || group === root) found.add(pid);
    }
  }
  const entry = `${MARK}=${mark}`;
  return processes
    .map(({ pid }) => pid)
    .filter((pid) => pid !== process.pid && (found.has(pid) || environmentOf(pid).includes(entry)));
}

function lineageOf(pid: string): { state?: string; parent: number; group: number } {
  const stat = quietly(() => textOf(`/proc/${pid}/stat`)) ?? "";
  const [state, parent, group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { ...(state && { state }), parent: Number(parent), group: Number(group) };
}

const environmentOf = (pid: number): string[] =>
  (quietly(() => textOf(`/proc/${pid}/environ`)) ?? "").split("\0");

function signal(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  quietly(() => process.kill(pid, name));
}

/** The outcome of something that fails where a process is gone by now, or is not ours. */
function quietly<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
