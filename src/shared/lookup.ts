// Looks up names by DNS over HTTPS, since a Worker has no resolver of its own.

import { z } from "zod";
import { isPublicAddress } from "./public-host";

/**
 * Checks the addresses of a host. Resolves with null if all are on the public internet, or with why the host
 * cannot be reached there. Never rejects.
 */
export type Lookup = (host: string, signal: AbortSignal) => Promise<string | null>;

/** The dependencies of a lookup. */
export interface LookupDeps {
  /** The URL of a resolver with JSON answers: `https://cloudflare-dns.com/dns-query`. */
  resolver: string;
  fetch: typeof fetch;
  now?: () => number;
}

const TIMEOUT_MS = 5_000;
/** The longest time that an answer is cached; its own time to live may be shorter. */
const MAX_KEPT_MS = 300_000;
const MAX_KEPT = 1_000;

/** Record types with an address. */
const TYPES = { A: 1, AAAA: 28 } as const;
/** The statuses of names that exist and that do not. Any other is a failure of the resolver. */
const NO_ERROR = 0;
const NO_SUCH_NAME = 3;

const Answer = z.object({
  Status: z.int(),
  Answer: z
    .array(z.object({ type: z.int(), TTL: z.number().nonnegative(), data: z.string() }))
    .default([]),
});
type Record = z.infer<typeof Answer>["Answer"][number];

/** Creates a lookup that queries the IPv4 and IPv6 addresses of a name and caches the answers in memory. */
export function createLookup({ resolver, fetch, now = Date.now }: LookupDeps): Lookup {
  const kept = new Map<string, { problem: string | null; until: number }>();

  return async (host, signal) => {
    const before = kept.get(host);
    if (before && before.until > now()) return before.problem;
    kept.delete(host);
    try {
      const both = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
      const asked = Object.keys(TYPES).map((type) => ask(host, type, both));
      const records = (await Promise.all(asked)).flat();
      const problem = problemOf(host, records);
      const ttlMs = Math.min(...records.map(({ TTL }) => TTL * 1000), MAX_KEPT_MS);
      if (records.length > 0 && ttlMs > 0) keep(host, { problem, until: now() + ttlMs });
      return problem;
    } catch (error) {
      const why = error instanceof Error ? error.message : "it failed";
      return `the address of ${host} could not be checked (${why})`;
    }
  };

  async function ask(name: string, type: string, signal: AbortSignal): Promise<Record[]> {
    const url = new URL(resolver);
    url.searchParams.set("name", name);
    url.searchParams.set("type", type);
    const headers = { accept: "application/dns-json" };
    const response = await fetch(url.href, { headers, redirect: "manual", signal }).catch(() => {
      throw new Error("the DNS resolver could not be reached");
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`the DNS resolver answered ${response.status}`);
    }
    const answer = Answer.safeParse(await response.json().catch(() => null));
    if (!answer.success) throw new Error("the DNS resolver's answer can't be read");
    const { Status, Answer: records } = answer.data;
    if (Status !== NO_ERROR && Status !== NO_SUCH_NAME) {
      throw new Error(`the DNS resolver failed with status ${Status}`);
    }
    return records;
  }

  function keep(host: string, answer: { problem: string | null; until: number }): void {
    kept.set(host, answer);
    for (const oldest of kept.keys()) {
      if (kept.size <= MAX_KEPT) return;
      kept.delete(oldest);
    }
  }
}

/** Returns why a host may not be reached; null if all its addresses are public. Any of them may be connected to. */
function problemOf(host: string, records: readonly Record[]): string | null {
  const addresses = records.filter(({ type }) => type === TYPES.A || type === TYPES.AAAA);
  if (addresses.length === 0) return `${host} has no address`;
  if (addresses.every(({ data }) => isPublicAddress(data))) return null;
  return `${host} leads to an address that is not on the public internet`;
}
