import { backoffMs } from "../shared/backoff";
import { isMessageEnd } from "./event";

// The Worker's side of a stream of a session's events. The session's object sends each event once to its
// connected subscribers. This file turns that into one stream without gaps or duplicates, even if the object is
// lost or the client reads slowly. Of the events, it knows only those that end a message.

/** The part of a WebSocket that a stream uses. */
type EventSocket = Pick<WebSocket, "accept" | "addEventListener" | "close">;

/** The source of a stream's events, and its timing. */
export interface EventStreamOptions {
  /**
   * Opens a socket whose frames are complete SSE records: those after a seq, then live ones. The socket is not
   * accepted yet. Returns null if there is nothing to stream; rejects if another attempt may succeed.
   */
  connect(after: number): Promise<EventSocket | null>;
  /** The last seq that the client has received. */
  after: number;
  /** A body of SSE records to begin with, which ends after an event that ends its message. Sockets follow if it breaks off. */
  first?: ReadableStream<Uint8Array> | undefined;
  /** When the stream ends, whatever is still to come; in ms since 1970. Null for never. */
  until?: number | null;
  /**
   * Time without an event after which a comment is sent, because proxies close idle connections. In ms; 15,000
   * by default.
   */
  keepAliveMs?: number;
  /** Delay before a reconnect, in ms; 100 by default. It doubles after each reconnect in a row without an event. */
  retryMs?: number;
  /**
   * Maximum number of bytes that wait for a slow reader; 1 MiB by default. Further events stay in the session's
   * log until these are read.
   */
  maxWaitingBytes?: number;
}

/**
 * The reason why a wait ended: no events follow, the socket broke, the reader is behind, or the reader
 * disconnected.
 */
type End = "finished" | "lost" | "full" | "left";
type Controller = ReadableStreamDefaultController<Uint8Array>;

const KEEP_ALIVE = ": keep-alive\n\n";
const MAX_RETRY_MS = 5_000;
const MAX_FAILURES = 10;

