import { setTimeout as sleep } from "node:timers/promises";
import {
  type Answer,
  type Api,
  ask,
  type ErrorBody,
  type MessageView,
  type PreviewView,
  readStory,
  type SessionView,
  type Story,
} from "./api.ts";
import { changeFile, type KnownFiles } from "./files.ts";
import type { Random } from "./random.ts";
import {
  AGENTS,
  BEGINNINGS,
  CLIENT_TOOL,
  NOTES,
  randomScript,
  type Script,
  showLog,
  slowScript,
} from "./script.ts";
import { follow, newWatched, type Watched } from "./streams.ts";

/** A message, with what its client knows of it. */
export interface Sent {
  marker: string;
  script: Script;
  body: Record<string, unknown>;
  /** The message ids that its requests returned. */
  ids: Set<string>;
  /** The ended messages that its requests returned. */
  answers: MessageView[];
  /** The events that its streams received. */
  streams: Watched[];
}

/** A session, with what its client knows of it. */
export interface Life {
  id: string;
  pattern: string;
  /** Whether it is deleted during its work, so that its final cost is unknown. */
  doomed: boolean;
  /** The highest limits that it ever had. */
  maxBudgetUsd: number;
  maxTurns: number;
  /** The lines of the file to which tokens are appended that the session has begun with. */
  given: readonly string[];
  /** Whether it has a client tool. */
  callsBack: boolean;
  /** The number of interrupted messages. */
  interrupts: number;
  sent: Sent[];
  /** The events that a permanent watcher received; null without one. */
  watched: Watched | null;
  /** The files that its client has written. */
  files: KnownFiles;
  /** Its snapshots, from which other sessions may start. */
  snapshots: string[];
  /** The data of an ephemeral session before its removal. */
  story: Story | null;
}

/** The shared state of all simulated sessions. */
export interface World {
  api: Api;
  /** Sessions that other sessions may start from. */
  origins: Life[];
  /** All sessions. */
  known: Life[];
  /** Aborted when no new work may begin. */
  over: AbortSignal;
  /** Aborted when all watchers must disconnect. */
  closed: AbortSignal;
}

/** The prompt of schedules. */
const SCHEDULED = 'on schedule\n/Glob {"pattern":"*.txt"}';

const PATTERNS = ["ephemeral", "long-running", "hybrid", "hybrid", "single-container"] as const;

/**
 * The users of the sessions. Sessions that are deleted early have another user, so that the sums of these users
 * are known.
 */
export const USERS = ["ada", "bob", "cyd"] as const;
export const DELETED_USER = "doomed";
/** The user of sessions that an automation starts. */
export const AUTOMATION_USER = "automation";

/** Simulates one session with random actions. Ends when every request is answered. */
export async function live(world: World, random: Random, name: string): Promise<Life> {
  const { api, over, closed } = world;
  const life = await create(world, random, name);
  world.known.push(life);
  if (!life.doomed && life.pattern !== "ephemeral") world.origins.push(life);
  const { path } = of(life);
  if (random.chance(0.4)) {
    life.watched = newWatched();
    const headers = { Accept: "text/event-stream" };
    void follow(api, { path: `${path}/events`, headers, signal: closed }, life.watched);
  }
  const schedule = life.pattern !== "ephemeral" && random.chance(0.3);
  const scheduleId = schedule ? await addSchedule(api, random, life) : null;
  const open: Promise<void>[] = [];
  // An ephemeral session is removed a minute after its message ends, so it must be read before.
  const most = life.pattern === "ephemeral" ? 4 : 16;
  for (let steps = random.int(3, most); steps > 0 && !over.aborted; steps--) {
    const step = act(api, random, life).catch((error) => api.violation(life.id, `${error}`));
    if (random.chance(0.5)) open.push(step);
    else await step;
    const pauseMs = random.int(0, random.pick([20, 500, 4000]));
    await sleep(pauseMs, undefined, { signal: over }).catch(() => {});
  }
  if (scheduleId) await pauseSchedule(api, life, scheduleId);
  if (life.pattern === "ephemeral" && life.sent.length === 0) await sendRandom(api, random, life);
  if (life.doomed) await remove(api, life);
  else if (over.aborted && life.pattern !== "ephemeral") await sendUnattended(api, life);
  else if (random.chance(0.15)) await terminate(api, life);
  await Promise.all(open);
  if (life.pattern === "ephemeral" && !life.doomed) life.story = await lastWords(api, life);
  return life;
}

