import { z } from "zod";
import { connect, type Inspector } from "./inspector.ts";
import { mapped, type Sides } from "./measure.ts";

// Shows where a Worker spends its CPU time and what it allocates: samples of V8, summed up by source file and by
// function.

/** A place in the Worker's code and its share: ms of CPU time, or KB of allocations. */
interface Share {
  place: string;
  amount: number;
}

/** The largest shares: by source file, and by function. */
export interface Profile {
  files: Share[];
  functions: Share[];
}

const CallFrame = z.object({
  functionName: z.string(),
  scriptId: z.string(),
  url: z.string(),
  lineNumber: z.int(),
});
type CallFrame = z.infer<typeof CallFrame>;

const CpuProfile = z.object({
  profile: z.object({
    nodes: z.array(z.object({ id: z.int(), callFrame: CallFrame })),
    samples: z.array(z.int()),
    /** The time of each sample, in µs. */
    timeDeltas: z.array(z.number()),
  }),
});

interface HeapNode {
  callFrame: CallFrame;
  selfSize: number;
  children: HeapNode[];
}
const HeapNode: z.ZodType<HeapNode> = z.lazy(() =>
  z.object({ callFrame: CallFrame, selfSize: z.number(), children: z.array(HeapNode) }),
);
const HeapProfile = z.object({ profile: z.object({ head: HeapNode }) });

const SAMPLE_EVERY_US = 100;
const SAMPLE_EVERY_BYTES = 4096;
/** V8's names for time outside of the code. */
const OUTSIDE = new Set(["(idle)", "(root)"]);

/** Runs `act` and returns the CPU time spent meanwhile, in ms. */
export async function profileCpu(port: number, act: () => Promise<void>): Promise<Profile> {
  return withInspector(port, async (inspector) => {
    await inspector.call("Profiler.enable");
    await inspector.call("Profiler.setSamplingInterval", { interval: SAMPLE_EVERY_US });
    await inspector.call("Profiler.start");
    await act();
    const { profile } = CpuProfile.parse(await inspector.call("Profiler.stop"));
    const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
    return summary(inspector, (add) => {
      for (const [n, id] of profile.samples.entries()) {
        const frame = frames.get(id);
        if (frame) add(frame, (profile.timeDeltas[n] ?? 0) / 1000);
      }
    });
  });
}

/** Runs `act` and returns what was allocated meanwhile, in KB, garbage included. */
export async function profileAllocations(port: number, act: () => Promise<void>): Promise<Profile> {
  return withInspector(port, async (inspector) => {
    await inspector.call("HeapProfiler.enable");
    await inspector.call("HeapProfiler.startSampling", {
      samplingInterval: SAMPLE_EVERY_BYTES,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    await act();
    const { profile } = HeapProfile.parse(await inspector.call("HeapProfiler.stopSampling"));
    return summary(inspector, (add) => {
      const nodes = [profile.head];
      for (const { callFrame, selfSize, children } of nodes) {
        add(callFrame, selfSize / 1024);
        nodes.push(...children);
      }
    });
  });
}

async function withInspector<T>(
  port: number,
  act: (inspector: Inspector) => Promise<T>,
): Promise<T> {
  const inspector = await connect(port);
  try {
    return await act(inspector);
  } finally {
    inspector.close();
  }
}

/** Sums up what `each` adds, by file and by function. */
async function summary(
  inspector: Inspector,
  each: (add: (frame: CallFrame, amount: number) => void) => void,
): Promise<Profile> {
  const [files, functions] = [new Map<string, number>(), new Map<string, number>()];
  const scripts = new Map<string, string[]>();
  const frames: [CallFrame, number][] = [];
  each((frame, amount) => {
    if (!OUTSIDE.has(frame.functionName)) frames.push([frame, amount]);
  });
  await inspector.call("Debugger.enable");
  for (const [frame, amount] of frames) {
    const { scriptId, functionName, lineNumber, url } = frame;
    if (!scripts.has(scriptId)) scripts.set(scriptId, await sourceOf(inspector, scriptId));
    const file = url === "" ? "the runtime" : fileAt(scripts.get(scriptId) ?? [], lineNumber, url);
    const place = `${functionName || "(anonymous)"}  ${file}:${lineNumber + 1}`;
    files.set(file, (files.get(file) ?? 0) + amount);
    functions.set(place, (functions.get(place) ?? 0) + amount);
  }
  return { files: largest(files), functions: largest(functions) };
}

const SourceText = z.object({ scriptSource: z.string() });

/** Returns the lines of a script; none for code of the runtime. */
async function sourceOf(inspector: Inspector, scriptId: string): Promise<string[]> {
  const answer = await inspector.call("Debugger.getScriptSource", { scriptId }).catch(() => null);
  const source = SourceText.safeParse(answer);
  return source.success ? source.data.scriptSource.split("\n") : [];
}

/** Returns the file that a line of the bundle comes from: esbuild names it in a comment above. */
function fileAt(lines: readonly string[], line: number, url: string): string {
  for (let at = Math.min(line, lines.length - 1); at >= 0; at--) {
    const file = /^\s*\/\/ (\S+\.[cm]?[jt]sx?)$/.exec(lines[at] ?? "")?.[1];
    if (file) return file.replace(/^.*node_modules\//, "");
  }
  return url;
}

const largest = (amounts: ReadonlyMap<string, number>): Share[] =>
  [...amounts]
    .map(([place, amount]) => ({ place, amount }))
    .toSorted((one, other) => other.amount - one.amount);

const SHOWN = 15;

/** Prints the largest shares of a message in two profiles, side by side. */
export function printProfiles(
  title: string,
  unit: string,
  messages: number,
  profiles: Sides<Profile>,
): void {
  for (const kind of ["files", "functions"] as const) {
    console.log(`\n${title}, ${unit} a message, by ${kind === "files" ? "file" : "function"}\n`);
    const columns = Object.values(
      mapped(profiles, (profile, name) => lines(name, profile[kind], messages)),
    );
    for (let n = 0; n < SHOWN + 1; n++) {
      console.log(
        columns
          .map((column) => (column[n] ?? "").padEnd(70))
          .join("  ")
          .trimEnd(),
      );
    }
  }
}

function lines(name: string, shares: readonly Share[], messages: number): string[] {
  const total = shares.reduce((sum, { amount }) => sum + amount, 0);
  const shown = [{ place: `in all, ${name}`, amount: total }, ...shares.slice(0, SHOWN)];
  return shown.map(({ place, amount }) =>
    `${(amount / messages).toFixed(2).padStart(7)} ${place}`.slice(0, 70),
  );
}
