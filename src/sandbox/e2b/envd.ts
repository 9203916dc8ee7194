// envd, the server in E2B's machines: it starts programs and takes files. The edge before it answers 502 for a machine that
// does not run.

import { z } from "zod";
import { fromBase64 } from "../../shared/bytes";
import { type Api, retryAfterMs } from "../machines/api";
import type { RunnerEvent, RunnerLink } from "../runner-client";
import { messageOf, SandboxError } from "../sandbox";
import { messagesOf, wrap } from "./connect-stream";

/** The port of the server. */
export const ENVD_PORT = 49_983;
/** The time until an answer begins, and for a whole file. */
const ANSWER_MS = 30_000;
const WRITE_MS = 120_000;
/** How often a request that E2B's limits refuse is sent again, and the pause before, in ms, if E2B says none. */
const MAX_REFUSALS = 3;
const REFUSED_PAUSE_MS = 2_000;
const MAX_PAUSE_MS = 20_000;

const output = z.object({ stdout: z.base64().optional(), stderr: z.base64().optional() });
/** What is zero, false or empty is left out in a message. */
const end = z.object({ exitCode: z.int().default(0), exited: z.boolean().default(false) });
const startResponse = z.object({
  event: z.object({ data: output.optional(), end: end.optional() }).default({}),
});

/** How to reach the server in a machine. */
export interface EnvdFacts {
  api: Api;
  /** The address of the edge. */
  url: string;
  /** The id of the machine and the token that its server wants. */
  id: string;
  token: () => Promise<string>;
}

/** Returns the link to a machine. All that it starts and writes is root's. */
export function envdLink({ api, url, id, token }: EnvdFacts): RunnerLink {
  return {
    async start(command, env, signal) {
      const program = { cmd: "/bin/bash", args: ["-c", command], envs: env, cwd: "/" };
      // Without a limit in the header: that would be the program's, which must go on when the stream is cut.
      for (let refusals = 0; ; refusals++) {
        const response = await send("/process.Process/Start", ANSWER_MS, signal, {
          headers: { "Content-Type": "application/connect+json", "Connect-Protocol-Version": "1" },
          body: wrap({ process: program, stdin: false }),
        });
        const pauseMs = retryAfterMs(response.headers, Date.now()) ?? REFUSED_PAUSE_MS;
        const mayRetry = refusals < MAX_REFUSALS && pauseMs <= MAX_PAUSE_MS;
        if (response.status !== 429 || !mayRetry) return eventsOf(await accepted(response));
        await response.body?.cancel();
        await scheduler.wait(pauseMs, { signal });
      }
    },

    async write(path, content) {
      const query = new URLSearchParams({ path, username: "root" });
      const response = await send(`/files?${query}`, WRITE_MS, undefined, {
        headers: { "Content-Type": "application/octet-stream" },
        body: content,
      });
      await (await accepted(response)).body?.cancel();
    },
  };

  /** Sends a request and returns the answer once it begins. */
  async function send(
    path: string,
    answerMs: number,
    signal: AbortSignal | undefined,
    init: { headers: Record<string, string>; body: BodyInit },
  ): Promise<Response> {
    const hangUp = new AbortController();
    const timer = setTimeout(() => hangUp.abort(new Error("no answer in time")), answerMs);
    const headers = {
      ...init.headers,
      "E2b-Sandbox-Id": id,
      "E2b-Sandbox-Port": String(ENVD_PORT),
      "X-Access-Token": await token(),
      Authorization: `Basic ${btoa("root:")}`,
    };
    try {
      return await fetch(url + path, {
        method: "POST",
        headers,
        body: init.body,
        signal: AbortSignal.any([hangUp.signal, ...(signal ? [signal] : [])]),
      });
    } catch (error) {
      throw transient(`the machine could not be reached: ${messageOf(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Returns an answer that is a success. Rejects others as transient. */
  async function accepted(response: Response): Promise<Response> {
    if (response.ok) return response;
    throw transient((await api.errorOf(response)).message);
  }
}

/** Yields the events of a program. */
async function* eventsOf(response: Response): AsyncGenerator<RunnerEvent> {
  if (!response.body) throw transient("the machine sent no output");
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  for await (const message of messagesOf(response.body)) {
    const parsed = startResponse.safeParse(message);
    if (!parsed.success) throw transient("the machine sent an event that is not understood");
    const { data, end } = parsed.data.event;
    for (const type of ["stdout", "stderr"] as const) {
      const piece = data?.[type];
      if (piece === undefined) continue;
      yield { type, data: decoders[type].decode(fromBase64(piece), { stream: true }) };
    }
    if (end) yield { type: "complete", exitCode: end.exited ? end.exitCode : 137 };
  }
}

const transient = (message: string) => new SandboxError(message, { transient: true });
