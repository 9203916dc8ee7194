import { createParser } from "eventsource-parser";
import type { AssistantDeltaEvent, Event, Session, StreamedEvent } from "./api.ts";

// Streams of events: what is read from one connection, and what is new in it.

/** The server sends something every 15 s at least. A connection that is silent for longer is lost. */
const SILENCE_MS = 45_000;

/** Yields the events of a response until it ends. Throws if the connection breaks or is silent for too long. */
export async function* eventsOf(
  { body }: Response,
  silenceMs = SILENCE_MS,
): AsyncGenerator<StreamedEvent> {
  if (!body) return;
  const found: StreamedEvent[] = [];
  const parser = createParser({ onEvent: ({ data }) => found.push(JSON.parse(data)) });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await within(silenceMs, reader.read());
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* found.splice(0);
    }
  } finally {
    // The reader may have left, or the connection may be broken already.
    reader.cancel().catch(() => {});
  }
}

/** Waits for a promise, for so many milliseconds at most. */
function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("The connection is silent.")), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** An event that ends its message. */
export type MessageEndEvent = Extract<
  StreamedEvent,
  { type: "message.completed" | "message.failed" | "message.interrupted" | "message.joined" }
>;

/** Returns whether an event ends its message. */
export const endsMessage = (event: StreamedEvent): event is MessageEndEvent =>
  /^message\.(completed|failed|interrupted|joined)$/.test(event.type);

/** Returns whether an event ends its session. */
export const endsSession = ({ type }: StreamedEvent): boolean =>
  /^session\.(completed|terminated|failed)$/.test(type);

/** Returns whether a session has ended. */
export const hasEnded = ({ status }: Pick<Session, "status">): boolean =>
  status === "completed" || status === "error" || status === "terminated";

/**
 * Makes one stream of the events of several connections, each of which goes on after the last stored event of the one
 * before. The deltas of a block join to its text, without gaps and repeats: a connection begins with what the block had
 * before, and what was lost with a connection is made up for when the block is complete.
 */
export class Continuation {
  /** The seq of the last stored event. */
  last: number;
  readonly #seen = new Map<string, number>();

  constructor(after = 0) {
    this.last = after;
  }

  /** Returns what is new in an event: none, one or two events. */
  next(event: StreamedEvent): StreamedEvent[] {
    if (event.type === "assistant.delta") return this.#delta(event);
    if (!("seq" in event)) return [event];
    if (event.seq <= this.last) return [];
    this.last = event.seq;
    return [...this.#rest(event), event];
  }

  #delta(delta: AssistantDeltaEvent): StreamedEvent[] {
    const key = keyOf(delta, delta.kind);
    const seen = this.#seen.get(key) ?? 0;
    const end = delta.offset + delta.text.length;
    if (end <= seen) return [];
    this.#seen.set(key, end);
    const known = Math.max(0, seen - delta.offset);
    return [{ ...delta, offset: delta.offset + known, text: delta.text.slice(known) }];
  }

  /** Returns the piece of a complete block that no delta has brought. */
  #rest(event: Event): StreamedEvent[] {
    if (event.type === "turn.retried") {
      for (const key of this.#seen.keys()) {
        if (key.startsWith(`${event.turnId}/`)) this.#seen.delete(key);
      }
    }
    if (event.type !== "assistant.text" && event.type !== "assistant.thinking") return [];
    const kind = event.type === "assistant.text" ? "text" : "thinking";
    const { turnId, block, text, messageId, agent } = event;
    const key = keyOf(event, kind);
    const seen = this.#seen.get(key) ?? 0;
    this.#seen.delete(key);
    if (seen >= text.length) return [];
    const of = {
      ...(messageId !== undefined && { messageId }),
      ...(agent !== undefined && { agent }),
    };
    const rest = { turnId, block, kind, offset: seen, text: text.slice(seen) } as const;
    return [{ type: "assistant.delta", ...of, ...rest }];
  }
}

const keyOf = ({ turnId, block }: { turnId: string; block: number }, kind: string): string =>
  `${turnId}/${block}/${kind}`;
