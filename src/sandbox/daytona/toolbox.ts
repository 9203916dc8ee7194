// The link to a sandbox of Daytona, through its toolbox.
//
// A short request of the runner is one call, whose answer comes at its end. What takes longer or streams is started in a
// session, a shell of its own, whose log is followed over a WebSocket: Daytona streams nothing else, and its edge ends a
// call that is silent for a minute.

import { z } from "zod";
import { type Ask, type AskFile, type AskPieces, RUNNER_HOME } from "../../container/protocol";
import { quote } from "../../shared/quote";
import { type Api, retryAfterMs } from "../machines/api";
import type { RunnerEvent, RunnerLink } from "../runner-client";
import { SandboxError } from "../sandbox";

/** The toolbox of a sandbox: its address, the headers of each request, and how errors are read. */
interface Toolbox extends Pick<Api, "errorOf" | "asError"> {
  url: string;
  headers: Record<string, string>;
}

/** The requests of the runner that stream, or may take long. All others are one call. */
const STREAMED: readonly unknown[] = ["run", "begin", "listen", "save", "restore"];

/** The time for a short request, in seconds. The edge ends a call after 60. */
const EXECUTE_S = 55;
const EXECUTE_MS = 60_000;
const CALL_MS = 30_000;
const UPLOAD_MS = 120_000;
/** The most calls of one request that Daytona is too busy for, and the longest pause, in ms. */
const MAX_CALLS = 4;
const MAX_PAUSE_MS = 20_000;
/** A log ends a second after its command. */
const LOG_END_MS = 10_000;

/** What precedes each line of a log. */
const MARK_LENGTH = 3;
const STDERR_MARK = "\x02\x02\x02";
const STDOUT_MARK = "\x01\x01\x01";

const INBOX = `${RUNNER_HOME}/inbox`;

/**
 * Returns a script that runs a command as root, with more variables. The daemon runs as the user of the image, who may use
 * sudo, and needs a folder of the runner to write to.
 */
function scriptOf(command: string, variables: Record<string, string> = {}): string {
  return `as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n -E env "PATH=$PATH" "$@"; fi
}
[ -O ${INBOX} ] || { as_root mkdir -p ${INBOX} && as_root chown "$(id -u)" ${RUNNER_HOME} ${INBOX}; }
cd /
${Object.entries(variables)
  .map(([name, value]) => `export ${name}=${quote(value)}\n`)
  .join("")}as_root bash -c ${quote(command)}`;
}

const Executed = z.object({ exitCode: z.int() });
const Begun = z.object({ cmdId: z.string().min(1) });
const Command = z.object({ exitCode: z.int().nullish() });

