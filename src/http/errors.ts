import type { ErrorHandler } from "hono";
import { redact } from "../session/deployment";
import type { MessageRow } from "../session/rpc";
import type { Issue } from "../session/validate-config";
import type { Failure, FailureCode } from "../shared/result";
import type { AppContext, AppEnv } from "./context";

const STATUS = {
  invalid_request_error: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  method_not_allowed: 405,
  conflict_error: 409,
  precondition_failed: 412,
  request_too_large: 413,
  range_not_satisfiable: 416,
  rate_limit_error: 429,
  api_error: 500,
  upstream_error: 502,
  unavailable_error: 503,
} as const;

/** A value of `error.type`. Each has one HTTP status. */
export type ErrorType = keyof typeof STATUS;

const FAILURES = {
  invalid_request: "invalid_request_error",
  forbidden: "permission_error",
  not_found: "not_found_error",
  session_busy: "conflict_error",
  session_ended: "conflict_error",
  idempotency_mismatch: "conflict_error",
  queue_full: "rate_limit_error",
  too_many_sessions: "rate_limit_error",
  spend_limit: "rate_limit_error",
  too_many_schedules: "conflict_error",
  too_many_keys: "conflict_error",
  too_many_shares: "conflict_error",
  too_many_previews: "conflict_error",
  too_many_webhooks: "conflict_error",
  too_many_automations: "conflict_error",
  too_many_runs: "rate_limit_error",
  automation_paused: "conflict_error",
  key_ended: "conflict_error",
  already_resolved: "conflict_error",
  session_paused: "conflict_error",
  not_a_file: "conflict_error",
  not_a_directory: "conflict_error",
  precondition_failed: "precondition_failed",
  file_too_large: "request_too_large",
  unavailable: "unavailable_error",
} as const satisfies Record<FailureCode, ErrorType>;

interface ApiErrorOptions {
  /** Additional fields of `error`, next to `type` and `message`. */
  details?: Record<string, unknown>;
  headers?: Record<string, string>;
  cause?: unknown;
}

/** An error of the API. Throw it to answer the request with it. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly type: ErrorType;
  readonly details: Record<string, unknown>;
  readonly headers: Record<string, string>;
  constructor(type: ErrorType, message: string, options: ApiErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.type = type;
    this.details = options.details ?? {};
    this.headers = options.headers ?? {};
  }
}

const MAX_ISSUES = 20;

/** Returns the error of an invalid request, with its first issues. */
export function invalid(all: Issue[], others: Record<string, string> = {}): ApiError {
  const issues = all.slice(0, MAX_ISSUES);
  const [first] = issues;
  const message = first ? [first.path, first.message].filter(Boolean).join(": ") : "is not valid";
  return new ApiError("invalid_request_error", message, { details: { ...others, issues } });
}

/**
 * Returns the same error for an object that does not exist and for one of another owner, so that a caller
 * cannot tell them apart.
 */
export const notFound = (what: string): ApiError =>
  new ApiError("not_found_error", `There is no such ${what}.`);

/** Returns null for the error of something that does not exist; throws any other. For what may be deleted meanwhile. */
export function ignoreMissing(error: unknown): null {
  if (error instanceof ApiError && error.type === "not_found_error") return null;
  throw error;
}

/** Returns the error of a caller who is not known, with what it is asked for. */
export const unauthenticated = (message: string, challenge = 'Bearer realm="rigger"'): ApiError =>
  new ApiError("authentication_error", message, { headers: { "WWW-Authenticate": challenge } });

/** Returns the error of a request that needs something that is not available at the moment. */
export const unavailable = (message: string, options: ApiErrorOptions = {}): ApiError =>
  new ApiError("unavailable_error", message, { headers: { "Retry-After": "2" }, ...options });

/** Returns the API error for a refusal of a session's object. */
export function refusal({ code, message, details = {}, transient }: Failure): ApiError {
  const type = FAILURES[code];
  switch (type) {
    case "invalid_request_error": {
      const { path = "", ...others } = details;
      return invalid([{ path, message }], others);
    }
    case "conflict_error":
      return new ApiError(type, message, { details: { reason: code, ...details } });
    case "rate_limit_error":
      return new ApiError(type, message, {
        details: { reason: code, ...details },
        headers: { "Retry-After": retryAfter(details.resetsAt) },
      });
    case "unavailable_error":
      return transient
        ? unavailable(message, { details })
        : new ApiError(type, message, { details });
    case "permission_error":
    case "precondition_failed":
    case "request_too_large":
    case "not_found_error":
      return new ApiError(type, message, { details });
  }
}

/** Returns for how many seconds a client should wait: until a limit is reset, or a few. */
const retryAfter = (resetsAt: string | undefined): string =>
  String(resetsAt ? Math.max(1, Math.ceil((Date.parse(resetsAt) - Date.now()) / 1_000)) : 5);

/** Returns the API error for a failed message, for a client that waited for it. */
export function failedMessage({ id, error }: MessageRow): ApiError {
  const type = error?.type === "unavailable_error" ? "unavailable_error" : "upstream_error";
  const { type: _, message = "The message failed.", ...rest } = error ?? {};
  return new ApiError(type, message, { details: { messageId: id, ...rest } });
}

/** Answers a request with an error. */
export function respond(c: AppContext, { type, message, details, headers }: ApiError): Response {
  const body = { type: "error", error: { type, message, ...details }, requestId: c.var.requestId };
  return c.json(body, STATUS[type], headers);
}

/**
 * Answers a request whose handler threw. An error that is not an `ApiError` is an internal error; its details
 * appear only in the log.
 */
export const onError: ErrorHandler<AppEnv> = (error, c) => {
  if (error instanceof ApiError) return respond(c, error);
  const message = "Something went wrong on our side. The request id helps to find out what.";
  return respond(c, new ApiError("api_error", message));
};

/**
 * A path segment that is a word or an id, as in the API's own paths. Any other segment may contain text of a
 * caller.
 */
const KNOWN_PART = /^([a-z-]{1,20}|[a-z]{3,5}_([0-9a-f]{32}){1,2}|-?\d{1,16})$/;

/** Logs a request that failed, as one line of JSON: no body, no prompt, no query. */
export function logFailure(c: AppContext): void {
  const { requestId } = c.var;
  const { method } = c.req;
  const path = c.req.path.replace(/[^/]+/g, (part) => (KNOWN_PART.test(part) ? part : "…"));
  const about = { event: "request.failed", requestId, method, path, status: c.res.status };
  console.error(JSON.stringify({ ...about, ...describe(c.error) }));
}

/** Returns the first cause of an error. Drizzle's own error repeats the values of its query; its cause doesn't. */
function describe(error: Error | undefined): Record<string, unknown> {
  if (error?.cause instanceof Error) return describe(error.cause);
  if (!error) return {};
  if (error instanceof ApiError) return { error: error.type };
  const frames = error.stack?.split("\n").filter((line) => line.trimStart().startsWith("at "));
  // A parser's message quotes what it read, which may be a prompt.
  const isQuote = error instanceof SyntaxError;
  const message = isQuote ? undefined : redact(error.message).slice(0, 500);
  return { error: error.name, message, stack: frames?.map((line) => line.trim()) };
}
