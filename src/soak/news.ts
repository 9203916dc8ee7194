import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { type Api, ask, read } from "./api.ts";
import { answerCalls, faultsOfCalls } from "./caller.ts";
import { AUTOMATION_USER, type Life } from "./life.ts";
import type { Random } from "./random.ts";

// What tells somebody, asks somebody and is started by something, while the server is killed: webhooks with a receiver that
// fails at times, approvals, client tools, limits that pause, and an automation that is fired.

/** How often approvals and pauses are looked for, in ms, and how often the automation is fired. */
const LOOK_MS = 700;
const FIRE_MS = 1_500;
/** How long it may take until every receiver has every event, and every run has ended, in ms. */
const SETTLED_MS = 120_000;
/** The part of the requests that a receiver refuses. */
const REFUSED = 0.1;

interface Approval {
  id: string;
  sessionId: string;
}

interface Run {
  id: string;
  sessionId: string | null;
  status: string;
}

/** What happens beside the sessions. */
export interface News {
  /** Returns what is wrong in the end. */
  faults(lives: readonly Life[]): Promise<string[]>;
}

/**
 * Begins to receive events, to decide about calls and to answer them, to raise limits and to fire an automation, until `closed` aborts. `lives`
 * are the sessions that are known by then.
 */
export async function begin(
  api: Api,
  random: Random,
  lives: readonly Life[],
  over: AbortSignal,
  closed: AbortSignal,
): Promise<News> {
  /** The seqs of the events that were accepted, by session, in the order of arrival. */
  const accepted = new Map<string, number[]>();
  /** Whether the receiver accepts everything. */
  let isPatient = false;
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    if (!isPatient && random.chance(REFUSED)) return response.writeHead(500).end("not now");
    const { data } = JSON.parse(String(Buffer.concat(pieces)));
    const { session, event } = data;
    accepted.set(session.id, [...(accepted.get(session.id) ?? []), event.seq]);
    // The answer may be lost with the connection.
    return !isPatient && random.chance(0.02) ? response.destroy() : response.end("thanks");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const hook = { url: `http://127.0.0.1:${port}/`, events: ["*"] };
  const webhook = await make(api, "/api/webhooks", hook, "webhook");
  const automation = await make(
    api,
    "/api/automations",
    {
      ...{ name: "soak", prompt: "hello", maxConcurrentRuns: 20 },
      session: { pattern: "ephemeral", userId: AUTOMATION_USER },
    },
    "automation",
  );
  const fired = new Set<string>();
  const loop = async (everyMs: number, until: AbortSignal, act: () => Promise<void>) => {
    while (!until.aborted) {
      await act().catch((error) => api.violation("news", String(error)));
      await sleep(everyMs, undefined, { signal: until }).catch(() => {});
    }
  };
  void loop(LOOK_MS, closed, () => decide(api));
  void loop(LOOK_MS, closed, () => raise(api, lives));
  void loop(LOOK_MS, closed, () => answerCalls(api, random, lives));
  const firing = loop(FIRE_MS, over, async () => {
    const headers = { "Idempotency-Key": `fire-${fired.size}` };
    const path = `/api/automations/${automation}/fire`;
    const answer = await ask<{ runId: string }>(api, { method: "POST", path, headers });
    if (answer.status === 202) fired.add(answer.body.runId);
    else if (answer.status !== 429) api.violation(path, `was answered with ${answer.status}`);
    api.count(`automation, ${answer.status}`);
  });
  return {
    async faults(all) {
      await firing;
      // What has failed often would only be tried again later.
      isPatient = true;
      const path = `/api/webhooks/${webhook}`;
      await ask(api, { method: "PATCH", path, body: { enabled: true } });
      let faults: string[] = [];
      for (const giveUpAt = Date.now() + SETTLED_MS; Date.now() < giveUpAt; await sleep(1_000)) {
        faults = [
          ...all.flatMap((life) => faultsOfEvents(life, accepted.get(life.id) ?? [])),
          ...(await faultsOfRuns(api, automation, fired)),
        ];
        if (faults.length === 0) break;
      }
      faults.push(...all.flatMap(faultsOfCalls));
      for (const seqs of accepted.values()) for (const _ of seqs) api.count("events received");
      server.close();
      return faults;
    },
  };
}

