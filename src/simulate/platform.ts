// Limits and prices of the platform (Workers Paid), with the pages of developers.cloudflare.com that state them.

/** A limit, and the page that states it. */
export interface Limit {
  value: number;
  source: string;
}

const limit = (value: number, source: string): Limit => ({ value, source });

export const LIMITS = {
  /** Requests a second of one object: a soft limit. */
  objectRequests: limit(1_000, "/durable-objects/platform/limits/"),
  objectBytes: limit(10e9, "/durable-objects/platform/limits/"),
  databaseBytes: limit(10e9, "/d1/platform/limits/"),
  /** Of all databases of an account. It can be raised by request. */
  accountDatabaseBytes: limit(1e12, "/d1/platform/limits/"),
  /** Bindings of one Worker, which bounds the number of databases. */
  bindings: limit(5_000, "/d1/platform/limits/"),
  /** Of all containers of an account that run at the same time. */
  containerMemoryGiB: limit(6 * 1_024, "/containers/platform/limits/"),
  containerVcpu: limit(1_500, "/containers/platform/limits/"),
  containerDiskGB: limit(30_000, "/containers/platform/limits/"),
} as const;

/** The instance type of `wrangler.toml`: standard-2. */
export const INSTANCE = { vcpu: 1, memoryGiB: 6, diskGB: 12 } as const;

/** A price in dollars a unit, and what the plan includes a month. */
export interface Price {
  dollars: number;
  included: number;
  unit: string;
  source: string;
}

const perMillion = (dollars: number, included: number, unit: string, source: string): Price => ({
  dollars: dollars / 1e6,
  included,
  unit,
  source,
});

const WORKERS = "/workers/platform/pricing/";
const OBJECTS = "/durable-objects/platform/pricing/";
const D1 = "/d1/platform/pricing/";
const R2 = "/r2/pricing/";
const CONTAINERS = "/containers/pricing/";

export const PRICES = {
  requests: perMillion(0.3, 10e6, "request", WORKERS),
  cpuMs: perMillion(0.02, 30e6, "CPU ms", WORKERS),
  objectRequests: perMillion(0.15, 1e6, "request, RPC call or alarm", OBJECTS),
  objectGBs: perMillion(12.5, 400_000, "GB-s, 0.128 GB an object", OBJECTS),
  objectRows: perMillion(1, 50e6, "row written", OBJECTS),
  objectGBMonths: { dollars: 0.2, included: 5, unit: "GB-month", source: OBJECTS },
  objectRowsRead: perMillion(0.001, 25e9, "row read", OBJECTS),
  indexRowsRead: perMillion(0.001, 25e9, "row read", D1),
  logs: perMillion(0.6, 20e6, "log event", "/workers/observability/logs/workers-logs/#pricing"),
  indexRows: perMillion(1, 50e6, "row written", D1),
  indexGBMonths: { dollars: 0.75, included: 5, unit: "GB-month", source: D1 },
  r2A: perMillion(4.5, 1e6, "operation of class A", R2),
  r2B: perMillion(0.36, 10e6, "operation of class B", R2),
  r2GBMonths: { dollars: 0.015, included: 10, unit: "GB-month", source: R2 },
  vcpuS: { dollars: 0.00002, included: 375 * 60, unit: "vCPU-s in use", source: CONTAINERS },
  memoryGiBs: { dollars: 0.0000025, included: 25 * 3_600, unit: "GiB-s", source: CONTAINERS },
  diskGBs: { dollars: 0.00000007, included: 200 * 3_600, unit: "GB-s", source: CONTAINERS },
} as const satisfies Record<string, Price>;

/** The price of the plan, in dollars a month. */
export const PLAN_DOLLARS = 5;
/** The memory for which an object is billed, in GB. */
export const OBJECT_GB = 0.128;
