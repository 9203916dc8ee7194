import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { canStandIn, serveContainers } from "../container/stand-in.ts";
import { send } from "./client.ts";
import { type Sample, sampleOf } from "./measure.ts";
import { type Server, start, stop } from "./servers.ts";
import { printTable, type Row, row } from "./table.ts";

/** A tool call to measure. */
interface Measured {
  name: string;
  tool: string;
  /** Returns the input of the `n`-th call. */
  input: (n: number) => Record<string, unknown>;
  /** The input of the first call of a container, if it differs; null if that is not measured. */
  first?: Record<string, unknown> | null;
}

const SMALL = "a line of a file\n".repeat(120);
const LARGE = "a line of a file\n".repeat(12_000);

const CALLS: readonly Measured[] = [
  { name: "Bash", tool: "Bash", input: () => ({ command: "true" }) },
  { name: "Bash, 109 kB of output", tool: "Bash", input: () => ({ command: "seq 1 20000" }) },
  {
    name: "Read, 2 kB",
    tool: "Read",
    input: () => ({ file_path: "small" }),
    first: { file_path: "/etc/passwd" },
  },
  {
    name: "Read, 204 kB",
    tool: "Read",
    input: () => ({ file_path: "large", limit: 100 }),
    first: null,
  },
  {
    name: "Edit",
    tool: "Edit",
    input: (n) => ({ file_path: "edited", old_string: `<${n}>`, new_string: `<${n + 1}>` }),
    first: { file_path: "edited", old_string: "", new_string: "<0>" },
  },
  { name: "Write, 2 kB", tool: "Write", input: () => ({ file_path: "small", content: SMALL }) },
  { name: "Write, 204 kB", tool: "Write", input: () => ({ file_path: "large", content: LARGE }) },
  // Without ripgrep, it takes the same way.
  { name: "Grep", tool: "Grep", input: () => ({ pattern: "line" }) },
  { name: "Glob", tool: "Glob", input: () => ({ pattern: "*" }) },
];

/** The time and the round trips of one call. */
interface Taken {
  calls: number;
  ms: number;
}

/**
 * Measures tool calls in containers: how many calls to the container each makes, and the time it takes, as the first call
 * of a container with its start, and later. Returns the number of missed aims.
 */
export async function withContainers({
  each,
  progress,
}: {
  each: number;
  progress: (what: string) => void;
}): Promise<number> {
  const hasDocker = spawnSync(process.env.WRANGLER_DOCKER_BIN ?? "docker", ["info"]).status === 0;
  let missed = 0;
  if (canStandIn()) {
    const STAND_IN = await serveContainers();
    missed += await measure("the replacement of containers", { STAND_IN }, { each, progress });
  }
  if (hasDocker) missed += await measure("containers", {}, { each, progress });
  else progress("there is no Docker engine, so no real containers are measured");
  return missed;
}

async function measure(
  title: string,
  vars: Record<string, string>,
  { each, progress }: { each: number; progress: (what: string) => void },
): Promise<number> {
  progress(`starting with ${title}`);
  const server = await start({
    config: "src/bench/workers/containers.toml",
    vars: { STAND_IN: "", ...vars },
    containers: vars.STAND_IN === undefined,
  });
  // The first container of all is not measured.
  await inContainer(server, (ask) => ask("start"));
  const rows: Row[] = [];
  for (const measured of CALLS) {
    progress(measured.name);
    const cold: Taken[] = [];
    for (let n = 0; measured.first !== null && n < Math.ceil(each / 6); n++) {
      cold.push(await coldCall(server, measured));
    }
    const warm = await warmCalls(server, measured, each);
    const sample = (of: keyof Taken) => ({ base: p50(cold, of), rigger: p50(warm, of) });
    rows.push(
      row(measured.name, "round trips", sample("calls")),
      row(measured.name, "ms", sample("ms")),
    );
  }
  await stop(server);
  const names = { base: "cold", rigger: "warm" };
  return printTable(`Tool calls in ${title}: medians`, names, rows);
}

const p50 = (taken: readonly Taken[], of: keyof Taken): Sample | null =>
  taken.length === 0 ? null : { p50: sampleOf(taken.map((one) => one[of])).p50 };

type Ask = (what: string, input?: unknown) => Promise<Taken>;

/** Runs an action with a container of its own. */
async function inContainer<T>(server: Server, act: (ask: Ask) => Promise<T>): Promise<T> {
  const id = `bench-${randomUUID()}`;
  const ask: Ask = async (what, input = {}) => {
    const url = `${server.url}/${id}/${what}`;
    const { text, startedAt, endedAt } = await send({ method: "POST", url, body: input });
    const { calls, failure } = JSON.parse(text) as { calls: number; failure?: string };
    if (failure !== undefined && !/ripgrep/.test(failure)) throw new Error(failure);
    return { calls, ms: endedAt - startedAt };
  };
  try {
    return await act(ask);
  } finally {
    await ask("destroy");
  }
}

/** Measures a call and the start of the container before it. */
const coldCall = (server: Server, { tool, input, first }: Measured): Promise<Taken> =>
  inContainer(server, async (ask) => {
    const started = await ask("start");
    const called = await ask(tool, first ?? input(0));
    return { calls: started.calls + called.calls, ms: started.ms + called.ms };
  });

const warmCalls = (server: Server, { tool, input }: Measured, each: number): Promise<Taken[]> =>
  inContainer(server, async (ask) => {
    await ask("start");
    const files = { small: SMALL, large: LARGE, edited: `<0>\n${SMALL}` };
    for (const [file_path, content] of Object.entries(files)) {
      await ask("Write", { file_path, content });
    }
    const taken: Taken[] = [];
    for (let n = 0; n < each; n++) taken.push(await ask(tool, input(n)));
    return taken;
  });
