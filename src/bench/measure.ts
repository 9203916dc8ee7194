import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "./client.ts";
import type { Mode, Prompt, Target } from "./targets.ts";

/**
 * A value for Rigger, and the same for the baseline. Where they are measured, also for a Worker that only copies, and for
 * Rigger of another checkout.
 */
export interface Sides<T> {
  pass?: T;
  base: T;
  before?: T;
  rigger: T;
}

const NAMES = ["pass", "base", "before", "rigger"] as const satisfies (keyof Sides<unknown>)[];

type Name = (typeof NAMES)[number];

/** A summary of samples; `p95` is absent if there is only one. */
export interface Sample {
  p50: number;
  p95?: number;
}

/** The load of many messages. CPU time is per message, and null if it cannot be measured. */
export interface Load {
  latencyMs: Sample;
  perSecond: Sample;
  workerCpuMs: Sample | null;
  otherCpuMs: Sample | null;
}

/** The number of rounds and of samples; the servers take turns in each round. */
export interface Rounds {
  rounds: number;
  each: number;
}

/** Work after the response belongs to the message too: the index is updated after 2 s at most. */
const SETTLE_MS = 2_500;

/** Number of sessions that are created in parallel. */
const MADE_AT_ONCE = 8;

/** Returns the median and the 95th percentile of values. */
export function sampleOf(values: readonly number[]): Sample {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95) };
}

/** Runs an action for each server, one after the other. */
export async function forEachSide<T, R>(
  sides: Sides<T>,
  act: (one: T) => Promise<R>,
): Promise<Sides<R>> {
  return mapped(await inTurns(sides, 1, act), ([result]) => result as R);
}

/** Returns a function's results for each side. */
export function mapped<T, R>(sides: Sides<T>, change: (one: T, name: Name) => R): Sides<R> {
  const results = NAMES.flatMap((name) => {
    const one = sides[name];
    return one === undefined ? [] : [[name, change(one, name)]];
  });
  return Object.fromEntries(results);
}

/** Measures the servers in turns, so that changes in the computer's speed affect all. */
export async function inTurns<T, R>(
  compared: Sides<T>,
  rounds: number,
  measure: (one: T) => Promise<R>,
): Promise<Sides<R[]>> {
  const sides = mapped(compared, (subject) => ({ subject, results: [] as R[] }));
  for (let round = 0; round < rounds; round++) {
    const order = Object.values(sides);
    if (round % 2 === 1) order.reverse();
    for (const { subject, results } of order) results.push(await measure(subject));
  }
  return mapped(sides, ({ results }) => results);
}

/** Compares the latency of a request on the servers. */
export async function compareLatency(
  targets: Sides<Target>,
  { rounds, each }: Rounds,
  ask: (target: Target) => Promise<Answer>,
): Promise<Sides<Sample>> {
  const taken = await inTurns(targets, rounds, (target) => latencies(each, () => ask(target)));
  return mapped(taken, (values) => sampleOf(values.flat()));
}

/** Creates sessions; this is not measured. */
export async function newSessions(target: Target, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const size = Math.min(MADE_AT_ONCE, count - ids.length);
    const made = await Promise.all(Array.from({ length: size }, () => target.create()));
    ids.push(...made.map(({ id }) => id));
  }
  return ids;
}

/** Sends messages to parallel sessions, one at a time within each session, with new sessions in every round. */
export async function compareMessages(
  targets: Sides<Target>,
  { rounds, each, ...what }: Rounds & { sessions: number; mode: Mode; prompt: Prompt },
): Promise<Sides<Load>> {
  const { sessions, mode, prompt } = what;
  const subjects = await forEachSide(targets, async (target) => ({
    target,
    ids: await newSessions(target, sessions * rounds),
  }));
  await sleep(SETTLE_MS);
  const before = usages(targets);
  const results = await inTurns(subjects, rounds, async ({ target, ids }) => {
    const beganAt = performance.now();
    const taken = await Promise.all(
      ids.splice(0, sessions).map((id) => latencies(each, () => target.message(id, mode, prompt))),
    );
    return { latencies: taken.flat(), tookMs: performance.now() - beganAt };
  });
  await sleep(SETTLE_MS);
  const after = usages(targets);

  const messages = rounds * sessions * each;
  return mapped(results, (rounds, name): Load => {
    const [from, to] = [before[name], after[name]];
    const cpu = (what: "workerCpuMs" | "otherCpuMs") =>
      from && to ? { p50: (to[what] - from[what]) / messages } : null;
    return {
      latencyMs: sampleOf(rounds.flatMap((round) => round.latencies)),
      perSecond: {
        p50: sampleOf(rounds.map((round) => (sessions * each * 1000) / round.tookMs)).p50,
      },
      workerCpuMs: cpu("workerCpuMs"),
      otherCpuMs: cpu("otherCpuMs"),
    };
  });
}

async function latencies(count: number, ask: () => Promise<Answer>): Promise<number[]> {
  const taken: number[] = [];
  for (let made = 0; made < count; made++) {
    const { startedAt, endedAt } = await ask();
    taken.push(endedAt - startedAt);
  }
  return taken;
}

const usages = (targets: Sides<Target>) => mapped(targets, ({ server }) => server.usage());
