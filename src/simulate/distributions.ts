import type { Random } from "../soak/random.ts";

/** Returns a sample of the exponential distribution. */
export const exponential = (random: Random, mean: number): number =>
  -mean * Math.log(1 - random.unit());

/** Returns a sample of the standard normal distribution. */
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random.unit())) * Math.cos(2 * Math.PI * random.unit());

/** Returns a sample of the log-normal distribution with a mean; `spread` is the deviation of its logarithm. */
export const logNormal = (random: Random, mean: number, spread: number): number =>
  mean * Math.exp(spread * normal(random) - spread ** 2 / 2);

/** Returns a sample of the geometric distribution from 1, with a mean. */
export const geometric = (random: Random, mean: number): number =>
  1 + Math.floor(Math.log(1 - random.unit()) / Math.log(1 - 1 / mean));

/** Returns a sampler of ranks from 0: rank k has the weight 1 / (k + 1). */
export function zipf(random: Random, count: number): () => number {
  const sums = new Float64Array(count);
  for (let k = 0, sum = 0; k < count; k++) {
    sum += 1 / (k + 1);
    sums[k] = sum;
  }
  const total = sums[count - 1] ?? 0;
  return () => {
    const wanted = random.unit() * total;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] ?? 0) > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** Returns a time of the day, in s. Times around the middle of the day are more frequent: by `swing` at the peak. */
export function timeOfDay(random: Random, swing: number): number {
  for (;;) {
    const at = random.unit() * 86_400;
    const weight = 1 - swing * Math.cos((2 * Math.PI * at) / 86_400);
    if (random.unit() * (1 + swing) < weight) return at;
  }
}
