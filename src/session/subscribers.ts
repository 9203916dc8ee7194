import { isLastEvent, isMessageEnd, type LiveEvent, sseRecord } from "../events/event";
import { isEnded } from "./rules/lifecycle";
import type { LoggedEvent } from "./storage/event-log";
import type { SessionStore } from "./storage/store";
import type { Drafts, OpenReply } from "./transactions/turns";

/** The tag of sockets that carry all events. Other sockets are tagged with a message and carry its events. */
const EVERYTHING = "*";

/** Maximum size of a replay. For the remaining events the client connects again. */
const MAX_REPLAY_EVENTS = 500;
const MAX_REPLAY_CHARACTERS = 1 << 20;

/** Maximum number of bytes that wait for the reader of a body. Further events stay in the log until it connects again. */
const MAX_WAITING_BYTES = 1 << 20;

/** The part of a Durable Object's state that keeps its sockets, also while the object hibernates. */
export type Sockets = Pick<DurableObjectState, "acceptWebSocket" | "getWebSockets">;

/** What a subscriber wants: the events after a seq, of one message or of all, by a share link or without. */
interface Wanted {
  after: number;
  messageId: string | null;
  share: string | undefined;
}

/** An event to be sent to subscribers of the session and to those of the event's message. */
interface Frame {
  messageId: string | null;
  text: string;
  /** Whether it is the last event for subscribers of the session. */
  endsSession: boolean;
  /** Whether it is the last event for subscribers of its message. */
  endsMessage: boolean;
}

/**
 * Sends a session's events to its subscribers. The first one is sent at once, and those that follow within a tick as one
 * frame, since the cost of a frame exceeds that of its content.
 */
export class Subscribers {
  readonly #sockets: Sockets;
  /** Calls that wait for a message to end, or for the session to wait for somebody, by the message's id. */
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();
  /** The response bodies that carry the events of a message. They need the object in memory, as a running message does. */
  readonly #bodies = new Set<Body>();
  #gathered: Frame[] = [];
  /** Whether events are gathered until the next tick. */
  #isGathering = false;

  constructor(sockets: Sockets) {
    this.#sockets = sockets;
  }

