import { existsSync, readdirSync, readFileSync } from "node:fs";

/** The resources that a server has used so far: the Worker's own process, and the processes of wrangler around it. */
export interface Usage {
  workerCpuMs: number;
  otherCpuMs: number;
  workerMegabytes: number;
  otherMegabytes: number;
}

interface Process {
  pid: number;
  parent: number;
  cpuMs: number;
  megabytes: number;
}

/** Linux counts CPU time in hundredths of a second, and memory in pages of 4 KiB. */
const TICK_MS = 10;
const PAGE_BYTES = 4096;

/** Returns the usage of a process and its descendants; null without /proc. */
export function usageOf(root: number, port: number): Usage | null {
  if (!existsSync("/proc/self/stat")) return null;
  const members = family(root);
  const worker = members.filter(({ pid }) => runsWorker(pid, port));
  const other = members.filter((member) => !worker.includes(member));
  return {
    workerCpuMs: sum(worker, "cpuMs"),
    otherCpuMs: sum(other, "cpuMs"),
    workerMegabytes: sum(worker, "megabytes"),
    otherMegabytes: sum(other, "megabytes"),
  };
}

function family(root: number): Process[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)));
  const members = all.filter(({ pid }) => pid === root);
  for (const member of members) members.push(...all.filter(({ parent }) => parent === member.pid));
  return members;
}

function readProcess(pid: number): Process[] {
  const stat = read(`/proc/${pid}/stat`);
  // The second field is the name in parentheses, which may contain any character.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields.length < 22) return [];
  const field = (number: number) => Number(fields[number - 3]);
  return [
    {
      pid,
      parent: field(4),
      cpuMs: (field(14) + field(15)) * TICK_MS,
      megabytes: (field(24) * PAGE_BYTES) / 2 ** 20,
    },
  ];
}

/**
 * Returns whether a process is the Worker's workerd. Wrangler runs another one on the server's port, which
 * forwards requests.
 */
function runsWorker(pid: number, port: number): boolean {
  const [program = "", ...options] = read(`/proc/${pid}/cmdline`).split("\0");
  return program.endsWith("/workerd") && !options.some((option) => option.endsWith(`:${port}`));
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // The process has ended.
    return "";
  }
}

const sum = (processes: Process[], what: "cpuMs" | "megabytes"): number =>
  processes.reduce((total, process) => total + process[what], 0);
