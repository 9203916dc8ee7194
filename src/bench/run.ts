import { parseArgs } from "node:util";
import { hangUp, send } from "./client.ts";
import {
  compareLatency,
  compareMessages,
  forBoth,
  type Load,
  mapped,
  type Pair,
  type Sample,
} from "./measure.ts";
import { withLongPast } from "./past.ts";
import { withManyRows } from "./rows.ts";
import { withSchedules } from "./schedules.ts";
import { newState, start, startRigger, stop, stopAll } from "./servers.ts";
import { type Crowd, compareFirstByte, crowd } from "./streams.ts";
import { type Aim, printTable, type Row, row } from "./table.ts";
import { floor, type Mode, type Prompt, rigger, type Target } from "./targets.ts";

// Measures Rigger against a minimal Worker that only forwards the model's streams, and prints how much slower
// Rigger is. The two take turns on one computer, so the ratios matter more than the absolute numbers.

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    /** Measures lists over so many rows, and nothing else. */
    rows: { type: "string" },
  },
});
const scaled = (count: number) => (options.quick ? Math.ceil(count / 4) : count);

const BOUND_MS = 10 * 60_000;
const AT_ONCE = 32;
const CROWD = 200;
/** Delay between deltas: twenty of them make a reply of two seconds. */
const PACE_MS = 100;

/** The parts of the benchmark, by the name for `--only`. Each returns the number of missed aims. */
const PARTS: Record<string, () => Promise<number>> = {
  floor: againstFloor,
  rows: () => withManyRows({ many: Number(options.rows ?? 100_000), each: scaled(8), progress }),
  past: () => withLongPast({ turns: scaled(1_000), progress }),
  schedules: () => withSchedules({ each: scaled(200), progress }),
};

async function main(): Promise<void> {
  const only = options.only ?? (options.rows === undefined ? undefined : "rows");
  const names = only === undefined ? Object.keys(PARTS) : [only];
  let missed = 0;
  for (const name of names) {
    const part = PARTS[name];
    if (!part) throw new Error(`--only takes one of ${Object.keys(PARTS).join(", ")}`);
    missed += await part();
  }
  console.log(missed === 0 ? "\nEvery aim was met." : `\nAims that were missed: ${missed}.`);
}

async function againstFloor(): Promise<number> {
  progress("starting");
  const model = await start({ config: "src/bench/workers/model.toml" });
  const vars = { MODEL_URL: model.url };
  const config = "src/bench/workers/floor.toml";
  const pass = floor(await start({ config, vars }), "pass");
  const base = floor(await start({ config, vars }), "parse");
  for (const { url } of [pass.server, base.server])
    await send({ method: "PUT", url: `${url}/table` });
  const targets = { pass, base, rigger: rigger(await startRigger(await newState(), model.url)) };
  const idle = megabytesOf(targets);
  for (const mode of ["json", "stream"] as const) {
    const warmUp = { rounds: 1, each: 5, sessions: 8, mode, prompt: { tool: true } };
    await compareMessages(targets, warmUp);
  }
  const rows = [
    ...(await calls(targets)),
    await firstByte(targets),
    ...(await messages(targets, { sessions: 1, each: scaled(20) })),
    ...(await messages(targets, { sessions: AT_ONCE, each: scaled(5) })),
    ...(await crowds(targets)),
    row("memory of the Worker, idle", "MB", idle),
    row("memory of the Worker, after all of this", "MB", megabytesOf(targets)),
  ];
  for (const server of [model, pass.server, base.server, targets.rigger.server]) await stop(server);
  const names = { pass: "pass-through", base: "floor", rigger: "Rigger" };
  return printTable("Rigger against the floor, median (95th percentile)", names, rows);
}

async function calls(targets: Pair<Target>): Promise<Row[]> {
  progress("create and read");
  const rounds = { rounds: 6, each: scaled(30) };
  const created = await compareLatency(
    targets,
    rounds,
    async (target) => (await target.create()).answer,
  );
  const ids = new Map<Target, string>();
  await forBoth(targets, async (target) => {
    ids.set(target, (await target.create()).id);
  });
  const read = await compareLatency(targets, rounds, (one) => one.read(ids.get(one) ?? ""));
  return [row("create", "ms", created, { atMost: 2 }), row("read", "ms", read, { atMost: 1.5 })];
}

async function firstByte(targets: Pair<Target>): Promise<Row> {
  progress("first byte");
  const behind = await compareFirstByte(targets, { rounds: 4, each: scaled(20) });
  return row("first byte after the model's", "ms", behind, { more: 2 });
}

async function messages(
  targets: Pair<Target>,
  { sessions, each }: { sessions: number; each: number },
): Promise<Row[]> {
  const kinds: { name: string; mode: Mode; prompt: Prompt }[] = [
    { name: "message", mode: "json", prompt: {} },
    { name: "message, streamed", mode: "stream", prompt: {} },
    { name: "message with a tool", mode: "json", prompt: { tool: true } },
    { name: "message with a tool, streamed", mode: "stream", prompt: { tool: true } },
  ];
  const rows: Row[] = [];
  for (const { name, mode, prompt } of kinds) {
    const what = `${sessions} × ${name}`;
    progress(what);
    const loads = await compareMessages(targets, { rounds: 4, each, sessions, mode, prompt });
    const line = (unit: string, field: keyof Load, aim?: Aim) =>
      row(what, unit, fieldOf(loads, field), aim);
    rows.push(
      line("ms", "latencyMs", { atMost: 2 }),
      line("a second", "perSecond", { atLeast: 0.5 }),
      line("CPU ms of the Worker", "workerCpuMs"),
      line("CPU ms of wrangler", "otherCpuMs"),
    );
  }
  return rows;
}

async function crowds(targets: Pair<Target>): Promise<Row[]> {
  const what = `${CROWD} streaming at once`;
  progress(what);
  const both = await forBoth(targets, (target) => crowd(target, CROWD, PACE_MS));
  const line = (name: string, unit: string, field: keyof Crowd, aim?: Aim) =>
    row(`${what}, ${name}`, unit, fieldOf(both, field), aim);
  return [
    line("finished", "streams", "finished", { atLeast: 1 }),
    line("first delta", "ms", "firstDeltaMs"),
    line("all of it", "ms", "tookMs"),
    line("longest silence", "ms", "longestGapMs"),
    line("memory of the Worker", "MB", "megabytes"),
  ];
}

/** Returns one field of all measurements. */
const fieldOf = <K extends string>(all: Pair<Record<K, Sample | null>>, field: K) =>
  mapped(all, (one) => one[field]);

const megabytesOf = (targets: Pair<Target>): Pair<Sample | null> =>
  mapped(targets, ({ server }) => {
    const usage = server.usage();
    return usage && { p50: usage.workerMegabytes };
  });

const progress = (what: string): void => console.error(`… ${what}`);

async function leave(code: number): Promise<never> {
  hangUp();
  await stopAll();
  process.exit(code);
}

process.once("SIGINT", () => leave(130));
process.once("SIGTERM", () => leave(143));
setTimeout(() => {
  console.error("The benchmark takes too long and stops.");
  void leave(1);
}, BOUND_MS);

try {
  await main();
  await leave(0);
} catch (error) {
  console.error(error);
  await leave(1);
}
