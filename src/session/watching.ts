import { isLastEvent, isMessageEnd, type LiveEvent, sseRecord } from "../events/event";
import type { LoggedEvent } from "./event-log";
import { isEnded } from "./lifecycle";
import type { SessionStore } from "./store";
import type { Drafts, LiveDraft } from "./turns";

/** The tag of sockets that carry every event; the others carry those of the message they are tagged with. */
const EVERYTHING = "*";

/** A socket gets at most so much at once; for the rest its client comes back. */
const MAX_REPLAY_EVENTS = 500;
const MAX_REPLAY_CHARACTERS = 1 << 20;

/** The part of a Durable Object's state that holds its sockets, through its sleep too. */
export type Sockets = Pick<DurableObjectState, "acceptWebSocket" | "getWebSockets">;

/** Shows a stored event to whoever watches, and closes the sockets that have now seen everything. */
export function showEvent(sockets: Sockets, event: LoggedEvent): void {
  broadcast(sockets, event, storedFrame(event));
}

/** Shows a live event to whoever watches. */
export function showLive(sockets: Sockets, event: LiveEvent): void {
  const { type, messageId = null } = event;
  broadcast(sockets, { type, messageId }, sseRecord(event));
}

function broadcast(
  sockets: Sockets,
  { type, messageId }: { type: string; messageId: string | null },
  frame: string,
): void {
  for (const socket of sockets.getWebSockets(EVERYTHING)) send(socket, frame, isLastEvent(type));
  if (messageId === null) return;
  for (const socket of sockets.getWebSockets(messageId)) send(socket, frame, isMessageEnd(type));
}

function send(socket: WebSocket, frame: string, isLast: boolean): void {
  try {
    socket.send(frame);
    if (isLast) socket.close(1000, "ended");
  } catch {
    // A socket that is closing already: its client comes back and is caught up from the log.
  }
}

/** Opens a socket that carries a session's events after a seq, or those of one message. */
export function openSocket(
  sockets: Sockets,
  store: SessionStore,
  drafts: Drafts,
  wanted: { after: number; messageId: string | null },
): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  sockets.acceptWebSocket(server, [wanted.messageId ?? EVERYTHING]);
  const { frames, close } = joinFrames(store, wanted.messageId, wanted.after, drafts);
  for (const frame of frames) server.send(frame);
  if (close) server.close(close.code, close.reason);
  return new Response(null, { status: 101, webSocket: client });
}

const ENDED = { code: 1000, reason: "ended" };
const MORE = { code: 4000, reason: "more" };

/** What a watcher that joins is sent first, and whether its socket is closed after that. */
export function joinFrames(
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
  // A watcher that has seen the last event already.
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

/** A reply under way as one delta a block, so that whoever joins in its middle misses nothing. */
function draftEvents(turnId: string, { draft, scope }: LiveDraft): LiveEvent[] {
  return draft.content.flatMap((block, index): LiveEvent[] => {
    const text =
      block.type === "text" ? block.text : block.type === "thinking" ? block.thinking : "";
    if (text === "") return [];
    const kind = block.type === "text" ? "text" : "thinking";
    return [{ type: "assistant.delta", ...scope, turnId, block: index, kind, offset: 0, text }];
  });
}
