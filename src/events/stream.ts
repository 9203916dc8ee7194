import { backoffMs } from "../shared/backoff";

// The Worker's side of watching a session. A session's object sends each event once to whoever is
// connected; this makes of that one stream without a gap or a repeat, however often the object is lost
// and however slowly the client reads. What the events mean is not its business.

/** The part of a WebSocket that a stream uses. */
type EventSocket = Pick<WebSocket, "accept" | "addEventListener" | "close">;

/** Where a stream gets its events from, and how patient it is. */
export interface EventStreamOptions {
  /**
   * Opens a socket whose frames are whole SSE records: those after a seq, then live ones. It is not
   * accepted yet. Null says that there is nothing to watch and won't be, a rejection that another try
   * may help.
   */
  connect(after: number): Promise<EventSocket | null>;
  /** The last seq that the client has. */
  after: number;
  /** The length of a silence that a comment breaks: proxies cut a connection that seems dead. */
  keepAliveMs?: number;
  /** The wait before a reconnect. It doubles with each one in a row that brings nothing. */
  retryMs?: number;
  /** What may wait for a slow reader. Beyond it, events stay in the session's log until it is read. */
  maxWaitingBytes?: number;
}

/** Why a wait is over: no events will come, the socket broke, the reader is behind, or it has left. */
type End = "finished" | "lost" | "full" | "left";
type Controller = ReadableStreamDefaultController<Uint8Array>;

const KEEP_ALIVE = ": keep-alive\n\n";
const MAX_RETRY_MS = 5_000;
const MAX_FAILURES = 10;

/** Streams a session's events until they end or the reader leaves: each stored one once, in order. */
export function eventStream({
  connect,
  after,
  keepAliveMs = 15_000,
  retryMs = 100,
  maxWaitingBytes = 1024 * 1024,
}: EventStreamOptions): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let seq = after;
  let open = true;
  let keepAlive: number | null = null;
  let endWait: (end: End) => void = () => {};
  let onDrained = () => {};

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        breakSilenceLater(controller);
        // Not returned: nothing can be read from a stream while it starts.
        void follow(controller).finally(() => {
          clearTimeout(keepAlive);
          if (open) controller.close();
        });
      },
      pull(controller) {
        if (isDrained(controller)) onDrained();
      },
      cancel() {
        open = false;
        clearTimeout(keepAlive);
        endWait("left");
      },
    },
    { highWaterMark: maxWaitingBytes, size: (chunk) => chunk.byteLength },
  );

  async function follow(controller: Controller): Promise<void> {
    for (let failures = 0; open && failures < MAX_FAILURES; ) {
      const [from, since] = [seq, Date.now()];
      const socket = await connect(seq).catch(() => undefined);
      if (socket === null) return;
      const end = socket ? await relay(socket, controller) : "lost";
      if (end === "finished") return;
      if (end === "full") await drain(controller);
      if (end !== "lost") continue;
      // An object that falls over whenever it is watched must not be asked without a pause.
      failures = seq > from || Date.now() - since >= keepAliveMs ? 0 : failures + 1;
      if (failures > 0) await pause(backoffMs(failures, retryMs, MAX_RETRY_MS));
    }
  }

  /** Passes a socket's frames on until no more are to be had, or wanted. */
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

  /** Waits until `done` is called, or the reader leaves; there is one wait at a time. */
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
      // A reader that has not read what waits for it needs no more of it.
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

/** Returns the seq of the last stored event in a frame. JSON holds no line break, so none is mistaken. */
function lastSeqOf(frame: string): number | undefined {
  const last = [...frame.matchAll(/(?:^|\n)id: (\d+)\n/g)].at(-1)?.[1];
  return last === undefined ? undefined : Number(last);
}
