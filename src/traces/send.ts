import { retryAfterMs } from "../shared/backoff";

/** How long a collector may take to answer, in ms: the default of OTLP's exporters. */
const TIMEOUT_MS = 10_000;
/** The longest pause that a collector can ask for, in ms. */
const MAX_PAUSE_MS = 3_600_000;
/** The statuses after which a request is to be sent again; after others it is not. */
const TEMPORARY = new Set([429, 502, 503, 504]);

/** The part of an answer that is read, in characters. */
const MAX_ANSWER = 65_536;

/** The collector did not take a request now, and may later. `afterMs` is the pause that it asks for. */
export class CollectorBusy extends Error {
  readonly afterMs: number;

  constructor(message: string, afterMs: number) {
    super(message);
    this.afterMs = afterMs;
  }
}

/** What a collector did not accept of a request, and never will: all of it, or so many items; null if it accepted all. */
export type Rejected = { why: string; items: number | "all" } | null;

/** Sends a request to a collector. Rejects if it is to be sent again. Redirects are not followed. */
export async function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  deps: { fetch: typeof fetch; now(): number },
): Promise<Rejected> {
  const response = await deps.fetch(url, {
    method: "POST",
    headers: { "User-Agent": "Rigger-OTLP/1.0", ...headers, "Content-Type": "application/json" },
    body,
    redirect: "manual",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const { status } = response;
  if (TEMPORARY.has(status)) {
    await response.body?.cancel();
    const pause = retryAfterMs(response.headers.get("Retry-After"), deps.now());
    throw new CollectorBusy(`the collector answered ${status}`, Math.min(pause, MAX_PAUSE_MS));
  }
  if (status < 200 || status > 299) {
    await response.body?.cancel();
    return { why: `the collector answered ${status}`, items: "all" };
  }
  // What the status says holds, whether or not the rest arrives.
  return partOf(await response.text().catch(() => ""));
}

/** Returns what an answer says was not accepted. It may be empty, or not be JSON. */
function partOf(answer: string): Rejected {
  if (answer.length > MAX_ANSWER) return null;
  try {
    const { rejectedSpans = 0, rejectedDataPoints = 0 } = JSON.parse(answer)?.partialSuccess ?? {};
    const items = Number(rejectedSpans) + Number(rejectedDataPoints);
    return items > 0 ? { why: "the collector took only a part", items } : null;
  } catch {
    return null;
  }
}
