import { readFileSync } from "node:fs";

// Processes, as `/proc` shows them.

/** A process. */
export interface Process {
  pid: number;
  parent: number;
  /** Its number and start, which distinguish it from a later process with the same number. */
  identity: string;
}

/** Returns the process with a number; undefined if there is none, or if it has ended and waits to be reaped. */
export function readProcess(pid: number): Process | undefined {
  const stat = fileOf(pid, "stat");
  // The name in the second field may contain any character, so the fields are counted from its closing parenthesis.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (stat === "" || fields[0] === "Z") return undefined;
  return { pid, parent: Number(fields[1]), identity: `${pid} ${fields[19]}` };
}

/** Returns the environment of a process, as `NAME=value`; empty if it has ended or belongs to another user. */
export const environmentOf = (pid: number): string[] => fileOf(pid, "environ").split("\0");

function fileOf(pid: number, name: "stat" | "environ"): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return "";
  }
}
