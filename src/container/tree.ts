import { readdirSync } from "node:fs";
import { pause, textOf } from "./state.ts";

// Processes and all they started, also what left its group or was orphaned.

/** The variable that marks every process of a command or program: with its folder, which no other one has. */
export const MARK = "RIGGER_CALL";

const POLITE_MS = 500;
const FIRM_MS = 3_000;

/**
 * HeadTailBuffer all that carries a mark, all it started, and a process with its group and all it started; first
 * politely, then at once.
 */
export async function killTree(mark: string, root?: number): Promise<void> {
  const stop = Date.now() + POLITE_MS + FIRM_MS;
  const firmAt = Date.now() + POLITE_MS;
  for (let at = Date.now(); at < stop; at = Date.now()) {
    const tree = treeOf(mark, root);
    if (tree.length === 0) return;
    for (const pid of tree) signal(pid, at < firmAt ? "SIGTERM" : "SIGKILL");
    await pause(25);
  }
}

function treeOf(mark: string, root: number | undefined): number[] {
  const entry = `${MARK}=${mark}`;
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((name) => ({ pid: Number(name), ...lineageOf(name) }))
    .filter(({ state }) => state !== undefined && state !== "Z");
  const isOwn = ({ pid, group }: { pid: number; group: number }) =>
    pid === root || group === root || environmentOf(pid).includes(entry);
  const found = new Set(processes.filter(isOwn).map(({ pid }) => pid));
  for (let before = -1; before < found.size; ) {
    before = found.size;
    for (const { pid, parent } of processes) if (found.has(parent)) found.add(pid);
  }
  return [...found];
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

/** Returns the outcome of something that fails where a process is gone by now, or is not ours. */
function quietly<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
