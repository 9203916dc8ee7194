import {
  inTurns,
  mapped,
  newSessions,
  type Rounds,
  type Sample,
  type Sides,
  sampleOf,
} from "./measure.ts";
import type { Listener, Target } from "./targets.ts";

/** The number of parallel streams that ended, and how evenly they flowed. */
export interface Crowd {
  finished: Sample;
  tookMs: Sample;
  firstDeltaMs: Sample;
  /** The longest time without data of any stream, between its first delta and its end. */
  longestGapMs: Sample;
  /** Maximum memory of the Worker's process; null if it cannot be measured. */
  megabytes: Sample | null;
}

const MEMORY_EVERY_MS = 200;

/** Measures the time from the model's first byte, which contains the time of sending, to its arrival at the client. */
export async function compareFirstByte(
  targets: Sides<Target>,
  { rounds, each }: Rounds,
): Promise<Sides<Sample>> {
  const taken = await inTurns(targets, rounds, async (target) => {
    const [id = ""] = await newSessions(target, 1);
    const delays: number[] = [];
    for (let made = 0; made < each; made++) {
      const stream = watchStream();
      await target.message(id, "stream", {}, stream.listen);
      delays.push(stream.behindMs());
    }
    return delays;
  });
  return mapped(taken, (delays) => sampleOf(delays.flat()));
}

/** Streams a slow reply to each of many parallel sessions. */
export async function crowd(target: Target, count: number, paceMs: number): Promise<Crowd> {
  const ids = await newSessions(target, count);
  const memory: number[] = [];
  const sampling = setInterval(() => {
    const usage = target.server.usage();
    if (usage) memory.push(usage.workerMegabytes);
  }, MEMORY_EVERY_MS);
  const beganAt = performance.now();
  try {
    const streams = await Promise.all(
      ids.map(async (id) => {
        const stream = watchStream();
        const { startedAt } = await target.message(id, "stream", { paceMs }, stream.listen);
        return { firstDeltaMs: stream.firstAt() - startedAt, gapMs: stream.longestGapMs() };
      }),
    );
    return {
      finished: { p50: streams.length },
      tookMs: { p50: performance.now() - beganAt },
      firstDeltaMs: sampleOf(streams.map(({ firstDeltaMs }) => firstDeltaMs)),
      longestGapMs: { p50: Math.max(...streams.map(({ gapMs }) => gapMs)) },
      megabytes: memory.length > 0 ? { p50: Math.max(...memory) } : null,
    };
  } finally {
    clearInterval(sampling);
  }
}

/** Records when the parts of a stream arrive. */
function watchStream() {
  let text = "";
  let firstAt = Number.NaN;
  let sentAt = Number.NaN;
  let lastAt = Number.NaN;
  let longestGapMs = 0;
  const listen: Listener = (piece, at) => {
    if (Number.isNaN(firstAt)) {
      text += piece;
      const stamp = /@(\d{13}) /.exec(text)?.[1];
      if (stamp === undefined) return;
      firstAt = at;
      sentAt = Number(stamp);
    } else {
      longestGapMs = Math.max(longestGapMs, at - lastAt);
    }
    lastAt = at;
  };
  return {
    listen,
    firstAt: () => firstAt,
    behindMs: () => firstAt - sentAt,
    longestGapMs: () => longestGapMs,
  };
}
