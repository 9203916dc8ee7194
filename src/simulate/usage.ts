import type { Day } from "./day.ts";
import { INDEX_BYTES, MAX_INSTANCES } from "./measured.ts";
import { INSTANCE, LIMITS } from "./platform.ts";
import { backlog, levels, type Series, type Spread, spreadOf, sumOf, sumSeries } from "./series.ts";

/** How much of a limit is used over a day: 1 is all of it. */
export interface Usage {
  resource: string;
  limit: string;
  used: Spread;
  /** What waits at the worst time; empty if nothing can wait. */
  queue: string;
  /** Whether the limit is a setting of the deployment, and so can be changed. */
  isSetting: boolean;
}

/** Returns the use of each limited resource. */
export function usagesOf(day: Day): Usage[] {
  const running = levels(day.containers);
  const containers = (limit: number, name: string, isSetting = false): Usage => ({
    resource: `containers: ${name}`,
    limit: limit.toLocaleString("en"),
    used: ratio(spreadOf(running), limit),
    queue: waiting(running, limit),
    isSetting,
  });
  const howMany = (total: number, each: number) => Math.floor(total / each);
  return [
    busiestDatabase(day.databaseWork),
    constant("index: size of the largest database", "10 GB", largestDatabaseBytes(day), {
      of: LIMITS.databaseBytes.value,
    }),
    constant("index: size of all databases", "1 TB", day.load.sessions * INDEX_BYTES, {
      of: LIMITS.accountDatabaseBytes.value,
    }),
    containers(MAX_INSTANCES, "`max_instances` of `wrangler.toml`", true),
    containers(
      howMany(LIMITS.containerMemoryGiB.value, INSTANCE.memoryGiB),
      "memory of the account",
    ),
    containers(howMany(LIMITS.containerVcpu.value, INSTANCE.vcpu), "vCPU of the account"),
    containers(howMany(LIMITS.containerDiskGB.value, INSTANCE.diskGB), "disk of the account"),
  ];
}

/**
 * Returns the resource whose limit is reached first as the load grows: that with the highest use in its busiest hour. A
 * shorter use of a whole limit only makes others wait.
 */
export function firstToBind(usages: readonly Usage[]): Usage {
  const [first, ...others] = usages;
  if (!first) throw new Error("nothing is limited");
  return others.reduce((most, one) => (one.used.hour > most.used.hour ? one : most), first);
}

function busiestDatabase(all: readonly Series[]): Usage {
  const busiest = all.reduce((most, one) => (sumOf(one) > sumOf(most) ? one : most));
  const lag = backlog(busiest);
  return {
    resource: "index: time of the busiest database",
    limit: "1 s a second",
    used: spreadOf(busiest),
    queue: `writes wait ${Math.ceil(spreadOf(lag).max).toLocaleString("en")} s`,
    isSetting: false,
  };
}

/** The sessions of the largest database, by its part of the work. */
function largestDatabaseBytes({ databaseWork, load }: Day): number {
  const totals = databaseWork.map(sumOf);
  const all = totals.reduce((sum, one) => sum + one, 0);
  return (Math.max(...totals) / all) * load.sessions * INDEX_BYTES;
}

const constant = (
  resource: string,
  limit: string,
  bytes: number,
  { of }: { of: number },
): Usage => ({
  resource,
  limit,
  used: ratio({ p50: bytes, p95: bytes, max: bytes, hour: bytes }, of),
  queue: "",
  isSetting: false,
});

const ratio = ({ p50, p95, max, hour }: Spread, limit: number): Spread => ({
  p50: p50 / limit,
  p95: p95 / limit,
  max: max / limit,
  hour: hour / limit,
});

/** Returns how many sessions wait for a container at the worst time. */
function waiting(running: Series, limit: number): string {
  const { max } = spreadOf(running);
  return max <= limit ? "" : `${Math.round(max - limit).toLocaleString("en")} sessions wait`;
}

/** Rates and levels that no limit of the platform bounds. */
export const ratesOf = (day: Day): [name: string, spread: Spread][] => [
  ["requests of clients, a second", spreadOf(day.requests)],
  ["index writes, a second", spreadOf(day.indexWrites)],
  ["alarms, a second", spreadOf(day.alarms)],
  ["objects in which a message runs", spreadOf(levels(day.awake))],
  ["streams of clients", spreadOf(levels(day.streams))],
  ["containers", spreadOf(levels(day.containers))],
  ["index time of all databases, s a second", spreadOf(sumSeries(day.databaseWork))],
];
