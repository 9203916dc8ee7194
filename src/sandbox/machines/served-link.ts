// The link to machines in which the runner has an HTTP server: src/container/serve.ts.

import { PORT_HEADER, type ServedEvent } from "../../container/protocol";
import type { RunnerLink } from "../runner-client";
import { type PortAddress, SandboxError } from "../sandbox";

/** The time for the server's first word, and for an upload, in ms. */
const ANSWER_MS = 30_000;
const UPLOAD_MS = 120_000;

/** No event of the server is longer. Programs in the machine can replace it. */
const MAX_LINE_CHARS = 16 * 1024 ** 2;

/** The server of a machine: its address, and the headers of each request. */
interface Served {
  url: string;
  headers: Record<string, string>;
  /** Returns the error of an answer that is not OK. */
  errorOf(response: Response): Promise<SandboxError>;
}

/** Returns the link to a machine. It starts the runner, whatever command it is given. */
export function servedLink({ url, headers, errorOf }: Served): RunnerLink {
  async function call(path: string, init: RequestInit): Promise<Response> {
    const response = await fetch(url + path, {
      redirect: "manual",
      ...init,
      headers: { ...headers, ...init.headers },
    });
    if (response.ok) return response;
    const { message } = await errorOf(response);
    throw new SandboxError(message, { transient: true });
  }

  return {
    async start(_, env, signal) {
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(), ANSWER_MS);
      const response = await call("/start", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ env }),
        signal: AbortSignal.any([signal, late.signal]),
      }).finally(() => clearTimeout(timer));
      return eventsIn(response);
    },

    async write(path, content) {
      const signal = AbortSignal.timeout(UPLOAD_MS);
      const query = `?path=${encodeURIComponent(path)}`;
      await call(`/files${query}`, { method: "PUT", body: content, signal });
    },
  };
}

/** Returns how a port of the machine is reached: through the server. */
export const reachServed = async (
  { url, headers }: Served,
  port: number,
): Promise<PortAddress> => ({
  url,
  headers: { ...headers, [PORT_HEADER]: String(port) },
});

/** Keeps the machine for its lease, as every request does. */
export async function keepAlive({ url, headers, errorOf }: Served): Promise<void> {
  const response = await fetch(`${url}/alive`, { headers, signal: AbortSignal.timeout(ANSWER_MS) });
  if (!response.ok) throw await errorOf(response);
}

/** Yields the events of an answer, a line of JSON each. */
async function* eventsIn({ body }: Response): AsyncGenerator<ServedEvent> {
  if (!body) return;
  let rest = "";
  for await (const piece of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE_CHARS) throw new Error("a line of the machine's server is too long");
    for (const line of lines) yield JSON.parse(line);
  }
}
