// Shares the processor between scripts and everything else that the isolate serves. A script computes in
// short slices; after each, others have their turn. What is kept here is shared by all objects of the
// isolate and is only times: an object that is lost in the middle of a script leaves nothing behind.

/** Ticks between two rests: some three milliseconds of work, since the engine ticks about every fifth of one. */
const SLICE_TICKS = 15;
/** The same while others are at work: a request of theirs takes several turns, and each may wait for a slice. */
const BUSY_SLICE_TICKS = 3;
/** The shortest rest takes one or two milliseconds. One that took longer shows that others are at work. */
const BUSY_MS = 2.5;
/** How long rests are then, and how long it is taken to be so. */
const BUSY_REST_MS = 3;
const BUSY_FOR_MS = 200;

/** A script that ends within so many ticks is short: it gives way as if nobody else were at work. */
const SHORT_TICKS = 30;

/** Engines at work at once: each may fill its memory, and the isolate has 128 MB. */
const MAX_ENGINES = 4;
/** A place that was not used for so long belongs to an object that was lost. */
const PLACE_TIMEOUT_MS = 1_500;
const PLACE_POLL_MS = 5;

/** Until when others are taken to be at work, and when the next slice of any script may begin then. */
let busyUntil = 0;
let nextSliceAt = 0;

/** When each engine at work was last known to be. */
const places = new Map<object, number>();

/** A script's share of the processor. */
export interface Pace {
  /** Counts a small step of work. Returns a promise when it is time to rest, which settles when the rest is over. */
  tick(): Promise<void> | undefined;
  /** Rests now. */
  rest(): Promise<void>;
  /** Waits so many ms, or less when the script is stopped. */
  wait(ms: number): Promise<void>;
  leave(): void;
}

/** Waits for a place among the engines; null when the script is stopped before it has one. */
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