/** Adds a schedule to a session; null if the session has already ended. */
async function addSchedule(api: Api, random: Random, life: Life): Promise<string | null> {
  const body = { everyMs: random.int(1_000, 6_000), prompt: SCHEDULED };
  const headers = { "Idempotency-Key": `schedule-${life.id}` };
  const request = { method: "POST", path: `${of(life).path}/schedules`, body, headers };
  const answers = await severalTimes(random, () => ask<{ id?: string }>(api, request));
  const ids = new Set(answers.map((answer) => answer.body.id));
  const statuses = answers.map(({ status }) => status);
  if (ids.size !== 1 || !statuses.every((status) => status === 201 || status === 409)) {
    api.violation(life.id, `its schedule was answered with ${JSON.stringify(answers)}`);
  }
  api.count("schedules");
  return answers[0]?.body.id ?? null;
}

async function pauseSchedule(api: Api, life: Life, id: string): Promise<void> {
  const path = `${of(life).path}/schedules/${id}`;
  await check(api, life, { method: "PATCH", path, body: { paused: true } }, 200, 409);
}

/** Sends a background message that runs when the server is killed for the last time. */
async function sendUnattended(api: Api, life: Life): Promise<void> {
  const marker = `slow-${life.id.slice(-8)}`;
  await send(api, life, newMessage(marker, slowScript(marker), { background: true }));
}

/** Sends a live session a last message that shows the effects of its commands. */
export async function sendLast(api: Api, life: Life): Promise<void> {
  const marker = `last-${life.id.slice(-8)}`;
  await send(api, life, newMessage(marker, showLog(marker), {}));
}

const of = ({ id }: Life) => ({ path: `/api/sessions/${id}` });

async function create(world: World, random: Random, name: string): Promise<Life> {
  const { api } = world;
  const doomed = random.chance(0.12);
  const maxBudgetUsd = random.chance(0.2) ? random.int(5, 500) / 1_000 : 5;
  const maxTurns = random.chance(0.2) ? random.int(2, 12) : null;
  const pattern = random.pick(PATTERNS);
  const withAgents = pattern === "single-container";
  const callsBack = api.asks === true && random.chance(0.4);
  const kind = api.hasMachines ? random.pick(["files", "setup", "repository"] as const) : "files";
  const beginning = random.chance(0.4) ? BEGINNINGS[kind] : { config: {}, lines: [] };
  if (beginning.lines.length > 0) api.count(`beginnings, ${kind}`);
  const config = {
    ...beginning.config,
    ...(callsBack && { clientTools: [CLIENT_TOOL] }),
    ...(callsBack && random.chance(0.2) && { clientToolTimeoutMs: 2_000 }),
    ...(random.chance(0.1) && { maxTurns: random.int(1, 4) }),
    ...(withAgents && { customAgents: Object.fromEntries(AGENTS.map((type) => [type, {}])) }),
    ...(api.asks && random.chance(0.3) && { askTools: ["Bash"] }),
    ...(api.notesUrl !== undefined && { mcpServers: { [NOTES]: { url: api.notesUrl } } }),
    ...(random.chance(0.4) && { artifacts: random.pick([["*.txt"], []]) }),
  };
  const body = {
    pattern,
    config,
    maxBudgetUsd,
    maxTurns,
    ...(api.asks && random.chance(0.4) && { onLimit: "pause" }),
    description: name,
    userId: doomed ? DELETED_USER : random.pick(USERS),
    ...(pattern !== "ephemeral" &&
      random.chance(0.2) && { maxIdleTimeMs: random.int(2_000, 6_000) }),
    ...(random.chance(0.1) && { maxLifetimeMs: random.int(5_000, 60_000) }),
  };
  const origin = random.chance(0.3) ? randomOrigin(world, random) : null;
  const copy = origin && (await createFrom(api, random, `${name}, again`, body, origin));
  const id = copy ?? (await createOne(api, random, name, body, 201));
  api.count(`creates, ${pattern}`);
  return {
    id: id ?? "",
    pattern,
    doomed,
    maxBudgetUsd,
    maxTurns: maxTurns ?? Number.POSITIVE_INFINITY,
    // What it starts from has other files.
    given: copy ? [] : beginning.lines,
    callsBack,
    interrupts: 0,
    sent: [],
    watched: null,
    files: new Map(),
    snapshots: [],
    story: null,
  };
}

type Body = Record<string, unknown> & { config: Record<string, unknown> };

/** Returns a random source: an earlier session or a snapshot of one; null if there is none yet. */
function randomOrigin({ origins }: World, random: Random): Record<string, unknown> | null {
  const origin = origins[random.int(0, origins.length - 1)];
  if (!origin) return null;
  const { id, snapshots } = origin;
  const snapshotId = snapshots[random.int(0, snapshots.length - 1)];
  if (snapshotId && random.chance(0.5)) return { snapshotId };
  return { resumeSessionId: id, ...(random.chance(0.5) && { forkSession: true }) };
}