/** Returns the link to a running sandbox. */
export function toolboxLink({ url, headers, errorOf, asError }: Toolbox): RunnerLink {
  return {
    start(command, env, signal) {
      const ask = askIn(env);
      return ask && STREAMED.includes(ask.do)
        ? stream(command, env, ask, signal)
        : execute(command, env, signal);
    },

    write: upload,
  };

  async function upload(path: string, body: BodyInit): Promise<void> {
    const query = `?path=${encodeURIComponent(path)}`;
    await discard(
      send(`/files/upload-v2${query}`, {
        method: "POST",
        headers: { "content-type": "application/octet-stream" },
        body,
        signal: AbortSignal.timeout(UPLOAD_MS),
      }),
    );
  }

  /** Runs a command to its end. Its events come then. */
  async function execute(
    command: string,
    envs: Record<string, string>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<RunnerEvent>> {
    const { body } = await post(
      "/process/execute",
      { command: scriptOf(command), cwd: "/", envs, timeout: EXECUTE_S },
      AbortSignal.any([signal, AbortSignal.timeout(EXECUTE_MS)]),
    );
    return executed(body ?? new Blob([]).stream());
  }

  /** Starts a command in a session of its own. Returns its events as they happen. */
  async function stream(
    command: string,
    env: Record<string, string>,
    ask: Ask,
    signal: AbortSignal,
  ): Promise<AsyncIterable<RunnerEvent>> {
    const session = `/process/session/rigger-${crypto.randomUUID()}`;
    const file = `inbox/${crypto.randomUUID()}`;
    const inFile: AskFile = { file };
    const others = Object.entries(env).filter(([name]) => !name.startsWith("RIGGER_ASK"));
    // The request may hold secrets, and Daytona shows the commands of sessions: it is in a file.
    await Promise.all([
      upload(`${RUNNER_HOME}/${file}`, JSON.stringify(ask)),
      discard(post("/process/session", { sessionId: session.slice("/process/session/".length) })),
    ]).catch((error) => {
      end(session);
      throw error;
    });
    const begun = await post(`${session}/exec`, {
      command: scriptOf(command, {
        ...Object.fromEntries(others),
        RIGGER_ASK: JSON.stringify(inFile),
      }),
      runAsync: true,
    });
    const path = `${session}/command/${(await parsed(begun, Begun)).cmdId}`;
    const socket = await follow(`${path}/logs?follow=true`);
    return eventsOf(socket, path, { session, signal, ask });
  }

  /** Opens the log of a command. */
  async function follow(path: string): Promise<WebSocket> {
    const late = new AbortController();
    // A timeout of the request would end the socket, too.
    const timer = setTimeout(() => late.abort(), CALL_MS);
    const { webSocket } = await send(path, {
      // Without the last one, the log has no marks of stdout and stderr.
      headers: { upgrade: "websocket", "x-daytona-split-output": "true" },
      signal: late.signal,
    }).finally(() => clearTimeout(timer));
    if (!webSocket) throw new SandboxError("Daytona opened no WebSocket", { transient: true });
    webSocket.binaryType = "arraybuffer";
    return webSocket;
  }

  /** Yields the events of a command whose log is followed. Its session is ended once it is of no more use. */
  function eventsOf(
    socket: WebSocket,
    command: string,
    { session, signal, ask }: { session: string; signal: AbortSignal; ask: Ask },
  ): AsyncGenerator<RunnerEvent> {
    const { promise: closed, resolve: onClose } = Promise.withResolvers<void>();
    const bytes = new TransformStream<Uint8Array, Uint8Array>();
    const writer = bytes.writable.getWriter();
    const ignore = () => {};
    let hasAnswered = false;
    let isOver = false;
    socket.addEventListener("message", ({ data }) => {
      if (!isOver) writer.write(bytesOf(data)).catch(ignore);
    });
    socket.addEventListener("close", () => {
      onClose();
      writer.close().catch(ignore);
      socket.close();
    });
    const finish = () => {
      if (isOver) return;
      isOver = true;
      writer.close().catch(ignore);
      // The log ends when the runner has ended: what it leaves in the background must not end with its session.
      if (hasAnswered) end(session, closed);
      else socket.close(1000);
      // A listener ends. Any other request goes on, and needs its session.
      if (!hasAnswered && ask.do === "listen") end(session);
    };
    signal.addEventListener("abort", finish);
    socket.accept();
    if (signal.aborted) finish();
    return (async function* () {
      for await (const line of linesOf(bytes.readable)) {
        if (isOver) return;
        hasAnswered = isLast(line);
        yield line.startsWith(STDERR_MARK)
          ? { type: "stderr", data: `${line.slice(MARK_LENGTH)}\n` }
          : { type: "stdout", data: `${textOf(line)}\n` };
        if (hasAnswered) return finish();
      }
      if (isOver) return;
      const { exitCode } = await parsed(await send(command, {}), Command);
      yield exitCode == null ? { type: "error" } : { type: "complete", exitCode };
      hasAnswered = exitCode != null;
      finish();
    })();
  }

  /** Ends a session in the background, after its last command has ended. */
  function end(session: string, after: Promise<void> = Promise.resolve()): void {
    Promise.race([after, scheduler.wait(LOG_END_MS)])
      .then(() => discard(send(session, { method: "DELETE" })))
      // One that is left is an idle shell, until the sandbox stops.
      .catch(() => {});
  }

  function post(path: string, body: object, signal?: AbortSignal): Promise<Response> {
    return send(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      ...(signal && { signal }),
    });
  }

  async function parsed<T>(response: Response, answer: z.ZodType<T>): Promise<T> {
    const said = answer.safeParse(await response.json().catch(() => undefined));
    if (said.success) return said.data;
    throw new SandboxError("Daytona's answer is not understood", { transient: true });
  }

  /** Sends a request. Waits and repeats it while Daytona is too busy. All errors are transient. */
  async function send(path: string, init: RequestInit): Promise<Response> {
    for (let calls = 1; ; calls++) {
      const response = await fetch(url + path, {
        signal: AbortSignal.timeout(CALL_MS),
        ...init,
        headers: { ...headers, ...init.headers },
      }).catch((error) => {
        throw asError(error);
      });
      if (response.ok || response.status === 101) return response;
      const pauseMs = retryAfterMs(response.headers, Date.now()) ?? Number.POSITIVE_INFINITY;
      const { message } = await errorOf(response);
      const isRepeatable = response.status === 429 && !(init.body instanceof ReadableStream);
      if (!isRepeatable || calls >= MAX_CALLS || pauseMs > MAX_PAUSE_MS)
        throw new SandboxError(message, { transient: true });
      await scheduler.wait(pauseMs);
    }
  }
}

