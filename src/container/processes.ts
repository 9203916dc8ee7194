import { readFileSync, statSync } from "node:fs";

// Processes, as `/proc` shows them.

/** In `/proc`, a second has 100 ticks on every computer. */
const TICK_MS = 10;

/** A process. */
export interface Process {
  pid: number;
  parent: number;
  /** The session of processes that it belongs to. A process leaves its session with `setsid`. */
  session: number;
  /** When it was started, in ticks since the computer was. */
  startTicks: number;
  /** Its number and start, which distinguish it from a later process with the same number. */
  identity: string;
}

/** Returns the process with a number; undefined if there is none, or if it has ended and waits to be reaped. */
export function readProcess(pid: number): Process | undefined {
  const stat = fileOf(pid, "stat");
  // The name in the second field may contain any character, so the fields are counted from its closing parenthesis.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (stat === "" || fields[0] === "Z") return undefined;
  const [, parent = 0, , session = 0] = fields.map(Number);
  const startTicks = Number(fields[19]);
  return { pid, parent, session, startTicks, identity: `${pid} ${startTicks}` };
}

/**
 * Returns when a process was started, in ms since 1970, at most a fraction of a second too late. It is derived from the
 * start of this process: a container may be shown another time of the computer's start than its processes are.
 */
export function startedAt({ startTicks }: Process): number {
  const own = readProcess(process.pid)?.startTicks ?? 0;
  return performance.timeOrigin + (startTicks - own) * TICK_MS;
}

/** Returns the environment of a process, as `NAME=value`; empty if it has ended, or can't be read. */
export const environmentOf = (pid: number): string[] =>
  (fileOf(pid, "environ") || asOwnerOf(pid, () => fileOf(pid, "environ")) || "").split("\0");

/**
 * Calls `read` as the user of a process: the root user of a container has no right to read the environment of other
 * users' processes. Returns undefined if this process can't become that user.
 */
function asOwnerOf<T>(pid: number, read: () => T): T | undefined {
  const owner = statSync(`/proc/${pid}`, { throwIfNoEntry: false });
  const { getuid, getgid, seteuid, setegid } = process;
  if (!owner?.uid || !seteuid || !setegid || getuid?.() !== 0) return undefined;
  try {
    setegid(owner.gid);
    seteuid(owner.uid);
    return read();
  } finally {
    seteuid(0);
    setegid(getgid?.() ?? 0);
  }
}

function fileOf(pid: number, name: "stat" | "environ"): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return "";
  }
}
