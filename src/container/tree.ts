import { readdirSync } from "node:fs";
import { pause, textOf } from "./state.ts";

// Finds and ends process trees, including processes that left their group or were orphaned.

/** The environment variable that marks every process of a command or program with its folder, which is unique. */
export const MARK = "RIGGER_CALL";

const POLITE_MS = 500;
const FIRM_MS = 3_000;

/**
 * Ends all processes with a mark, a process with its group, and all their descendants: first with SIGTERM, then
 * with SIGKILL.
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

/** Returns the result of an action; undefined if it fails, because the process has ended or belongs to another user. */
function quietly<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
