import Anthropic from "@anthropic-ai/sdk";
import type { Redact } from "../../shared/redact";
import { CutOff } from "./assemble";

/** The failure of a call. `began` says that the reply had started, so its input is billed. */
export interface ModelFailure {
  /** The API's error type, or `connection_error`, `stalled`, `malformed`, `aborted`. */
  type: string;
  message: string;
  status: number | null;
  requestId: string | null;
  retryable: boolean;
  retryAfterMs: number | null;
  began: boolean;
}

/** The most characters of a message: a gateway may answer with a whole page. */
const MAX_MESSAGE_CHARACTERS = 2_000;

const RETRYABLE_STATUS = new Set([408, 409, 429]);

/** Returns an error event of a stream as an error of the SDK. */
export const errorInStream = (told: object, headers: Headers): Error =>
  new Anthropic.APIError(undefined, told, undefined, headers);

/** Statuses of calls that were not run. Other failures may have been billed. */
const NOT_RUN = new Set([400, 401, 403, 404, 413, 429, 529]);

/** Returns whether a failed call certainly cost nothing: it was rejected before it was run. */
export const wasNotRun = ({ began, status }: Pick<ModelFailure, "began" | "status">): boolean =>
  !began && status !== null && NOT_RUN.has(status);

/** Returns whether a prompt was refused for its length. The API says so only in the message. */
export const isOverflow = ({
  status,
  message,
}: Pick<ModelFailure, "status" | "message">): boolean =>
  status === 413 ||
  (status === 400 && /prompt is too long|exceeds? (the )?context (limit|window)/i.test(message));

/** Returns an error response of the API as a failure. */
export function failureOfResponse(response: Response, body: string, redact: Redact): ModelFailure {
  const { status, headers } = response;
  const error = Anthropic.APIError.generate(status, parseObject(body), body, headers);
  return classify(error, false, new AbortController().signal, false, redact);
}

/** Returns the JSON object in a text; undefined for any other text. */
export function parseObject(body: string): object | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Returns an error of the SDK as a failure: its public message, and whether and when to retry. The message is
 * redacted, since a gateway may repeat what it was sent, our key among it.
 */
export function classify(
  error: unknown,
  began: boolean,
  signal: AbortSignal,
  stalled: boolean,
  redact: Redact,
): ModelFailure {
  const failure = (type: string, message: string, retryable: boolean): ModelFailure => ({
    type,
    message,
    status: null,
    requestId: null,
    retryable,
    retryAfterMs: null,
    began,
  });
  if (signal.aborted) return failure("aborted", "the call was stopped", false);
  if (stalled) return failure("stalled", "the model's stream went silent", true);
  if (error instanceof CutOff) {
    return failure("connection_error", "the model's stream ended before the reply did", true);
  }
  if (error instanceof SyntaxError) {
    return failure("malformed", "the model's stream could not be read", true);
  }
  if (!(error instanceof Anthropic.APIError)) {
    const why = short(redact(describe(error)), MAX_MESSAGE_CHARACTERS);
    return failure("connection_error", `the model's stream broke: ${why}`, true);
  }
  const status = error.status ?? null;
  // An error event in a stream has no status of its own.
  const overloaded = error.type === "overloaded_error" || error.type === "rate_limit_error";
  const retryable =
    status === null
      ? overloaded || text(error.type) === null || error.type === "api_error"
      : status >= 500 || RETRYABLE_STATUS.has(status);
  return {
    type:
      word(redact(text(error.type) ?? "")) ??
      (status === null ? "connection_error" : `http_${status}`),
    message: short(redact(text(error.apiMessage) ?? error.message), MAX_MESSAGE_CHARACTERS),
    status,
    requestId: word(redact(error.requestID ?? "")),
    retryable: error.headers?.get("x-should-retry") === "false" ? false : retryable,
    retryAfterMs: retryAfterMs(error.headers),
    began,
  };
}

/** Returns the value if it is a text; a gateway may send anything. */
const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** Returns a text that is safe to show and log unquoted; null for any other. */
const word = (text: string): string | null => (/^[\w.:/-]{1,200}$/.test(text) ? text : null);

const short = (value: string, most: number): string => value.slice(0, most).toWellFormed();

function retryAfterMs(headers: Headers | undefined): number | null {
  const precise = Number(headers?.get("retry-after-ms") ?? Number.NaN);
  if (Number.isFinite(precise) && precise >= 0) return precise;
  const text = headers?.get("retry-after");
  if (!text) return null;
  const seconds = Number(text);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) && ms >= 0 ? ms : null;
}

const describe = (error: unknown): string => (error instanceof Error ? error.message : "unknown");
