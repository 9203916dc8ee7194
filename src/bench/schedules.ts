import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, send } from "./client.ts";
import { type Sample, sampleOf } from "./measure.ts";
import { newState, type Server, start, stop } from "./servers.ts";
import { type Aim, printTable, row } from "./table.ts";

const SESSIONS = 30;
const SCHEDULES = 20;
/** Number of schedules that are created in parallel, as by several clients. */
const MADE_AT_ONCE = 4;
/** Time after which all schedules have started to run. */
const SETTLE_MS = 3_000;
/** Maximum duration for a reader and a writer, even if they are slow. */
const BOUND_MS = 60_000;
/** Delay between two requests of the measured client, so that they fall on every part of a second. */
const PAUSE_MS = 37;

/** At most twice the time on an idle server. */
const AIM: Aim = { atMost: 2 };

/**
 * Compares the response times of a session's client on an idle server and while 30 other sessions run 20
 * schedules of one second each. Returns the number of missed aims.
 */
export async function withSchedules({
  each,
  progress,
}: {
  each: number;
  progress: (what: string) => void;
}): Promise<number> {
  progress("starting");
  const vars = { ALLOW_ANONYMOUS: "true", OFFLINE_MODEL: "true" };
  const server = await start({ config: "wrangler.toml", state: await newState(), vars });
  const bystander = await newSession(server);
  await waits(server, bystander, each);
  progress("quiet");
  const quiet = await waits(server, bystander, each);
  progress(`${SESSIONS} × ${SCHEDULES} schedules are made`);
  const rare = await newCrowd(server);
  const madeRare = await makeSchedules(server, rare, 3_600_000);
  const crowd = await newCrowd(server);
  const made = await makeSchedules(server, crowd, 1_000);
  await sleep(SETTLE_MS);
  progress("busy");
  const beganAt = performance.now();
  const before = await countMessages(server, crowd);
  const busy = await waits(server, bystander, each);
  const ran = (await countMessages(server, crowd)) - before;
  const seconds = (performance.now() - beganAt) / 1_000;
  await stop(server);
  const names = { base: "quiet", rigger: "busy" };
  const p95 = (sample: Sample) => ({ p50: sample.p95 ?? Number.NaN });
  const pair = (name: keyof Waits, of: (sample: Sample) => Sample = (sample) => sample) => ({
    base: of(quiet[name]),
    rigger: of(busy[name]),
  });
  return printTable(
    `Another session while ${SESSIONS} sessions run ${SCHEDULES} schedules of 1 s each`,
    names,
    [
      row("read", "ms", pair("read")),
      row("read, 95th percentile", "ms", pair("read", p95), AIM),
      row("message", "ms", pair("message")),
      row("message, 95th percentile", "ms", pair("message", p95), AIM),
      row(`making ${SESSIONS * SCHEDULES} schedules (of an hour, of 1 s)`, "s", {
        base: { p50: madeRare },
        rigger: { p50: made },
      }),
      row("messages of schedules", "a second", { base: null, rigger: { p50: ran / seconds } }),
    ],
  );
}

/** The duration of each of a client's requests, in ms. */
interface Waits {
  read: Sample;
  message: Sample;
}

/** Reads a session and sends it messages in turns. Ends early after `BOUND_MS`. */
async function waits({ url }: Server, id: string, each: number): Promise<Waits> {
  const taken = { read: [] as number[], message: [] as number[] };
  const giveUpAt = performance.now() + BOUND_MS;
  for (let done = 0; done < each && performance.now() < giveUpAt; done++) {
    taken.read.push(tookMs(await send({ url: `${url}/api/sessions/${id}` })));
    await sleep(PAUSE_MS);
    const body = { prompt: "/tokens 10\nhi" };
    const answer = await send({ method: "POST", url: `${url}/api/sessions/${id}/message`, body });
    taken.message.push(tookMs(answer));
    await sleep(PAUSE_MS);
  }
  return { read: sampleOf(taken.read), message: sampleOf(taken.message) };
}

const tookMs = ({ startedAt, endedAt }: Answer): number => endedAt - startedAt;

async function newSession({ url }: Server): Promise<string> {
  const body = { pattern: "long-running", maxBudgetUsd: 10_000 };
  const answer = await send({ method: "POST", url: `${url}/api/sessions`, body });
  return (JSON.parse(answer.text) as { id: string }).id;
}

async function newCrowd(server: Server): Promise<string[]> {
  const ids: string[] = [];
  for (let made = 0; made < SESSIONS; made++) ids.push(await newSession(server));
  return ids;
}

/** Creates the schedules of all sessions. Returns the time it took in seconds. */
async function makeSchedules({ url }: Server, ids: string[], everyMs: number): Promise<number> {
  const rest = ids.flatMap((id) => Array.from({ length: SCHEDULES }, () => id));
  const beganAt = performance.now();
  const maker = async () => {
    for (let id = rest.pop(); id !== undefined; id = rest.pop()) {
      const body = { everyMs, prompt: "/tokens 10\ntick" };
      await send({ method: "POST", url: `${url}/api/sessions/${id}/schedules`, body });
    }
  };
  await Promise.all(Array.from({ length: MADE_AT_ONCE }, maker));
  return (performance.now() - beganAt) / 1_000;
}

/** Returns the number of messages that the sessions have ended so far. */
async function countMessages({ url }: Server, ids: string[]): Promise<number> {
  const counts = await Promise.all(
    ids.map(async (id) => {
      const { text } = await send({ url: `${url}/api/sessions/${id}` });
      return (JSON.parse(text) as { numTurns: number }).numTurns;
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
