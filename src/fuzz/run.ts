import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { stop, stopAll } from "../bench/servers.ts";
import { randomFrom } from "../soak/random.ts";
import { Fault } from "./client.ts";
import { measure } from "./measure.ts";
import type { Part } from "./part.ts";
import { files } from "./parts/files.ts";
import { requests } from "./parts/requests.ts";
import { rules } from "./parts/rules.ts";
import { schemas } from "./parts/schemas.ts";
import { shell } from "./parts/shell.ts";
import { upstream } from "./parts/upstream.ts";
import { progress, summaryOf } from "./report.ts";
import { HANG_MS, open, reopen, type Target } from "./target.ts";

// Sends random hostile input to its own server and checks from outside that the server keeps its rules. The
// seed determines every input. A server that crashes or hangs is a finding and is restarted.

const PARTS: readonly Part[] = [shell, rules, requests, files, schemas, upstream] as Part[];

const { values: options } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
    minutes: { type: "string", default: "5" },
    only: { type: "string", default: PARTS.map(({ name }) => name).join(",") },
    /** Runs only this case of one part. */
    case: { type: "string" },
    /** Only measures how hostile commands affect other sessions. */
    measure: { type: "boolean", default: false },
  },
});
const SEED = Number(options.seed);
const MAX_SHOWN_CHARS = 3_000;

let findings = 0;
/** From here on, stopped servers are not findings. */
let isLeaving = false;

async function main(): Promise<void> {
  if (options.measure) return measure(randomFrom(SEED));
  const names = options.only.split(",");
  const unknown = names.find((name) => !PARTS.some((part) => part.name === name));
  if (unknown !== undefined) throw new Error(`there is no part "${unknown}"`);
  const parts = PARTS.filter(({ name }) => names.includes(name));
  const eachMs = (Number(options.minutes) * 60_000) / parts.length;
  for (const part of parts) await fuzz(part, eachMs);
}

/** Runs cases of one part for a time, on as many servers as needed. */
async function fuzz(part: Part, durationMs: number): Promise<void> {
  const vars = await part.vars();
  const only = options.case === undefined ? undefined : Number(options.case);
  const run = { part, next: only ?? 0, last: only ?? Number.POSITIVE_INFINITY, endsAt: 0, done: 0 };
  let target = await open(vars);
  await part.begin?.(target);
  run.endsAt = Date.now() + durationMs;
  progress(`${part.name}: cases for ${Math.round(durationMs / 1_000)} s`);
  const all: Target[] = [target];
  while (run.next <= run.last && Date.now() < run.endsAt) {
    const running = new Map<number, unknown>();
    await Promise.all(Array.from({ length: part.atOnce }, () => work(run, target, running)));
    if (!target.lost.aborted) break;
    for (const [number, input] of running) {
      report(part, number, input, `the server does not answer for ${HANG_MS} ms`);
    }
    const again = await reopen(target, vars);
    if (!again) report(part, run.next - 1, undefined, "after a restart it does not answer either");
    target = again ?? (await open(vars));
    all.push(target);
    await part.begin?.(target);
  }
  target.leave();
  await stop(target.server);
  part.end?.();
  console.log(`${part.name}: ${run.done} cases, ${summaryOf(all)}`);
}

interface Run {
  part: Part;
  /** The numbers of the next and the last case. */
  next: number;
  last: number;
  /** In ms since 1970. */
  endsAt: number;
  done: number;
}

/** Runs one case after the other until there are no more, or the server is lost. Unfinished cases stay in `running`. */
async function work(run: Run, target: Target, running: Map<number, unknown>): Promise<void> {
  const { part } = run;
  while (run.next <= run.last && Date.now() < run.endsAt && !target.lost.aborted) {
    const number = run.next++;
    const input = part.make(randomFrom(SEED * 1_000_003 + number));
    running.set(number, input);
    const faults = await faultsOf(part, target, input);
    if (target.lost.aborted) return;
    running.delete(number);
    run.done++;
    for (const fault of faults) report(part, number, input, fault);
  }
}

async function faultsOf(part: Part, target: Target, input: unknown): Promise<string[]> {
  const over = new AbortController();
  const limit = sleep(part.limitMs, undefined, { signal: over.signal }).then(
    () => [`it did not end within ${part.limitMs} ms`],
    () => [],
  );
  const gone = new Promise<string[]>((resolve) => {
    target.lost.addEventListener("abort", () => resolve([]), { once: true });
  });
  try {
    return await Promise.race([part.run(target, input), limit, gone]);
  } catch (error) {
    if (error instanceof Fault) return [error.message];
    // A broken connection is noticed a moment before the server is found dead.
    await Promise.race([sleep(HANG_MS), gone]);
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return [`it broke off: ${cause}`];
  } finally {
    over.abort();
  }
}

function report(part: Part, number: number, input: unknown, what: string): void {
  if (isLeaving) return;
  findings++;
  const again = `npm run fuzz -- --seed ${SEED} --only ${part.name} --case ${number}`;
  const shown = JSON.stringify(input)?.slice(0, MAX_SHOWN_CHARS) ?? "";
  console.error(`FINDING ${part.name} ${number}: ${what.slice(0, MAX_SHOWN_CHARS)}`);
  console.error(`  ${again}\n  ${shown}`);
}

async function leave(code: number): Promise<never> {
  isLeaving = true;
  await stopAll();
  process.exit(code);
}

process.once("SIGINT", () => leave(130));
process.once("SIGTERM", () => leave(143));

try {
  console.log(`seed ${SEED}`);
  await main();
  if (!options.measure)
    console.log(`\nFindings: ${findings}. Again: npm run fuzz -- --seed ${SEED}`);
  await leave(findings === 0 ? 0 : 1);
} catch (error) {
  console.error(error, `seed ${SEED}`);
  await leave(1);
}
