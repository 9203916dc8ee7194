import { Webhook } from "standardwebhooks";
import { reachProblem } from "../shared/address";
import { retryAfterMs } from "../shared/backoff";
import type { Lookup } from "../shared/lookup";
import type { Attempt } from "./rpc";

/** How long the receiver may take to answer, in ms. */
const TIMEOUT_MS = 15_000;
/** The part of an answer that is kept, in bytes. */
const MAX_RESPONSE_BYTES = 1_024;

/** How long the text of an answer may take, in ms. */
const MAX_READ_MS = 1_000;

/** What sending depends on. */
export interface SendDeps {
  fetch: typeof fetch;
  /** Returns why a host can't be reached on the public internet; null if it can. Absent if it is not checked. */
  lookup?: Lookup | undefined;
  allowPrivate: boolean;
}

/** A signed message: Standard Webhooks 1.0. */
export interface Outgoing {
  url: string;
  /** The secrets that sign. */
  secrets: readonly string[];
  id: string;
  body: string;
}

/** How an attempt has ended. `afterMs` is the pause that the receiver asks for. */
export interface Sent extends Attempt {
  isGone: boolean;
  afterMs: number;
}

/** Sends a message once. Redirects are not followed. Never rejects: a failure is in the attempt. */
export async function send(message: Outgoing, deps: SendDeps, now = Date.now): Promise<Sent> {
  const at = now();
  const ended = (changes: Partial<Sent>): Sent => ({
    ...{ at, status: null, durationMs: now() - at, response: null, error: null },
    ...{ isGone: false, afterMs: 0 },
    ...changes,
  });
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const problem = await reachProblem(message.url, deps, signal);
    if (problem !== null) return ended({ error: problem });
    const response = await deps.fetch(message.url, {
      method: "POST",
      headers: headersOf(message, at),
      body: message.body,
      redirect: "manual",
      signal,
    });
    const { status } = response;
    const text = await beginningOf(response);
    const error = errorOf(status);
    const afterMs = retryAfterMs(response.headers.get("Retry-After"), now());
    return ended({ status, response: text, error, isGone: status === 410, afterMs });
  } catch (error) {
    const why = signal.aborted
      ? `There was no answer within ${TIMEOUT_MS / 1_000} s.`
      : `The receiver could not be reached: ${error instanceof Error ? error.message : error}`;
    return ended({ error: why });
  }
}

function headersOf({ id, body, secrets }: Outgoing, at: number): Record<string, string> {
  const timestamp = new Date(at);
  return {
    "Content-Type": "application/json",
    "User-Agent": "Rigger-Webhooks/1.0",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at / 1_000)),
    "webhook-signature": secrets
      .map((secret) => new Webhook(secret).sign(id, timestamp, body))
      .join(" "),
  };
}

function errorOf(status: number): string | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400) return `A redirect (${status}) is not followed.`;
  return `The receiver answered ${status}.`;
}

/** Returns the beginning of an answer's text, and reads no more of it. The status counts, whether or not the text ends. */
async function beginningOf(response: Response): Promise<string | null> {
  if (!response.body) return null;
  const reader = response.body.getReader();
  const bytes = new Uint8Array(MAX_RESPONSE_BYTES);
  let length = 0;
  const late = AbortSignal.timeout(MAX_READ_MS);
  const isLate = new Promise<null>((resolve) => {
    late.addEventListener("abort", () => resolve(null));
  });
  while (length < MAX_RESPONSE_BYTES) {
    const next = await Promise.race([reader.read(), isLate]).catch(() => null);
    if (next === null || next.done) break;
    const { value } = next;
    const taken = value.subarray(0, MAX_RESPONSE_BYTES - length);
    bytes.set(taken, length);
    length += taken.length;
  }
  reader.cancel().catch(() => {});
  return length === 0 ? null : new TextDecoder().decode(bytes.subarray(0, length));
}