/** Creates a session from an earlier one; undefined if that one is busy or its snapshot was removed. */
async function createFrom(
  api: Api,
  random: Random,
  name: string,
  body: Body,
  origin: Record<string, unknown>,
): Promise<string | undefined> {
  const config = { ...body.config, ...origin };
  const id = await createOne(api, random, name, { ...body, config }, 201, 404, 409);
  if (id) api.count(`creates from ${Object.keys(origin).join(" and ")}`);
  return id;
}

async function createOne(
  api: Api,
  random: Random,
  name: string,
  body: Body,
  ...expected: number[]
): Promise<string | undefined> {
  const headers = { "Idempotency-Key": name };
  const answers = await severalTimes(random, () =>
    ask<SessionView>(api, { method: "POST", path: "/api/sessions", body, headers }),
  );
  const made = answers.filter(({ status }) => status === 201);
  const ids = new Set(made.map((answer) => answer.body.id));
  if (!answers.every(({ status }) => expected.includes(status)) || ids.size > 1) {
    api.violation(name, `its creation was answered with ${JSON.stringify(answers)}`);
  }
  return made[0]?.body.id;
}

async function takeSnapshot(api: Api, life: Life): Promise<void> {
  const path = `${of(life).path}/snapshots`;
  const { status, body } = await ask<{ id: string }>(api, { method: "POST", path });
  api.count(`snapshots, ${status}`);
  if (status === 201) life.snapshots.push(body.id);
  else if (status !== 409 && !(status === 404 && life.doomed)) {
    api.violation(life.id, `a snapshot was answered with ${status} ${JSON.stringify(body)}`);
  }
}

function act(api: Api, random: Random, life: Life): Promise<void> {
  const { path } = of(life);
  const dice = random.int(1, 100);
  if (dice <= 62) return sendRandom(api, random, life);
  if (dice <= 75) return interrupt(api, life);
  if (dice <= 82) return patch(api, random, life);
  if (dice <= 88 && life.pattern !== "ephemeral") return takeSnapshot(api, life);
  if (dice <= 93 && api.hasMachines && !life.doomed) return preview(api, random, life);
  if (dice <= 97) return changeFile(api, random, life);
  const what = random.pick(["", "/messages", "/events?limit=5"]);
  api.count("reads");
  return check(api, life, { path: path + what }, 200);
}

/** Makes a preview, visits it and deletes it. Nothing listens at its port. */
async function preview(api: Api, random: Random, life: Life): Promise<void> {
  const path = `${of(life).path}/previews`;
  const headers = { "Idempotency-Key": `preview-${random.int(0, 1e9)}` };
  const request = { method: "POST", path, headers, body: { port: 5173 } };
  const answers = await severalTimes(random, () => ask<PreviewView>(api, request));
  const statuses = answers.map(({ status }) => status).sort();
  api.count(`previews, ${statuses[0]}`);
  // An ephemeral session is removed a minute after its message ended.
  if (statuses.includes(404) && life.pattern === "ephemeral") return;
  if (!statuses.every((status, n) => status === 409 || (status === 201 && n === 0))) {
    api.violation(life.id, `a preview was answered with ${JSON.stringify(answers)}`);
  }
  const { id, url } = answers.find(({ status }) => status === 201)?.body ?? {};
  if (id === undefined || url === undefined) return;
  // The server may be down at the moment.
  const visit = () =>
    fetch(url).then(
      ({ status }) => status,
      () => null,
    );
  const visited = await visit();
  if (![null, 404, 502, 503].includes(visited)) {
    api.violation(life.id, `a preview answered a visit with ${visited}`);
  }
  await check(api, life, { method: "DELETE", path: `${path}/${id}` }, 204);
  const after = await visit();
  if (after !== null && after !== 404) {
    api.violation(life.id, `a deleted preview answered a visit with ${after}`);
  }
}

function sendRandom(api: Api, random: Random, life: Life): Promise<void> {
  const marker = `m-${life.id.slice(-8)}-${life.sent.length}`;
  const onBusy = random.pick(["queue", "queue", "queue", "steer", "steer", "interrupt", "reject"]);
  // The stream of a prompt that joins another message is that of the other one.
  const mode = random.pick([
    "blocking",
    ...(onBusy === "steer" ? [] : ["streaming"]),
    "background",
  ]);
  const message = newMessage(
    marker,
    randomScript(random, marker, {
      withAgents: life.pattern === "single-container",
      withNotes: api.notesUrl !== undefined,
      callsBack: life.callsBack,
    }),
    {
      onBusy,
      ...(mode !== "blocking" && { [mode]: true }),
      ...(random.chance(0.1) && { maxBudgetUsd: random.int(1, 60) / 1_000 }),
      ...(random.chance(0.1) && { maxTurns: random.int(1, 3) }),
    },
  );
  api.count(`messages, ${mode}, ${onBusy}`);
  if (onBusy === "interrupt") life.interrupts++;
  return severalTimes(random, () => send(api, life, message)).then(() => {});
}

