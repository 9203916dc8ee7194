/** A request to the server under test. A body that is text or bytes is sent unchanged, any other as JSON. */
export interface Call {
  method?: string;
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  /** Time in ms after which reading of a response stops; when absent, the whole response is read. */
  readMs?: number;
}

/** A response with its body: `json` is the parsed body, undefined if it is not JSON. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  json: unknown;
}

/** The address of a server, and a signal that aborts its requests when it is lost. */
export interface Origin {
  url: string;
  lost: AbortSignal;
}

/** Sends a request once. Rejects when the connection breaks or the server is lost. */
export async function call(origin: Origin, request: Call): Promise<Answer> {
  const { method = "GET", path, body, headers = {}, readMs } = request;
  const isRaw = body === undefined || typeof body === "string" || body instanceof Uint8Array;
  const response = await fetch(origin.url + path, {
    method,
    headers,
    redirect: "manual",
    signal: origin.lost,
    ...(body !== undefined && {
      body: isRaw ? (body as string | Uint8Array<ArrayBuffer>) : JSON.stringify(body),
    }),
  });
  const streams = response.headers.get("content-type")?.startsWith("text/event-stream");
  const text = await (streams && readMs !== undefined
    ? readFor(response, readMs)
    : response.text());
  return { status: response.status, headers: response.headers, text, json: parsed(text) };
}

/** Sends a request whose response must have a status. Rejects with the response if the status differs. */
export async function must<T>(origin: Origin, status: number, request: Call): Promise<T> {
  const answer = await call(origin, request);
  if (answer.status === status) return answer.json as T;
  const { method = "GET", path } = request;
  throw new Fault(`${method} ${path} was answered with ${answer.status}: ${answer.text}`);
}

/** A violated rule, found while a case ran. */
export class Fault extends Error {}

async function readFor(response: Response, ms: number): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return "";
  const timer = setTimeout(() => reader.cancel().catch(() => {}), ms);
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  clearTimeout(timer);
  return text;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
