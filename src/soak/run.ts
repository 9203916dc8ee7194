import { createHash } from "node:crypto";
import { rename } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { hangUp } from "../bench/client.ts";
import {
  freePort,
  kill,
  newState,
  type Server,
  start,
  stop,
  stopAll,
  withDatabases,
} from "../bench/servers.ts";
import { type Api, read, readStory, type Story } from "./api.ts";
import { faultsOf } from "./checks.ts";
import { faultsOfFiles } from "./files.ts";
import { faultsOfIndex } from "./index-checks.ts";
import { type Life, live, sendLast, type World } from "./life.ts";
import { faultsOfLimits, setLimits } from "./limits.ts";
import { startLyingModel } from "./lying-model.ts";
import { startMachines } from "./machines.ts";
import { begin as beginNews } from "./news.ts";
import { startNotes } from "./notes.ts";
import { type Random, randomFrom } from "./random.ts";

// Runs many sessions on a server that is killed repeatedly, then checks from outside that Rigger kept its
// rules. The seed determines what the sessions do, but not when it happens.

const { values: options } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
    seconds: { type: "string", default: "120" },
    sessions: { type: "string", default: "100" },
    /** `lying`: the Messages API misreports usage, fails after it has billed, and cuts replies off. */
    upstream: { type: "string", default: "honest" },
    /** The databases of the index. With several, the sessions belong to several owners. */
    databases: { type: "string", default: "1" },
    /** Whether the owners have limits over many sessions, which a part of them reaches. */
    limits: { type: "boolean", default: false },
    /** Whether there are webhooks, approvals, client tools, limits that pause, and an automation. */
    news: { type: "boolean", default: false },
    /** Whether the agents use an MCP server, which fails at times. */
    mcp: { type: "boolean", default: false },
    /** Whether the sessions run in a vendor's machines. */
    machines: { type: "boolean", default: false },
  },
});
const SEED = Number(options.seed);
const DURATION_MS = Number(options.seconds) * 1_000;
const SESSIONS = Number(options.sessions);
const IS_LYING = options.upstream === "lying";

const DATABASES = Number(options.databases);
const OWNERS = DATABASES === 1 ? [] : Array.from({ length: 12 }, (_, i) => `owner-${i}`);

/** The owners that have limits. */
const LIMITED = OWNERS.length === 0 ? ["anonymous"] : OWNERS;

const vars: Record<string, string> = {
  ALLOW_ANONYMOUS: "true",
  OFFLINE_MODEL: "true",
  WEBHOOK_ALLOW_PRIVATE_HOSTS: "true",
  MCP_ALLOW_PRIVATE_HOSTS: "true",
  API_KEYS: JSON.stringify(
    OWNERS.map((name) => ({ ...clientKey(name), owner: name, admin: true })),
  ),
};
const KILL_EVERY_S = [10, 25] as const;
/** Time for a last message before the last kill. */
const LAST_WORDS_MS = 1_500;
/** Maximum time until every request is answered, once the server is no longer killed. */
const ANSWERED_MS = 120_000;
/**
 * Maximum time until a message that was lost with its server continues without a request: half a minute, plus a
 * margin.
 */
const UNATTENDED_MS = 40_000;
/** Maximum time for the waiting messages after that. */
const REST_MS = 90_000;
/** Time after which idle sessions have ended and their watchers have received it. */
const IDLE_MS = 8_000;
/** Maximum lag of the index. */
const INDEX_MS = 30_000;

/** Returns the entry of `API_KEYS` whose key is its name. */
function clientKey(name: string) {
  return { name, sha256: createHash("sha256").update(name).digest("hex") };
}

const counts = new Map<string, number>();
let violations = 0;
const kills: number[] = [];

const api: Api = {
  url: "",
  ...(OWNERS[0] !== undefined && { key: OWNERS[0] }),
  startedAt: Number.POSITIVE_INFINITY,
  isLimited: options.limits,
  asks: options.news,
  hasMachines: options.machines,
  count: (what) => counts.set(what, (counts.get(what) ?? 0) + 1),
  violation: (where, what) => {
    violations++;
    console.error(`VIOLATION ${where}: ${what}`);
  },
};

