import { sampleOf } from "../bench/measure.ts";
import type { Target } from "./target.ts";

/** Prints the current activity. */
export const progress = (what: string): void => console.error(`… ${what}`);

/** Summarises the servers: restarts, the latency of `/health`, and memory. */
export function summaryOf(targets: readonly Target[]): string {
  const health = targets.flatMap(({ healthMs }) => healthMs);
  const { p50, p95 = Number.NaN } = sampleOf(health);
  const most = Math.max(...health);
  const megabytes = Math.max(...targets.map((target) => target.megabytes));
  return [
    `${targets.length - 1} restarts`,
    `health after ${p50.toFixed(0)} ms (p95 ${p95.toFixed(0)}, at most ${most.toFixed(0)})`,
    `at most ${megabytes.toFixed(0)} MB`,
  ].join(", ");
}
