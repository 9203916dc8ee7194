import type { paths } from "./api.ts";

// Requests of the API, typed by its document, and repeated if their connection breaks.

type Method = "get" | "post" | "put" | "patch" | "delete";

/** The paths of the document that have a method. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends { [K in M]: object } ? P : never;
}[keyof paths];

type OperationOf<M extends Method, P extends PathOf<M>> = paths[P] extends { [K in M]: infer O }
  ? O
  : never;

type Part<O, Name extends string> = O extends { parameters: { [K in Name]?: infer T } }
  ? Exclude<T, undefined>
  : never;
type Body<O> = O extends { requestBody: { content: { "application/json": infer T } } }
  ? T
  : O extends { requestBody?: { content: { "application/json": infer T } } }
    ? T | undefined
    : never;
type Json<A> = A extends { content: { "application/json": infer T } } ? T : undefined;

/** What an endpoint answers with: parsed JSON, or undefined for an empty answer. */
export type AnswerOf<M extends Method, P extends PathOf<M>> =
  OperationOf<M, P> extends { responses: infer R }
    ? { [S in keyof R]: S extends 200 | 201 | 202 | 204 ? Json<R[S]> : never }[keyof R]
    : never;

/** The keys of an object that it needs. */
type Needed<T> = { [K in keyof T]-?: undefined extends T[K] ? never : K }[keyof T];

/** What a request has: parameters of the path and the query, and a body, as the document describes them. */
export type OptionsOf<M extends Method, P extends PathOf<M>> = RequestSettings &
  Field<"path", Part<OperationOf<M, P>, "path">> &
  Field<"query", Part<OperationOf<M, P>, "query">> &
  Field<"body", Body<OperationOf<M, P>>>;

type Field<Name extends string, T> = [T] extends [never]
  ? { [K in Name]?: undefined }
  : undefined extends T
    ? { [K in Name]?: T }
    : Name extends "body"
      ? { [K in Name]: T }
      : [Needed<T>] extends [never]
        ? { [K in Name]?: T }
        : { [K in Name]: T };

/** The last argument of a request. It can be absent if nothing in it is needed. */
export type Rest<T> = [Needed<T>] extends [never] ? [options?: T] : [options: T];

export interface RequestSettings {
  /** A repeat with the same key and body creates nothing new. A random one by default. */
  idempotencyKey?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** What the client needs to know. */
export interface RiggerOptions {
  /** Where the deployment is: `https://rigger.example.com`. In a page, its own origin by default. */
  url?: string;
  /** An API key or another token; or what returns one. It is called again when the token is refused. */
  key?: string | (() => string | Promise<string>) | undefined;
  /** Sends requests; the global `fetch` by default. */
  fetch?: typeof fetch;
  /** How often in a row a request is repeated, with growing delays; 10 by default. */
  maxRetries?: number;
  /** The delay before the first repeat, in ms; 250 by default. It doubles up to 8 s. */
  retryMs?: number;
}

/** An error of the API, or the failure to reach it. */
export class RiggerError extends Error {
  override readonly name = "RiggerError";
  /** The HTTP status; undefined if the API could not be reached. */
  readonly status: number | undefined;
  /** As `error.type` of the answer; `connection_error` if the API could not be reached. */
  readonly type: string;
  /** A more specific code, such as `session_ended`. */
  readonly reason: string | undefined;
  /** Names the request in the server's log. */
  readonly requestId: string | undefined;
  /** All fields of the answer's `error`. */
  readonly details: Readonly<Record<string, unknown>>;
  constructor(
    message: string,
    details: Record<string, unknown> = {},
    {
      status,
      requestId,
      cause,
    }: { status?: number; requestId?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.status = status;
    this.type = typeof details.type === "string" ? details.type : "connection_error";
    this.reason = typeof details.reason === "string" ? details.reason : undefined;
    this.requestId = requestId;
    this.details = details;
  }
}

/** The content of a file. A stream can be sent once only, so its request is not repeated. */
export type FileContent =
  | string
  | Blob
  | ArrayBuffer
  | Uint8Array<ArrayBuffer>
  | ReadableStream<Uint8Array>;

/** A request as it is sent. */
interface Sent {
  method: string;
  /** The path with its parameters, and the query. */
  path: string;
  headers: Record<string, string>;
  body?: FileContent | undefined;
  /** What `fetch` needs for a body that is a stream. */
  duplex?: "half";
  signal?: AbortSignal | undefined;
}

/**
 * Requests that create something unless they have a key that says that they are repeats, and those that change nothing when
 * they are repeated. Any other `POST` is not repeated if it may have arrived.
 */
const REPEATABLE =
  /^\/api\/(sessions|keys|webhooks|automations)$|\/(message|schedules|shares|fire|terminate|tool-results)$|\/approvals\/[^/]+$/;

const MAX_DELAY_MS = 8_000;

/** Sends requests to a deployment. */
export class Transport {
  readonly #options: RiggerOptions;
  readonly #base: string;
  #token: Promise<string> | undefined;