  /** Sends a stored event, and closes the sockets for which it is the last one. Resolves `messageEnd` calls. */
  show(event: LoggedEvent): void {
    if (this.#isWatched()) this.#gather(event, storedFrame(event));
    const { type, messageId } = event;
    if (type === "message.waiting" || type === "session.paused") this.#releaseAll();
    else if (isMessageEnd(type) && messageId !== null) {
      this.#waiting.get(messageId)?.resolve();
      this.#waiting.delete(messageId);
    }
  }

  /** Resolves when a message ends, or when the session waits for somebody. */
  messageEnd(messageId: string): Promise<void> {
    const waiting = this.#waiting.get(messageId) ?? Promise.withResolvers<void>();
    this.#waiting.set(messageId, waiting);
    return waiting.promise;
  }

  /** Sends an event that is not stored. */
  showLive(event: LiveEvent): void {
    if (!this.#isWatched()) return;
    this.#gather({ type: event.type, messageId: event.messageId ?? null }, sseRecord(event));
  }

  /**
   * Returns the response that opens a WebSocket with the session's events after seq `after`, or only those of one
   * message.
   */
  join(store: SessionStore, drafts: Drafts, wanted: Wanted): Response {
    // Otherwise the new socket would receive gathered events twice: from the log and with the next flush.
    this.#flush();
    const { 0: client, 1: server } = new WebSocketPair();
    const tags = wanted.share === undefined ? [] : [wanted.share];
    this.#sockets.acceptWebSocket(server, [wanted.messageId ?? EVERYTHING, ...tags]);
    const { frames, close } = replayFrames(store, wanted.messageId, wanted.after, drafts);
    if (frames.length > 0) server.send(frames.join(""));
    if (close) server.close(close.code, close.reason);
    return new Response(null, { status: 101, webSocket: client });
  }

  /**
   * Returns a body with a message's events after seq `after`, each as an SSE record. It ends after the event that ends the
   * message. If it breaks off, connect again.
   */
  read(
    store: SessionStore,
    drafts: Drafts,
    { after, messageId, share }: Wanted & { messageId: string },
  ): ReadableStream {
    this.#flush();
    const body = openBody(messageId, share, () => this.#bodies.delete(body));
    this.#bodies.add(body);
    const { frames, close } = replayFrames(store, messageId, after, drafts);
    if (frames.length > 0) body.send(frames.join(""));
    if (close === ENDED) body.end();
    else if (close) body.breakOff();
    else if (store.state.waiting || store.state.pausedBecause) this.#releaseAll();
    return body.readable;
  }

  /**
   * Answers the calls that wait for a message, and ends the bodies, since no message ends while the session waits for
   * somebody: they would keep the object in memory. The readers of bodies go on with sockets.
   */
  #releaseAll(): void {
    for (const { resolve } of this.#waiting.values()) resolve();
    this.#waiting.clear();
    setTimeout(() => {
      this.#flush();
      for (const body of this.#bodies) body.end();
    });
  }

  /** Breaks off what carries events by a share link. Those who connect again are refused. */
  cutOff(share: string): void {
    for (const body of this.#bodies) if (body.share === share) body.breakOff();
    for (const socket of this.#sockets.getWebSockets(share)) {
      socket.close(REVOKED.code, REVOKED.reason);
    }
  }

  #isWatched(): boolean {
    return this.#bodies.size > 0 || this.#sockets.getWebSockets().length > 0;
  }

  #gather({ type, messageId }: { type: string; messageId: string | null }, text: string): void {
    const ends = { endsSession: isLastEvent(type), endsMessage: isMessageEnd(type) };
    this.#gathered.push({ messageId, text, ...ends });
    if (this.#isGathering) return;
    this.#isGathering = true;
    // After all events of the same transaction.
    queueMicrotask(() => this.#flush());
    setTimeout(() => {
      this.#isGathering = false;
      this.#flush();
    });
  }

  #flush(): void {
    const frames = this.#gathered;
    this.#gathered = [];
    this.#send(EVERYTHING, frames, ({ endsSession }) => endsSession);
    for (const messageId of new Set(frames.map(({ messageId }) => messageId))) {
      if (messageId === null) continue;
      const ofMessage = frames.filter((frame) => frame.messageId === messageId);
      this.#send(messageId, ofMessage, ({ endsMessage }) => endsMessage);
    }
  }

  #send(tag: string, frames: readonly Frame[], isLast: (frame: Frame) => boolean): void {
    if (frames.length === 0) return;
    const text = frames.map(({ text }) => text).join("");
    for (const body of this.#bodies) {
      if (body.messageId !== tag) continue;
      body.send(text);
      if (frames.some(isLast)) body.end();
    }
    for (const socket of this.#sockets.getWebSockets(tag)) {
      try {
        socket.send(text);
        if (frames.some(isLast)) socket.close(ENDED.code, ENDED.reason);
      } catch {
        // The socket is closing already. Its client connects again and gets the events from the log.
      }
    }
  }
}

type Body = ReturnType<typeof openBody>;

/** Opens a body for a message's events. Calls `onClose` when it has ended or broken off, or its reader has left. */
function openBody(messageId: string, share: string | undefined, onClose: () => void) {
  const { readable, writable } = new IdentityTransformStream();
  const writer = writable.getWriter();
  let waiting = 0;
  const breakOff = () => {
    onClose();
    writer.abort(new Error("connect again")).catch(() => {});
  };
  return {
    messageId,
    share,
    readable,
    breakOff,
    send(text: string) {
      const bytes = encoder.encode(text);
      waiting += bytes.byteLength;
      if (waiting > MAX_WAITING_BYTES) return breakOff();
      writer.write(bytes).then(() => {
        waiting -= bytes.byteLength;
      }, onClose);
    },
    end() {
      onClose();
      writer.close().catch(() => {});
    },
  };
}

const encoder = new TextEncoder();

const ENDED = { code: 1000, reason: "ended" };
const MORE = { code: 4000, reason: "more" };
const REVOKED = { code: 4001, reason: "revoked" };

/** Returns the frames that a new subscriber gets first, and the close of its socket; null if the socket stays open. */
export function replayFrames(
  store: SessionStore,
  messageId: string | null,
  after: number,
  drafts: Drafts,
): { frames: string[]; close: { code: number; reason: string } | null } {
  const message = messageId === null ? undefined : store.messages.get(messageId);
  const from = Math.max(after, (message?.firstSeq ?? 1) - 1);
  const frames: string[] = [];
  let characters = 0;
  for (const event of store.log.after(from, MAX_REPLAY_EVENTS + 1, message?.id)) {
    if (frames.length === MAX_REPLAY_EVENTS || characters > MAX_REPLAY_CHARACTERS) {
      return { frames, close: MORE };
    }
    const frame = storedFrame(event);
    characters += frame.length;
    frames.push(frame);
    if (message ? isMessageEnd(event.type) : isLastEvent(event.type))
      return { frames, close: ENDED };
  }
  // The subscriber has the last event already.
  if (message ? message.endedAt !== null : isEnded(store.state.lifecycle)) {
    return { frames, close: ENDED };
  }
  for (const [turnId, draft] of drafts) {
    if (!draft.live || (message && draft.scope.messageId !== message.id)) continue;
    frames.push(...draftEvents(turnId, draft).map(sseRecord));
  }
  return { frames, close: null };
}

const storedFrame = (event: LoggedEvent): string =>
  `id: ${event.seq}\nevent: ${event.type}\ndata: ${event.json}\n\n`;

/** Returns an incomplete reply as one delta per block, so that a new subscriber gets the text that was sent before. */
function draftEvents(turnId: string, { draft, scope }: OpenReply): LiveEvent[] {
  return draft.content.flatMap((block, index): LiveEvent[] => {
    const text =
      block.type === "text" ? block.text : block.type === "thinking" ? block.thinking : "";
    if (text === "") return [];
    const kind = block.type === "text" ? "text" : "thinking";
    return [{ type: "assistant.delta", ...scope, turnId, block: index, kind, offset: 0, text }];
  });
}
