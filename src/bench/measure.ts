import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "./client.ts";
import type { Mode, Prompt, Target } from "./targets.ts";

/**
 * A value for Rigger, and the same for the baseline. Where they are measured, also for a Worker that only copies, and for
 * Rigger of another checkout.
 */
export interface Pair<T> {
  pass?: T;
  base: T;
  before?: T;
  rigger: T;
}

type Name = keyof Pair<unknown>;

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

/** Runs an action for each server. */
export async function forBoth<T, R>(pair: Pair<T>, act: (one: T) => Promise<R>): Promise<Pair<R>> {
  return {
    ...(pair.pass !== undefined && { pass: await act(pair.pass) }),
    base: await act(pair.base),
    ...(pair.before !== undefined && { before: await act(pair.before) }),
    rigger: await act(pair.rigger),
  };
}

/** Returns a pair with a function applied to each value. */
export const mapped = <T, R>(pair: Pair<T>, change: (one: T, name: Name) => R): Pair<R> => ({
  ...(pair.pass !== undefined && { pass: change(pair.pass, "pass") }),
  base: change(pair.base, "base"),
  ...(pair.before !== undefined && { before: change(pair.before, "before") }),
  rigger: change(pair.rigger, "rigger"),
});

/** Measures both servers in turns, so that changes in the computer's speed affect both. */
export async function inTurns<T, R>(
  pair: Pair<T>,
  rounds: number,
  measure: (one: T) => Promise<R>,
): Promise<Pair<R[]>> {
  const sides = mapped(pair, (subject) => ({ subject, results: [] as R[] }));
  for (let round = 0; round < rounds; round++) {
    const order = Object.values(sides);
    if (round % 2 === 1) order.reverse();
    for (const { subject, results } of order) results.push(await measure(subject));
  }
  return mapped(sides, ({ results }) => results);
}

/** Compares the latency of a request on both servers. */
export async function compareLatency(
  targets: Pair<Target>,
  { rounds, each }: Rounds,
  ask: (target: Target) => Promise<Answer>,
): Promise<Pair<Sample>> {
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
  targets: Pair<Target>,
  { rounds, each, ...what }: Rounds & { sessions: number; mode: Mode; prompt: Prompt },
): Promise<Pair<Load>> {
  const { sessions, mode, prompt } = what;
  const subjects = await forBoth(targets, async (target) => ({
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

const usages = (targets: Pair<Target>) => mapped(targets, ({ server }) => server.usage());
