import { send } from "./client.ts";
import { type Sides, sampleOf } from "./measure.ts";
import { newState, type Server, start, startRigger, stop } from "./servers.ts";
import { printTable, row } from "./table.ts";

const AGENTS = 16;

/**
 * Compares a session with a long history with a new one, and many parallel agents with one. Returns the number
 * of missed aims.
 */
export async function withLongPast({
  turns,
  progress,
}: {
  turns: number;
  progress: (what: string) => void;
}): Promise<number> {
  progress("starting");
  const model = await start({ config: "src/bench/workers/model.toml" });
  const state = await newState();
  let server = await startRigger(state, model.url);
  const long = await crewed(server);
  progress(`living ${turns} turns`);
  for (let done = 0; done < turns; done += PER_MESSAGE) {
    await say(server, long, someTurns(done, Math.min(PER_MESSAGE, turns - done)));
  }
  const fresh = await crewed(server);
  await say(server, fresh, someTurns(0, 1));
  const ids: Sides<string> = { base: fresh, rigger: long };
  const taken: Record<"wake" | "message" | "agents", Sides<number[]>> = {
    wake: { base: [], rigger: [] },
    message: { base: [], rigger: [] },
    agents: { base: [], rigger: [] },
  };
  for (let round = 0; round < 4; round++) {
    progress(`waking, ${round + 1}`);
    // Only a new process clears what the objects hold in memory.
    await stop(server);
    server = await startRigger(state, model.url);
    await say(server, await crewed(server), "/tokens 10\nhi");
    const order = round % 2 === 0 ? (["base", "rigger"] as const) : (["rigger", "base"] as const);
    for (const name of order) {
      taken.wake[name].push(await say(server, ids[name], "/tokens 10\nhi"));
      taken.message[name].push(await say(server, ids[name], "/tokens 10\nhi"));
    }
    for (const [name, count] of [["base", 1] as const, ["rigger", AGENTS] as const]) {
      taken.agents[name].push(await say(server, await crewed(server), tasks(count)));
    }
  }
  await stop(server);
  await stop(model);
  const sampled = ({ base, rigger }: Sides<number[]>) => ({
    base: sampleOf(base),
    rigger: sampleOf(rigger),
  });
  const past = { base: "1 turn", rigger: `${turns} turns` };
  const title = "A session with a long past, with as many files";
  const missed = printTable(title, past, [
    row("first message after a restart", "ms", sampled(taken.wake)),
    row("the next one", "ms", sampled(taken.message)),
  ]);
  const crews = { base: "1 agent", rigger: `${AGENTS} agents` };
  const agents = [row("a message whose tasks run side by side", "ms", sampled(taken.agents))];
  return missed + printTable("Agents at work in one session", crews, agents);
}

const PER_MESSAGE = 50;

/** Returns a prompt with `count` turns, each of which writes a file. */
const someTurns = (from: number, count: number): string => {
  const write = (n: number) =>
    `/Write ${JSON.stringify({ file_path: `notes/${from + n}.txt`, content: `note ${n}` })}`;
  return `${Array.from({ length: count }, (_, n) => write(n)).join("\n")}\n/tokens 10\ndone`;
};

/** Returns a prompt that makes `count` agents run a command each. */
const tasks = (count: number): string => {
  const prompt = '/Bash {"command":"true"}\n/tokens 10\nok';
  const task = (n: number) =>
    `/Task ${JSON.stringify({ subagent_type: "worker", name: `w${n}`, prompt })}`;
  return `${Array.from({ length: count }, (_, n) => task(n)).join(" & ")}\n/tokens 10\ndone`;
};

async function crewed({ url }: Server): Promise<string> {
  const config = { customAgents: { worker: {} } };
  const body = { pattern: "single-container", config, maxBudgetUsd: 10_000 };
  const answer = await send({ method: "POST", url: `${url}/api/sessions`, body });
  return (JSON.parse(answer.text) as { id: string }).id;
}

/** Sends a prompt. Returns the duration of its message. */
async function say({ url }: Server, id: string, prompt: string): Promise<number> {
  const target = `${url}/api/sessions/${id}/message`;
  const { text, startedAt, endedAt } = await send({
    method: "POST",
    url: target,
    body: { prompt },
  });
  const { status, stopReason } = JSON.parse(text) as { status: string; stopReason: string };
  if (stopReason !== "end_turn") throw new Error(`a message ended as ${status}, ${stopReason}`);
  return endedAt - startedAt;
}
