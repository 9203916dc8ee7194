/** The seconds of a day. The day repeats: what begins at its end goes on at its beginning. */
export const DAY_S = 86_400;

/** A value for each second of a day. */
export type Series = Float64Array;

export const newSeries = (): Series => new Float64Array(DAY_S);

const secondOf = (at: number): number => Math.floor(at) % DAY_S;

/** Adds an amount to the second of a time. */
export function add(series: Series, at: number, amount = 1): void {
  const second = secondOf(at);
  series[second] = (series[second] ?? 0) + amount;
}

/** Things that last, from a second to a later one. */
export interface Spans {
  /** The change of the number of things that last, at each second. */
  changes: Series;
  /** How many last over midnight. */
  overnight: number;
}

export const newSpans = (): Spans => ({ changes: newSeries(), overnight: 0 });

/** Adds what lasts from one time to another, for less than a day. */
export function addSpan(spans: Spans, from: number, to: number): void {
  if (to - from >= DAY_S) throw new Error("it lasts longer than a day");
  add(spans.changes, from);
  add(spans.changes, to, -1);
  if (secondOf(to) < secondOf(from)) spans.overnight += 1;
}

/** Returns how many things last in each second. */
export function levels({ changes, overnight }: Spans): Series {
  const result = newSeries();
  for (let second = 0, level = overnight; second < DAY_S; second++) {
    level += changes[second] ?? 0;
    result[second] = level;
  }
  return result;
}

/** Returns how much of the work, in s of a single worker, is undone at the end of each second. */
export function backlog(work: Series): Series {
  const result = newSeries();
  let waiting = 0;
  // The second round begins with what the day before has left.
  for (let round = 0; round < 2; round++) {
    for (let second = 0; second < DAY_S; second++) {
      waiting = Math.max(0, waiting + (work[second] ?? 0) - 1);
      result[second] = waiting;
    }
  }
  return result;
}

/** The median, the 95th percentile and the maximum of a series, and its highest mean over an hour. */
export interface Spread {
  p50: number;
  p95: number;
  max: number;
  hour: number;
}

export function spreadOf(series: Series): Spread {
  const sorted = series.slice().sort();
  const at = (part: number) => sorted[Math.min(DAY_S - 1, Math.floor(part * DAY_S))] ?? 0;
  return { p50: at(0.5), p95: at(0.95), max: at(1), hour: busiestHour(series) };
}

function busiestHour(series: Series): number {
  const hours = Array.from({ length: 24 }, (_, hour) =>
    sumOf(series.subarray(hour * 3_600, (hour + 1) * 3_600)),
  );
  return Math.max(...hours) / 3_600;
}

/** Returns the sum of the values of a series. */
export const sumOf = (series: Series): number => series.reduce((sum, value) => sum + value, 0);

/** Returns the sums of several series, second by second. */
export function sumSeries(all: readonly Series[]): Series {
  const result = newSeries();
  for (const series of all) {
    for (let second = 0; second < DAY_S; second++) {
      result[second] = (result[second] ?? 0) + (series[second] ?? 0);
    }
  }
  return result;
}