  constructor(options: RiggerOptions) {
    this.#options = options;
    const page = (globalThis as { location?: { origin?: string } }).location?.origin;
    const url = options.url ?? page;
    if (url === undefined) throw new RiggerError("Say where the deployment is: url.");
    this.#base = url.replace(/\/+$/, "");
  }

  get maxRetries(): number {
    return this.#options.maxRetries ?? 10;
  }

  /** Sends a request and returns its JSON; undefined for an empty answer. Throws a `RiggerError`. */
  async json<M extends Method, P extends PathOf<M>>(
    method: M,
    path: P,
    options: OptionsOf<M, P>,
  ): Promise<AnswerOf<M, P>> {
    // The answer is a part of what is repeated: its connection may break too.
    const text = await this.send(method, path, options, (response) => response.text());
    if (text === "") return undefined as AnswerOf<M, P>;
    try {
      return JSON.parse(text);
    } catch (cause) {
      // Something between the client and the API has answered, such as the page of a sign-in.
      throw new RiggerError("The answer is no JSON.", { type: "api_error" }, { cause });
    }
  }

  /** Sends a request and returns what `read` makes of the answer, which is a good one. Throws a `RiggerError`. */
  async send<T extends string | Response = Response>(
    method: Method,
    path: string,
    { path: parameters, query, body, content, isOnce, idempotencyKey, headers, signal }: Unknown,
    read: (response: Response) => Promise<T> | T = (response) => response as T,
  ): Promise<T> {
    const request: Sent = {
      method: method.toUpperCase(),
      path: withQuery(withParameters(path, parameters), query),
      headers: {
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...(method === "post" && { "Idempotency-Key": idempotencyKey ?? crypto.randomUUID() }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(content !== undefined && { body: content }),
      ...(content instanceof ReadableStream && { duplex: "half" }),
      signal,
    };
    const isRepeatable =
      !isOnce && (method !== "post" || REPEATABLE.test(request.path.split("?")[0] ?? ""));
    for (let failures = 0; ; failures++) {
      const error = await this.#attempt(request)
        .then(read)
        .catch((error) => asError(error, signal));
      if (!(error instanceof RiggerError)) return error;
      const isRefused = error.status === 429 && error.reason === "too_many_requests";
      const isLost = error.type === "connection_error" || (error.status ?? 0) >= 502;
      const isAgain =
        (isRefused && !(content instanceof ReadableStream)) ||
        (isRepeatable && isLost && !isFinal(error));
      if (!isAgain || failures >= this.maxRetries) throw error;
      await this.pause(failures, error, signal);
    }
  }

  /** Waits before a repeat: as long as the server says, or longer after each failure. Rejects when it is aborted. */
  async pause(failures: number, error?: RiggerError, signal?: AbortSignal): Promise<void> {
    const seconds = Number(error?.details.retryAfter);
    const delay = Math.min(MAX_DELAY_MS, (this.#options.retryMs ?? 250) * 2 ** failures);
    // Clients that were cut off together do not come back together.
    const spread = delay * (0.5 + Math.random() / 2);
    await sleep(seconds > 0 ? Math.max(spread, seconds * 1_000) : spread, signal);
  }

  /** Sends a request once, and once more with a new token if the token is refused. */
  async #attempt(request: Sent): Promise<Response> {
    const token = this.#currentToken();
    const response = await this.#fetch(request, await token);
    const canRefresh = typeof this.#options.key === "function";
    if (response.status !== 401 || !canRefresh) return requireOk(response);
    await response.body?.cancel();
    // Of several requests that are refused, the first one asks.
    if (this.#token === token) this.#token = undefined;
    return requireOk(await this.#fetch(request, await this.#currentToken()));
  }

  #currentToken(): Promise<string> {
    if (this.#token) return this.#token;
    const { key = "" } = this.#options;
    const token = Promise.resolve().then(() => (typeof key === "function" ? key() : key));
    this.#token = token;
    token.catch(() => {
      if (this.#token === token) this.#token = undefined;
    });
    return token;
  }

  async #fetch({ path, headers, ...request }: Sent, token: string): Promise<Response> {
    const { fetch: send = fetch } = this.#options;
    return send(`${this.#base}${path}`, {
      ...request,
      signal: request.signal ?? null,
      headers: requireSendable({ ...(token && { Authorization: `Bearer ${token}` }), ...headers }),
    } as RequestInit);
  }
}

/** Throws a `RiggerError` for headers that can't be sent: to try again would not help. */
function requireSendable(headers: Record<string, string>): Record<string, string> {
  if (Object.values(headers).every((value) => /^[\t\x20-\x7e\x80-\xff]*$/.test(value)))
    return headers;
  const message = "The key, or a header, has characters that can't be sent.";
  throw new RiggerError(message, { type: "invalid_request_error" });
}

interface Unknown extends RequestSettings {
  path?: unknown;
  query?: unknown;
  body?: unknown;
  /** A body that is sent as it is. */
  content?: FileContent;
  /** Whether it can't be repeated, even if it has not arrived. */
  isOnce?: boolean;
}

/** Returns a path with its parameters in place. */
const withParameters = (path: string, parameters: unknown): string =>
  path.replace(/\{(\w+)\}/g, (_, name) =>
    encodeURIComponent(String((parameters as Record<string, unknown>)[name])),
  );

/** Returns a path with a query. Lists have commas between their items; what is undefined is left out. */
function withQuery(path: string, query: unknown): string {
  const given = Object.entries((query ?? {}) as Record<string, unknown>)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]): [string, string] => [name, String(value)]);
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

async function requireOk(response: Response): Promise<Response> {
  if (response.ok) return response;
  const { status, headers } = response;
  const text = await response.text().catch(() => "");
  let answer: { error?: Record<string, unknown>; requestId?: string } = {};
  try {
    answer = JSON.parse(text) ?? {};
  } catch {
    // Something between the client and the API has answered.
  }
  const { error = {}, requestId = headers.get("X-Request-Id") ?? undefined } = answer;
  const retryAfter = headers.get("Retry-After");
  const details = { type: "api_error", ...error, ...(retryAfter && { retryAfter }) };
  const message =
    typeof error.message === "string" ? error.message : `The server answered ${status}.`;
  throw new RiggerError(message, details, { status, requestId });
}

/** Returns the error of a request. Throws what is no failure of the connection. */
export function asError(error: unknown, signal?: AbortSignal): RiggerError {
  if (error instanceof RiggerError) return error;
  if (signal?.aborted) throw error;
  return new RiggerError("The API can't be reached.", {}, { cause: error });
}

/**
 * Returns whether an answer says that a repeat would be the same: a message that has failed, or something that is missing for longer.
 * What is missing for a moment says when to try again.
 */
export const isFinal = ({ status, details }: RiggerError): boolean =>
  status === 503 ? !("retryAfter" in details) : status !== undefined && "messageId" in details;

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    function done() {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }
    function aborted() {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    if (signal?.aborted) return aborted();
    signal?.addEventListener("abort", aborted, { once: true });
  });
}
