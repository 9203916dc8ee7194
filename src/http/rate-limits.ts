import { waitUntil } from "cloudflare:workers";
import type { AppContext } from "./context";
import { ApiError } from "./errors";
import { sha256Hex } from "./ids";
import { knownLimitsOf, learnLimitsOf } from "./known-limits";

/** The platform's limiters: each allows a fixed number of requests a minute to everyone who is named. */
const LIMITERS = [
  { perMinute: 10_000, binding: "REQUESTS_10000" },
  { perMinute: 1_000, binding: "REQUESTS_1000" },
  { perMinute: 100, binding: "REQUESTS_100" },
  { perMinute: 10, binding: "REQUESTS_10" },
  { perMinute: 1, binding: "REQUESTS_1" },
] as const;

const REFUSED = new ApiError("rate_limit_error", "There are too many requests. Slow down.", {
  details: { reason: "too_many_requests" },
  headers: { "Retry-After": "60" },
});

/** The most names that are tried before a request is refused. They make a million requests a minute. */
const MAX_NAMES = 100;

/**
 * Returns which limiter makes a limit, and how many names share it: the limit is rounded down to its first digit, or to
 * 10,000. No limiter makes a limit of 0.
 */
export function limiterFor(perMinute: number) {
  const limiter = LIMITERS.find((one) => one.perMinute <= perMinute);
  return (
    limiter && {
      ...limiter,
      names: Math.min(MAX_NAMES, Math.floor(perMinute / limiter.perMinute)),
    }
  );
}

/** Throws an `ApiError` if a key, or an address from which no known key is sent, has made too many requests. */
export const limitCaller = (c: AppContext, max: number, keyId: string | undefined): Promise<void> =>
  pass(c, keyId ?? addressOf(c), max);

/**
 * Throws an `ApiError` if an owner has made too many requests. Each anonymous address, and each share link, has the limit
 * for itself.
 */
export async function limitOwner(c: AppContext, defaultMax: number | null): Promise<void> {
  const { owner } = c.var.identity;
  const known = knownLimitsOf(owner);
  // Asked beside the request, which does not wait for it.
  if (!known) waitUntil(learnLimitsOf(c.env, owner));
  const max = known ? known.maxRequestsPerMinute : defaultMax;
  await pass(c, nameOf(c), max);
}

/**
 * Returns whether one more request may be passed on to a preview. The bound is far above what visitors make: a page of a dev
 * server loads hundreds of modules.
 */
export async function allowsVisit(env: Env, token: string): Promise<boolean> {
  const { success } = await env.REQUESTS_10000.limit({ key: `preview ${await sha256Hex(token)}` });
  return success;
}

/** Returns whose requests count together: those of an owner, of a share link, or of an anonymous address. */
function nameOf(c: AppContext): string {
  const { owner, via, share } = c.var.identity;
  if (share) return `share ${share.id}`;
  return via === "anonymous" ? `anonymous ${addressOf(c)}` : `owner ${owner}`;
}

const addressOf = (c: AppContext): string =>
  `address ${c.req.header("CF-Connecting-IP") ?? "unknown"}`;

async function pass(c: AppContext, who: string, max: number | null): Promise<void> {
  if (max === null) return;
  const limiter = limiterFor(max);
  if (!limiter) throw REFUSED;
  const { binding, names } = limiter;
  const first = Math.floor(Math.random() * names);
  for (let tried = 0; tried < names; tried++) {
    const key = `${who} ${(first + tried) % names}`;
    if ((await c.env[binding].limit({ key })).success) return;
  }
  throw REFUSED;
}
