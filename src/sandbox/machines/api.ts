// Calls of vendors' APIs over HTTP.

import type { z } from "zod";
import { jitteredBackoffMs } from "../../shared/backoff";
import { redactor } from "../../shared/redact";
import { messageOf, SandboxError } from "../sandbox";

/** An API of a vendor. */
interface ApiFacts {
  /** The vendor's name, for errors. */
  vendor: string;
  baseUrl: string;
  headers: Record<string, string>;
  /** The strings that no error may contain. */
  secrets: readonly string[];
  /** The header of an answer with the vendor's id of the request. */
  requestIdHeader: string;
  fetch?: typeof fetch;
}

/** A call of an API. */
interface ApiCall<T> {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** The path, with its query. */
  path: string;
  body?: object | undefined;
  /** The schema of the answer; absent if none is needed. */
  answer?: z.ZodType<T>;
  /** Whether the call may be repeated although it may have had its effect. True for all methods but POST by default. */
  repeatable?: boolean;
  timeoutMs?: number;
  /** Gets the headers of the answer. */
  onHeaders?: (headers: Headers) => void;
}

/** The time for one call, in ms. */
const CALL_MS = 30_000;
/** The most calls of one request, and the longest pause before another, in ms. */
const MAX_CALLS = 5;
const MAX_PAUSE_MS = 20_000;
const FIRST_PAUSE_MS = 500;
const MAX_ERROR_CHARS = 500;

/** A client of an API. */
export type Api = ReturnType<typeof createApi>;

/** Creates a client of an API. Its calls reject with a `SandboxError` in the vendor's words. */
export function createApi(facts: ApiFacts) {
  const redact = redactor(facts.secrets);
  const send = facts.fetch ?? ((input, init) => fetch(input, init));

  /** Calls the API. Returns null if the answer is 404. */
  const find = <T>(asked: ApiCall<T>): Promise<T | null> => request(asked, () => null);

  /** Calls the API. */
  const call = <T>(asked: ApiCall<T>): Promise<T> =>
    request(asked, async (response) => {
      throw await errorOf(response);
    });

  async function request<T, Missing>(
    call: ApiCall<T>,
    onMissing: (response: Response) => Missing,
  ): Promise<T | Awaited<Missing>> {
    const repeatable = call.repeatable ?? call.method !== "POST";
    for (let failures = 1; ; failures++) {
      let failure: SandboxError;
      let pauseMs = jitteredBackoffMs(failures, FIRST_PAUSE_MS, MAX_PAUSE_MS, Math.random());
      try {
        const response = await fetchOnce(call);
        if (response.ok) return await parse(call, response);
        if (response.status === 404) return await onMissing(response);
        failure = await errorOf(response);
        const isBusy = response.status === 429;
        if (!failure.transient || !(isBusy || repeatable)) throw failure;
        pauseMs = retryAfterMs(response.headers, Date.now()) ?? pauseMs;
      } catch (error) {
        failure = asError(error);
        if (!failure.transient || !repeatable) throw failure;
      }
      if (failures >= MAX_CALLS || pauseMs > MAX_PAUSE_MS) throw failure;
      await scheduler.wait(pauseMs);
    }
  }

  /** Sends a request and returns the answer, whatever its status. */
  function fetchOnce({ method, path, body, timeoutMs = CALL_MS }: ApiCall<unknown>) {
    return send(facts.baseUrl + path, {
      method,
      headers: {
        ...facts.headers,
        ...(body && { "content-type": "application/json" }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
  }

  async function parse<T>({ answer, onHeaders }: ApiCall<T>, response: Response): Promise<T> {
    const text = await response.text();
    onHeaders?.(response.headers);
    if (!answer) return undefined as T;
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw failed(`${facts.vendor} sent an answer that is no JSON${of(response)}`, true);
    }
    const parsed = answer.safeParse(json);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const problem = `${issue?.path.join(".")}: ${issue?.message}`;
    throw failed(
      `${facts.vendor} sent an answer that is not understood (${problem})${of(response)}`,
      false,
    );
  }

  /** Returns the error of an answer that is not OK. It consumes the answer. */
  async function errorOf(response: Response): Promise<SandboxError> {
    const { status } = response;
    const text = await response.text().catch(() => "");
    const said = redact(saidIn(text)).slice(0, MAX_ERROR_CHARS);
    const transient = status >= 500 || [408, 409, 425, 429].includes(status);
    return failed(
      `${facts.vendor} answered ${status}${said && `: ${said}`}${of(response)}`,
      transient,
    );
  }

  /** Returns anything that was thrown as an error of the API. */
  function asError(error: unknown): SandboxError {
    if (error instanceof SandboxError) return error;
    return failed(`${facts.vendor} could not be reached: ${redact(messageOf(error))}`, true, error);
  }

  const of = ({ headers }: Response): string => {
    const id = headers.get(facts.requestIdHeader);
    return id ? ` (request ${redact(id).slice(0, 100)})` : "";
  };

  return { find, call, errorOf, asError };
}

const failed = (message: string, transient: boolean, cause?: unknown): SandboxError =>
  new SandboxError(message, { transient, cause });

/** Returns what an error's body says: the message of JSON, or the text. */
function saidIn(text: string): string {
  try {
    const json = JSON.parse(text);
    const said = json.message ?? json.error?.message ?? json.error;
    return typeof said === "string" ? said : text;
  } catch {
    return text.trim();
  }
}

/**
 * Returns the pause that `Retry-After` asks for, in ms: seconds, or a date. The name of the limit may follow, as in
 * `Retry-After-sandbox-create`. Undefined without it.
 */
export function retryAfterMs(headers: Headers, now: number): number | undefined {
  const [, text = ""] = [...headers].find(([name]) => /^retry-after(-[a-z-]+)?$/.test(name)) ?? [];
  if (text.trim() === "") return undefined;
  const seconds = Number(text);
  const ms = Number.isNaN(seconds) ? Date.parse(text) - now : seconds * 1_000;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
