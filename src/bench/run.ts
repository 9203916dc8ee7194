import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { hangUp, send } from "./client.ts";
import { withContainers } from "./containers.ts";
import { withLimits } from "./limits.ts";
import {
  compareLatency,
  compareMessages,
  forEachSide,
  inTurns,
  type Load,
  mapped,
  newSessions,
  type Sample,
  type Sides,
  sampleOf,
} from "./measure.ts";
import { withPage } from "./page.ts";
import { withLongPast } from "./past.ts";
import { plot } from "./plot.ts";
import { printProfiles, profileAllocations, profileCpu } from "./profile.ts";
import { withManyRows } from "./rows.ts";
import { withSchedules } from "./schedules.ts";
import {
  newState,
  type Server,
  start,
  startByCommand,
  startRigger,
  stop,
  stopAll,
} from "./servers.ts";
import { type Crowd, compareFirstByte, crowd } from "./streams.ts";
import { type Aim, printed, printTable, type Row, row } from "./table.ts";
import { floor, type Mode, type Prompt, rigger, type Target } from "./targets.ts";

// Measures Rigger against a minimal Worker that only forwards the model's streams, and prints how much slower
// Rigger is. The two take turns on one computer, so the ratios matter more than the absolute numbers.

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    /** Measures lists over so many rows, and nothing else. */
    rows: { type: "string" },
    /** Prints where the CPU time and the memory of a message go, in place of the other parts. */
    profile: { type: "boolean", default: false },
    /** The root of another checkout, which is measured in the same run. */
    before: { type: "string" },
    /** The number of turns of the long session. */
    turns: { type: "string" },
    /** Draws each table into this directory. */
    plot: { type: "string" },
  },
});
const scaled = (count: number) => (options.quick ? Math.ceil(count / 4) : count);

const FLOOR = "src/bench/workers/floor.toml";
const BOUND_MS = 30 * 60_000;
const AT_ONCE = 32;
const CROWD = 200;
/** Delay between deltas: twenty of them make a reply of two seconds. */
const PACE_MS = 100;

/** The parts of the benchmark, by the name for `--only`. Each returns the number of missed aims. */
const PARTS: Record<string, () => Promise<number>> = {
  floor: againstFloor,
  start: withStarts,
  rows: () => withManyRows({ many: Number(options.rows ?? 100_000), each: scaled(8), progress }),
  past: () => withLongPast({ turns: Number(options.turns ?? scaled(1_000)), progress }),
  limits: () => withLimits({ each: scaled(40), progress }),
  schedules: () => withSchedules({ each: scaled(200), progress }),
  page: () => withPage({ events: scaled(10_000), each: scaled(12), progress }),
  containers: () => withContainers({ each: scaled(30), progress }),
};

async function main(): Promise<void> {
  if (options.profile) return profiles();
  const only = options.only ?? (options.rows === undefined ? undefined : "rows");
  const names = only === undefined ? Object.keys(PARTS) : [only];
  let missed = 0;
  for (const name of names) {
    const part = PARTS[name];
    if (!part) throw new Error(`--only takes one of ${Object.keys(PARTS).join(", ")}`);
    missed += await part();
  }
  if (options.plot !== undefined) await drawTables(options.plot);
  console.log(missed === 0 ? "\nEvery aim was met." : `\nAims that were missed: ${missed}.`);
}

async function drawTables(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const table of printed) {
    const name = table.title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
    await writeFile(join(directory, `${name}.svg`), plot(table));
  }
}

/** Starts the model, Rigger and what it is compared with. */
async function startTargets(): Promise<{ targets: Sides<Target>; stopTargets(): Promise<void> }> {
  progress("starting");
  const model = await start({ config: "src/bench/workers/model.toml" });
  const bare = { config: FLOOR, vars: { MODEL_URL: model.url } };
  const pass = floor(await start(bare), "pass");
  const base = floor(await start(bare), "parse");
  for (const { server } of [pass, base]) await send({ method: "PUT", url: `${server.url}/table` });
  const startFrom = async (root?: string) =>
    rigger(await startRigger(await newState(root), model.url, {}, root));
  const before = options.before === undefined ? {} : { before: await startFrom(options.before) };
  const targets = { pass, base, ...before, rigger: await startFrom() };
  return {
    targets,
    async stopTargets() {
      await forEachSide(targets, ({ server }) => stop(server));
      await stop(model);
    },
  };
}