async function main(): Promise<void> {
  const parts = await withDatabases(DATABASES);
  Object.assign(vars, parts.vars);
  config = parts.config;
  const state = await newState(undefined, parts);
  if (IS_LYING) Object.assign(vars, await startLyingModel(SEED));
  const machines = options.machines ? await startMachines() : null;
  const port = await freePort();
  if (machines) Object.assign(vars, machines.vars(`http://127.0.0.1:${port}`));
  script = machines?.script;
  const server = await begin(state, port);
  if (options.limits) await setLimits(api, LIMITED, SESSIONS);
  const known: Life[] = [];
  const over = new AbortController();
  const news = options.news
    ? await beginNews(api, randomFrom(SEED + 1), known, over.signal, closing.signal)
    : null;
  const notes = options.mcp ? await startNotes(randomFrom(SEED + 2), over.signal) : null;
  if (notes) api.notesUrl = notes.url;
  const lives = await liveAll(server, state, known, over);
  progress("checking");
  const kept = lives.filter(({ doomed, story }) => !doomed && !story);
  await Promise.all(kept.map((life) => comeToRest(life)));
  await Promise.all(kept.map((life) => sendLast(api, life)));
  await sleep(IDLE_MS);
  for (const life of kept) life.story = await readStory(api, life.id);
  for (const fault of (await news?.faults(lives)) ?? []) api.violation("news", fault);
  for (const fault of (await notes?.faults(lives)) ?? []) api.violation("notes", fault);
  closing.abort();
  for (const life of lives) if (life.story) judge(life, life.story);
  for (const life of kept) {
    for (const fault of await faultsOfFiles(api, life)) api.violation(life.id, fault);
  }
  await compareIndex(lives);
  if (options.limits) {
    for (const fault of await faultsOfLimits(api, LIMITED, lives)) api.violation("limits", fault);
  }
  for (const id of (await machines?.leftovers(api)) ?? []) {
    api.violation(id, "it has ended, and its machine has not");
  }
  if (violations > 0) await keep(current ?? server, state);
}

let config = "";
let script: string | undefined;
let current: Server | null = null;
const closing = new AbortController();

/** Runs all sessions and kills the server repeatedly, until the time is over and every request is answered. */
async function liveAll(
  first: Server,
  state: string,
  known: Life[],
  over: AbortController,
): Promise<Life[]> {
  const random = randomFrom(SEED);
  const world: World = { api, origins: [], known, over: over.signal, closed: closing.signal };
  current = first;
  progress(`${SESSIONS} sessions begin`);
  const living = new Set<string>();
  const lives = Promise.all(
    Array.from({ length: SESSIONS }, async (_, n) => {
      const own = randomFrom(SEED * 100_003 + n);
      await sleep(own.int(0, DURATION_MS * 0.9));
      const name = `soak-${SEED}-${n}`;
      living.add(name);
      // The rest is shared: the server's address changes.
      const key = OWNERS[n % OWNERS.length];
      const client = key === undefined ? api : Object.assign(Object.create(api) as Api, { key });
      return live({ ...world, api: client }, own, name).finally(() => living.delete(name));
    }),
  );
  const endsAt = Date.now() + DURATION_MS;
  for (let kills = 1; Date.now() < endsAt; kills++) {
    await sleep(Math.min(random.int(...KILL_EVERY_S) * 1_000, endsAt - Date.now()));
    if (Date.now() >= endsAt) {
      over.abort();
      await sleep(LAST_WORDS_MS);
    }
    progress(`kill ${kills}`);
    await killAndStart(state, random);
  }
  // A timer may be early by a fraction of a millisecond.
  over.abort();
  const done = await Promise.race([lives, sleep(ANSWERED_MS)]);
  if (!done) throw new Error(`never answered: ${[...living].join(", ")}`);
  progress("everything is answered; nobody asks for anything now");
  await sleep(UNATTENDED_MS);
  return done;
}

async function begin(state: string, port: number): Promise<Server> {
  const server = await start({ config, script, vars, state, port });
  api.url = server.url;
  api.startedAt = Date.now();
  return server;
}