const newMessage = (marker: string, script: Script, options: Record<string, unknown>): Sent => ({
  marker,
  script,
  body: { prompt: script.prompt, ...options },
  ids: new Set(),
  answers: [],
  streams: [],
});

/** Repeats a message until it is answered, and records the response. */
async function send(api: Api, life: Life, message: Sent): Promise<void> {
  if (!life.sent.includes(message)) life.sent.push(message);
  const { body, marker } = message;
  const headers = { "Idempotency-Key": marker };
  const request = { method: "POST", path: `${of(life).path}/message`, body, headers };
  if (body.streaming !== true) {
    hear(api, life, message, await ask<MessageView & ErrorBody>(api, request));
    return;
  }
  const watched = newWatched();
  message.streams.push(watched);
  const refused = await follow(api, request, watched);
  for (const { messageId } of watched.events) message.ids.add(String(messageId));
  if (refused) hear(api, life, message, refused as Answer<MessageView & ErrorBody>);
}

function hear(
  api: Api,
  life: Life,
  message: Sent,
  { status, body }: Answer<MessageView & ErrorBody>,
): void {
  api.count(`answers to messages, ${status}`);
  if (status < 300) {
    message.ids.add(body.steerId ?? body.messageId);
    if (body.endedAt !== null && body.steerId === undefined) message.answers.push(body);
  } else if (status >= 500 && body.error.messageId) {
    message.ids.add(body.error.messageId);
  } else if (status === 429 && api.isLimited && body.error.reason === "spend_limit") {
    api.count("messages refused for want of money");
  } else if (!(status === 409 || (status === 404 && life.doomed))) {
    api.violation(life.id, `${message.marker} was answered with ${status} ${JSON.stringify(body)}`);
  }
}

async function interrupt(api: Api, life: Life): Promise<void> {
  life.interrupts++;
  api.count("interrupts");
  await check(api, life, { method: "POST", path: `${of(life).path}/interrupt` }, 200);
}

async function patch(api: Api, random: Random, life: Life): Promise<void> {
  type Patch = Record<string, unknown> & { maxBudgetUsd?: number; maxTurns?: number };
  const body = random.pick<() => Patch>([
    () => ({ tags: [`tag-${random.int(1, 5)}`, `tag-${random.int(6, 9)}`] }),
    () => ({ maxBudgetUsd: random.int(50, 2_000) / 1_000 }),
    () => ({ maxTurns: random.int(10, 60) }),
    () => (life.doomed ? { tags: [] } : { userId: random.pick(USERS), description: null }),
  ])();
  life.maxBudgetUsd = Math.max(life.maxBudgetUsd, body.maxBudgetUsd ?? 0);
  life.maxTurns = Math.max(life.maxTurns, body.maxTurns ?? 0);
  api.count("patches");
  await check(api, life, { method: "PATCH", path: of(life).path, body }, 200);
}

async function terminate(api: Api, life: Life): Promise<void> {
  api.count("terminates");
  await check(api, life, { method: "POST", path: `${of(life).path}/terminate` }, 200);
}

async function remove(api: Api, life: Life): Promise<void> {
  api.count("deletes");
  // The first response may have been lost.
  await check(api, life, { method: "DELETE", path: of(life).path }, 204, 404);
}

async function check(
  api: Api,
  life: Life,
  request: Parameters<typeof ask>[1],
  ...expected: number[]
): Promise<void> {
  const { status, body } = await ask(api, request);
  if (expected.includes(status) || (status === 404 && life.doomed)) return;
  api.violation(life.id, `${request.method} was answered with ${status} ${JSON.stringify(body)}`);
}

/** Reads an ephemeral session right after its message ended; a minute later it is removed. */
async function lastWords(api: Api, life: Life): Promise<Story> {
  for (;;) {
    const story = await readStory(api, life.id);
    if (story.session.completedAt ?? story.session.terminatedAt) return story;
    await sleep(500);
  }
}

/** Runs an action once, twice in parallel, or again after the first answer. */
async function severalTimes<T>(random: Random, act: () => Promise<T>): Promise<T[]> {
  const dice = random.int(1, 10);
  if (dice === 1) return Promise.all([act(), act()]);
  const first = await act();
  return dice === 2 ? [first, await act()] : [first];
}