/** Waits for an answer whose body is of no interest. */
async function discard(answer: Promise<Response>): Promise<void> {
  await (await answer).body?.cancel();
}

/** Returns the request of the runner in these variables; undefined if there is none, or if it is in a file. */
function askIn(env: Record<string, string>): Ask | undefined {
  if (env.RIGGER_ASK === undefined) return undefined;
  const ask: Ask | AskFile | AskPieces = JSON.parse(env.RIGGER_ASK);
  if ("file" in ask) return undefined;
  if (!("pieces" in ask)) return ask;
  const pieces = Array.from({ length: ask.pieces }, (_, n) => env[`RIGGER_ASK_${n + 1}`]);
  return JSON.parse(pieces.join(""));
}

/**
 * Yields the events of a command whose answer is `{"exitCode":…,"result":"…"}`. The result may be larger than what a Worker
 * can hold several times: it is taken apart as it arrives.
 */
async function* executed(body: ReadableStream<Uint8Array>): AsyncGenerator<RunnerEvent> {
  let [around, rest] = ["", ""];
  let isResult = false;
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    rest += text;
    const start = around === "" ? /"result"\s*:\s*"/.exec(rest) : null;
    if (start) {
      const end = start.index + start[0].length;
      [around, rest] = [rest.slice(0, end), rest.slice(end)];
      isResult = true;
    }
    if (!isResult) continue;
    // As many whole characters of the string as there are.
    const [whole = ""] = /^(?:[^"\\]|\\u[0-9a-f]{4}|\\[^u])*/i.exec(rest) ?? [];
    rest = rest.slice(whole.length);
    isResult = !rest.startsWith('"');
    if (whole !== "") yield { type: "stdout", data: JSON.parse(`"${whole}"`) };
  }
  const ended = Executed.safeParse(jsonOf(around + rest));
  yield ended.success ? { type: "complete", ...ended.data } : { type: "error" };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Yields the lines of a text. */
async function* linesOf(bytes: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** Returns whether a line is the last one that the runner writes. */
const isLast = (line: string): boolean => /^\{"(answer|refused|lost)"/.test(textOf(line));

const textOf = (line: string): string =>
  line.startsWith(STDOUT_MARK) ? line.slice(MARK_LENGTH) : line;

const bytesOf = (data: string | ArrayBuffer): Uint8Array =>
  typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data);
