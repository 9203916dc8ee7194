import { Agent, request } from "node:http";

/** A response, and when its parts arrived, in ms of `now()`. */
export interface Answer {
  status: number;
  text: string;
  startedAt: number;
  endedAt: number;
}

/** A request; the body is sent as JSON. */
export interface Call {
  method?: "GET" | "POST" | "PUT";
  url: string;
  body?: unknown;
  headers?: Record<string, string>;
  /** Called with each piece of the response as it arrives. */
  onText?: (text: string, at: number) => void;
}

// Connections are reused, so that connecting is not measured. Idle ones are closed before workerd closes them,
// which could happen during the next request.
const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, timeout: 3_000 });

const TIMEOUT_MS = 60_000;

/** Returns the time in ms since 1970, with fractions. */
const now = (): number => performance.timeOrigin + performance.now();

/** Sends a request to a local server. Rejects if the response is not a success. */
export function send({
  method = "GET",
  url,
  body,
  headers: own = {},
  onText,
}: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const json = body === undefined ? undefined : JSON.stringify(body);
    const headers = json === undefined ? own : { ...own, "content-type": "application/json" };
    const startedAt = now();
    const sent = request(url, { method, agent, headers, timeout: TIMEOUT_MS }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => {
        text += piece;
        onText?.(piece, now());
      });
      response.on("error", (cause) => reject(new Error(`${method} ${url} broke off`, { cause })));
      response.on("end", () => {
        const status = response.statusCode ?? 0;
        if (status < 300) resolve({ status, text, startedAt, endedAt: now() });
        else reject(new Error(`${method} ${url} was answered with ${status}: ${text}`));
      });
    });
    sent.on("timeout", () => sent.destroy(new Error(`${method} ${url} took too long`)));
    sent.on("error", (cause) => reject(new Error(`${method} ${url} failed`, { cause })));
    sent.end(json);
  });
}

/** Closes the open connections. */
export const hangUp = (): void => agent.destroy();