async function killAndStart(state: string, random: Random): Promise<void> {
  if (!current) return;
  const port = Number(new URL(current.url).port);
  api.startedAt = Number.POSITIVE_INFINITY;
  await kill(current);
  kills.push(Date.now());
  api.count("kills");
  await sleep(random.int(0, 1_000));
  current = await begin(state, port);
}

/** Waits until a session has no more work. */
async function comeToRest(life: Life): Promise<void> {
  // The log is read first, because any request wakes the session.
  const path = `/api/sessions/${life.id}/events?limit=1000`;
  const { events } = await read<Pick<Story, "events">>(api, path);
  const newestAt = Date.parse(events.at(-1)?.at ?? "");
  for (const giveUpAt = Date.now() + REST_MS; Date.now() < giveUpAt; await sleep(1_000)) {
    const { messages } = await readStory(api, life.id);
    if (messages.every(({ endedAt }) => endedAt !== null)) return;
    if (newestAt < api.startedAt) {
      return api.violation(life.id, `nobody worked on it since event ${events.length}`);
    }
  }
  api.violation(life.id, "it does not come to rest");
}

function judge(life: Life, story: Story): void {
  const { session, messages, events } = story;
  api.count(`sessions, ${session.status} in the end`);
  for (const { status, stopReason, startedAt, endedAt } of messages) {
    api.count(`messages, ${status} by ${stopReason}`);
    const ran = [Date.parse(startedAt ?? ""), Date.parse(endedAt ?? "")] as const;
    if (kills.some((at) => ran[0] < at && at < ran[1])) api.count("messages that outlived a kill");
  }
  for (const event of events) {
    if (event.type === "turn.retried") api.count(`turns retried, ${event.reason}`);
    if (event.type === "tool.completed") {
      const lost = event.isError && event.content.includes("effect is unknown");
      const calls = event.name.startsWith("mcp__") ? "calls of the MCP server" : "calls";
      const end = event.isError ? "failed" : "done";
      api.count(lost ? `${calls} that a kill cut off` : `${calls}, ${end}`);
    }
  }
  for (const fault of faultsOf(life, story, { isLying: IS_LYING })) api.violation(life.id, fault);
}

async function compareIndex(lives: readonly Life[]): Promise<void> {
  let faults = await faultsOfIndex(api, lives);
  for (const giveUpAt = Date.now() + INDEX_MS; faults.length > 0 && Date.now() < giveUpAt; ) {
    await sleep(1_000);
    faults = await faultsOfIndex(api, lives);
  }
  for (const fault of faults) api.violation("the index", fault);
}

/** Keeps the data on disk for inspection. */
async function keep(server: Server, state: string): Promise<void> {
  await stop(server);
  await rename(state, `${state}-kept`);
  console.error(`Its data is in ${state}-kept.`);
}

function report(tookMs: number): void {
  for (const [what, count] of [...counts].sort(([a], [b]) => a.localeCompare(b))) {
    console.log(`${String(count).padStart(6)}  ${what}`);
  }
  const took = `${SESSIONS} sessions, ${Math.round(tookMs / 1_000)} s`;
  console.log(
    `\nViolations: ${violations}. Again: npm run soak -- --seed ${SEED}${IS_LYING ? " --upstream lying" : ""}${DATABASES > 1 ? ` --databases ${DATABASES}` : ""}${options.mcp ? " --mcp" : ""}${options.limits ? " --limits" : ""}${options.news ? " --news" : ""}${options.machines ? " --machines" : ""} (${took})`,
  );
}

const progress = (what: string): void => console.error(`… ${what}`);

async function leave(code: number): Promise<never> {
  hangUp();
  await stopAll();
  process.exit(code);
}

process.once("SIGINT", () => leave(130));
process.once("SIGTERM", () => leave(143));

try {
  const beganAt = Date.now();
  console.log(`seed ${SEED}`);
  await main();
  report(Date.now() - beganAt);
  await leave(violations === 0 ? 0 : 1);
} catch (error) {
  console.error(error, `seed ${SEED}`);
  await leave(1);
}