async function make(api: Api, path: string, body: unknown, key: string): Promise<string> {
  const headers = { "Idempotency-Key": key };
  const { status, body: made } = await ask<{ id: string }>(api, {
    ...{ method: "POST", path, body, headers },
  });
  if (status !== 201) throw new Error(`${path} was answered with ${status}`);
  return made.id;
}

/** Allows every call that waits. */
async function decide(api: Api): Promise<void> {
  const { approvals } = await read<{ approvals: Approval[] }>(api, "/api/approvals?limit=50");
  for (const { id, sessionId } of approvals) {
    const path = `/api/sessions/${sessionId}/approvals/${id}`;
    const { status } = await ask(api, { method: "POST", path, body: { decision: "allow" } });
    api.count(`approvals, ${status}`);
    if (![200, 404, 409].includes(status)) api.violation(path, `was answered with ${status}`);
  }
}

/** Raises the limits at which sessions pause. */
async function raise(api: Api, lives: readonly Life[]): Promise<void> {
  type Paused = {
    id: string;
    pausedBecause: string | null;
    numTurns: number;
    maxBudgetUsd: number;
  };
  const path = "/api/sessions?status=idle&pageSize=100";
  const { sessions } = await read<{ sessions: Paused[] }>(api, path);
  for (const { id, pausedBecause, numTurns, maxBudgetUsd } of sessions) {
    const life = lives.find((one) => one.id === id);
    if (pausedBecause === null || !life) continue;
    const body: Record<string, number | null> = {
      ...(pausedBecause === "turns" && { maxTurns: numTurns + 4 }),
      ...(pausedBecause === "budget" && { maxBudgetUsd: maxBudgetUsd + 1 }),
      ...(pausedBecause === "lifetime" && { maxLifetimeMs: null }),
    };
    life.maxBudgetUsd = Math.max(life.maxBudgetUsd, body.maxBudgetUsd ?? 0);
    life.maxTurns = Math.max(life.maxTurns, body.maxTurns ?? 0);
    const { status } = await ask(api, { method: "PATCH", path: `/api/sessions/${id}`, body });
    api.count(`pauses at ${pausedBecause}, ${status}`);
  }
}

/** Returns whether a receiver has every event of a session at rest once or more, in order. */
function faultsOfEvents({ id, story }: Life, seqs: readonly number[]): string[] {
  if (!story) return [];
  const once = seqs.filter((seq, at) => seq !== seqs[at - 1]);
  const wanted = story.events.map(({ seq }) => seq);
  const got = once.slice(0, wanted.length);
  if (wanted.every((seq, at) => seq === got[at])) return [];
  const at = wanted.findIndex((seq, n) => seq !== got[n]);
  return [
    `${id}: of ${wanted.length} events, the receiver has ${once.length}; ${got[at]} at ${at}`,
  ];
}

async function faultsOfRuns(
  api: Api,
  automation: string,
  fired: ReadonlySet<string>,
): Promise<string[]> {
  const runs: Run[] = [];
  for (let cursor = ""; ; ) {
    type Page = { runs: Run[]; nextCursor: string | null };
    const query = `?limit=100${cursor === "" ? "" : `&cursor=${cursor}`}`;
    const page: Page = await read(api, `/api/automations/${automation}/runs${query}`);
    runs.push(...page.runs);
    if (page.nextCursor === null) break;
    cursor = page.nextCursor;
  }
  const sessions = new Set(runs.map(({ sessionId }) => sessionId));
  return [
    ...(sessions.size === runs.length ? [] : ["two runs have one session"]),
    ...[...fired].flatMap((id) => (runs.some((run) => run.id === id) ? [] : [`${id} is no run`])),
    ...runs.flatMap(({ id, status }) =>
      ["completed", "gone"].includes(status) ? [] : [`the run ${id} is ${status}`],
    ),
  ];
}
