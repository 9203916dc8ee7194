import { parseArgs } from "node:util";
import { randomFrom } from "../soak/random.ts";
import { simulateDay } from "./day.ts";
import { liveLoad } from "./load.ts";
import { dayReport, keptReport, monthReport, unitReport } from "./report.ts";

// Simulates a day of deployments of several sizes, and prints what they use and cost, as tables for docs/scale.md.

const { values: options } = parseArgs({ options: { seed: { type: "string", default: "1" } } });

const LOADS: [sessions: number, databases: number][] = [
  [10_000, 1],
  [1_000_000, 1],
  [1_000_000, 4],
];

for (const [sessions, databases] of LOADS) {
  const load = liveLoad(sessions, databases);
  const day = simulateDay(load, randomFrom(Number(options.seed)));
  const of = databases === 1 ? "one database" : `${databases} databases`;
  console.log(`## ${sessions.toLocaleString("en")} live sessions, ${of}\n`);
  console.log(`${dayReport(day)}\n`);
  if (databases === 1) console.log(`${monthReport(day)}\n`);
}
console.log(`## What one costs\n\n${unitReport(liveLoad(1_000_000, 1))}\n`);
console.log(`## Kept sessions\n\n${keptReport(liveLoad(1_000_000, 1))}`);