/** Streams a session's events until the last one or until the reader disconnects: each stored event once, in order. */
export function eventStream({
  connect,
  after,
  first,
  until = null,
  keepAliveMs = 15_000,
  retryMs = 100,
  maxWaitingBytes = 1024 * 1024,
}: EventStreamOptions): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let seq = after;
  let open = true;
  let isOver = false;
  let keepAlive: number | null = null;
  let ending: number | null = null;
  let endWait: (end: End) => void = () => {};
  let onDrained = () => {};
  let onLeft = () => {};

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        breakSilenceLater(controller);
        if (until !== null) ending = setTimeout(end, msUntil(until));
        // Not returned, because a stream cannot be read while it starts.
        void follow(controller).finally(() => {
          clearTimeout(keepAlive);
          clearTimeout(ending);
          if (open || isOver) controller.close();
        });
      },
      pull(controller) {
        if (isDrained(controller)) onDrained();
      },
      cancel() {
        clearTimeout(ending);
        leave();
      },
    },
    { highWaterMark: maxWaitingBytes, size: (chunk) => chunk.byteLength },
  );

  function leave(): void {
    open = false;
    clearTimeout(keepAlive);
    endWait("left");
    onLeft();
  }

  function end(): void {
    isOver = true;
    leave();
  }

  async function follow(controller: Controller): Promise<void> {
    if (first && (await relayBody(first, controller)) === "finished") return;
    for (let failures = 0; open && failures < MAX_FAILURES; ) {
      const [from, since] = [seq, Date.now()];
      const socket = await connect(seq).catch(() => undefined);
      if (socket === null) return;
      const end = socket ? await relay(socket, controller) : "lost";
      if (end === "finished") return;
      if (end === "full") await drain(controller);
      if (end !== "lost") continue;
      // Delays the reconnect if the object fails whenever it is watched.
      failures = seq > from || Date.now() - since >= keepAliveMs ? 0 : failures + 1;
      if (failures > 0) await pause(backoffMs(failures, retryMs, MAX_RETRY_MS));
    }
  }

  /** Forwards a body's records until it ends, or the reader disconnects. Reads no faster than the reader. */
  async function relayBody(body: ReadableStream<Uint8Array>, controller: Controller): Promise<End> {
    const decoder = new TextDecoder();
    const reader = body.getReader();
    onLeft = () => reader.cancel().catch(() => {});
    let partial = "";
    let last = "";
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return isMessageEnd(lastTypeOf(last)) ? "finished" : "lost";
        const text = partial + decoder.decode(value, { stream: true });
        const end = text.lastIndexOf("\n\n") + 2;
        partial = text.slice(end < 2 ? 0 : end);
        if (end < 2) continue;
        last = text.slice(0, end);
        pass(last, controller);
        if (isBehind(controller)) await drain(controller);
      }
    } catch {
      return "lost";
    }
  }

  /** Forwards a socket's frames until the socket ends, or the reader is behind or disconnects. */
  async function relay(socket: EventSocket, controller: Controller): Promise<End> {
    let listening = true;
    const end = await wait((done) => {
      socket.addEventListener("message", ({ data }) => {
        if (!listening || typeof data !== "string") return;
        pass(data, controller);
        if (!isBehind(controller)) return;
        listening = false;
        done("full");
      });
      socket.addEventListener("close", ({ code }) => done(code === 1000 ? "finished" : "lost"));
      socket.addEventListener("error", () => done("lost"));
      socket.accept();
    });
    listening = false;
    socket.close(1000);
    return end;
  }

  function pass(frame: string, controller: Controller): void {
    const last = lastSeqOf(frame);
    if (!open || (last !== undefined && last <= seq)) return;
    seq = last ?? seq;
    controller.enqueue(encoder.encode(frame));
    breakSilenceLater(controller);
  }

  async function drain(controller: Controller): Promise<void> {
    if (isDrained(controller)) return;
    await wait((done) => {
      onDrained = () => done("full");
    });
  }

  async function pause(ms: number): Promise<void> {
    let timer: number | null = null;
    await wait((done) => {
      timer = setTimeout(() => done("lost"), ms);
    });
    clearTimeout(timer);
  }

  /** Waits until `done` is called or the reader disconnects. There is one wait at a time. */
  function wait(begin: (done: (end: End) => void) => void): Promise<End> {
    const { promise, resolve } = Promise.withResolvers<End>();
    endWait = resolve;
    if (!open) resolve("left");
    begin(resolve);
    return promise;
  }

  function breakSilenceLater(controller: Controller): void {
    clearTimeout(keepAlive);
    keepAlive = setTimeout(() => {
      breakSilenceLater(controller);
      // A reader with unread data needs no comment.
      if (!isDrained(controller)) return;
      onDrained();
      controller.enqueue(encoder.encode(KEEP_ALIVE));
    }, keepAliveMs);
  }

  function isDrained({ desiredSize }: Controller): boolean {
    return desiredSize === maxWaitingBytes;
  }

  function isBehind({ desiredSize }: Controller): boolean {
    return desiredSize !== null && desiredSize <= 0;
  }
}

/** Returns the delay of a timer for an instant. A timer can't wait longer than this maximum, which is 24 days. */
const msUntil = (at: number): number => Math.min(Math.max(0, at - Date.now()), 2 ** 31 - 1);

/** Returns the type of the last event in a frame; empty if it has none. */
const lastTypeOf = (frame: string): string =>
  [...frame.matchAll(/(?:^|\n)event: (.+)\n/g)].at(-1)?.[1] ?? "";

/**
 * Returns the seq of the last stored event in a frame. JSON contains no line breaks, so the pattern matches
 * only ids.
 */
function lastSeqOf(frame: string): number | undefined {
  const last = [...frame.matchAll(/(?:^|\n)id: (\d+)\n/g)].at(-1)?.[1];
  return last === undefined ? undefined : Number(last);
}
