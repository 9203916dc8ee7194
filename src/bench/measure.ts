import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "./client.ts";
import type { Mode, Prompt, Target } from "./targets.ts";

/** Something of Rigger, and the same of what it is compared with. */
export type Pair<T> = Record<"base" | "rigger", T>;

/** Samples of one thing, summarised; `p95` is absent where there is only one number. */
export interface Sample {
  p50: number;
  p95?: number;
}

/** What it took to answer many messages; the CPU time is a message's, and null where it can't be had. */
export interface Load {
  latencyMs: Sample;
  perSecond: Sample;
  workerCpuMs: Sample | null;
  otherCpuMs: Sample | null;
}

/** How often and how much to measure, one server after the other in each round. */
export interface Rounds {
  rounds: number;
  each: number;
}

/** What a server does after it has answered is the message's too: the index is told 2 s later at most. */
const SETTLE_MS = 2_500;

/** Sessions that are made at once. */
const MADE_AT_ONCE = 8;

/** Summarises values by their median and 95th percentile. */
export function sampleOf(values: readonly number[]): Sample {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95) };
}

/** Does the same for both. */
export async function forBoth<T, R>(pair: Pair<T>, act: (one: T) => Promise<R>): Promise<Pair<R>> {
  return { base: await act(pair.base), rigger: await act(pair.rigger) };
}

/** Measures both in turns, so that a machine that gets slower or faster does so for both. */
export async function inTurns<T, R>(
  pair: Pair<T>,
  rounds: number,
  measure: (one: T) => Promise<R>,
): Promise<Pair<R[]>> {
  const results: Pair<R[]> = { base: [], rigger: [] };
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? (["base", "rigger"] as const) : (["rigger", "base"] as const);
    for (const name of order) results[name].push(await measure(pair[name]));
  }
  return results;
}

/** Times a request of both. */
export async function compareLatency(
  targets: Pair<Target>,
  { rounds, each }: Rounds,
  ask: (target: Target) => Promise<Answer>,
): Promise<Pair<Sample>> {
  const taken = await inTurns(targets, rounds, (target) => latencies(each, () => ask(target)));
  return { base: sampleOf(taken.base.flat()), rigger: sampleOf(taken.rigger.flat()) };
}

/** Makes sessions, which is not measured. */
export async function newSessions(target: Target, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const size = Math.min(MADE_AT_ONCE, count - ids.length);
    const made = await Promise.all(Array.from({ length: size }, () => target.create()));
    ids.push(...made.map(({ id }) => id));
  }
  return ids;
}

/** Has sessions answer messages at once, each session's own one after the other; new ones every round. */
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
  const loadOf = (name: keyof Pair<unknown>): Load => {
    const [from, to] = [before[name], after[name]];
    const cpu = (what: "workerCpuMs" | "otherCpuMs") =>
      from && to && { p50: (to[what] - from[what]) / messages };
    return {
      latencyMs: sampleOf(results[name].flatMap((round) => round.latencies)),
      perSecond: {
        p50: sampleOf(results[name].map((round) => (sessions * each * 1000) / round.tookMs)).p50,
      },
      workerCpuMs: cpu("workerCpuMs"),
      otherCpuMs: cpu("otherCpuMs"),
    };
  };
  return { base: loadOf("base"), rigger: loadOf("rigger") };
}

async function latencies(count: number, ask: () => Promise<Answer>): Promise<number[]> {
  const taken: number[] = [];
  for (let made = 0; made < count; made++) {
    const { startedAt, endedAt } = await ask();
    taken.push(endedAt - startedAt);
  }
  return taken;
}

const usages = ({ base, rigger }: Pair<Target>) => ({
  base: base.server.usage(),
  rigger: rigger.server.usage(),
});
