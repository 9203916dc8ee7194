import { setTimeout as sleep } from "node:timers/promises";
import { sampleOf } from "../bench/measure.ts";
import { stop } from "../bench/servers.ts";
import { printTable, row } from "../bench/table.ts";
import type { Random } from "../soak/random.ts";
import { call, must, type Origin } from "./client.ts";
import { HOSTILE_COMMANDS } from "./generators/hostile-commands.ts";
import { shellScript } from "./generators/shell.ts";
import { OFFLINE } from "./part.ts";
import { bashCall } from "./parts/shell.ts";
import { progress, summaryOf } from "./report.ts";
import { open, reopen, type Target } from "./target.ts";

const COMMANDS = 200;
/** Time limit of a hostile command, in ms. */
const COMMAND_MS = 2_000;
/** The time in ms for which the idle server is measured, and the number of commands between these measurements. */
const [QUIET_MS, COMMANDS_BETWEEN] = [1_500, 10];
/**
 * Delay between requests of the other session, about that of real users, so that the requests are no load
 * themselves.
 */
const PAUSE_MS = 20;
/** The maximum slowdown of other sessions. */
const AIM = { atMost: 2 };

/** Durations of another session's requests, in ms. */
interface Taken {
  reads: number[];
  messages: number[];
}

/**
 * Measures the reads and messages of one session while hostile commands run in others and while none run, on
 * one server and in turns. Prints a table.
 */
export async function measure(random: Random): Promise<void> {
  const more = Array.from({ length: COMMANDS - HOSTILE_COMMANDS.length }, () =>
    shellScript(random),
  );
  const commands = [...HOSTILE_COMMANDS, ...more].slice(0, COMMANDS);
  const [quiet, hostile] = [newTaken(), newTaken()];
  let target = await open(OFFLINE);
  const all = [target];
  let other = await newSession(target);
  await during(target, other, sleep(QUIET_MS), newTaken());
  for (const [n, command] of commands.entries()) {
    if (n % COMMANDS_BETWEEN === 0) {
      progress(`${n} of ${commands.length} commands`);
      await during(target, other, sleep(QUIET_MS), quiet);
    }
    const path = await newSession(target);
    await during(target, other, run(target, path, command), hostile);
    await call(target, { method: "DELETE", path }).catch(() => {});
    if (!target.lost.aborted) continue;
    console.error(`the server was lost to ${JSON.stringify(command.slice(0, 500))}`);
    target = (await reopen(target, OFFLINE)) ?? (await open(OFFLINE));
    all.push(target);
    other = await newSession(target);
  }
  target.leave();
  await stop(target.server);
  print(quiet, hostile);
  console.log(`\n${commands.length} commands, ${summaryOf(all)}`);
}

const newTaken = (): Taken => ({ reads: [], messages: [] });

/** Makes another session read and send in turns until some work is done or the server is lost. */
async function during(
  target: Target,
  path: string,
  work: Promise<unknown>,
  { reads, messages }: Taken,
): Promise<void> {
  let done = false;
  const finished = work
    .catch(() => {})
    .then(() => {
      done = true;
    });
  const message = { method: "POST", path: `${path}/message`, body: { prompt: "hi" } };
  while (!done && !target.lost.aborted) {
    await timed(target, { path }, reads);
    await timed(target, message, messages);
    await sleep(PAUSE_MS);
  }
  if (!target.lost.aborted) await finished;
}

async function timed(
  target: Target,
  request: Parameters<typeof call>[1],
  taken: number[],
): Promise<void> {
  const beganAt = performance.now();
  // A lost server is reported separately. The time without service until then counts.
  await call(target, request).catch(() => {});
  taken.push(performance.now() - beganAt);
}

async function newSession(origin: Origin): Promise<string> {
  const body = { pattern: "hybrid", maxBudgetUsd: null };
  const created = { method: "POST", path: "/api/sessions", body };
  const { id } = await must<{ id: string }>(origin, 201, created);
  return `/api/sessions/${id}`;
}

/** Runs one command to its end. */
async function run(origin: Origin, path: string, command: string): Promise<void> {
  const body = { prompt: bashCall(command, COMMAND_MS) };
  await call(origin, { method: "POST", path: `${path}/message`, body });
}

function print(quiet: Taken, hostile: Taken): void {
  const line = (name: string, what: keyof Taken, quantile: "p50" | "p95") => {
    const value = (taken: Taken) => ({ p50: sampleOf(taken[what])[quantile] ?? Number.NaN });
    const values = { base: value(quiet), rigger: value(hostile) };
    return row(`${name}, ${quantile}`, "ms", values, quantile === "p95" ? AIM : undefined);
  };
  printTable("Another session while hostile commands run", { base: "quiet", rigger: "hostile" }, [
    line("read", "reads", "p50"),
    line("read", "reads", "p95"),
    line("message", "messages", "p50"),
    line("message", "messages", "p95"),
  ]);
}
