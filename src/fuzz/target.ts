import { setTimeout as sleep } from "node:timers/promises";
import { kill, newState, type Server, start } from "../bench/servers.ts";
import type { Origin } from "./client.ts";

/** A server under test. Its health is checked continuously, and it may crash. */
export interface Target extends Origin {
  server: Server;
  /** The directory of its data. */
  state: string;
  /** Durations of its health checks, in ms. */
  healthMs: number[];
  /** The highest memory use of its Worker, in megabytes. */
  megabytes: number;
  /** Stops the health checks; the server continues. */
  leave(): void;
}

/** A server that does not answer for this time counts as hung. */
export const HANG_MS = 5_000;
const LOOK_EVERY_MS = 250;
/** Interrupted work continues soon after a start, and may hang the server again. */
const RECOVERY_MS = 10_000;

/** Starts a server with settings and checks its health until it is left or lost. */
export async function open(vars: Record<string, string>, state?: string): Promise<Target> {
  const place = state ?? (await newState());
  const server = await start({ config: "wrangler.toml", vars, state: place });
  const lost = new AbortController();
  const left = new AbortController();
  const target: Target = {
    url: server.url,
    lost: lost.signal,
    server,
    state: place,
    healthMs: [],
    megabytes: 0,
    leave: () => left.abort(),
  };
  void watch(target, left.signal, lost);
  return target;
}

/** Kills a lost server and restarts it with the same data. Returns undefined if it is lost again before any request. */
export async function reopen(
  { server, state }: Target,
  vars: Record<string, string>,
): Promise<Target | undefined> {
  await kill(server);
  const target = await open(vars, state).catch(() => undefined);
  if (!target) return undefined;
  await sleep(RECOVERY_MS, undefined, { signal: target.lost }).catch(() => {});
  if (!target.lost.aborted) return target;
  await kill(target.server);
  return undefined;
}

async function watch(target: Target, left: AbortSignal, lost: AbortController): Promise<void> {
  while (!left.aborted) {
    const beganAt = performance.now();
    const health = await fetch(`${target.url}/health`, { signal: AbortSignal.timeout(HANG_MS) })
      .then((response) => response.text())
      .catch((error: unknown) => error);
    if (left.aborted) return;
    if (health instanceof Error) return lost.abort(health);
    target.healthMs.push(performance.now() - beganAt);
    const usage = target.server.usage();
    target.megabytes = Math.max(target.megabytes, usage?.workerMegabytes ?? 0);
    await sleep(LOOK_EVERY_MS);
  }
}
