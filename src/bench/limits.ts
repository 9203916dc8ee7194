import { compareLatency, compareMessages, mapped, type Sides } from "./measure.ts";
import { newState, start, startRigger, stop } from "./servers.ts";
import { printTable, type Row, row } from "./table.ts";
import { rigger, type Target } from "./targets.ts";

/** Limits that no message reaches: what is measured is what it costs to have them. */
const LIMITS = {
  OWNER_MAX_ACTIVE_SESSIONS: "1000000",
  OWNER_MAX_DAILY_USD: "1000000",
  OWNER_MAX_MONTHLY_USD: "1000000",
};

/** Compares Rigger with limits over many sessions with Rigger without. Returns the number of missed aims. */
export async function withLimits({
  each,
  progress,
}: {
  each: number;
  progress: (what: string) => void;
}): Promise<number> {
  progress("starting");
  const model = await start({ config: "src/bench/workers/model.toml" });
  const target = async (vars: Record<string, string>): Promise<Target> =>
    rigger(await startRigger(await newState(), model.url, vars));
  const targets: Sides<Target> = { base: await target({}), rigger: await target(LIMITS) };
  const warmUp = { rounds: 1, each: 5, sessions: 8, mode: "json", prompt: { tool: true } } as const;
  await compareMessages(targets, warmUp);
  progress("create");
  const create = async (one: Target) => (await one.create()).answer;
  const created = await compareLatency(targets, { rounds: 6, each }, create);
  const rows: Row[] = [row("create", "ms", created)];
  for (const { name, sessions, prompt } of [
    { name: "1 × message", sessions: 1, prompt: {} },
    { name: "1 × message with a tool", sessions: 1, prompt: { tool: true } },
    { name: "32 × message", sessions: 32, prompt: {} },
  ]) {
    progress(name);
    const count = sessions === 1 ? each : Math.ceil(each / 4);
    const loads = await compareMessages(targets, {
      ...{ rounds: 6, each: count, sessions, mode: "json", prompt },
    });
    rows.push(
      row(
        name,
        "ms",
        mapped(loads, ({ latencyMs }) => latencyMs),
        { atMost: 1.1 },
      ),
      row(
        name,
        "CPU ms of the Worker",
        mapped(loads, ({ workerCpuMs }) => workerCpuMs),
      ),
    );
  }
  await stop(targets.base.server);
  await stop(targets.rigger.server);
  await stop(model);
  return printTable("Limits over many sessions", { base: "without", rigger: "with" }, rows);
}
