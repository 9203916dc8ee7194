import { readdirSync } from "node:fs";
import { environmentOf, type Process, readProcess } from "./processes.ts";
import { pause } from "./state.ts";

// Finds and ends the processes of a command or program, including those that left their group, changed their
// environment or lost their parent.

/** The environment variable that marks the processes of a command or program with its folder, which is unique. */
export const MARK = "RIGGER_CALL";

const POLITE_MS = 500;
const FIRM_MS = 3_000;

/**
 * Ends the processes of a command or program: first with SIGTERM, then with SIGKILL. They are the descendants of its
 * supervisor, by default this process, which adopts those that lose their parent. In case the supervisor has died, they
 * are also all processes with the mark of its folder, and their descendants. Spares processes for which `isMeant`
 * returns false.
 */
export async function killTree(
  folder: string,
  supervisor: number = process.pid,
  isMeant: (process: Process) => boolean = () => true,
): Promise<void> {
  const stop = Date.now() + POLITE_MS + FIRM_MS;
  const firmAt = Date.now() + POLITE_MS;
  const known = new Set<string>();
  for (let at = Date.now(); at < stop; at = Date.now()) {
    const tree = treeOf(folder, supervisor, known).filter(isMeant);
    if (tree.length === 0) return;
    for (const { pid } of tree) signal(pid, at < firmAt ? "SIGTERM" : "SIGKILL");
    await pause(25);
  }
}

/** Returns the processes of a command or program, and adds them to those that are known to be of it. */
function treeOf(folder: string, supervisor: number, known: Set<string>): Process[] {
  const entry = `${MARK}=${folder}`;
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? [])
    .filter(({ pid }) => pid !== supervisor && pid !== process.pid);
  const found = new Set([supervisor]);
  for (const { pid, identity } of processes) {
    // A known one may have lost its ancestors to the first signals.
    if (known.has(identity) || environmentOf(pid).includes(entry)) found.add(pid);
  }
  for (let before = -1; before < found.size; ) {
    before = found.size;
    for (const { pid, parent } of processes) if (found.has(parent)) found.add(pid);
  }
  const tree = processes.filter(({ pid }) => found.has(pid));
  for (const { identity } of tree) known.add(identity);
  return tree;
}

function signal(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended, or belongs to another user.
  }
}
