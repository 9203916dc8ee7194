// Shares the processor between scripts and everything else that the isolate serves. A script computes in short
// slices; after each, others get a turn. The state is shared by all objects of the isolate and consists of
// times only: an object that is lost during a script leaves nothing behind.

/** Ticks between two pauses: about three milliseconds of work, at a tick every fifth of one. */
const SLICE_TICKS = 15;
/** The same while the isolate is busy: a request takes several turns, and each may wait for a slice. */
const BUSY_SLICE_TICKS = 3;
/** The ms of a pause above which the isolate counts as busy: an undisturbed pause takes one or two. */
const BUSY_MS = 2.5;
/** The length of pauses while the isolate is busy, and the time for which it counts as busy. */
const BUSY_REST_MS = 3;
const BUSY_FOR_MS = 200;

/** The ticks within which a script is short: until then it runs as in an idle isolate. */
const SHORT_TICKS = 30;

/** The most engines at once: each may fill its memory, and the isolate has 128 MB. */
const MAX_ENGINES = 4;
/** The time after which an unused place is free: its object was lost. */
const PLACE_TIMEOUT_MS = 1_500;
const PLACE_POLL_MS = 5;

/** The end of the busy time, and the earliest start of the next slice of any script in it. */
let busyUntil = 0;
let nextSliceAt = 0;

/** The last sign of life of each engine. */
const places = new Map<object, number>();

/** A script's share of the processor. */
export interface Pace {
  /** Counts a small step of work. If it is time to pause, returns a promise that resolves after the pause. */
  tick(): Promise<void> | undefined;
  /** Pauses now. */
  rest(): Promise<void>;
  /** Waits `ms`, or less if the script is stopped. */
  wait(ms: number): Promise<void>;
  leave(): void;
}

/** Waits for a place among the engines; resolves with null if the script is stopped first. Call `leave` at the end. */
export async function enter(signal: AbortSignal): Promise<Pace | null> {
  const place = {};
  while (!signal.aborted && taken(Date.now()) >= MAX_ENGINES) await sleep(PLACE_POLL_MS, signal);
  if (signal.aborted) return null;
  const stay = () => places.set(place, Date.now());
  stay();

  let ticks = 0;
  let sliceEnd = SLICE_TICKS;
  const givesWay = (now: number) => ticks > SHORT_TICKS && now < busyUntil;
  const rest = async () => {
    stay();
    const began = performance.now();
    await scheduler.wait(0);
    let now = performance.now();
    if (now - began > BUSY_MS) busyUntil = now + BUSY_FOR_MS;
    while (!signal.aborted && givesWay(now) && now < nextSliceAt) {
      await scheduler.wait(nextSliceAt - now);
      now = performance.now();
    }
    nextSliceAt = now + BUSY_REST_MS;
    sliceEnd = ticks + (givesWay(now) ? BUSY_SLICE_TICKS : SLICE_TICKS);
  };
  return {
    rest,
    tick: () => (++ticks < sliceEnd ? undefined : rest()),
    async wait(ms) {
      const until = Date.now() + ms;
      for (let left = ms; left > 0 && !signal.aborted; left = until - Date.now()) {
        stay();
        await sleep(Math.min(left, PLACE_TIMEOUT_MS / 3), signal);
      }
    },
    leave: () => places.delete(place),
  };
}

function taken(now: number): number {
  for (const [place, at] of places) if (now - at > PLACE_TIMEOUT_MS) places.delete(place);
  return places.size;
}

/** Waits so many ms, or until the signal aborts. */
const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  scheduler.wait(ms, { signal }).catch(() => {});