async function againstFloor(): Promise<number> {
  const { targets, stopTargets } = await startTargets();
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
  await stopTargets();
  const names = {
    pass: "pass-through",
    base: "floor",
    ...(targets.before && { before: "before" }),
    rigger: "Rigger",
  };
  return printTable("Rigger against the floor", names, rows);
}

async function calls(targets: Sides<Target>): Promise<Row[]> {
  progress("create and read");
  const rounds = { rounds: 6, each: scaled(30) };
  const created = await compareLatency(
    targets,
    rounds,
    async (target) => (await target.create()).answer,
  );
  const ids = new Map<Target, string>();
  await forEachSide(targets, async (target) => {
    ids.set(target, (await target.create()).id);
  });
  const read = await compareLatency(targets, rounds, (one) => one.read(ids.get(one) ?? ""));
  return [row("create", "ms", created, { atMost: 1.3 }), row("read", "ms", read, { atMost: 1.3 })];
}

async function firstByte(targets: Sides<Target>): Promise<Row> {
  progress("first byte");
  const behind = await compareFirstByte(targets, { rounds: 4, each: scaled(20) });
  return row("first byte after the model's", "ms", behind, { more: 0.4 });
}

async function messages(
  targets: Sides<Target>,
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
      line("ms", "latencyMs", { atMost: prompt.tool ? 1.6 : 1.3 }),
      line("a second", "perSecond", prompt.tool ? undefined : { atLeast: 0.9 }),
      line("CPU ms of the Worker", "workerCpuMs", prompt.tool ? undefined : { atMost: 1.3 }),
      line("CPU ms of wrangler", "otherCpuMs"),
    );
  }
  return rows;
}

async function crowds(targets: Sides<Target>): Promise<Row[]> {
  const what = `${CROWD} streaming at once`;
  progress(what);
  const both = await forEachSide(targets, (target) => crowd(target, CROWD, PACE_MS));
  const line = (name: string, unit: string, field: keyof Crowd, aim?: Aim) =>
    row(`${what}, ${name}`, unit, fieldOf(both, field), aim);
  return [
    line("finished", "streams", "finished", { atLeast: 1 }),
    line("first delta", "ms", "firstDeltaMs"),
    line("all of it", "ms", "tookMs"),
    line("longest silence", "ms", "longestGapMs"),
    line("memory of the Worker", "MB", "megabytes", { atMost: 1.2 }),
  ];
}

/** Compares how long it takes from the command until the server answers. Rigger starts with `npm start`. */
async function withStarts(): Promise<number> {
  const starts: Sides<() => Promise<Server>> = {
    base: () => start({ config: FLOOR, vars: { MODEL_URL: "http://127.0.0.1:9" } }),
    rigger: startByCommand,
  };
  // The first start builds what later ones find.
  await stop(await startByCommand());
  const taken = await inTurns(starts, scaled(8), async (begin) => {
    progress("starting");
    const beganAt = performance.now();
    const server = await begin();
    const tookMs = performance.now() - beganAt;
    await stop(server);
    return tookMs;
  });
  const rows = [row("until it answers", "ms", mapped(taken, sampleOf), { more: 1_500 })];
  return printTable("Start", { base: "floor", rigger: "npm start" }, rows);
}

const PROFILED = 200;

/** Prints where the CPU time and the memory of a message go. The profiler itself costs time, so only shares count. */
async function profiles(): Promise<void> {
  const { targets, stopTargets } = await startTargets();
  const { base, rigger } = targets;
  for (const prompt of [{}, { tool: true }]) {
    const many = async (target: Target) => {
      for (const id of await newSessions(target, PROFILED / 10)) {
        for (let n = 0; n < 10; n++) await target.message(id, "json", prompt);
      }
    };
    await forEachSide({ base, rigger }, many);
    for (const { unit, profile } of PROFILES) {
      progress(`${unit} of ${PROFILED} messages`);
      const taken = await forEachSide({ base, rigger }, (target) =>
        profile(target.server.inspectorPort, () => many(target)),
      );
      const title = prompt.tool ? "A message with a tool" : "A message";
      printProfiles(title, unit, PROFILED, taken);
    }
  }
  await stopTargets();
}

const PROFILES = [
  { unit: "ms of CPU", profile: profileCpu },
  { unit: "KB allocated", profile: profileAllocations },
];

/** Returns one field of all measurements. */
const fieldOf = <K extends string>(all: Sides<Record<K, Sample | null>>, field: K) =>
  mapped(all, (one) => one[field]);

const megabytesOf = (targets: Sides<Target>): Sides<Sample | null> =>
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
