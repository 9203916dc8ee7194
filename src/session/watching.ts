import type { Draft } from "../agent/model";
import { isLastEvent, isMessageEnd, type LiveEvent, sseRecord } from "../events/event";
import type { LoggedEvent } from "./event-log";
import { isEnded } from "./lifecycle";
import type { SessionStore } from "./store";

/** What a watcher wants to see; it travels with its socket, through the object's sleep too. */
export interface Watch {
  messageId: string | null;
}

/** A socket gets at most so much at once; for the rest its client comes back. */
const MAX_REPLAY_EVENTS = 500;
const MAX_REPLAY_CHARACTERS = 1 << 20;

/** A stored event as a frame for watchers. */
export const storedFrame = (event: LoggedEvent): string =>
  `id: ${event.seq}\nevent: ${event.type}\ndata: ${event.json}\n\n`;

/** A live event as a frame for watchers. */
export const liveFrame = (event: LiveEvent): string => sseRecord(event);

/** Sends a frame to the watchers whom it concerns, and closes those who have now seen everything. */
export function broadcast(
  sockets: readonly WebSocket[],
  event: { messageId: string | null; type: string },
  frame: string,
): void {
  for (const socket of sockets) {
    const { messageId } = socket.deserializeAttachment() as Watch;
    if (messageId !== null && messageId !== event.messageId) continue;
    try {
      socket.send(frame);
      const last = messageId === null ? isLastEvent(event.type) : isMessageEnd(event.type);
      if (last) socket.close(1000, "ended");
    } catch {
      // A socket that is closing already: its client comes back and is caught up from the log.
    }
  }
}

/** What a watcher that joins is sent first, and whether its socket is closed after that. */
export function joinFrames(
  store: SessionStore,
  watch: Watch,
  after: number,
  drafts: ReadonlyMap<string, Draft>,
): { frames: string[]; close: { code: number; reason: string } | null } {
  const message = watch.messageId === null ? undefined : store.messages.get(watch.messageId);
  const from = Math.max(after, (message?.firstSeq ?? 1) - 1);
  const frames: string[] = [];
  let characters = 0;
  for (const event of store.log.after(from, MAX_REPLAY_EVENTS + 1, message?.id)) {
    if (frames.length === MAX_REPLAY_EVENTS || characters > MAX_REPLAY_CHARACTERS) {
      return { frames, close: { code: 4000, reason: "more" } };
    }
    const frame = storedFrame(event);
    characters += frame.length;
    frames.push(frame);
    if (message ? isMessageEnd(event.type) : isLastEvent(event.type)) {
      return { frames, close: { code: 1000, reason: "ended" } };
    }
  }
  // A watcher that has seen the last event already.
  if (message ? message.endedAt !== null : isEnded(store.state.lifecycle)) {
    return { frames, close: { code: 1000, reason: "ended" } };
  }
  // Only the running message has replies under way.
  const { running } = store.state;
  if (running !== null && (message === undefined || message.id === running)) {
    for (const [turnId, draft] of drafts) {
      for (const event of draftEvents(turnId, draft, running)) frames.push(liveFrame(event));
    }
  }
  return { frames, close: null };
}

/** A reply under way as one delta a block, so that whoever joins in its middle misses nothing. */
function draftEvents(turnId: string, draft: Draft, messageId: string): LiveEvent[] {
  return draft.content.flatMap((block, index): LiveEvent[] => {
    const text =
      block.type === "text" ? block.text : block.type === "thinking" ? block.thinking : "";
    if (text === "") return [];
    const kind = block.type === "text" ? "text" : "thinking";
    return [{ type: "assistant.delta", messageId, turnId, block: index, kind, offset: 0, text }];
  });
}
